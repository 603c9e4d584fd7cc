"""Stripe: payment attempts, undelivered webhook events, disputes, fees and the account's state.

Nothing of a customer is read. Each object is read by the class that bears its name, field by field.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar

import pandas as pd

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame, merge
from pdmlib.frames.understanding import Unclear, Vocabulary, mend_line
from pdmlib.phases.phase import DAY
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window, day_of
from pdmlib.site.site import Site
from pdmlib.site.vendors import Stripe
from pdmlib.sources import live, threads, webhooks
from pdmlib.sources.answers import MOST, Answer, each, entries, flag, moment, number, text, vocabulary, word
from pdmlib.sources.http import MAX_PAGES, Api
from pdmlib.sources.permissions import Optional

PAGE = 100
KEPT = timedelta(days=30)  # how long Stripe keeps events
YOUNG = timedelta(minutes=5)  # events that are being delivered just now
# How far back a dispute that is still open may have begun: networks take months, evidence is due in weeks.
DISPUTED = timedelta(days=120)

SPECIFICATION = "Stripe OpenAPI of API version 2026-06-24.dahlia"


class Charge(Answer):
    """One attempt to take a payment."""

    request = "GET /v1/charges"
    specification = SPECIFICATION
    resource = "charges"

    id: str | None = text("the attempt")
    created: datetime | None = moment("when it was made", "s")
    status: str | None = word("how it ended; a bank debit is pending for days", "succeeded", "pending", "failed")
    failure_code: str | None = text("why it failed, for a person; new codes come with every version", null=True)
    outcome: str | None = text(
        "authorized, manual_review (the failure code says why it failed after all), issuer_declined, blocked (by "
        "risk rules), invalid (the call was wrong); null for most bank debits",
        null=True,
        path="outcome.type",
    )


class Transaction(Answer):
    """One entry of the account's balance."""

    request = "GET /v1/balance_transactions"
    specification = SPECIFICATION
    resource = "balance_transactions"

    created: datetime | None = moment("when it was made", "s")
    type: str | None = word(
        "what it is",
        "adjustment advance advance_funding anticipation_repayment application_fee application_fee_refund "
        "charge climate_order_purchase climate_order_refund connect_collection_transfer contribution "
        "fee_credit_funding inbound_transfer inbound_transfer_reversal issuing_authorization_hold "
        "issuing_authorization_release issuing_dispute issuing_transaction obligation_outbound "
        "obligation_reversal_inbound payment payment_failure_refund payment_network_reserve_hold "
        "payment_network_reserve_release payment_refund payment_reversal payment_unreconciled payout "
        "payout_cancel payout_failure payout_minimum_balance_hold payout_minimum_balance_release refund "
        "refund_failure reserve_hold reserve_release reserve_transaction reserved_funds "
        "stripe_balance_payment_debit stripe_balance_payment_debit_reversal stripe_fee stripe_fx_fee "
        "tax_fee tax_fund topup topup_reversal transfer transfer_cancel transfer_failure transfer_refund",
    )
    reporting_category: str | None = text("what it is to an accountant; `fee`: its cost is in the amount")
    amount: float | None = number("what moved, in minor units; below 0: away from us", -MOST)
    fee: float | None = number("what it cost beside the amount, in minor units; below 0: given back", -MOST)
    currency: str | None = text("three letters of ISO 4217")


class Event(Answer):
    """One event that was not delivered to an endpoint."""

    request = "GET /v1/events?delivery_success=false"
    specification = SPECIFICATION
    resource = "events"

    id: str | None = text("the event")
    type: str | None = text("what happened, such as charge.failed; over 200 words, new ones in every version")
    created: datetime | None = moment("when it happened", "s")
    pending_webhooks: float | None = number("endpoints that have not taken it yet")


class Dispute(Answer):
    """One payment that a cardholder took back to their bank."""

    request = "GET /v1/disputes"
    specification = SPECIFICATION
    resource = "disputes"

    id: str | None = text("the dispute")
    created: datetime | None = moment("when it began", "s")
    status: str | None = word(
        "whose turn it is",
        "needs_response warning_needs_response appeal_needs_response under_review warning_under_review "
        "appeal_under_review won lost prevented warning_closed",
    )
    reason: str | None = text("the cardholder's reason")
    due_by: float | None = number(
        "until when evidence is taken, epoch seconds; 0: none is",
        0,
        4e9,
        null=True,
        path="evidence_details.due_by",
    )


class WebhookEndpoint(Answer):
    """One address that Stripe calls."""

    request = "GET /v1/webhook_endpoints"
    specification = SPECIFICATION
    resource = "webhook_endpoints"

    id: str | None = text("the endpoint: several may share a path on different hosts")
    url: str | None = text("where it leads; of it host and path are kept")
    status: str | None = word("whether it is called", webhooks.ENABLED, webhooks.DISABLED)


class Balance(Answer):
    """What the account holds; read for the key's mode alone."""

    request = "GET /v1/balance"
    specification = SPECIFICATION
    resource = "account"

    livemode: bool | None = flag("whether the key is of the live mode")


class Payout(Answer):
    """One transfer of money to the bank account."""

    request = "GET /v1/payouts"
    specification = SPECIFICATION
    resource = "payouts"

    id: str | None = text("the payout")
    created: datetime | None = moment("when it was made", "s")
    status: str | None = word("how far it is", "paid", "pending", "in_transit", "canceled", "failed")
    failure_code: str | None = text("why the bank refused it", null=True)


ANSWERS = (Charge, Transaction, Event, Dispute, WebhookEndpoint, Balance, Payout)

# Whose fault a failed payment is. Outcomes first; where the outcome is null or the payment had been let through,
# the failure code (error codes and types of the specification). What stands in neither list is not understood.
BY_CODE = "by code"
OUTCOMES = {
    "customer": ("issuer_declined", "blocked"),
    "ours": ("invalid",),
    BY_CODE: ("authorized", "manual_review"),
}
CODES = {
    # The customer's card, account, address or consent, or what their bank makes of it.
    "customer": each(
        "account_closed account_number_invalid authentication_required balance_insufficient "
        "bank_account_bad_routing_numbers bank_account_declined bank_account_restricted "
        "bank_account_unusable bank_account_unverified bank_account_verification_failed "
        "card_decline_rate_limit_exceeded card_declined charge_exceeds_source_limit debit_not_authorized "
        "expired_card incorrect_address incorrect_cvc incorrect_number incorrect_zip "
        "india_recurring_payment_mandate_canceled insufficient_funds invalid_cvc invalid_expiry_month "
        "invalid_expiry_year invalid_number no_account payment_intent_authentication_failure "
        "payment_intent_konbini_rejected_confirmation_number payment_intent_payment_attempt_expired "
        "payment_method_bank_account_blocked payment_method_customer_decline "
        "payment_method_provider_decline postal_code_invalid refer_to_customer routing_number_invalid "
        "sepa_unsupported_account",
    ),
    # Our call, our settings, our rate, or Stripe's and its partners' own trouble.
    "ours": each(
        "account_invalid amount_too_large amount_too_small api_error api_key_expired "
        "charge_invalid_parameter idempotency_error idempotency_key_in_use invalid_charge_amount "
        "invalid_request_error livemode_mismatch lock_timeout parameter_invalid_empty "
        "parameter_invalid_integer parameter_invalid_string_blank parameter_invalid_string_empty "
        "parameter_missing parameter_unknown parameters_exclusive payment_intent_invalid_parameter "
        "payment_intent_rate_limit_exceeded payment_method_configuration_failures "
        "payment_method_currency_mismatch payment_method_invalid_parameter "
        "payment_method_microdeposit_processing_error payment_method_not_available "
        "payment_method_provider_timeout payment_method_unactivated payment_method_unsupported_type "
        "platform_api_key_expired processing_error rate_limit resource_missing secret_key_required "
        "testmode_charges_only tls_version_unsupported",
    ),
}

DISPUTES = Vocabulary(
    {
        "open": ("needs_response", "warning_needs_response", "appeal_needs_response"),
        "under_review": ("under_review", "warning_under_review", "appeal_under_review"),
        "closed": ("won", "lost", "prevented", "warning_closed"),
    }
)
# Entries whose cost stands in the amount, below 0, and whose fee is 0 (balance transaction types).
FEES = ("stripe_fee", "stripe_fx_fee", "tax_fee")
FEE_CATEGORIES = ("fee", "network_cost", "tax")  # the same for types of a later version (reporting categories)

# Currencies without a minor unit, and with one of a thousandth (docs.stripe.com/currencies). UGX and ISK have none
# either and are told in hundredths all the same, for older integrations.
WHOLE = each("bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf")
THOUSANDTHS = each("bhd jod kwd omr tnd")


def collect(site: Site, scope: Scope) -> threads.Frames:
    """Frames `payments` (window and the week before), `webhook_events`, `disputes`, `vendor_states`, `costs`."""
    block = site.source("stripe")
    assert isinstance(block, Stripe)
    headers = {
        "Authorization": f"Bearer {site.secret(block.key_env)}",
        "Stripe-Version": block.api_version,
    }
    unclear, faults, optional = Unclear("stripe"), Faults(block), Optional("stripe")
    with Api("stripe", block.base_url, headers=headers) as api:
        reader = Reader(api, unclear)
        parts: list[threads.Part] = [
            *(("payments", partial(_charges, reader, w, faults)) for w in _days(scope.before, scope.window)),
            *(("costs", partial(_fees, reader, w, scope)) for w in _days(scope.previous, scope.window)),
            ("webhook_events", partial(_undelivered, reader, scope)),
            *live.live(
                site,
                scope,
                "stripe",
                [
                    ("account", partial(_account, reader)),
                    ("webhooks", partial(_endpoints, reader, site)),
                    ("disputes", partial(_disputes, reader, scope)),
                    optional.part("payouts", partial(_payouts, reader, scope)),
                ],
            ),
        ]
        return merge([_whole_days(threads.read("stripe", parts)), optional.frames(), unclear.frames()])


class Faults:
    """Whose fault a failed payment is, by Stripe's words and those that the site file declares."""

    def __init__(self, block: Stripe) -> None:
        self.outcomes = vocabulary(OUTCOMES, block.faults)
        self.codes = vocabulary(CODES, block.faults)

    def of(self, charge: Charge, unclear: Unclear) -> str | None:
        """`customer` or `ours` for a failed payment; None for any other, and where it is not understood."""
        if charge.status != "failed" or charge.odd & {"outcome", "failure_code"}:
            return None
        if charge.outcome is not None:
            found = unclear.word("charges.outcome.type", charge.outcome, self.outcomes, mend=_mend(charge.outcome))
            if found != BY_CODE:
                return found
        if charge.failure_code is None:
            unclear.note("charges.failure_code", "no reason", "null", taken_for=NEITHER)
            return None
        return unclear.word(
            "charges.failure_code", charge.failure_code, self.codes, mend=_mend(charge.failure_code)
        )


NEITHER = "neither the customer's fault nor ours"


def _mend(reason: str) -> str:
    return mend_line("sources", "stripe", "faults", value={"customer": [reason[:40]]})


A = TypeVar("A", bound=Answer)


class Reader:
    """Stripe's lists, read page by page into the class of their objects."""

    def __init__(self, api: Api, unclear: Unclear) -> None:
        self.api, self.unclear = api, unclear

    def listing(
        self, kind: type[A], path: str, window: Window | None = None, query: Iterable[tuple[str, Any]] = ()
    ) -> Iterator[A]:
        """Every entry of a list made in a window, newest first.

        Raises:
            SourceError: as `Api.get`, or there are more pages than are read, or no way to the next.
        """
        asked = [("limit", PAGE), *_created(window), *query]
        last: str | None = None
        for _ in range(MAX_PAGES):
            body = self.api.get(path, [*asked, ("starting_after", last)]).json()
            found = entries("stripe", body, "data")
            yield from (one for entry in found if (one := kind.of(entry, self.unclear)) is not None)
            if not body.get("has_more") or not found:
                return
            last = _id(found[-1], path)
        raise SourceError("stripe", f"more than {MAX_PAGES} pages of {path}{f' in {window}' if window else ''}")


def _created(window: Window | None) -> list[tuple[str, int]]:
    if window is None:
        return []
    return [("created[gte]", _epoch(window.start)), ("created[lt]", _epoch(window.end))]


def _id(entry: Any, path: str) -> str:
    found = entry.get("id") if isinstance(entry, dict) else None
    if not isinstance(found, str):
        raise SourceError("stripe", f"the last entry of a page of {path} has no id to go on from")
    return found


def _days(*windows: Window) -> list[Window]:
    """Days that together cover windows that may overlap, each second once."""
    start, end = min(w.start for w in windows), max(w.end for w in windows)
    days = threads.pieces(Window(start, end), DAY)
    return [day for day in days if any(day.start < w.end and w.start < day.end for w in windows)]


def _charges(reader: Reader, window: Window, faults: Faults) -> threads.Frames:
    """Attempts of a window. One without an id cannot be told from others, and is noted and not kept."""
    found = [charge for charge in reader.listing(Charge, "/v1/charges", window) if charge.id is not None]
    return {"payments": frame("payments", [_payment(charge, faults, reader.unclear) for charge in found])}


def _payment(charge: Charge, faults: Faults, unclear: Unclear) -> dict[str, Any]:
    return {
        "source": "stripe",
        "payment": charge.id,
        "created_at": charge.created,
        "status": charge.status,
        "failure_code": charge.failure_code,
        "outcome": charge.outcome,
        "fault": faults.of(charge, unclear),
    }


def _fees(reader: Reader, window: Window, scope: Scope) -> threads.Frames:
    """Fees by local day and currency; the amount of a day with an entry that was not understood is unknown."""
    sums: dict[tuple[datetime, datetime, str | None], Decimal] = defaultdict(Decimal)
    for entry in reader.listing(Transaction, "/v1/balance_transactions", window):
        if entry.created is None:
            continue
        day, currency, cost = (
            day_of(entry.created, scope.zone).window,
            _currency(entry, reader.unclear),
            _cost(entry),
        )
        sums[day.start, day.end, currency] += Decimal("NaN") if cost is None else major(cost, currency)
    costs = [
        {
            "start": start,
            "end": end,
            "name": "stripe",
            "service": "fees",
            "amount": float(amount),
            "currency": currency,
            "source": "stripe",
        }
        for (start, end, currency), amount in sums.items()
    ]
    return {"costs": frame("costs", costs)}


def _cost(entry: Transaction) -> Decimal | None:
    """What an entry cost, in minor units; None where that is not understood."""
    if entry.type in FEES or (entry.type is None and entry.reporting_category in FEE_CATEGORIES):
        return None if entry.amount is None else Decimal(int(entry.fee or 0)) - Decimal(int(entry.amount))
    if entry.fee is None or (entry.type is None and entry.reporting_category is None):
        return None
    return Decimal(int(entry.fee))


def _currency(entry: Transaction, unclear: Unclear) -> str | None:
    """The entry's currency in capitals; None, and noted, where it is no code of three letters."""
    code = entry.currency
    if code is None or (len(code) == 3 and code.isascii() and code.isalpha()):
        return code and code.upper()
    unclear.note("balance_transactions.currency", "no currency of three letters", code)
    return None


def major(minor: Decimal, currency: str | None) -> Decimal:
    """An amount of minor units in the currency's main unit; NaN where the currency is not known."""
    if currency is None:
        return Decimal("NaN")
    if currency.lower() in WHOLE:
        return minor
    return minor / (1000 if currency.lower() in THOUSANDTHS else 100)


def _whole_days(found: threads.Frames) -> threads.Frames:
    """Days of fees added up, since a local day spans two of the calls; unknown as soon as one part of it is."""
    if "costs" in found:
        costs = found["costs"]
        keys = [c for c in costs.columns if c != "amount"]
        sums = costs.groupby(keys, as_index=False, dropna=False)["amount"].sum(skipna=False)
        found["costs"] = frame("costs", sums.round({"amount": 3}))
    return found


def _undelivered(reader: Reader, scope: Scope) -> threads.Frames:
    end = scope.window.end - YOUNG
    start = max(scope.window.start, scope.as_of - KEPT)
    rows = []
    if start < end:
        found = reader.listing(Event, "/v1/events", Window(start, end), [("delivery_success", "false")])
        rows = [
            {
                "vendor": "stripe",
                "event": event.id,
                "type": event.type,
                "created_at": event.created,
                "pending": event.pending_webhooks,
            }
            for event in found
            if event.id is not None
        ]
    return {"webhook_events": frame("webhook_events", rows)}


def _disputes(reader: Reader, scope: Scope) -> threads.Frames:
    span = Window(scope.as_of - DISPUTED, scope.window.end)
    rows = [
        {
            "dispute": dispute.id,
            "created_at": dispute.created,
            "status": None if dispute.status is None else DISPUTES.of(dispute.status),
            "reason": dispute.reason,
            "due_at": datetime.fromtimestamp(dispute.due_by, UTC) if dispute.due_by else None,
        }
        for dispute in reader.listing(Dispute, "/v1/disputes", span)
        if dispute.id is not None
    ]
    return {"disputes": frame("disputes", rows)}


def _payouts(reader: Reader, scope: Scope) -> threads.Frames:
    """Payouts of the window that the bank refused; the others need no word."""
    span = Window(scope.window.start, scope.window.end)
    found = [p for p in reader.listing(Payout, "/v1/payouts", span) if p.status == "failed" and p.id]
    return _states(_state("payout", str(p.id), "failed", False, p.failure_code) for p in found)


def _account(reader: Reader) -> threads.Frames:
    balance = Balance.of(reader.api.get("/v1/balance").json(), reader.unclear)
    live_mode = None if balance is None else balance.livemode
    mode = {True: "live mode", False: "test mode", None: None}[live_mode]
    return _states([_state("account", "stripe", mode, live_mode, "the key's mode, by its balance")])


def _endpoints(reader: Reader, site: Site) -> threads.Frames:
    found = [
        webhooks.Endpoint(e.id, e.url, e.status)
        for e in reader.listing(WebhookEndpoint, "/v1/webhook_endpoints")
        if e.id is not None and e.url is not None
    ]
    return _states(webhooks.states("stripe", found, site, reader.unclear))


def _state(kind: str, item: str, status: str | None, ok: bool | None, detail: str | None) -> dict[str, Any]:
    return {"vendor": "stripe", "kind": kind, "item": item, "status": status, "ok": ok, "detail": detail}


def _states(rows: Iterable[dict[str, Any]]) -> dict[str, pd.DataFrame]:
    return {"vendor_states": frame("vendor_states", rows)}


def _epoch(when: datetime) -> int:
    """Seconds, rounded up, so that half-open windows meet without gap or overlap."""
    return -int(-when.timestamp() // 1)
