"""Vercel: what each product gives, and what is still read when one is not paid for."""

import json
from datetime import timedelta
from functools import cache
from itertools import pairwise
from typing import Any

import pandas as pd
import pytest

from pdmlib.analysis import performance
from pdmlib.errors import SourceError
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection
from pdmlib.frames.readings import State
from pdmlib.phases.window import parse_time
from pdmlib.sources import threads
from pdmlib.sources.vercel import metrics, moves, source
from tests.builders import DEPLOYED, a_site, at
from tests.sources.loopback import Answer, Call, Reply, Vendor, routed, the_scope, the_site, vendor

NO_PLUS = Reply({"error": {"code": "payment_required", "message": "Observability Plus is required."}}, 402)
ALLOWED_MINUTES = ((1, 1), (12, 5), (72, 60), (720, 240))


def ms(text: str) -> int:
    return round(at(text).timestamp() * 1000)


def deployment(uid: str, created: str, ready: str | None, **more: Any) -> dict[str, Any]:
    entry = {"uid": uid, "createdAt": ms(created), "readyState": "READY", "target": "production", **more}
    return {**entry, **({"ready": ms(ready)} if ready else {}), "creator": {"email": "dev@example.com"}}


DEPLOYMENTS = [
    deployment("dpl_bad", "2025-03-03T20:00", None, readyState="ERROR", errorCode="E1", errorMessage="exit 1"),
    deployment("dpl_now", "2025-03-03T14:54", "2025-03-03T15:00", meta={"githubCommitSha": "4f2c1d9"}),
    deployment("dpl_old", "2025-02-19T14:54", "2025-02-19T15:00", isRollbackCandidate=True),
]
SIZE = "+ First Load JS shared by all   187 kB"
EVENTS = [
    {"type": "stdout", "payload": {"text": SIZE, "date": ms("2025-03-03T14:58")}},
    {"type": "stderr", "payload": {"text": "warn - Compiled with warnings", "date": ms("2025-03-03T14:57")}},
    {"type": "stderr", "payload": {"text": "Error: boom", "date": ms("2025-03-03T14:56")}},
    {"type": "stdout", "text": "all is lost", "level": "fatal", "date": ms("2025-03-03T14:55")},
    {"type": "deployment-state", "payload": {"date": ms("2025-03-03T15:00")}},
]
CHARGE = {
    "ChargePeriodStart": "2025-03-03T00:00:00Z",
    "ChargePeriodEnd": "2025-03-04T00:00:00Z",
    "BillingCurrency": "USD",
    "ServiceName": "Function Invocations",
    "BilledCost": 0.1,
}
OURS, THEIRS = {"Tags": {"ProjectId": "prj_x"}}, {"Tags": {"ProjectId": "prj_y"}}


def paged(call: Call) -> Reply:
    """One deployment a page, from `until` back, as the real list pages."""
    until = int(call.one("until", str(ms("2030-01-01T00:00"))))
    older = [d for d in DEPLOYMENTS if d["createdAt"] < until]
    shown = [d for d in older if call.one("state", d["readyState"]) == d["readyState"]]
    following = shown[0]["createdAt"] if len(shown) > 1 else None
    return Reply({"deployments": shown[:1], "pagination": {"next": following}})


def query(call: Call) -> Reply:
    """One value a group; a bucket too fine for its range is refused, as the vendor does."""
    asked = json.loads(call.body)
    start, end = parse_time(asked["startTime"]), parse_time(asked["endTime"])
    ((unit, count),) = asked["granularity"].items()
    minutes, hours = count * {"minutes": 1, "hours": 60, "days": 1440}[unit], (end - start) / timedelta(hours=1)
    smallest = next((m for limit, m in ALLOWED_MINUTES if hours <= limit), 1440)
    if minutes < smallest:
        return Reply({"error": {"message": "granularity is too fine"}}, 400)
    key = f"{asked['metric'].replace('.', '_')}_{asked['aggregation']}"
    group = {name: {"http_status": "500", "route": "/jobs"}[name] for name in asked["groupBy"]}
    stamp = start.isoformat().replace("+00:00", ".000Z")
    whole = 7 if asked["groupBy"] == ["http_status"] else "120.5"
    return Reply({"summary": [{**group, key: whole}], "data": [{"timestamp": stamp, **group, key: 7}]})


def test_buckets_that_were_not_asked_for_or_hold_less_than_the_whole_are_not_taken_for_it() -> None:
    """Of 18,301 requests the series holds 1,480 and 41 in buckets of five minutes: the summary counts."""
    key, cells = "vercel_request_count_sum", [("14:00", "200", 1480), ("14:05", "500", 41)]
    data = [{"timestamp": f"2025-03-03T{at}:00Z", "http_status": code, key: n} for at, code, n in cells]
    summary = [{"http_status": "200", key: 18240}, {"http_status": "500", key: "61"}]
    found, _ = collected(
        routed(routes(**{"/v2/observability/query": {"summary": summary, "data": data}})), "hour1"
    )
    counts, window = found["request_counts"], the_scope("hour1").window
    whole = counts[(counts["at"] == window.start) & (counts["interval_s"] == window.seconds)]
    whole = whole[whole["route"].isna()]
    assert dict(zip(whole["status"], whole["requests"], strict=True)) == {200: 18240, 500: 61}


def routes(**other: Any) -> dict[str, Any]:
    known = [{"id": name} for name in (metrics.REQUESTS, metrics.DURATIONS[1], metrics.INVOCATIONS)]
    crons = {
        "enabledAt": ms("2025-01-01T00:00"),
        "disabledAt": None,
        "definitions": [{"path": "/api/cron/a", "schedule": "0 8 * * *"}],
    }
    lines = [CHARGE | OURS, CHARGE | OURS | {"BilledCost": 0.2}, CHARGE | THEIRS, CHARGE]
    return {
        "/v7/deployments": paged,
        "/v3/deployments/dpl_now/events": EVENTS,
        "/v3/deployments/dpl_old/events": [],
        "/v9/projects/prj_x": {"id": "prj_x", "accountId": "team_a", "crons": crons},
        "/v3/events": {"events": []},
        "/v2/observability/schema": {"metrics": known},
        "/v2/observability/query": query,
        "/v1/query/web-analytics/visits/count": {"data": {"visitors": 412, "pageviews": 1893}},
        "/v1/billing/charges": Reply("\n".join(json.dumps(line) for line in lines)),
        **other,
    }


def collected(answer: Answer, phase: str = "day1") -> tuple[Collection, Vendor]:
    with vendor(answer) as server:
        site = the_site("vercel", base_url=server.url, project="prj_x", team="team_a")
        return Collection(source.collect(site, the_scope(phase))), server


@cache
def usual(phase: str = "day1") -> tuple[Collection, Vendor]:
    """What the usual answers give, and what was asked for it; nobody may change it."""
    return collected(routed(routes()), phase)


NO_METRICS = {"/v2/observability/schema": {"metrics": []}}  # where they are no matter, hundreds of calls less


def test_deployments_are_read_over_all_pages() -> None:
    table = usual()[0]["deployments"].set_index("deployment")
    assert sorted(table.index) == ["dpl_bad", "dpl_now", "dpl_old"]
    assert table.loc["dpl_bad", "error"] == "E1: exit 1"
    assert pd.isna(table.loc["dpl_bad", "ready_at"])
    assert table.loc["dpl_now", "sha"] == "4f2c1d9"
    assert table.loc["dpl_old", "rollback_candidate"]


def test_of_a_build_log_errors_and_sizes_are_kept() -> None:
    logs = usual()[0]["build_logs"].set_index("text")["level"].to_dict()
    assert logs == {"+ First Load JS shared by all 187 kB": "info", "Error: boom": "error", "all is lost": "fatal"}


def test_requests_are_asked_for_in_buckets_that_the_range_allows() -> None:
    """The server refuses any finer one; a gap would show it."""
    for phase in ("hour1", "day1", "week1"):
        found, _ = usual(phase)
        assert found["gaps"].empty


def test_hours_cover_the_baseline_and_the_window_and_minutes_their_edges() -> None:
    _, server = usual("week1")
    asked = [json.loads(call.body) for call in server.asked("/v2/observability/query")]
    spans = [
        (tuple(q["granularity"].items()), q["startTime"], q["endTime"])
        for q in asked
        if q["groupBy"] == ["http_status"]
    ]
    hours = sorted((start, end) for length, start, end in spans if length == (("hours", 1),))
    assert (hours[0][0], hours[-1][1]) == ("2025-02-03T15:00:00Z", "2025-03-10T15:00:00Z")
    assert all(end == start for (_, end), (start, _) in pairwise(hours))
    minutes = [(start, end) for length, start, end in spans if length == (("minutes", 1),)]
    assert ("2025-03-03T15:00:00Z", "2025-03-03T16:00:00Z") in minutes
    assert ("2025-03-10T14:00:00Z", "2025-03-10T15:00:00Z") in minutes


def test_where_minutes_are_refused_the_hour_is_asked_for_as_a_whole() -> None:
    """A plan may keep no minutes: its hours still tell how many requests came and how long they took."""

    def hours_only(call: Call) -> Reply:
        refused = "minutes" in json.loads(call.body)["granularity"]
        return Reply({"error": {"message": "granularity is too fine"}}, 400) if refused else query(call)

    found, server = collected(routed(routes(**{"/v2/observability/query": hours_only})), "hour1")
    assert found["gaps"].empty
    asked = [json.loads(call.body) for call in server.asked("/v2/observability/query")]
    wholes = [q for q in asked if q["groupBy"] != ["http_status"]]
    refused = [q for q in wholes if "minutes" in q["granularity"]]
    assert len(refused) <= threads.WORKERS < len(wholes) - len(refused), "no more than were on their way"
    counts, times, window = found["request_counts"], found["latencies"], the_scope("hour1").window
    hour = counts[(counts["at"] == window.start) & counts["route"].isna()]
    assert (hour["interval_s"].tolist(), hour["requests"].tolist()) == ([3600.0], [7.0])
    assert 120.5 in set(times.loc[(times["start"] == window.start) & (times["end"] == window.end), "p95_ms"])


def test_a_query_names_owner_project_and_environment() -> None:
    _, server = usual()
    asked = json.loads(server.asked("/v2/observability/query")[0].body)
    assert asked["scope"] == {"type": "project", "ownerId": "team_a", "projectIds": ["prj_x"]}
    assert asked["filter"] == "environment eq 'production'"


def test_counts_and_response_times_are_numbers_whatever_they_were_written_as() -> None:
    found, _ = usual()
    counts, times = found["request_counts"], found["latencies"]
    assert set(counts["status"]) == {500}
    assert set(counts.loc[counts["route"].isna(), "requests"]) == {7.0}
    assert set(counts.loc[counts["route"] == "/jobs", "requests"]) == {120.5}
    scope = the_scope()
    whole = times[times["route"].isna()]
    row = whole[(whole["start"] == scope.window.start) & (whole["end"] == scope.window.end)]
    assert row[["p50_ms", "p95_ms", "p99_ms", "avg_ms"]].to_numpy().tolist() == [[120.5] * 4]


def test_every_span_has_its_own_visitors() -> None:
    activity = usual()[0]["activity"]
    assert len(activity) == len(the_scope().visits)
    assert set(activity["visitors"]) == {412}
    assert activity["sessions"].isna().all()


def test_charges_of_other_projects_are_left_out() -> None:
    """0.1 and 0.2 of ours and 0.1 that names no project."""
    costs = usual()[0]["costs"]
    assert costs["amount"].tolist() == [0.4]


def test_without_the_paid_metrics_the_rest_is_read_and_the_metrics_are_asked_for_no_further() -> None:
    found, server = collected(routed(routes(**{"/v2/observability/query": NO_PLUS})))
    for item in ("observability", "request_counts", "latencies"):
        assert found.gap("vercel", item) == ("error", "402: Observability Plus is required")
    assert len(server.asked("/v2/observability/query")) <= 6
    assert len(found["activity"])
    assert len(found["deployments"]) == 3


def test_a_role_that_may_not_see_visits_or_bills_leaves_the_rest() -> None:
    refused = Reply({"error": {"code": "forbidden", "message": "Not authorized"}}, 403)
    other = {"/v1/billing/charges": refused, "/v1/query/web-analytics/visits/count": refused}
    found, _ = collected(routed(routes(**other)))
    assert found.gap("vercel", "billing") == ("error", "403: Not authorized")
    assert found.gap("vercel", "web_analytics") == ("error", "403: Not authorized")
    assert len(found["request_counts"])


def test_schedules_that_the_platform_has_switched_off_are_none() -> None:
    off = {
        "enabledAt": ms("2025-01-01T00:00"),
        "disabledAt": ms("2025-02-01T00:00"),
        "definitions": [{"path": "/a", "schedule": "0 8 * * *"}],
    }
    project = {"id": "prj_x", "accountId": "team_a", "crons": off}
    assert collected(routed(routes(**NO_METRICS, **{"/v9/projects/prj_x": project})))[0]["platform_crons"].empty


def test_a_refused_token_is_a_source_that_could_not_be_read() -> None:
    with pytest.raises(SourceError) as caught:
        collected(lambda call: Reply({"error": {"code": "forbidden", "message": "Not authorized"}}, 403))
    assert caught.value.reason == "403: Not authorized"


def test_the_newest_deployment_is_the_last_one_that_was_ready_by_then() -> None:
    with vendor(routed(routes())) as server:
        site = the_site("vercel", base_url=server.url, project="prj_x")
        assert moves.newest_deployment(site, at("2025-03-10T15:00")) == DEPLOYED
        assert moves.newest_deployment(site, at("2025-03-03T14:59")) == at("2025-02-19T15:00")
        assert moves.newest_deployment(site, at("2025-01-01T00:00")) is None


def not_understood(found: Collection) -> dict[str, tuple[str, str]]:
    table = found["not_understood"]
    return {row["item"]: (row["what"], row["example"]) for row in table.to_dict("records")}


def live(entries: list[dict[str, Any]], **other: Any) -> list[tuple[str, str, str | None]]:
    """Deployment, moment and kind of each move of traffic that is told."""
    listed = {"deployments": entries, "pagination": {"next": None}}
    table = collected(routed(routes(**NO_METRICS, **{"/v7/deployments": listed, **other})))[0]["deployments"]
    moved = table[table["live_at"].notna()].sort_values("live_at")
    times = moved["live_at"].dt.strftime("%m-%dT%H:%M")
    return list(zip(moved["deployment"], times, moved["move"], strict=True))


NOW = deployment("dpl_now", "2025-03-03T14:54", "2025-03-03T15:00", readySubstate="PROMOTED")
OLD = deployment("dpl_old", "2025-02-19T14:54", "2025-02-19T15:00", readySubstate="PROMOTED")
FIRST, SECOND = ("dpl_old", "02-19T15:00", "deployment"), ("dpl_now", "03-03T15:00", "deployment")


def an_event(kind: str, when: str, **payload: str) -> dict[str, Any]:
    return {"id": "uev_1", "type": kind, "createdAt": ms(when), "payload": {"projectId": "prj_x", **payload}}


def project(**more: Any) -> dict[str, Any]:
    return {"/v9/projects/prj_x": {"id": "prj_x", "accountId": "team_a", **more}}


def test_a_deployment_that_is_built_and_was_promoted_by_itself_went_live_when_its_addresses_were_assigned() -> (
    None
):
    assert live([NOW, OLD]) == [FIRST, SECOND]
    assert live([NOW | {"aliasAssigned": ms("2025-03-03T15:02")}]) == [("dpl_now", "03-03T15:02", "deployment")]


@pytest.mark.parametrize(
    "change",
    [
        {"readySubstate": "STAGED"},
        {"readySubstate": "staged", "aliasAssigned": True},
        {"readySubstate": None, "aliasAssigned": False},
        {"readySubstate": "SHADOWED"},
        {"readyState": "DONE"},
        {"readyState": "CANCELED"},
        {"target": "staging"},
    ],
)
def test_a_deployment_that_traffic_did_not_reach_or_may_not_have_reached_went_live_at_no_time(change: Any) -> None:
    assert live([NOW | change, OLD]) == [FIRST]


def test_a_promotion_of_a_staged_deployment_is_when_it_went_live() -> None:
    """Built at 15:00 and promoted by a person at 17:30: 17:30 is the deployment."""
    event = an_event("manual-deployment-promotion-created", "2025-03-03T17:30", toDeploymentId="dpl_now")
    moved = live([NOW, OLD], **{"/v3/events": {"events": [event]}})
    assert moved == [FIRST, ("dpl_now", "03-03T17:30", "promotion")]


def test_an_instant_rollback_moves_traffic_without_a_build() -> None:
    event = an_event(
        "instant-rollback-created", "2025-03-03T18:10", fromDeploymentId="dpl_now", toDeploymentId="dpl_old"
    )
    moved = live([NOW, OLD], **{"/v3/events": {"events": [event]}})
    assert moved == [SECOND, ("dpl_old", "03-03T18:10", "rollback")]
    assigned = [NOW, OLD | {"aliasAssigned": ms("2025-02-19T15:01")}]
    both = live(assigned, **{"/v3/events": {"events": [event]}})
    assert both == [("dpl_old", "02-19T15:01", "deployment"), SECOND, ("dpl_old", "03-03T18:10", "rollback")]


@pytest.mark.parametrize(
    ("status", "moves"),
    [("succeeded", 3), ("failed", 2), ("pending", 2), ("in-progress", 2), ("skipped", 2), ("x", 2)],
)
def test_the_projects_last_request_moves_traffic_when_it_succeeded(status: str, moves: int) -> None:
    """It is known where the events may not be read."""
    request = {"fromDeploymentId": "dpl_now", "toDeploymentId": "dpl_old", "jobStatus": status, "type": "rollback"}
    last = project(lastAliasRequest={**request, "requestedAt": ms("2025-03-03T18:10")})
    refused = Reply({"error": {"code": "forbidden", "message": "Not authorized"}}, 403)
    listed = [NOW, OLD | {"aliasAssigned": ms("2025-02-19T15:00")}]
    assert len(live(listed, **last, **{"/v3/events": refused})) == moves


def test_events_that_may_not_be_read_are_a_gap_and_the_rest_is_told() -> None:
    refused = Reply({"error": {"code": "forbidden", "message": "Not authorized"}}, 403)
    found, _ = collected(routed(routes(**NO_METRICS, **{"/v3/events": refused})))
    assert found.gap("vercel", "moves:events") == ("error", "403: Not authorized")
    assert found["deployments"]["live_at"].notna().sum() == 2


def a_release(**more: Any) -> dict[str, Any]:
    body = {
        "state": "ACTIVE",
        "startedAt": ms("2025-03-03T16:00"),
        "updatedAt": ms("2025-03-03T20:00"),
        "currentDeployment": {"id": "dpl_old"},
        "canaryDeployment": {"id": "dpl_now"},
        "activeStage": {"index": 0, "targetPercentage": 10},
    }
    return {
        **project(rollingRelease={"target": "production"}),
        "/v1/projects/prj_x/rolling-release": {"rollingRelease": {**body, **more}},
    }


def test_a_rolling_release_moves_traffic_from_its_start_on() -> None:
    rolls = NOW | {"readySubstate": "ROLLING"}
    assert live([rolls, OLD], **a_release()) == [FIRST, ("dpl_now", "03-03T16:00", "rolling")]
    complete = a_release(state="COMPLETE", activeStage=None)
    assert live([rolls, OLD], **complete) == [FIRST, ("dpl_now", "03-03T16:00", "rolling")]


def test_a_rolling_release_that_an_event_tells_too_keeps_its_share() -> None:
    """Vercel tells of one both by its events and by the release itself, which alone says how much moved."""
    event = an_event("project-rolling-release-started", "2025-03-03T16:00", targetDeploymentId="dpl_now")
    rolls = {"deployments": [NOW | {"readySubstate": "ROLLING"}, OLD], "pagination": {"next": None}}
    told = {"/v7/deployments": rolls, "/v3/events": {"events": [event]}}
    table = collected(routed(routes(**NO_METRICS, **a_release(), **told)))[0]["deployments"]
    assert table.loc[table["move"] == "rolling", "share_pct"].tolist() == [10]


def test_an_aborted_rolling_release_moves_traffic_back() -> None:
    listed = [NOW, OLD | {"aliasAssigned": ms("2025-02-19T15:00")}]
    moved = live(listed, **a_release(state="ABORTED", activeStage=None))
    assert moved[1:] == [("dpl_now", "03-03T16:00", "rolling"), ("dpl_old", "03-03T20:00", "aborted")]


def test_the_newest_deployment_is_the_last_move_of_traffic_and_not_the_last_build() -> None:
    event = an_event("instant-rollback-created", "2025-03-04T18:10", toDeploymentId="dpl_old")
    staged = deployment("dpl_next", "2025-03-05T10:00", "2025-03-05T10:05", readySubstate="STAGED")
    listed = {"deployments": [staged, NOW, OLD], "pagination": {"next": None}}
    answers = {"/v7/deployments": listed, "/v3/events": {"events": [event]}}
    with vendor(routed(routes(**answers))) as server:
        site = the_site("vercel", base_url=server.url, project="prj_x")
        assert moves.newest_deployment(site, at("2025-03-10T15:00")) == at("2025-03-04T18:10")
        assert moves.newest_deployment(site, at("2025-03-04T18:00")) == DEPLOYED


@pytest.mark.parametrize(
    ("change", "item", "what"),
    [
        ({"readyState": "HALF_READY"}, "deployments.readyState", "unknown word"),
        ({"readySubstate": "SHADOWED"}, "deployments.readySubstate", "unknown word"),
        ({"target": "canary"}, "deployments.target", "unknown word"),
        ({"createdAt": 1.7e18}, "deployments.createdAt", "out of range"),
        ({"ready": "soon"}, "deployments.ready", "not a number"),
        ({"aliasAssigned": "yes"}, "deployments.aliasAssigned", "not a number"),
        ({"uid": None}, "deployments.uid", "missing"),
    ],
)
def test_what_of_a_deployment_is_not_understood_is_told(change: Any, item: str, what: str) -> None:
    listed = {"deployments": [NOW | change, OLD], "pagination": {"next": None}}
    found, _ = collected(routed(routes(**NO_METRICS, **{"/v7/deployments": listed})))
    assert not_understood(found)[item][0] == what
    assert "dpl_old" in set(found["deployments"]["deployment"])


def test_requests_of_a_status_that_is_none_are_counted_and_their_status_is_not_understood() -> None:
    def odd(call: Call) -> Reply:
        body = query(call).body
        for row in [*body["summary"], *body["data"]]:
            row |= {"http_status": "teapot"} if "http_status" in row else {}
        return Reply(body)

    found, _ = collected(routed(routes(**{"/v2/observability/query": odd})), "hour1")
    counts = found["request_counts"]
    assert counts["status"].isna().all()
    assert counts["requests"].notna().all()
    assert not_understood(found)["requests.http_status"] == ("not a number", "teapot")


@pytest.mark.parametrize("value", [-1, "NaN", "many", 1e300])
def test_a_response_time_that_cannot_be_is_none(value: Any) -> None:
    def odd(call: Call) -> Reply:
        body = query(call).body
        for row in body["summary"]:
            row |= {key: value for key in row if key.endswith(("_p95", "_avg"))}
        return Reply(body)

    found, _ = collected(routed(routes(**{"/v2/observability/query": odd})), "hour1")
    assert found["latencies"]["p95_ms"].isna().all()
    assert "requests.durations.value" in not_understood(found)


def test_visits_leave_out_the_moment_of_the_end() -> None:
    """`until` is inclusive by the specification."""
    _, server = usual()
    path = "/v1/query/web-analytics/visits/count"
    assert all(int(call.one("until")) % 1000 == 999 for call in server.asked(path))


def test_a_function_that_took_all_its_memory_hit_the_limit() -> None:
    """Of three routes one took its 2,048 MB, one took less, and of one it is not known what it was given."""

    def answer(call: Call) -> Reply:
        asked = json.loads(call.body)
        key = f"{asked['metric'].replace('.', '_')}_{asked['aggregation']}"
        most = {metrics.TAKEN: {"/a": 2048, "/b": 512.5, "/c": 9}, metrics.GIVEN: {"/a": 2048, "/b": 2048}}
        rows = most.get(asked["metric"])
        return (
            query(call)
            if rows is None
            else Reply({"summary": [{"route": r, key: n} for r, n in rows.items()], "data": []})
        )

    known = [{"id": name} for name in (metrics.REQUESTS, metrics.TAKEN, metrics.GIVEN)]
    found, server = collected(
        routed(routes(**{"/v2/observability/query": answer, "/v2/observability/schema": {"metrics": known}}))
    )
    states = found["vendor_states"]
    assert dict(zip(states["item"], states["ok"], strict=True)) == {"/a": False, "/b": True}
    scope = the_scope()
    case = Case(a_site(), scope, found, scope.window)
    reading = performance.memory_limit_hits(case)
    assert (reading.value, reading.samples, reading.evidence) == (1, 2, "/a took 2048 of 2048 MB")
    assert performance.memory_limit_hits(case.at(scope.before)).state is State.NO_DATA
    asked = [json.loads(call.body) for call in server.asked("/v2/observability/query")]
    assert {a["aggregation"] for a in asked if "memory" in a["metric"]} == {"max"}


def test_without_figures_of_memory_nothing_is_said_of_it() -> None:
    found = usual()[0]
    assert found["vendor_states"].empty
    case = Case(a_site(), the_scope(), found, the_scope().window)
    assert performance.memory_limit_hits(case).state is State.NO_DATA
