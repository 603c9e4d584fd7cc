"""Sentry: percentiles of each span by itself, errors counted whole, issues with their events."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from pdmlib.errors import SourceError
from pdmlib.frames.collection import Collection
from pdmlib.sources import sentry
from pdmlib.sources.needs import need_of
from tests.builders import at
from tests.sources.loopback import Answer, Call, Reply, Vendor, routed, the_scope, the_site, vendor

ORG = "/api/0/organizations/shop"
EVENTS, SERIES, ISSUES = f"{ORG}/events/", f"{ORG}/events-timeseries/", f"{ORG}/issues/"
SPAN = {
    "count()": 1000,
    "p50(span.duration)": 184.2,
    "p95(span.duration)": 812.6,
    "p99(span.duration)": None,
    "avg(span.duration)": 241.9,
    "http_response_rate(5)": 0.061,
    "http_response_rate(4)": 0.12,
    "count_unique(span.status_code)": 7,
}
HOUR = timedelta(hours=1)
NO_SPANS = dict.fromkeys(SPAN, 0)  # the server makes 0 of what is no number


def events(call: Call) -> Reply:
    fields = call.query["field"]
    if call.one("dataset") == "spans":
        return Reply({"data": [SPAN | {"transaction": "GET /jobs"}]})
    if "release" in fields:
        rows = [
            {"issue": "SHOP-1", "release": "shop@1", "count()": 9},
            {"issue": "SHOP-1", "release": "shop@2", "count()": 1},
            {"issue": "SHOP-1", "release": "unheard-of", "count()": 1},
        ]
        return Reply({"data": rows})
    if "issue" in fields:
        return Reply({"data": [{"issue": "SHOP-1", "count()": 21, "count_unique(user)": 4}]})
    return Reply({"data": [{"count()": 47, "count_unique(user)": 19, "count_unique(issue)": 6}]})


def series(call: Call) -> Reply:
    """Hours from the start to the end that is asked for, the last one still filling."""
    start, end = (datetime.fromisoformat(call.one(name)).replace(tzinfo=UTC) for name in ("start", "end"))
    hours = [start + n * timedelta(hours=1) for n in range(int((end - start) / timedelta(hours=1)))]
    sampled = {"sampleCount": 12, "sampleRate": 0.1, "confidence": "low"}
    lines = [
        {
            "yAxis": axis,
            "meta": {"interval": 3_600_000},
            "values": [
                {
                    "timestamp": h.timestamp() * 1000,
                    "value": 0.05 if "rate" in axis else 120.0,
                    "incomplete": h == hours[-1],
                    **sampled,
                }
                for h in hours
            ],
        }
        for axis in call.query["yAxis"]
    ]
    return Reply({"timeSeries": lines})


def issue(name: str, **more: Any) -> dict[str, Any]:
    entry = {"shortId": name, "title": "TypeError: x", "level": "error", "status": "unresolved", "count": "63"}
    times = {"firstSeen": "2025-03-03T17:00:00Z", "lastSeen": "2025-03-04T14:00:00Z"}
    return {**entry, **times, "userCount": 11, "isUnhandled": True, "assignedTo": {"name": "Dana"}, **more}


def issues(call: Call) -> Reply:
    found = {
        "": [issue("SHOP-1"), issue("SHOP-2", level="info"), issue("SHOP-4"), issue("SHOP-3", status="resolved")],
        "firstSeen:>=2025-03-03T15:00:00": [issue("SHOP-1")],
    }
    return Reply(found[call.one("query")])


def release(version: str, made: str, **more: Any) -> dict[str, Any]:
    projects = [{"id": 7, "slug": "web", "name": "web"}]
    return {"version": version, "dateCreated": made, "lastDeploy": None, "projects": projects, **more}


def deploy(environment: str, finished: str) -> dict[str, Any]:
    return {"environment": environment, "dateFinished": finished}


RELEASES = [
    release("shop@2", "2025-03-03T14:54:00Z", lastDeploy=deploy("production", "2025-03-03T15:00:00Z")),
    release("shop@1", "2025-02-19T15:00:00Z", lastDeploy=deploy("staging", "2025-03-04T15:00:00Z")),
]


def group(outcome: str, amount: int) -> dict[str, Any]:
    return {"by": {"outcome": outcome}, "totals": {"sum(quantity)": amount}}


def routes(**other: Any) -> dict[str, Any]:
    return {
        EVENTS: events,
        SERIES: series,
        ISSUES: issues,
        f"{ORG}/releases/": RELEASES,
        f"{ORG}/stats_v2/": {"groups": [group("accepted", 61), group("rate_limited", 3), group("filtered", 5)]},
        **other,
    }


def collected(answer: Answer, phase: str = "day1", **block: Any) -> tuple[Collection, Vendor]:
    with vendor(answer) as server:
        names = {"organization": "shop", "project": "web", "trace_sample_rate": 0.05}
        site = the_site("sentry", base_url=server.url, **{**names, **block})
        return Collection(sentry.collect(site, the_scope(phase))), server


def test_each_span_has_percentiles_of_its_own() -> None:
    found, _ = collected(routed(routes()))
    whole = found["latencies"][found["latencies"]["route"].isna()]
    for span in the_scope().spans:
        row = whole[(whole["start"] == span.start) & (whole["end"] == span.end)].iloc[0]
        assert (row["p50_ms"], row["p95_ms"], row["requests"]) == (184.2, 812.6, 1000)
        assert (row["failures"], row["refused"]) == (pytest.approx(61), pytest.approx(120))
        assert pd.isna(row["p99_ms"])


def test_the_vendors_own_sample_rate_comes_before_the_declared_one() -> None:
    """12 spans stored of 120 extrapolated in each hour are 0.1, so 100 of 1000 were looked at."""
    found, _ = collected(routed(routes()))
    scope, table = the_scope(), found["latencies"]
    row = table[(table["start"] == scope.window.start) & (table["end"] == scope.window.end)].iloc[0]
    assert (row["sample_rate"], row["samples"]) == (pytest.approx(0.1), 100)


def test_the_declared_rate_counts_where_the_vendor_tells_none_and_neither_is_invented() -> None:
    without = Reply({"timeSeries": []})
    declared = collected(routed(routes(**{SERIES: without})))[0]["latencies"]
    assert set(declared["samples"]) == {50}
    undeclared = collected(routed(routes(**{SERIES: without})), trace_sample_rate=None)[0]["latencies"]
    assert undeclared["sample_rate"].isna().all()
    assert undeclared["samples"].isna().all()


def test_hours_cover_the_baseline_and_the_last_one_is_the_present_asked_for_by_itself() -> None:
    table = collected(routed(routes()), "week1")[0]["latencies"]
    hours = table[(table["end"] - table["start"] == pd.Timedelta("1h")) & table["p99_ms"].notna()]
    hours = hours.sort_values("start")
    assert hours["start"].iloc[0] == at("2025-02-03T15:00")
    assert hours["complete"].iloc[-1]
    assert hours["samples"].iloc[0] == 12


def test_times_are_sent_in_utc_without_a_zone() -> None:
    _, server = collected(routed(routes()))
    starts = {call.one("start") for call in server.asked(EVENTS)}
    assert "2025-03-03T15:00:00" in starts
    assert not any(s.endswith("Z") or "+" in s for s in starts)


def test_spans_and_errors_are_filtered_as_the_site_says() -> None:
    _, server = collected(routed(routes()))
    asked = {(call.one("dataset"), call.one("query"), call.one("environment")) for call in server.asked(EVENTS)}
    assert asked == {
        ("spans", "is_transaction:true span.op:http.server", "production"),
        ("errors", "level:[error,fatal]", "production"),
    }


def test_errors_of_a_span_are_told_with_users_and_issues() -> None:
    table = collected(routed(routes()))[0]["error_counts"]
    window = the_scope().window
    row = table[(table["start"] == window.start) & (table["end"] == window.end)].iloc[0]
    assert (row["errors"], row["users"], row["issues"]) == (47, 19, 6)


def test_an_issues_events_are_those_of_the_window_and_not_its_lifetime_count() -> None:
    table = collected(routed(routes()))[0]["issues"].set_index("issue").sort_index()
    assert table.index.tolist() == ["SHOP-1", "SHOP-2", "SHOP-3", "SHOP-4"]
    assert table.loc["SHOP-1", ["events", "events_latest", "events_before", "users"]].tolist() == [21, 21, 21, 4]
    assert table.loc["SHOP-4", "events"] == 0
    assert table.loc["SHOP-3", "status"] == "resolved"
    assert table.loc["SHOP-1", "assigned_to"] == "Dana"


def test_events_of_a_level_that_is_not_counted_are_unknown_and_not_zero() -> None:
    table = collected(routed(routes()))[0]["issues"].set_index("issue")
    assert pd.isna(table.loc["SHOP-2", "events"])


def test_the_last_release_of_an_issue_is_the_newest_and_not_the_most_frequent() -> None:
    table = collected(routed(routes()))[0]["issues"].set_index("issue")
    assert table.loc["SHOP-1", "last_release"] == "shop@2"
    assert pd.isna(table.loc["SHOP-4", "last_release"])


def test_a_release_goes_live_with_its_deployment_to_the_environment() -> None:
    table = collected(routed(routes()))[0]["deployments"].set_index("deployment")
    assert table.loc["shop@2", "ready_at"] == at("2025-03-03T15:00")
    assert table.loc["shop@1", "ready_at"] == at("2025-02-19T15:00")


def test_dropped_errors_are_a_quota_that_is_not_in_order() -> None:
    states = collected(routed(routes()))[0]["vendor_states"].set_index("item")
    assert states.loc["accepted", "ok"]
    assert not states.loc["rate_limited", "ok"]
    assert pd.isna(states.loc["filtered", "ok"])


@pytest.mark.parametrize("number", [99, 100])
def test_a_full_page_without_a_link_does_not_tell_whether_it_goes_on(number: int) -> None:
    """By Sentry's documentation a list in pages always has links; without one a shorter page is all there is."""
    page = Reply([issue(f"SHOP-{n}") for n in range(number)])
    found, _ = collected(routed(routes(**{ISSUES: page})))
    reason = "a full page of issues has no Link that tells whether it goes on"
    assert found.gap("sentry", "issues") == (("error", reason) if number == 100 else None)


def test_issues_are_read_page_by_page_until_the_vendor_says_there_are_no_more() -> None:
    """A cursor stands in the last link too; its `results` is what counts."""

    def paged(call: Call) -> Reply:
        if call.one("query") != "":
            return Reply([])
        n = int(call.one("cursor", "0:0:0").split(":")[1])
        more = "true" if n < 2 else "false"
        link = f'<https://evil.example/issues/?cursor=x>; rel="next"; results="{more}"; cursor="0:{n + 1}:0"'
        return Reply([issue(f"SHOP-{n}")], headers={"Link": link})

    found, server = collected(routed(routes(**{ISSUES: paged})))
    assert sorted(found["issues"]["issue"]) == ["SHOP-0", "SHOP-1", "SHOP-2"]
    cursors = [c.one("cursor") for c in server.asked(ISSUES) if c.one("query") == ""]
    assert cursors == ["", "0:1:0", "0:2:0"]


def test_more_issues_than_are_read_are_told_beside_those_that_were() -> None:
    link = '<https://x.example/?cursor=x>; rel="next"; results="true"; cursor="0:1:0"'
    page = [issue(f"SHOP-{n}") for n in range(sentry.PAGE)]
    found, _ = collected(routed(routes(**{ISSUES: Reply(page, headers={"Link": link})})))
    gap = found.gap("sentry", "issues:rest")
    assert gap is not None
    assert gap[1] == "only the 1000 most frequent issues were read"
    assert found.gap("sentry", "issues") is None


def test_a_month_that_the_plan_no_longer_holds_leaves_the_week() -> None:
    def recent(call: Call) -> Reply:
        old = call.one("start") < "2025-02-20"
        return Reply({"detail": "Query window exceeds your plan"}, 400) if old else series(call)

    found, _ = collected(routed(routes(**{SERIES: recent})))
    assert found.gap("sentry", "latencies:baseline") == ("error", "400: Query window exceeds your plan")
    assert found.gap("sentry", "latencies") is None


def test_hours_before_the_first_that_the_plan_still_holds_are_no_hours_without_requests() -> None:
    """Of a range that begins too early the server answers zeros up to where its data begin, and no refusal."""

    def kept(call: Call) -> Reply:
        reply = series(call)
        for line in reply.body["timeSeries"]:
            for one in line["values"]:
                if one["timestamp"] < at("2025-02-25T00:00").timestamp() * 1000:
                    one |= {"value": 0, "sampleCount": 0, "sampleRate": None}
                if one["timestamp"] == at("2025-03-01T03:00").timestamp() * 1000:
                    one |= {"value": 0, "sampleCount": 0, "sampleRate": None}
        return reply

    hours = collected(routed(routes(**{SERIES: kept})))[0]["latencies"]
    hours = hours[hours["samples"].notna() & hours["route"].isna() & (hours["end"] - hours["start"] == HOUR)]
    assert hours["start"].min() == at("2025-02-25T00:00")
    assert hours.set_index("start").loc[at("2025-03-01T03:00"), "requests"] == 0


def test_no_rows_are_no_data_and_not_a_zero() -> None:
    found, _ = collected(routed(routes(**{EVENTS: {"data": []}, SERIES: {"timeSeries": []}})))
    assert found["latencies"].empty
    assert found["error_counts"].empty


def test_a_wrong_token_is_a_source_that_could_not_be_read() -> None:
    with pytest.raises(SourceError) as caught:
        collected(lambda call: Reply({"detail": "Invalid token"}, 401))
    assert caught.value.reason == "401: Invalid token"


def not_understood(found: Collection) -> dict[str, tuple[str, str]]:
    table = found["not_understood"]
    return {row["item"]: (row["what"], row["example"]) for row in table.to_dict("records")}


def whole_window(found: Collection) -> pd.Series:
    table, window = found["latencies"], the_scope().window
    return table[(table["start"] == window.start) & (table["end"] == window.end) & table["route"].isna()].iloc[0]


def spans_say(**cells: Any) -> dict[str, Any]:
    def answer(call: Call) -> Reply:
        return Reply({"data": [SPAN | cells], "meta": {}}) if call.one("dataset") == "spans" else events(call)

    return routes(**{EVENTS: answer})


def test_a_key_that_may_not_read_releases_loses_no_issue() -> None:
    """Sentry: releases need `project:read` or `project:releases`, issues `event:read`."""
    refused = Reply({"detail": "You do not have permission to perform this action."}, 403)
    found, _ = collected(routed(routes(**{f"{ORG}/releases/": refused})))
    assert len(found["issues"]) == 4 and found.gap("sentry", "issues") is None
    gap = found.gap("sentry", "releases")
    assert gap is not None
    need = need_of("sentry", "releases", gap[1])
    assert need is not None and "project:read" in need.need


def test_refused_requests_are_no_failures() -> None:
    """120 of 1,000 were 404 and 401, none 5xx: `failure_count()`, which would say 120, is not asked for."""
    found, server = collected(routed(spans_say(**{"http_response_rate(5)": 0})))
    row = whole_window(found)
    assert (row["failures"], row["refused"]) == (0, pytest.approx(120))
    assert not any("failure" in field for call in server.calls for field in call.query.get("field", []))


def test_spans_without_an_http_status_tell_no_failures_in_any_interval() -> None:
    """The share of 5xx among spans with a status is 0 where no span has one."""
    none = {"http_response_rate(5)": 0, "http_response_rate(4)": 0, "count_unique(span.status_code)": 0}
    table = collected(routed(spans_say(**none)))[0]["latencies"]
    assert table["failures"].isna().all()
    assert table["requests"].notna().all()


def test_an_interval_without_spans_has_no_response_time() -> None:
    """The server's source: what is not a number is written as 0."""
    row = whole_window(collected(routed(spans_say(**NO_SPANS)))[0])
    assert row[["p50_ms", "p95_ms", "p99_ms", "avg_ms"]].isna().all()
    assert (row["requests"], row["failures"]) == (0, 0)


def test_an_hour_without_samples_has_no_response_time() -> None:
    """A bucket without samples is value 0, sampleCount 0, sampleRate null."""

    def empty(call: Call) -> Reply:
        body = series(call).body
        for line in body["timeSeries"]:
            line["values"][0] |= {"value": 0, "sampleCount": 0, "sampleRate": None, "confidence": None}
        return Reply(body)

    found = collected(routed(routes(**{SERIES: empty})))[0]
    hours = found["latencies"][found["latencies"]["samples"] == 0]
    assert len(hours) >= 1
    assert hours[["p50_ms", "p95_ms", "p99_ms", "avg_ms"]].isna().all(axis=None)
    assert set(hours["requests"]) == {0}
    assert not_understood(found) == {}


@pytest.mark.parametrize(
    ("change", "item", "what"),
    [
        ({"level": "catastrophic"}, "issues.level", "unknown word"),
        ({"level": "unknown"}, "issues.level", "unknown word"),
        ({"level": None}, "issues.level", "missing"),
        ({"status": "snoozed"}, "issues.status", "unknown word"),
        ({"status": None}, "issues.status", "missing"),
        ({"priority": "urgent"}, "issues.priority", "unknown word"),
        ({"firstSeen": None}, "issues.firstSeen", "missing"),
        ({"lastSeen": "9999-13-01"}, "issues.lastSeen", "not a time"),
        ({"userCount": -4}, "issues.userCount", "out of range"),
        ({"isUnhandled": "yes"}, "issues.isUnhandled", "neither true nor false"),
    ],
)
def test_a_word_or_value_of_an_issue_that_is_not_known_is_told(change: Any, item: str, what: str) -> None:
    found = collected(routed(routes(**{ISSUES: [issue("SHOP-1", **change)]})))[0]
    assert not_understood(found)[item][0] == what
    assert len(found["issues"]) == 1


def test_words_are_the_same_in_any_case() -> None:
    found = collected(routed(routes(**{ISSUES: [issue("SHOP-1", level=" Fatal ", status="UNRESOLVED")]})))[0]
    assert found["issues"][["level", "status"]].to_numpy().tolist() == [["fatal", "unresolved"]]
    assert not_understood(found) == {}


def test_half_an_answer_is_not_understood_and_no_zero() -> None:
    def half(call: Call) -> Reply:
        return Reply({"data": [{"transaction": "GET /jobs", "issue": "SHOP-1"}]})

    found = collected(routed(routes(**{EVENTS: half})))[0]
    assert whole_window(found)[["requests", "failures", "p95_ms"]].isna().all()
    assert found["error_counts"].loc[found["error_counts"]["users"].isna(), "errors"].isna().any()
    assert found["issues"].set_index("issue").loc["SHOP-1", ["events", "events_before"]].isna().all()
    assert not_understood(found)["spans.count()"] == ("missing", "null")
    assert not_understood(found)["errors.count()"] == ("missing", "null")


def test_figures_of_a_part_of_the_data_are_said_to_be_so() -> None:
    def some(call: Call) -> Reply:
        return Reply({**events(call).body, "meta": {"dataScanned": "partial"}})

    found = collected(routed(routes(**{EVENTS: some})))[0]
    assert whole_window(found)["confidence"] == "low"
    assert found.gap("sentry", "issues") is not None
    assert not_understood(found)["errors.dataScanned"][1] == "partial"


def test_the_quota_is_asked_for_by_the_projects_number() -> None:
    """Of all calls, `stats_v2` alone takes no name of a project."""
    _, server = collected(routed(routes()))
    (call,) = server.asked(f"{ORG}/stats_v2/")
    assert call.query["project"] == ["7"]


def test_an_outcome_of_the_next_version_is_told_and_neither_dropped_nor_accepted() -> None:
    found = collected(routed(routes(**{f"{ORG}/stats_v2/": {"groups": [group("quarantined", 9)]}})))[0]
    assert found["vendor_states"].empty
    assert not_understood(found)["stats_v2.by.outcome"] == ("unknown word", "quarantined")
