"""Stripe: every page of payments, fees by local day, and nothing of a customer."""

from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

from pdmlib.analysis.integrations import payments
from pdmlib.errors import SourceError
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.readings import Answer as Said
from pdmlib.sources import stripe
from tests.builders import a_scope, at
from tests.sources.loopback import Answer, Call, Reply, Vendor, routed, the_scope, the_site, vendor


def epoch(text: str) -> int:
    return int(at(text).timestamp())


def charge(n: int, created: str, status: str = "succeeded", **more: Any) -> dict[str, Any]:
    kind = "authorized" if status == "succeeded" else "issuer_declined"
    return {
        "id": f"ch_{n}",
        "created": epoch(created),
        "status": status,
        "amount": 12_900,
        "currency": "usd",
        "failure_code": None,
        "outcome": {"type": kind},
        "billing_details": {"email": "customer@example.com"},
        **more,
    }


CHARGES = [
    charge(5, "2025-03-04T14:00"),
    charge(4, "2025-03-04T10:00", "failed", failure_code="card_declined"),
    charge(3, "2025-03-04T09:00", "failed", failure_code="processing_error", outcome={"type": "invalid"}),
    charge(2, "2025-03-04T05:59"),
    charge(1, "2025-02-25T12:00", outcome=None),
]
FEES = [
    {"created": epoch("2025-03-04T14:00"), "fee": 404, "currency": "usd", "source": "ch_5", "type": "charge"},
    {"created": epoch("2025-03-04T05:59"), "fee": 100, "currency": "usd", "source": "ch_2", "type": "charge"},
    {"created": epoch("2025-03-04T06:00"), "fee": 30, "currency": "usd", "source": "x", "type": "charge"},
    {"created": epoch("2025-03-04T07:00"), "fee": 50, "currency": "jpy", "source": None, "type": "adjustment"},
]


def listing(entries: list[dict[str, Any]], page: int = 100) -> Any:
    """A list as Stripe pages it, newest first, by `created` and `starting_after`."""

    def answer(call: Call) -> Reply:
        low, high = int(call.one("created[gte]", "0")), int(call.one("created[lt]", "9999999999"))
        shown = [e for e in entries if low <= e.get("created", low) < high]
        after = call.one("starting_after")
        first = [e["id"] for e in shown].index(after) + 1 if after else 0
        return Reply({"data": shown[first : first + page], "has_more": first + page < len(shown)})

    return answer


def routes(**other: Any) -> dict[str, Any]:
    return {
        "/v1/charges": listing(CHARGES),
        "/v1/balance_transactions": listing(
            [{"id": f"txn_{n}", "amount": 0, "reporting_category": "charge", **e} for n, e in enumerate(FEES)]
        ),
        "/v1/events": listing([]),
        "/v1/disputes": listing([]),
        "/v1/balance": {"livemode": True, "available": []},
        "/v1/webhook_endpoints": listing([]),
        "/v1/payouts": listing([]),
        **other,
    }


def collected(answer: Answer) -> tuple[Collection, Vendor]:
    with vendor(answer) as server:
        return Collection(stripe.collect(the_site("stripe", base_url=server.url), the_scope())), server


def test_payments_of_the_window_and_the_week_before_are_told_with_their_outcome() -> None:
    payments = collected(routed(routes()))[0]["payments"].set_index("payment").sort_index()
    assert payments.index.tolist() == ["ch_1", "ch_2", "ch_3", "ch_4", "ch_5"]
    assert payments["outcome"].iloc[1:].tolist() == ["authorized", "invalid", "issuer_declined", "authorized"]
    assert pd.isna(payments.loc["ch_1", "outcome"])
    assert payments.loc["ch_3", "failure_code"] == "processing_error"
    assert payments["fault"].iloc[2:4].tolist() == ["ours", "customer"]
    assert payments["fault"].iloc[[0, 1, 4]].isna().all()


def test_pages_are_read_to_the_end() -> None:
    many = [charge(n, "2025-03-04T12:00") for n in range(7)]
    found, server = collected(routed(routes(**{"/v1/charges": listing(many, page=2)})))
    assert len(found["payments"].query("source == 'stripe'")) == 7
    assert [c.one("starting_after") for c in server.asked("/v1/charges") if c.one("starting_after")] == [
        "ch_1",
        "ch_3",
        "ch_5",
    ]


def test_pages_without_end_are_a_gap_and_not_a_shorter_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stripe, "MAX_PAGES", 3)
    endless = {"data": [charge(1, "2025-03-04T12:00")], "has_more": True}
    found, _ = collected(routed(routes(**{"/v1/charges": endless})))
    gap = found.gap("stripe", "payments")
    assert gap is not None
    assert gap[1].startswith("more than 3 pages of /v1/charges")


def test_fees_are_added_up_by_local_day_and_currency() -> None:
    """05:59 UTC is 3 March in Chicago, of which the window has the time from 15:00 on.

    404 + 30 minor units of 4 March are 4.34 USD; yen have no minor unit.
    """
    costs = collected(routed(routes()))[0]["costs"]
    rows = costs[["start", "currency", "amount"]].itertuples(index=False)
    found = {(start.isoformat()[:13], currency): amount for start, currency, amount in rows}
    assert found == {("2025-03-03T15", "USD"): 1.0, ("2025-03-04T06", "USD"): 4.34, ("2025-03-04T06", "JPY"): 50.0}


@pytest.mark.parametrize(("currency", "major"), [("usd", "12.34"), ("JPY", "1234"), ("kwd", "1.234")])
def test_amounts_follow_their_currency(currency: str, major: str) -> None:
    assert stripe.major(Decimal(1234), currency) == Decimal(major)


def test_undelivered_events_younger_than_five_minutes_are_not_asked_for() -> None:
    found, server = collected(routed(routes()))
    (call,) = server.asked("/v1/events")
    assert call.one("delivery_success") == "false"
    assert int(call.one("created[lt]")) == epoch("2025-03-04T14:55")
    assert found["webhook_events"].empty


def test_a_report_of_the_last_day_tells_the_whole_backlog_since_the_deployment() -> None:
    """An event of Wednesday that waits on Monday still waits, whichever window is looked at."""
    waits = {"id": "evt_1", "type": "charge.failed", "created": epoch("2025-03-05T16:30"), "pending_webhooks": 1}
    site = the_site("stripe", base_url="http://127.0.0.1")
    for phase in ("daily", "dashboard", "week1"):
        scope = a_scope(site, phase, as_of=at("2025-03-10T15:00"))
        with vendor(routed(routes(**{"/v1/events": listing([waits])}))) as server:
            frames = stripe.collect(the_site("stripe", base_url=server.url), scope)
        case = Case(site, scope, Collection(frames, (Coverage("stripe", Said.OK, 1, 0.1),)), scope.window)
        assert payments.webhooks_pending(case).value == 1, phase


def test_endpoints_are_told_by_id_and_place_and_disputes_with_their_date() -> None:
    endpoints = [{"id": "we_1", "url": "https://shop.example/api/hooks?token=abc", "status": "disabled"}]
    made, due = epoch("2025-02-10T12:00"), epoch("2025-03-11T12:00")
    dispute = {"id": "dp_1", "created": made, "status": "needs_response", "reason": "fraudulent"}
    disputes = [{**dispute, "evidence_details": {"due_by": due}}]
    found, _ = collected(
        routed(routes(**{"/v1/webhook_endpoints": listing(endpoints), "/v1/disputes": listing(disputes)}))
    )
    states = found["vendor_states"].set_index("kind")
    assert states.loc["webhook", ["item", "ok", "detail"]].tolist() == ["we_1", False, "shop.example/api/hooks"]
    assert states.loc["account", "ok"]
    (row,) = found["disputes"].to_dict("records")
    assert (row["dispute"], row["status"], row["reason"]) == ("dp_1", "open", "fraudulent")
    assert row["due_at"] == at("2025-03-11T12:00")


def test_a_page_whose_last_entry_has_no_id_is_a_gap_and_not_the_whole_list() -> None:
    first = {"data": [charge(1, "2025-03-04T12:00", id=None)], "has_more": True}
    found, _ = collected(routed(routes(**{"/v1/charges": first})))
    assert found.gap("stripe", "payments") == (
        "error",
        "the last entry of a page of /v1/charges has no id to go on from",
    )


def test_payouts_that_a_restricted_key_may_not_read_are_explained_and_no_gap() -> None:
    refused = Reply({"error": {"message": "The provided key does not have the required permissions"}}, 403)
    found, _ = collected(routed(routes(**{"/v1/payouts": refused})))
    assert found["gaps"].empty
    row = found["vendor_states"].set_index("kind").loc["key"]
    assert row["item"] == "payouts"
    assert "required permissions" in row["detail"]


def test_a_key_of_the_test_mode_is_not_an_account_in_order() -> None:
    found, _ = collected(routed(routes(**{"/v1/balance": {"livemode": False}})))
    row = found["vendor_states"].query("kind == 'account'").iloc[0]
    assert (row["status"], row["ok"]) == ("in test mode", False)


def test_nothing_of_a_customer_is_kept() -> None:
    found, _ = collected(routed(routes()))
    assert "customer@example.com" not in " ".join(table.to_csv() for table in found.frames.values())


def test_a_wrong_key_is_a_source_that_could_not_be_read() -> None:
    error = {"error": {"message": "Invalid API Key provided: rk_live_****", "type": "invalid_request_error"}}
    with pytest.raises(SourceError) as caught:
        collected(lambda call: Reply(error, 401))
    assert caught.value.reason == "401: Invalid API Key provided: rk_live_****"


def test_the_version_is_pinned() -> None:
    _, server = collected(routed(routes()))
    assert {call.headers["Stripe-Version"] for call in server.calls} == {"2026-06-24.dahlia"}


@pytest.mark.parametrize("word", ["processing_error", " Processing_Error "])
def test_whose_fault_a_code_is_the_site_file_knows_better_than_the_usual_list(word: str) -> None:
    """`processing_error` is Stripe's own trouble unless a site says otherwise, however it writes the word."""
    failed = [charge(1, "2025-03-04T10:00", "failed", failure_code="processing_error", outcome=None)]
    with vendor(
        routed({"/v1/charges": listing(failed)}, missing=Reply({"data": [], "has_more": False}))
    ) as running:
        for faults, whose in (({}, "ours"), ({"customer": [word]}, "customer")):
            found = stripe.collect(the_site("stripe", base_url=running.url, faults=faults), the_scope())
            assert found["payments"]["fault"].tolist() == [whose]
