"""Resend: whole hours of the window, exact totals, and the states of domains and webhooks."""

import time
from datetime import timedelta
from typing import Any

import pytest

from pdmlib.errors import SourceError
from pdmlib.frames.collection import Collection
from pdmlib.sources import resend
from tests.builders import DEPLOYED, a_scope, a_site
from tests.sources.loopback import Answer, Call, Reply, Vendor, routed, the_scope, the_site, vendor

COUNTS = {
    "sent": 20,
    "delivered": 19,
    "bounced": 1,
    "bounced_permanent": 1,
    "bounced_transient": 0,
    "complained": 0,
    "failed": 0,
    "suppressed": 0,
    "delivery_delayed": 0,
}
ID = "4ef9a417-02e9-4d39-ad75-000000000005"


def metrics(call: Call) -> Reply:
    periods = {
        "hourly": ["2025-03-03T14:00:00", "2025-03-03T15:00:00", "2025-03-04T14:00:00", "2025-03-04T15:00:00"],
        "daily": ["2025-02-24T00:00:00", "2025-02-25T00:00:00", "2025-03-03T00:00:00"],
    }
    body: dict[str, Any] = {"totals": COUNTS}
    if call.one("dimensions") == "period":
        body["data"] = [{"period": p, **COUNTS} for p in periods[call.one("granularity")]]
    return Reply(body)


def log(n: int, created: str, status: int, endpoint: str = "/emails") -> dict[str, Any]:
    stamp = created.replace("T", " ") + ":00.417+00"
    return {"id": f"l{n}", "created_at": stamp, "endpoint": endpoint, "method": "POST", "response_status": status}


LOGS = [
    log(4, "2025-03-04T14:00", 200),
    log(3, "2025-03-04T13:00", 422),
    log(2, "2025-03-04T12:00", 404, f"/emails/{ID}"),
    log(1, "2025-03-02T12:00", 500),
]


HOOK = {"id": "w1", "endpoint": "https://shop.example/hooks?key=1", "status": "enabled"}


def routes(**other: Any) -> dict[str, Any]:
    domains = [{"name": "mail.example.com", "status": "verified"}, {"name": "b.example.com", "status": "failed"}]
    return {
        "/emails/metrics": metrics,
        "/logs": {"data": LOGS, "has_more": False},
        "/domains": {"data": domains, "has_more": False},
        "/webhooks": {"data": [HOOK], "has_more": False},
        **other,
    }


def collected(answer: Answer) -> tuple[Collection, Vendor]:
    with vendor(answer) as server:
        return Collection(resend.collect(the_site("resend", base_url=server.url), the_scope())), server


def test_only_intervals_wholly_inside_their_window_are_kept() -> None:
    counts = collected(routed(routes()))[0]["email_counts"]
    hours = counts[counts["interval_s"] == 3600]["at"].dt.strftime("%m-%dT%H").tolist()
    assert "03-03T15" in hours
    assert "03-04T14" in hours
    assert not {"03-03T14", "03-04T15"} & set(hours)
    assert "02-24T00" not in counts[counts["interval_s"] == 86_400]["at"].dt.strftime("%m-%dT%H").tolist()


@pytest.mark.parametrize(("days", "first"), [(5, "2025-03-03T15:00"), (30, "2025-03-25T15:00")])
def test_a_report_of_one_day_reads_the_hours_of_the_week_before_it_by_which_a_fault_is_dated(
    days: int, first: str
) -> None:
    """Since the deployment where that was within the week: the days before it are read by the day."""
    scope = a_scope(phase="daily", deployed_at=DEPLOYED, as_of=DEPLOYED + timedelta(days=days))
    with vendor(routed(routes())) as server:
        resend.collect(the_site("resend", base_url=server.url), scope)
        (asked,) = [c for c in server.asked("/emails/metrics") if c.one("granularity") == "hourly"]
    assert asked.one("start_date").startswith(first)


def test_each_main_window_has_a_total_of_its_own() -> None:
    counts = collected(routed(routes()))[0]["email_counts"]
    scope = the_scope()
    for window in (scope.window, scope.latest, scope.previous, scope.before):
        mine = counts[(counts["at"] == window.start) & (counts["interval_s"] == window.seconds)]
        assert mine["sent"].tolist() == [20]


def test_refused_calls_of_the_window_are_told_by_endpoint_without_ids() -> None:
    rows = collected(routed(routes()))[0]["vendor_errors"].sort_values("at")
    assert rows["place"].tolist() == ["POST /emails/[id]", "POST /emails"]
    assert rows["code"].tolist() == ["404", "422"]


def test_logs_are_read_back_to_the_start_of_the_window_and_no_further() -> None:
    def paged(call: Call) -> Reply:
        first = [entry["id"] for entry in LOGS].index(call.one("after")) + 1 if call.one("after") else 0
        return Reply({"data": LOGS[first : first + 2], "has_more": True})

    found, server = collected(routed(routes(**{"/logs": paged})))
    assert [call.one("after") for call in server.asked("/logs")] == ["", "l3"]
    assert found["gaps"].empty


def test_logs_without_end_say_that_older_ones_were_not_looked_at() -> None:
    endless = {"data": [log(1, "2025-03-04T12:00", 200)], "has_more": True}
    found, _ = collected(routed(routes(**{"/logs": endless})))
    assert found.gap("resend", "logs:older") == ("error", "only the newest 2,000 calls were looked at")


def endless(call: Call) -> Reply:
    """A list of domains that goes on after each page, and leads to the next by the id of its last entry."""
    first = int(call.one("after", "0"))
    rows = [{"id": str(n), "name": f"d{n}.example", "status": "verified"} for n in range(first + 1, first + 101)]
    return Reply({"data": rows, "has_more": True})


def test_lists_of_several_pages_are_read_on_and_say_where_they_are_cut() -> None:
    found, server = collected(routed(routes(**{"/domains": endless})))
    assert [call.one("after") for call in server.asked("/domains")] == ["", "100", "200", "300", "400"]
    assert (found["vendor_states"]["kind"] == "domain").sum() == 500
    assert found.gap("resend", "domains:rest") == ("error", "only the newest 500 domains were looked at")


def test_an_account_without_a_domain_reaches_nobody_and_is_not_well() -> None:
    """By Resend's documentation it may send to its own address alone until a domain is verified."""
    states = collected(routed(routes(**{"/domains": {"data": [], "has_more": False}})))[0]["vendor_states"]
    (row,) = states[states["kind"] == "domain"].to_dict("records")
    assert (row["item"], row["status"], row["ok"]) == ("for sending", "missing", False)


def test_a_webhook_of_the_second_page_is_told() -> None:
    def paged(call: Call) -> Reply:
        more = not call.one("after")
        return Reply({"data": [{**HOOK, "id": "w1" if more else "w2"}], "has_more": more})

    found, server = collected(routed(routes(**{"/webhooks": paged})))
    assert [call.one("after") for call in server.asked("/webhooks")] == ["", "w1"]
    assert set(found["vendor_states"]["item"]) >= {"w1", "w2"}


def test_domains_and_webhooks_are_told() -> None:
    states = collected(routed(routes()))[0]["vendor_states"].set_index("item")
    assert states.loc["mail.example.com", "ok"]
    assert not states.loc["b.example.com", "ok"]
    assert states.loc["w1", ["kind", "detail"]].tolist() == ["webhook", "shop.example/hooks"]


def test_a_key_that_may_only_send_is_told_as_such() -> None:
    words = "This API key is restricted to only send emails"
    error = {"statusCode": 401, "name": "restricted_api_key", "message": words}
    with pytest.raises(SourceError) as caught:
        collected(lambda call: Reply(error, 401))
    assert caught.value.reason == f"401: restricted_api_key: {words}"


def test_a_real_team_is_asked_at_a_pace_that_leaves_its_own_emails_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resend's 5 requests a second are the whole team's (its page "Usage Limits"); a stand-in has none."""
    assert resend.GAP_S >= 1 / 2.5  # half of the five
    monkeypatch.setattr(resend, "GAP_S", 0.1)
    began: list[float] = []

    def answer(call: Call) -> Reply:
        began.append(time.monotonic())
        return Reply({"totals": COUNTS, "data": []})

    with vendor(answer) as server:
        real = a_site(sources={"app": {"base_url": "https://shop.example"}, "resend": {"base_url": server.url}})
        resend.collect(real.model_copy(update={"secrets": the_site("resend").secrets}), the_scope())
    assert len(began) > 4
    assert max(began) - min(began) >= 0.1 * (len(began) - 1) - 0.05
