"""Twilio as it really answers: its OpenAPI of 2026-04 and its error dictionary."""

from datetime import timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from pdmlib.analysis.integrations import operational
from pdmlib.frames.readings import Status
from tests.analysis.integrations.answered import Judged, judged
from tests.builders import WEEK_LATER, a_case, at
from tests.sources.loopback import Call, Reply

ACCOUNT = "/2010-04-01/Accounts/AC1"
REFUSED = Reply({"code": 20003, "message": "Authenticate", "status": 401}, 401)


def message(n: int, created: str = "2025-03-04T14:10", status: str = "delivered", **more: Any) -> dict[str, Any]:
    sent = None if status in ("queued", "failed") else format_datetime(at(created))
    return {
        "sid": f"SM{n}",
        "date_created": format_datetime(at(created)),
        "date_sent": sent,
        "status": status,
        "direction": "outbound-api",
        "error_code": None,
        **more,
    }


def lost(n: int, code: int | None, status: str = "undelivered", **more: Any) -> dict[str, Any]:
    return message(n, status=status, error_code=code, **more)


def filtered(texts: list[dict[str, Any]]) -> Any:
    """Messages as Twilio lists them: a filter by the day of sending leaves out what was not sent."""

    def answer(call: Call) -> Reply:
        asked = bool(call.one("DateSent>") or call.one("DateSent<"))
        return Reply({"messages": [t for t in texts if t["date_sent"] or not asked], "next_page_uri": None})

    return answer


def told(texts: list[dict[str, Any]] = [], **other: Any) -> Judged:  # noqa: B006
    routes = {
        f"{ACCOUNT}/Messages.json": other.get("messages", filtered(texts)),
        f"{ACCOUNT}/Usage/Records/Daily.json": {"usage_records": other.get("usage", []), "next_page_uri": None},
        "/v1/Alerts": {"alerts": other.get("alerts", []), "meta": {"next_page_url": None}},
        f"{ACCOUNT}.json": other.get("account", {"status": "active"}),
        f"{ACCOUNT}/Balance.json": other.get("balance", {"balance": "12.50000", "currency": "USD"}),
    }
    return judged(
        "twilio", routes, **{k: v for k, v in other.items() if k in ("faults", "webhook_hosts", "phase")}
    )


def many(count: int, first: int = 1000) -> list[dict[str, Any]]:
    return [message(first + n) for n in range(count)]


@pytest.mark.parametrize("code", [21211, 21610, 21614, 30003, 30004, 30005, 30006])
def test_a_recipients_fault_is_none_of_ours(code: int) -> None:
    """20 of 100 to landlines, closed or opted-out numbers: told, and nobody is alerted while that is usual."""
    before = [lost(5000 + n, code, created="2025-02-27T12:00") for n in range(20)]
    before += [message(6000 + n, "2025-02-27T12:00") for n in range(80)]
    found = told([lost(n, code) for n in range(20)] + many(80) + before)
    assert found.readings["sms_failed_pct"].value == 0.0
    assert found.readings["sms_refused_pct"].value == pytest.approx(20.0)
    assert f"20 of code {code}" in str(found.readings["sms_refused_pct"].measurement.evidence)
    assert found.readings["integration_twilio"].value == "OPERATIONAL"
    assert found.alerts == ()


@pytest.mark.parametrize("code", [30001, 30007, 30008, 30032, 30034])
def test_carrier_filtering_and_missing_registration_are_ours(code: int) -> None:
    found = told([lost(n, code) for n in range(20)] + many(80))
    assert found.readings["sms_failed_pct"].value == pytest.approx(20.0)
    assert found.readings["integration_twilio"].value == "ISSUES"


@pytest.mark.parametrize("code", [39_999, None])
def test_a_loss_of_an_unknown_reason_is_not_understood(code: int | None) -> None:
    found = told([lost(n, code) for n in range(20)] + many(80))
    assert found.readings["sms_failed_pct"].status is Status.UNKNOWN
    assert found.readings["integration_twilio"].status is Status.UNKNOWN
    assert found.unclear() == {"messages.error_code": [str(code or "null")]}


def test_what_is_not_understood_and_cannot_matter_leaves_the_share_known() -> None:
    """1 of 1,000 is 0.1 % at worst, whatever its reason."""
    reading = told([lost(1, 39_999), *many(999)]).readings["sms_failed_pct"]
    assert (reading.value, reading.status) == (0.0, Status.PASS)
    assert "1 of 1000 are not understood" in str(reading.measurement.evidence)


def test_the_line_that_mends_an_unknown_code_mends_it() -> None:
    texts = [lost(n, 39_999) for n in range(20)] + many(80)
    (mend,) = told(texts).case["not_understood"]["mend"]
    assert mend == "sources: {twilio: {faults: {recipient: [39999]}}}"
    assert told(texts, faults={"recipient": [39_999]}).readings["sms_failed_pct"].value == 0.0


def test_a_jump_of_recipients_faults_asks_to_look() -> None:
    """Numbers stored in a wrong format look like 60 of 60 recipients without a valid number."""
    before = [message(7000 + n, "2025-02-27T12:00") for n in range(100)]
    found = told([lost(n, 21211) for n in range(60)] + before)
    assert [a.id for a in found.alerts] == ["sms_refused_pct"]
    assert found.recommendation == "investigate"


@pytest.mark.parametrize(
    "odd", [{"status": "teleported"}, {"status": None}, {"date_created": "yesterday"}, {"direction": "sideways"}]
)
def test_an_unknown_state_time_or_direction_is_not_counted_as_delivered_or_lost(odd: dict[str, Any]) -> None:
    found = told([{**lost(1, 30_007), **odd}, *many(4)])
    assert found.readings["sms_failed_pct"].status is Status.UNKNOWN
    assert len(found.unclear()) == 1


def alert(n: int, code: str = "11200", when: str = "2025-03-04T14:10:00Z") -> dict[str, Any]:
    return {
        "sid": f"NO{n}",
        "error_code": code,
        "date_generated": when,
        "request_url": "https://shop.example/api/twilio?token=abc",
    }


def test_a_webhook_of_ours_that_does_not_answer_is_an_issue_with_its_place() -> None:
    found = told(many(500), alerts=[alert(n) for n in range(400)])
    assert found.readings["integration_twilio"].value == "ISSUES"
    assert "400 of code 11200 at shop.example/api/twilio" in found.note("Twilio")
    assert "token" not in found.note("Twilio")


def test_more_alerts_than_messages_are_no_share_of_calls() -> None:
    """Twilio does not tell how many calls it made: 400 that failed are no 100 % of them."""
    note = told(many(2), alerts=[alert(n) for n in range(400)]).note("Twilio")
    assert "400 calls to our webhooks failed, beside 2 messages" in note
    assert "100.0 %" not in note


@pytest.mark.parametrize(
    ("hosts", "value"), [((), "ISSUES"), (("www.example",), "OPERATIONAL"), (("shop.example",), "ISSUES")]
)
def test_webhooks_of_another_application_of_the_account_are_told_and_no_issue(
    hosts: tuple[str], value: str
) -> None:
    found = told(many(20), alerts=[alert(n) for n in range(400)], webhook_hosts=hosts)
    assert found.readings["integration_twilio"].value == value
    assert "400 of code 11200" in found.note("Twilio")


def test_a_backlog_from_before_the_deployment_still_waits() -> None:
    """Deployed at 15:00 on 3 March; an hour before, 100 messages were queued, and are so still."""
    waiting = [message(n, "2025-03-03T14:00", "queued") for n in range(100)]
    found = told([message(500, "2025-03-03T15:30"), *waiting], phase="hour1")
    assert found.readings["integration_twilio"].value == "ISSUES"
    assert "still wait to be sent (100 of 101 messages)" in found.note("Twilio")


def test_a_few_alerts_among_many_messages_are_told_and_no_issue() -> None:
    found = told(many(900), alerts=[alert(1), alert(2), alert(3, "30007")])
    assert found.readings["integration_twilio"].value == "OPERATIONAL"
    assert "2 of code 11200" in found.note("Twilio")
    assert "1 of code 30007" in found.note("Twilio")


@pytest.mark.parametrize("status", ["queued", "accepted", "sending"])
def test_messages_that_wait_for_hours_are_an_issue(status: str) -> None:
    waiting = [message(n, "2025-03-03T19:00", status) for n in range(300)]
    found = told([*waiting, *many(200)])
    assert found.readings["integration_twilio"].value == "ISSUES"
    assert "the oldest for 20.0 h" in found.note("Twilio")


def test_messages_of_the_last_minutes_and_planned_ones_may_wait() -> None:
    waiting = [message(n, "2025-03-04T14:50", "queued") for n in range(50)]
    planned = [message(100 + n, "2025-03-03T19:00", "scheduled") for n in range(50)]
    assert told([*waiting, *planned, *many(20)]).readings["integration_twilio"].value == "OPERATIONAL"


def test_messages_that_failed_before_they_were_sent_are_counted() -> None:
    """`date_sent` is null for them, and the filter by it leaves them out."""
    found = told([lost(n, 30_034, "failed") for n in range(20)] + many(80))
    assert found.readings["sms_failed_pct"].value == pytest.approx(20.0)


def test_a_restricted_key_is_explained_once_and_loses_nothing_else() -> None:
    found = told(many(20), account=REFUSED, balance=REFUSED)
    assert found.case["gaps"].empty
    assert found.case.collection.coverage[0].status == "ok"
    assert found.readings["integration_twilio"].value == "OPERATIONAL"
    assert "key account is not readable with this key (401: Authenticate)" in found.note("Twilio")


def test_a_key_that_can_read_nothing_of_the_window_is_no_sign_of_life() -> None:
    found = told(account=REFUSED, balance=REFUSED)
    assert found.readings["integration_twilio"].status is Status.UNKNOWN


def usage(day: str, **more: Any) -> dict[str, Any]:
    return {"category": "totalprice", "start_date": day, "price": "3.10", "price_unit": "usd", **more}


@pytest.mark.parametrize("odd", [{"price": None}, {"price_unit": None}, {"price": "NaN"}, {"price": "free"}])
def test_a_day_without_a_price_loses_no_other_day(odd: dict[str, Any]) -> None:
    found = told(usage=[usage("2025-03-04"), usage("2025-03-03", **odd)])
    costs = found.case["costs"].set_index("start")
    assert costs.loc[at("2025-03-04T00:00"), "amount"] == 3.10
    assert found.case["gaps"].empty
    reading = found.readings["cost_twilio"]
    assert "at least" in str(reading.measurement.evidence)


@pytest.mark.parametrize(
    ("status", "value"),
    [("active", "OPERATIONAL"), ("suspended", "ISSUES"), ("closed", "ISSUES"), ("frozen", None)],
)
def test_an_account_is_judged_by_its_state(status: str, value: str | None) -> None:
    assert (
        told(many(20), account={"status": status, "auth_token": "x"}).readings["integration_twilio"].value == value
    )


def test_the_price_of_a_day_that_is_not_over_is_of_its_hours_so_far() -> None:
    """Asked at 15:00 of the 4th: nine of 24 hours of the 3rd lie in the window, and all of the 4th so far."""
    usage = [
        {"category": "totalprice", "start_date": day, "end_date": day, "price": price, "price_unit": "usd"}
        for day, price in (("2025-03-03", "2.4"), ("2025-03-04", "1.0"))
    ]
    assert told(many(2), usage=usage).readings["cost_twilio"].value == 1.9


def test_what_is_left_of_the_money_is_told() -> None:
    assert "balance left is 12.50 USD" in told(many(20)).note("Twilio")


def test_messages_that_could_not_be_read_leave_an_active_account_unknown() -> None:
    """A gap is not silence: the messages are there and the answer made no sense."""
    found = told(messages=Reply({"messages": [lost(1, 30_007)], "next_page_uri": 2}))
    assert found.readings["integration_twilio"].status is Status.UNKNOWN


def test_an_account_whose_answer_is_no_json_is_not_called_active() -> None:
    found = told(many(20), account=Reply(""))
    assert found.readings["integration_twilio"].status is Status.UNKNOWN


@pytest.mark.parametrize(("fine", "active"), [(0, True), (2, True), (3, False)])
def test_webhooks_that_failed_are_over_where_three_messages_came_through_since(fine: int, active: bool) -> None:
    """Ten messages a minute apart at the window's end, whose calls to us failed but for the last ones."""
    moments = [WEEK_LATER - timedelta(minutes=n) for n in range(10, 0, -1)]
    sent = [
        {"message": str(n), "created_at": m, "direction": "outbound-api", "status": "sent"}
        for n, m in enumerate(moments)
    ]
    failed = [
        {"vendor": "twilio", "event": str(n), "at": m, "kind": "webhook", "code": "11200"}
        for n, m in enumerate(moments[: 10 - fine])
    ]
    found = operational.findings(a_case({"messages": sent, "vendor_errors": failed}))
    (finding,) = [one for one in found if one.id == "integration:twilio"]
    assert (finding.since, finding.active) == (moments[0], active)
