"""Resend as it really answers: its OpenAPI 1.5.0."""

from typing import Any

import pytest

from pdmlib.frames.readings import Status
from tests.analysis.integrations.answered import Judged, judged
from tests.builders import at
from tests.sources.loopback import Call, Reply

ZERO = dict.fromkeys(
    (
        "sent",
        "delivered",
        "bounced",
        "bounced_permanent",
        "bounced_transient",
        "complained",
        "failed",
        "suppressed",
        "delivery_delayed",
    ),
    0,
)
DOMAIN = {"name": "mail.shop.example", "status": "verified", "capabilities": {"sending": "enabled"}}
HOOK = {"id": "w1", "endpoint": "https://shop.example/api/hooks", "status": "enabled"}


def metrics(counts: dict[str, Any], before: dict[str, Any]) -> Any:
    """The same counts for each window as a whole, since the deployment and before; no hour of its own."""

    def answer(call: Call) -> Reply:
        return Reply({"totals": before if call.one("start_date") < "2025-03-03T15" else counts, "data": []})

    return answer


def told(counts: dict[str, Any] | None = None, **other: Any) -> Judged:
    now = {**ZERO, **(counts or {"sent": 1000, "delivered": 990, "bounced": 10})}
    routes = {
        "/emails/metrics": metrics(now, {**ZERO, **other.get("before", now)}),
        "/logs": {"data": other.get("logs", []), "has_more": False},
        "/domains": {"data": other.get("domains", [DOMAIN]), "has_more": False},
        "/webhooks": {"data": other.get("webhooks", [HOOK]), "has_more": False},
    }
    return judged("resend", routes, **{k: v for k, v in other.items() if k == "webhook_hosts"})


def test_emails_that_arrive_are_operational() -> None:
    found = told()
    assert found.readings["integration_resend"].value == "OPERATIONAL"
    assert found.readings["email_bounce_pct"].value == pytest.approx(1.0)
    assert found.unclear() == {}


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"sent": 1440, "delivered": 1440, "failed": 60}, "emails failed"),
        ({"sent": 0, "failed": 60}, "emails failed"),
        ({"sent": 1000, "delivered": 1000, "complained": 100}, "emails were called spam"),
        ({"sent": 1000, "delivered": 800, "bounced": 200}, "emails bounced"),
        (
            {"sent": 1000, "delivered": 100, "delivery_delayed": 900},
            "delayed and have not arrived (900 of 1000 emails)",
        ),
    ],
)
def test_emails_that_fail_bounce_or_annoy_are_issues(counts: dict[str, int], words: str) -> None:
    found = told(counts)
    assert found.readings["integration_resend"].value == "ISSUES"
    assert words in found.note("Resend")
    assert found.alerts


@pytest.mark.parametrize(
    ("complained", "status", "priority"),
    [(0, "pass", None), (8, "pass", None), (15, "info", None), (30, "warn", "P1"), (60, "fail", "P1")],
)
def test_complaints_are_held_against_the_mailbox_providers_limits(
    complained: int, status: str, priority: str | None
) -> None:
    """Of 10,000 delivered; lower bounds by Wilson: 15 are 0.09 %, 30 0.21 %, 60 0.47 %; limits 0.1 and 0.3 %."""
    found = told({"sent": 10_000, "delivered": 10_000, "complained": complained})
    assert found.readings["email_complaint_pct"].status == status
    fired = [a.priority for a in found.alerts if a.id in ("email_complaint_pct", "integration:resend")]
    assert fired[:1] == ([priority] if priority else [])


def log(n: int, status: int, endpoint: str = "/emails", **more: Any) -> dict[str, Any]:
    return {
        "id": f"l{n}",
        "created_at": "2025-03-04 14:20:00.417+00",
        "endpoint": endpoint,
        "method": "POST",
        "response_status": status,
        "user_agent": "resend-node:4.0.0",
        **more,
    }


@pytest.mark.parametrize(("hour", "active"), [("14", True), ("06", False)])
def test_refused_sends_are_dated_from_the_first_of_their_run(hour: str, active: bool) -> None:
    """The window ends at 15:00; what was last refused at 06:20 is over."""
    early = log(200, 422, created_at="2025-03-03 16:00:00+00")
    logs = [log(n, 422, created_at=f"2025-03-04 {hour}:{n % 20:02}:30+00") for n in range(100)]
    (finding,) = (f for f in told(logs=[early, *logs]).findings if f.id == "integration:resend")
    assert (finding.active, finding.since) == (active, at(f"2025-03-04T{hour}:00:30"))


@pytest.mark.parametrize("status", [403, 422, 429, 500])
def test_a_hundred_refused_sends_are_an_issue(status: int) -> None:
    found = told(logs=[log(n, status) for n in range(100)])
    assert found.readings["integration_resend"].value == "ISSUES"
    assert f"100 with status {status}" in found.note("Resend")


def test_refusals_of_other_calls_and_of_our_own_are_told_at_most() -> None:
    other = [log(n, 404, "/contacts") for n in range(100)]
    ours = [log(200 + n, 429, user_agent="pdmlib/0.1.0") for n in range(100)]
    found = told(logs=other + ours)
    assert found.readings["integration_resend"].value == "OPERATIONAL"
    assert "100 of code 404" in found.note("Resend")
    assert "429" not in found.note("Resend")


@pytest.mark.parametrize("odd", [{"bounced": None}, {"bounced": -3}, {"sent": "many"}, {"sent": float("1e300")}])
def test_a_count_that_is_none_is_not_zero(odd: dict[str, Any]) -> None:
    found = told({"sent": 1000, "delivered": 1000, **odd})
    assert found.readings["email_bounce_pct"].status is Status.UNKNOWN
    assert found.readings["integration_resend"].status is Status.UNKNOWN
    assert list(found.unclear()) == [f"email_metrics.{next(iter(odd))}"]


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("own", "staging", "value"), [("disabled", "enabled", "ISSUES"), ("enabled", "disabled", "OPERATIONAL")]
)
def test_webhooks_of_one_path_are_judged_by_the_sites_own_host(
    own: str, staging: str, value: str, order: int
) -> None:
    there = {"id": "w2", "endpoint": "https://staging.shop.example/api/hooks", "status": staging}
    found = told(webhooks=[{**HOOK, "status": own}, there][::order])
    assert found.readings["integration_resend"].value == value


@pytest.mark.parametrize(
    "odd", [{"webhooks": [{**HOOK, "status": "paused"}]}, {"domains": [{**DOMAIN, "status": "blessed"}]}]
)
def test_an_unknown_state_is_not_well(odd: dict[str, Any]) -> None:
    found = told(**odd)
    assert found.readings["integration_resend"].status is Status.UNKNOWN
    assert found.unclear()


@pytest.mark.parametrize(
    ("status", "value"),
    [
        ("verified", "OPERATIONAL"),
        ("partially_verified", "OPERATIONAL"),
        ("failed", "ISSUES"),
        ("partially_failed", "ISSUES"),
        ("pending", "ISSUES"),
        ("not_started", "ISSUES"),
    ],
)
def test_the_only_domain_is_judged_by_its_state(status: str, value: str) -> None:
    assert told(domains=[{**DOMAIN, "status": status}]).readings["integration_resend"].value == value


def test_a_second_domain_that_is_not_ready_or_does_not_send_is_no_issue() -> None:
    new = {**DOMAIN, "name": "new.example", "status": "not_started"}
    old = {"name": "old.example", "status": "failed", "capabilities": {"sending": "disabled"}}
    assert told(domains=[DOMAIN, new, old]).readings["integration_resend"].value == "OPERATIONAL"


def test_emails_that_were_delayed_and_arrived_are_no_issue() -> None:
    found = told({"sent": 1000, "delivered": 980, "bounced": 10, "delivery_delayed": 400})
    assert found.readings["integration_resend"].value == "OPERATIONAL"


def test_a_jump_of_suppressed_emails_asks_to_look_at_the_addresses() -> None:
    """Resend: a suppressed email is not sent; of 1,000 that were handed over 500 never left."""
    before = {"sent": 7000, "delivered": 7000, "suppressed": 10}
    found = told({"sent": 500, "delivered": 500, "suppressed": 500}, before=before)
    reading = found.readings["email_suppressed_pct"]
    assert (reading.value, reading.status) == (50.0, Status.WARN)
    assert [alert.priority for alert in found.alerts if alert.reading == "email_suppressed_pct"] == ["P1"]


def test_bounces_are_told_by_their_kind() -> None:
    found = told(
        {
            "sent": 1000,
            "delivered": 990,
            "bounced": 10,
            "bounced_permanent": 7,
            "bounced_transient": 3,
            "suppressed": 4,
            "delivery_delayed": 2,
        }
    )
    said = str(found.readings["email_bounce_pct"].measurement.evidence)
    assert "7 for good, 3 for now, 4 suppressed, 2 delayed" in said


def test_complaints_of_emails_that_were_sent_before_are_no_share_of_the_windows_own() -> None:
    """Three complaints come in an hour in which nothing was delivered: that is not 100 %."""
    found = told({"sent": 0, "delivered": 0, "complained": 3})
    reading = found.readings["email_complaint_pct"]
    assert (reading.value, reading.status) == (None, Status.UNKNOWN)
    assert "of emails sent before it" in str(reading.reason)
    assert found.alerts == ()
