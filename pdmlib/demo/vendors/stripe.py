"""Stripe: charges, intents, events and what belongs to them, newest first."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from pdmlib.demo.exchange import Call, Reply, Stage, Vendor
from pdmlib.demo.scenarios import DEPLOYED
from pdmlib.demo.vendors import made
from pdmlib.demo.world.grid import DAY, ms
from pdmlib.demo.world.money import BROKEN, SUCCEEDED

_PAGE = 50
_VERSION = "2026-06-24.dahlia"
_KEPT_EVENTS = 30 * DAY
_HOOK = "crm.example.com/api/webhooks/stripe"
Entry = dict[str, Any]


def _allows(call: Call, stage: Stage) -> Reply | None:
    key = stage.secrets["PDM_DEMO_STRIPE_API_KEY"]
    if key in (call.bearer(), call.basic()[0]):
        return None
    error = {"message": "Invalid API Key provided: rk_demo_****", "type": "invalid_request_error"}
    return Reply({"error": error}, 401)


def _invalid(message: str, parameter: str) -> Reply:
    return Reply({"error": {"type": "invalid_request_error", "message": message, "param": parameter}}, 400)


def _limits(call: Call) -> tuple[int, int] | Reply:
    """The span of `created` that a call asks for, in seconds and half-open."""
    low, high = 0, 2**40
    for name in ("gte", "gt", "lt", "lte"):
        text = call.one(f"created[{name}]")
        if text and not text.isdigit():
            return _invalid("Invalid timestamp: must be an integer Unix timestamp", f"created[{name}]")
        if text and name in ("gte", "gt"):
            low = max(low, int(text) + (name == "gt"))
        elif text:
            high = min(high, int(text) + (name == "lte"))
    return low, high


def _charges(stage: Stage, limits: tuple[int, int]) -> list[tuple[int, Entry]]:
    """Charges created in a span of seconds, up to the clock, with their numbers, newest first."""
    table = stage.world["charges"].until(stage.clock)
    first, last = np.searchsorted(table["at"], [1000 * limits[0], 1000 * limits[1]]).tolist()
    return list(enumerate(table.slice(first, last).rows(), start=first))[::-1]


def _charge(stage: Stage, n: int, row: Entry) -> Entry:
    good, broken = row["result"] == SUCCEEDED, row["result"] == BROKEN
    code = None if good else "processing_error" if broken else "card_declined"
    reason = None if good else "processing_error" if broken else "insufficient_funds"
    kind = "authorized" if good else "invalid" if broken else "issuer_declined"
    network = "approved_by_network" if good else "not_sent_to_network" if broken else "declined_by_network"
    message = "An error occurred while processing your card." if broken else "Your card has insufficient funds."
    return {
        "id": f"ch_demo{n:08d}",
        "object": "charge",
        "amount": row["amount"],
        "amount_captured": row["amount"] if good else 0,
        "amount_refunded": 0,
        "balance_transaction": f"txn_demo{n:08d}" if good else None,
        "billing_details": {"email": f"customer{row['customer']}@example.com"},
        "captured": good,
        "created": row["at"] // 1000,
        "currency": "usd",
        "disputed": False,
        "failure_code": code,
        "failure_message": None if good else message,
        "livemode": True,
        "outcome": {
            "network_status": network,
            "reason": reason,
            "risk_level": "normal",
            "seller_message": "Payment complete." if good else message,
            "type": kind,
        },
        "paid": good,
        "payment_intent": f"pi_demo{n:08d}",
        "refunded": False,
        "status": "succeeded" if good else "failed",
    }


def _event(stage: Stage, n: int, row: Entry) -> Entry | None:
    if row["at"] < stage.clock - _KEPT_EVENTS:
        return None
    good = row["result"] == SUCCEEDED
    intent = {"id": f"pi_demo{n:08d}", "object": "payment_intent", "amount": row["amount"], "currency": "usd"}
    return {
        "id": f"evt_demo{n:08d}",
        "object": "event",
        "api_version": _VERSION,
        "created": row["at"] // 1000,
        "data": {"object": {**intent, "status": "succeeded" if good else "requires_payment_method"}},
        "livemode": True,
        "pending_webhooks": int(_pending(stage, row["at"])),
        "request": {"id": f"req_demo{n}", "idempotency_key": None},
        "type": "payment_intent.succeeded" if good else "payment_intent.payment_failed",
    }


def _pending(stage: Stage, at: int) -> bool:
    disabled = stage.plan.webhook_disabled_at
    return at > stage.clock - 20_000 or (disabled is not None and at >= ms(disabled))


def _transaction(stage: Stage, n: int, row: Entry) -> Entry | None:
    if row["result"] != SUCCEEDED:
        return None
    fee = {"amount": row["fee"], "currency": "usd", "description": "Stripe processing fees", "type": "stripe_fee"}
    settled = row["at"] + 2 * DAY
    return {
        "id": f"txn_demo{n:08d}",
        "object": "balance_transaction",
        "amount": row["amount"],
        "available_on": settled // 1000,
        "created": row["at"] // 1000,
        "currency": "usd",
        "fee": row["fee"],
        "fee_details": [fee],
        "net": row["amount"] - row["fee"],
        "reporting_category": "charge",
        "source": f"ch_demo{n:08d}",
        "status": "available" if settled <= stage.clock else "pending",
        "type": "charge",
    }


def _wanted(call: Call, entry: Entry) -> bool:
    types = [*call.query.get("types[]", ()), *call.query.get("type", ())]
    delivered = call.one("delivery_success")
    if types and entry.get("type") not in types:
        return False
    return not delivered or (delivered == "false") == (entry["pending_webhooks"] > 0)


def _made_events(stage: Stage) -> list[Entry]:
    return made.events(stage, _pending(stage, stage.clock - 20_000))


def _listing(
    show: Callable[[Stage, int, Entry], Entry | None], also: Callable[[Stage], list[Entry]] = lambda stage: []
) -> Callable[[Call, Stage, re.Match[str]], Reply]:
    def answer(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
        limits = _limits(call)
        if isinstance(limits, Reply):
            return limits
        others = (one for one in also(stage) if limits[0] <= one["created"] < limits[1])
        shown = (*others, *(show(stage, n, row) for n, row in _charges(stage, limits)))
        entries = [e for e in shown if e and (e["object"] != "event" or _wanted(call, e))]
        return _page(call, found[0], entries)

    return answer


def _page(call: Call, url: str, entries: list[Entry]) -> Reply:
    limit, after = call.number("limit", 10), call.one("starting_after")
    if not 1 <= limit <= 100:
        return _invalid("Invalid limit: must be between 1 and 100", "limit")
    ids = [e["id"] for e in entries]
    if after and after not in ids:
        return _invalid(f"No such object: '{after}'", "starting_after")
    first = ids.index(after) + 1 if after else 0
    last = first + min(limit, _PAGE)
    return Reply({"object": "list", "url": url, "has_more": last < len(entries), "data": entries[first:last]})


def _disputes(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    created = ms(DEPLOYED) - 20 * DAY
    limits = _limits(call)
    if isinstance(limits, Reply):
        return limits
    n = int(np.searchsorted(stage.world["charges"]["at"], created - 5 * DAY))
    dispute = {
        "id": "dp_demo00000001",
        "object": "dispute",
        "amount": int(stage.world["charges"]["amount"][n]),
        "balance_transactions": [],
        "charge": f"ch_demo{n:08d}",
        "created": created // 1000,
        "currency": "usd",
        "evidence_details": {
            "due_by": (created + 7 * DAY) // 1000,
            "has_evidence": True,
            "past_due": False,
            "submission_count": 1,
        },
        "livemode": True,
        "payment_intent": f"pi_demo{n:08d}",
        "reason": "product_not_received",
        "status": "won",
    }
    inside = created <= stage.clock and limits[0] <= created // 1000 < limits[1]
    return _page(call, found[0], [dispute] if inside else [])


def _webhooks(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    disabled = stage.plan.webhook_disabled_at
    staging = {"id": "we_demo00000002", "status": "disabled", "url": f"https://staging.{_HOOK}"}
    endpoint: dict[str, Any] = {
        "id": "we_demo00000001",
        "object": "webhook_endpoint",
        "api_version": None,
        "application": None,
        "created": ms(DEPLOYED) // 1000 - 200 * 86_400,
        "description": "CRM",
        "enabled_events": ["payment_intent.succeeded", "payment_intent.payment_failed"],
        "livemode": True,
        "metadata": {},
        "status": "disabled" if disabled and ms(disabled) <= stage.clock else "enabled",
        "url": f"https://{_HOOK}",
    }
    return _page(call, found[0], [endpoint, {**endpoint, **staging}])


def _balance(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    charges = stage.world["charges"].until(stage.clock)
    net = np.where(charges["result"] == SUCCEEDED, charges["amount"] - charges["fee"], 0)
    settled = charges["at"] + 2 * DAY <= stage.clock
    available, pending = int(net[settled][-60:].sum()), int(net[~settled].sum())
    part = {"currency": "usd"}
    return Reply(
        {
            "object": "balance",
            "available": [{"amount": available, **part, "source_types": {"card": available}}],
            "pending": [{"amount": pending, **part, "source_types": {"card": pending}}],
            "livemode": True,
        }
    )


def _payouts(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    """One payout a day, of what was available; each arrives."""
    limits = _limits(call)
    if isinstance(limits, Reply):
        return limits
    first, last = (min(max(x * 1000, stage.clock - 40 * DAY), stage.clock) // DAY for x in limits)
    days = [day for day in range(last, first - 1, -1) if limits[0] * 1000 <= day * DAY < limits[1] * 1000]
    return _page(call, found[0], [_payout(day) for day in days])


def _payout(day: int) -> Entry:
    return {
        "id": f"po_demo{day:08d}",
        "object": "payout",
        "amount": 250_000,
        "arrival_date": (day + 2) * 86_400,
        "automatic": True,
        "created": day * 86_400,
        "currency": "usd",
        "failure_code": None,
        "failure_message": None,
        "livemode": True,
        "method": "standard",
        "status": "paid",
        "type": "bank_account",
    }


_TOO_MANY = {
    "message": "Too many requests hit the API too quickly.",
    "type": "invalid_request_error",
    "code": "rate_limit",
}
VENDOR = Vendor(
    allows=_allows,
    routes=(
        ("GET", r"/v1/charges", _listing(_charge)),
        ("GET", r"/v1/events", _listing(_event, also=_made_events)),
        ("GET", r"/v1/balance_transactions", _listing(_transaction)),
        ("GET", r"/v1/webhook_endpoints", _webhooks),
        ("GET", r"/v1/disputes", _disputes),
        ("GET", r"/v1/payouts", _payouts),
        ("GET", r"/v1/balance", _balance),
        ("GET", r"/v1/payment_intents/(\w+)", made.read),
        ("POST", r"/v1/payment_intents", made.pay),
        ("POST", r"/v1/payment_intents/(\w+)/cancel", made.cancel),
        ("POST", r"/v1/refunds", made.refund),
    ),
    unknown=Reply({"error": {"type": "invalid_request_error", "message": "Unrecognized request URL"}}, 404),
    refusals={
        "limited": Reply(
            {"error": _TOO_MANY},
            429,
            {
                "Stripe-Rate-Limited-Reason": "global-rate",
                "Stripe-Should-Retry": "true",
                "Retry-After": "3600",
                "Request-Id": "req_demo_limited",
            },
        )
    },
)
