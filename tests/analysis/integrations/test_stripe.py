"""Stripe as it really answers: words, nulls and units of its OpenAPI of version 2026-06-24.dahlia."""

from typing import Any

import pytest

from pdmlib.frames.readings import Status
from pdmlib.verdict.verdict import judge
from tests.analysis.integrations.answered import Judged, judged
from tests.builders import at
from tests.sources.loopback import Call, Reply


def epoch(text: str) -> int:
    return int(at(text).timestamp())


def charge(n: int, created: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"ch_{n}",
        "created": epoch(created),
        "status": "succeeded",
        "failure_code": None,
        "outcome": {"type": "authorized"},
        **more,
    }


def debit(n: int, code: str | None, outcome: dict[str, Any] | None = None) -> dict[str, Any]:
    """A bank debit that failed: its outcome is null or that of its authorization."""
    return charge(n, "2025-03-04T14:30", status="failed", failure_code=code, outcome=outcome)


def listing(entries: list[dict[str, Any]]) -> Any:
    def answer(call: Call) -> Reply:
        low, high = int(call.one("created[gte]", "0")), int(call.one("created[lt]", "9999999999"))
        return Reply({"data": [e for e in entries if low <= e.get("created", low) < high], "has_more": False})

    return answer


def told(**lists: Any) -> Judged:
    names = ("charges", "balance_transactions", "events", "disputes", "webhook_endpoints", "payouts")
    said = {name: lists.get(name, []) for name in names}
    routes: dict[str, Any] = {f"/v1/{n}": listing(s) if isinstance(s, list) else s for n, s in said.items()}
    routes["/v1/balance"] = lists.get("balance", {"livemode": True})
    block = {k: v for k, v in lists.items() if k in ("faults", "webhook_hosts")}
    return judged("stripe", routes, **block)


DEBITS = ("insufficient_funds", "account_closed", "debit_not_authorized", "no_account", "bank_account_declined")


@pytest.mark.parametrize("outcome", [None, {"type": "authorized"}, {"type": " Authorized "}])
@pytest.mark.parametrize("code", DEBITS)
def test_a_failed_bank_debit_is_the_customers(code: str, outcome: dict[str, Any] | None) -> None:
    found = told(charges=[charge(1, "2025-03-04T14:00"), debit(2, code, outcome)])
    reading = found.readings["payment_failures"]
    assert (reading.value, reading.status) == (0, Status.PASS)
    assert code in str(reading.measurement.evidence)
    assert found.recommendation != "rollback"


@pytest.mark.parametrize("code", ["processing_error", "api_error", "rate_limit", "idempotency_key_in_use"])
def test_errors_of_the_call_or_of_stripe_are_ours(code: str) -> None:
    found = told(charges=[debit(1, code)])
    assert found.readings["payment_failures"].value == 1
    assert found.readings["integration_stripe"].value == "ISSUES"


def test_a_call_that_was_invalid_is_ours_whatever_its_code() -> None:
    assert told(charges=[debit(1, None, {"type": "invalid"})]).readings["payment_failures"].value == 1


@pytest.mark.parametrize(
    ("failed", "item", "example"),
    [
        (debit(2, "processing_error", {"type": "declined_by_robot"}), "charges.outcome.type", "declined_by_robot"),
        (debit(2, "moon_phase_wrong"), "charges.failure_code", "moon_phase_wrong"),
        (debit(2, None), "charges.failure_code", "null"),
        (debit(2, "processing_error", {"type": 7}), "charges.outcome.type", "7"),  # type: ignore[dict-item]
        (charge(2, "2025-03-04T14:00", status="requires_magic"), "charges.status", "requires_magic"),
    ],
)
def test_an_unknown_outcome_is_neither_the_worst_nor_nothing(
    failed: dict[str, Any], item: str, example: str
) -> None:
    found = told(charges=[charge(1, "2025-03-04T14:00"), failed])
    reading = found.readings["payment_failures"]
    assert (reading.value, reading.status) == (None, Status.UNKNOWN)
    assert example in str(reading.reason)
    assert found.unclear() == {item: [example]}
    assert found.readings["integration_stripe"].status is Status.UNKNOWN
    assert found.recommendation != "rollback"


def test_a_known_failure_is_told_beside_what_is_not_understood() -> None:
    found = told(charges=[debit(1, "processing_error"), debit(2, "moon_phase_wrong")])
    reading = found.readings["payment_failures"]
    assert reading.value == 1
    assert "moon_phase_wrong" in str(reading.measurement.evidence)


def test_the_line_that_mends_an_unknown_code_mends_it() -> None:
    failed = [charge(1, "2025-03-04T14:00"), debit(2, "moon_phase_wrong")]
    mend = told(charges=failed).case["not_understood"]["mend"].iloc[0]
    assert mend == "sources: {stripe: {faults: {customer: [moon_phase_wrong]}}}"
    found = told(charges=failed, faults={"customer": ["moon_phase_wrong"]})
    assert found.readings["payment_failures"].value == 0
    assert found.unclear() == {}


def before_and_now(declined_before: int, before: int, declined: int, now: int) -> list[dict[str, Any]]:
    """Charges spread over the week before, and in the last hour of the first day."""
    bad = {"status": "failed", "failure_code": "card_declined", "outcome": {"type": "issuer_declined"}}
    week = [
        charge(n, f"2025-02-{25 + n % 4}T12:00", **(bad if n < declined_before else {})) for n in range(before)
    ]
    hour = [charge(1000 + n, "2025-03-04T14:30", **(bad if n < declined else {})) for n in range(now)]
    return week + hour


def test_a_jump_of_the_declined_share_asks_to_investigate() -> None:
    """60 of 60 declined, 3 of 103 before: no failure of the integration by its words, and surely no chance."""
    found = told(charges=before_and_now(3, 103, 60, 60))
    assert found.readings["payment_failures"].value == 0
    assert ("payments_declined_pct", "P1") in [(a.id, a.priority) for a in found.alerts]
    assert found.recommendation == "investigate"


@pytest.mark.parametrize(("declined", "now"), [(2, 60), (0, 60), (4, 4)])
def test_the_usual_declines_and_one_persons_bad_card_alert_nobody(declined: int, now: int) -> None:
    """2 of 60 are 3.3 %, as 3 of 103 before; four of four may be one person's four attempts."""
    found = told(charges=before_and_now(3, 103, declined, now)[0 if now > 4 else 103 :])
    assert [a.id for a in found.alerts] == []


def test_without_a_week_before_nearly_all_declined_is_enough() -> None:
    """Wilson's lower bound of 9 of 9 is 70.1 %."""
    assert [a.id for a in told(charges=before_and_now(0, 0, 9, 9)).alerts] == ["payments_declined_pct"]


def moved(n: int, kind: str, amount: int, fee: int, currency: str = "usd", **more: Any) -> dict[str, Any]:
    category = "fee" if kind.endswith("fee") else "charge"
    return {
        "id": f"txn_{n}",
        "created": epoch("2025-03-04T12:00"),
        "type": kind,
        "amount": amount,
        "fee": fee,
        "currency": currency,
        "reporting_category": category,
        **more,
    }


def amounts(found: Judged) -> dict[str, float]:
    costs = found.case["costs"]
    return dict(zip(costs["currency"].fillna("?"), costs["amount"], strict=True))


def test_fees_that_stand_in_the_amount_are_costs_too() -> None:
    """102.50 of charges, 40.00 of Stripe's own products, 11.00 of conversion: 153.50."""
    found = told(
        balance_transactions=[
            moved(1, "charge", 300_000, 10_250),
            moved(2, "stripe_fee", -4_000, 0),
            moved(3, "stripe_fx_fee", -1_100, 0),
        ]
    )
    assert amounts(found) == {"USD": 153.50}


def test_a_fee_of_a_later_versions_type_is_told_by_its_reporting_category() -> None:
    found = told(balance_transactions=[moved(1, "stripe_moon_fee", -500, 0)])
    assert amounts(found) == {"USD": 5.00}
    assert found.unclear() == {"balance_transactions.type": ["stripe_moon_fee"]}


@pytest.mark.parametrize(
    ("currency", "minor", "major"),
    [
        ("ugx", 50_000, 500.0),
        ("isk", 50_000, 500.0),
        ("jpy", 500, 500.0),
        ("kwd", 5_120, 5.12),
        ("eur", 512, 5.12),
    ],
)
def test_amounts_follow_stripes_list_of_currencies(currency: str, minor: int, major: float) -> None:
    """docs.stripe.com/currencies: UGX and ISK are told in hundredths although they have none."""
    assert amounts(told(balance_transactions=[moved(1, "charge", 0, fee=minor, currency=currency)])) == {
        currency.upper(): major
    }


@pytest.mark.parametrize(
    ("odd", "where"),
    [
        ({"fee": None}, "USD"),
        ({"fee": "NaN"}, "USD"),
        ({"type": None, "reporting_category": None}, "USD"),
        ({"currency": None}, "?"),
        ({"currency": "dollars"}, "?"),
    ],
)
def test_a_sum_with_an_entry_that_is_not_understood_is_unknown(odd: dict[str, Any], where: str) -> None:
    found = amounts(told(balance_transactions=[{**moved(1, "charge", 100, 30), **odd}]))
    assert list(found) == [where]
    assert found[where] != found[where]


def dispute(n: int, status: str, **more: Any) -> dict[str, Any]:
    return {
        "id": f"dp_{n}",
        "created": epoch("2025-02-20T12:00"),
        "status": status,
        "reason": "fraudulent",
        "evidence_details": {"due_by": epoch("2025-03-09T23:59")},
        **more,
    }


@pytest.mark.parametrize("status", ["needs_response", "warning_needs_response", "appeal_needs_response"])
def test_a_dispute_that_waits_is_a_reading_and_a_finding_with_its_date(status: str) -> None:
    """2025-03-09T23:59 UTC is 18:59 in Chicago, daylight saving having begun that night."""
    found = told(disputes=[dispute(1, status), dispute(2, "under_review"), dispute(3, "won")])
    reading = found.readings["disputes_open"]
    assert (reading.value, reading.status) == (1, Status.WARN)
    (finding,) = found.findings
    assert (finding.id, finding.since) == ("disputes:open", at("2025-02-20T12:00"))
    assert "is due until Sun 9 Mar 18:59 CDT" in finding.evidence
    assert "1 fraudulent" in finding.evidence


@pytest.mark.parametrize("created", ["2025-02-20T12:00", "2025-03-04T08:00"])
def test_disputes_are_dated_from_the_first_that_waits_and_are_one_cause(created: str) -> None:
    """Neither from the window's start nor from the deployment, also where the next of them came later."""
    waits = dispute(1, "needs_response", created=epoch(created))
    later = dispute(2, "needs_response", created=epoch("2025-03-04T14:00"))
    found = told(disputes=[waits, later, dispute(3, "lost", created=epoch("2025-02-01T12:00"))])
    assert {a.id: a.since for a in found.alerts} == dict.fromkeys(("disputes:open", "disputes_open"), at(created))
    (cause,) = (c for c in judge(found.case).causes if "disputes_open" in c.chain)
    assert (cause.since, cause.chain) == (at(created), ("disputes:open", "disputes_open"))
    assert told(disputes=[waits]).findings[0].title == "1 dispute of a payment waits for an answer"


@pytest.mark.parametrize(
    "status", ["won", "lost", "prevented", "warning_closed", "under_review", "appeal_under_review"]
)
def test_a_dispute_that_is_over_or_with_the_bank_needs_nobody(status: str) -> None:
    found = told(disputes=[dispute(1, status)])
    assert (found.readings["disputes_open"].value, found.findings) == (0, ())


def test_a_dispute_of_an_unknown_state_leaves_the_number_unknown() -> None:
    found = told(disputes=[dispute(1, "in_arbitration")])
    assert found.readings["disputes_open"].status is Status.UNKNOWN
    assert found.unclear() == {"disputes.status": ["in_arbitration"]}


def test_a_dispute_without_a_date_has_none() -> None:
    """0 says that the bank takes no evidence; the field is nullable."""
    found = told(disputes=[dispute(1, "needs_response", evidence_details={"due_by": d}) for d in (0, None)])
    assert "due" not in found.findings[0].evidence


def hook(n: int, url: str, status: str) -> dict[str, Any]:
    return {"id": f"we_{n}", "url": url, "status": status}


OWN, STAGING = "https://shop.example/api/hooks", "https://staging.shop.example/api/hooks"


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize(
    ("own", "staging", "value"), [("disabled", "enabled", "ISSUES"), ("enabled", "disabled", "OPERATIONAL")]
)
def test_endpoints_of_one_path_are_judged_by_the_sites_own_host(
    own: str, staging: str, value: str, order: int
) -> None:
    hooks = [hook(1, f"{OWN}?k=v", own), hook(2, STAGING, staging)][::order]
    found = told(charges=[charge(1, "2025-03-04T14:00")], webhook_endpoints=hooks)
    assert found.readings["integration_stripe"].value == value
    assert "k=v" not in found.note("Stripe")


def test_hosts_that_the_site_does_not_name_are_judged_when_they_agree_and_asked_about_when_not() -> None:
    agreed = told(
        webhook_endpoints=[hook(1, "https://a.example/h", "disabled"), hook(2, "https://b.example/h", "disabled")]
    )
    assert agreed.readings["integration_stripe"].value == "ISSUES"
    mixed = [hook(1, "https://a.example/h", "disabled"), hook(2, "https://b.example/h", "enabled")]
    paid = [charge(1, "2025-03-04T14:00")]
    found = told(charges=paid, webhook_endpoints=mixed)
    assert found.readings["integration_stripe"].status is Status.UNKNOWN
    assert found.case["not_understood"]["mend"].tolist() == ["sources: {stripe: {webhook_hosts: [b.example]}}"]
    named = told(charges=paid, webhook_endpoints=mixed, webhook_hosts=["b.example"])
    assert named.readings["integration_stripe"].value == "OPERATIONAL"


def test_an_unknown_state_of_an_endpoint_or_account_is_not_well() -> None:
    for answers in (
        {"webhook_endpoints": [hook(1, OWN, "paused")]},
        {"balance": {"livemode": "yes"}},
        {"balance": []},
    ):
        found = told(charges=[charge(1, "2025-03-04T14:00")], **answers)
        assert found.readings["integration_stripe"].status is Status.UNKNOWN, answers


def test_a_payout_that_the_bank_refused_is_an_issue() -> None:
    payout = {
        "id": "po_1",
        "created": epoch("2025-03-04T12:00"),
        "status": "failed",
        "failure_code": "account_closed",
    }
    found = told(payouts=[payout, {**payout, "id": "po_2", "status": "in_transit", "failure_code": None}])
    assert found.readings["integration_stripe"].value == "ISSUES"
    assert "payout po_1 failed (account_closed)" in found.note("Stripe")
    assert "po_2" not in found.note("Stripe")


def test_fees_of_a_window_that_begins_and_ends_within_days_are_counted_and_not_prorated() -> None:
    """From 15:00 on the 3rd to 15:00 on the 4th, UTC: 1.00 and 2.00 USD lie inside, 4.00 before."""
    fees = {"2025-03-03T14:00": 400, "2025-03-03T16:00": 100, "2025-03-04T14:00": 200}
    entries = [
        {
            "created": epoch(t),
            "type": "charge",
            "reporting_category": "charge",
            "amount": 9000,
            "fee": fee,
            "currency": "usd",
        }
        for t, fee in fees.items()
    ]
    assert told(balance_transactions=entries).readings["cost_stripe"].value == 3.0


REFUSED = {"id": "po_1", "status": "failed", "failure_code": "account_closed", "currency": "usd"}
PAID = {"id": "po_2", "status": "paid", "failure_code": None, "currency": "usd"}


@pytest.mark.parametrize(
    ("later", "value"), [(None, "ISSUES"), (PAID, "OPERATIONAL"), ({**PAID, "currency": "eur"}, "ISSUES")]
)
def test_a_payout_that_the_bank_sent_back_days_later_is_an_issue_until_one_arrives(
    later: dict[str, Any] | None, value: str
) -> None:
    """Stripe: a bank returns a payout within five business days; the day of the deployment is the 4th."""
    payouts = [{**REFUSED, "created": epoch("2025-02-27T12:00")}]
    payouts = payouts if later is None else [{**later, "created": epoch("2025-03-01T12:00")}, *payouts]
    paid = [charge(1, "2025-03-04T14:00")]
    assert told(charges=paid, payouts=payouts).readings["integration_stripe"].value == value


def test_the_next_dispute_to_answer_is_told_beside_one_that_is_too_late() -> None:
    due = {1: "2025-03-02T12:00", 2: "2025-03-08T12:00"}
    disputes = [dispute(n, "needs_response", evidence_details={"due_by": epoch(d)}) for n, d in due.items()]
    said = str(told(disputes=disputes).readings["disputes_open"].measurement.evidence)
    assert "is due until Sat 8 Mar" in said
    assert "was due until Sun 2 Mar" in said and "for 1 of them" in said


def test_events_whose_waiting_endpoints_are_not_told_are_not_called_delivered() -> None:
    event = {"id": "evt_1", "type": "charge.failed", "created": epoch("2025-03-04T12:00"), "pending_webhooks": -1}
    assert told(events=[event]).readings["webhooks_pending"].status is Status.UNKNOWN
    assert told(events=[{**event, "pending_webhooks": 2}]).readings["webhooks_pending"].value == 1


# Stripe's answer to a restricted key without the permission, as its documentation of keys shows it.
LACKING = {
    "type": "invalid_request_error",
    "message": f"The provided key 'rk_live_{'*' * 93}abcdef' does not have the required permissions for this "
    "endpoint on account 'acct_1032D82eZvKYlo2C'. Having the 'rak_event_read' permission would allow this request "
    "to continue.",
}


@pytest.mark.parametrize("lacking", [("charges",), ("events",), ("webhook_endpoints",), ("balance",)])
def test_stripe_is_not_called_operational_where_the_key_may_not_read_what_that_rests_on(
    lacking: tuple[str],
) -> None:
    refused = {name: Reply({"error": LACKING}, 403) for name in lacking}
    found = told(**{"charges": [charge(1, "2025-03-04T14:00")]} | refused).readings["integration_stripe"]
    assert (found.value, found.status) == (None, Status.UNKNOWN)
    assert "rak_event_read" in str(found.measurement.reason)
