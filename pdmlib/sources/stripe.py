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
from pdmlib.frames.understanding import Unclear, mend_line
from pdmlib.phases.phase import DAY
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window, day_of
from pdmlib.site.site import Site
from pdmlib.site.vendors import Stripe
from pdmlib.sources import live, threads, webhooks
from pdmlib.sources.fields import Answer, entries, goes_on, vocabulary
from pdmlib.sources.http import MAX_PAGES, Api
from pdmlib.sources.permissions import Optional
from pdmlib.sources.specifications.stripe import (
    BY_CODE,
    CODES,
    DISPUTES,
    FEE_CATEGORIES,
    FEES,
    OUTCOMES,
    THOUSANDTHS,
    WHOLE,
    Balance,
    Charge,
    Dispute,
    Event,
    Payout,
    Transaction,
    WebhookEndpoint,
)

PAGE = 100
KEPT = timedelta(days=30)  # how long Stripe keeps events
# Stripe takes 25 reads a second of a test key and 100 of a live one, the application's among them
# (docs.stripe.com/rate-limits).
GAP_S = 0.05
YOUNG = timedelta(minutes=5)  # events that are being delivered just now
# How far back a dispute that is still open may have begun: networks take months, evidence is due in weeks.
DISPUTED = timedelta(days=120)
# A bank sends money back within five business days, by Stripe's documentation; with holidays ten days.
REFUSED_WITHIN = timedelta(days=10)

NEITHER = "neither the customer's fault nor ours"
DISPUTE_STATES = vocabulary(DISPUTES, {})


def collect(site: Site, scope: Scope) -> threads.Frames:
    """Frames `payments` (window and the week before), `webhook_events`, `disputes`, `vendor_states`, `costs`."""
    block = site.source("stripe")
    assert isinstance(block, Stripe)
    headers = {
        "Authorization": f"Bearer {site.secret(block.key_env)}",
        "Stripe-Version": block.api_version,
    }
    unclear, faults, optional = Unclear("stripe"), Faults(block), Optional("stripe")
    with Api("stripe", block.base_url, headers=headers, gap_s=0 if site.stand_in else GAP_S) as api:
        reader = Reader(api, unclear)
        parts: list[threads.Part] = [
            *(("payments", partial(_charges, reader, w, faults)) for w in _days(scope.before, scope.known)),
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
        if charge.status != "failed":
            return None
        if charge.outcome is not None:
            kind = charge.outcome.type
            found = unclear.word("charges.outcome.type", kind, self.outcomes, mend=_mend(str(kind)))
            if found != BY_CODE:
                return found
        if charge.failure_code is None:
            unclear.note("charges.failure_code", "no reason", "null", taken_for=NEITHER)
            return None
        return unclear.word(
            "charges.failure_code", charge.failure_code, self.codes, mend=_mend(charge.failure_code)
        )


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
            if not goes_on("stripe", body):
                return
            last = _id(found[-1] if found else None, path)
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
        "outcome": charge.outcome and charge.outcome.type,
        "fault": faults.of(charge, unclear),
    }


def _fees(reader: Reader, window: Window, scope: Scope) -> threads.Frames:
    """Fees by local day and currency, of a day that a window cuts by each part of it.

    The amount of a day with an entry that was not understood is unknown.
    """
    sums: dict[tuple[datetime, datetime, str | None], Decimal] = defaultdict(Decimal)
    for entry in reader.listing(Transaction, "/v1/balance_transactions", window):
        part = next(
            (w for w in (scope.window, scope.previous) if entry.created and w.contains(entry.created)), None
        )
        if entry.created is None or part is None:
            continue
        day = day_of(entry.created, scope.zone).window.clip(part)
        currency, cost = _currency(entry, reader.unclear), _cost(entry)
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
    if currency.lower() in WHOLE.split():
        return minor
    return minor / (1000 if currency.lower() in THOUSANDTHS.split() else 100)


def _whole_days(found: threads.Frames) -> threads.Frames:
    """Days of fees added up, since a local day spans two of the calls; unknown as soon as one part of it is."""
    if "costs" in found:
        costs = found["costs"]
        keys = [c for c in costs.columns if c != "amount"]
        sums = costs.groupby(keys, as_index=False, dropna=False)["amount"].sum(skipna=False)
        found["costs"] = frame("costs", sums.round({"amount": 3}))
    return found


def _undelivered(reader: Reader, scope: Scope) -> threads.Frames:
    """Events since the deployment that still wait: a backlog is a state, which no report sees a part of.

    The day before tells whether they waited then, too.
    """
    end = scope.known.end - YOUNG
    start = max(scope.deployment_or_start - DAY, scope.as_of - KEPT)
    rows = []
    if start < end:
        found = reader.listing(Event, "/v1/events", Window(start, end), [("delivery_success", "false")])
        rows = [
            {
                "vendor": "stripe",
                "event": event.id,
                "type": event.type,
                "created_at": event.created,
                "pending": event.pending,
            }
            for event in found
            if event.id is not None
        ]
    return {"webhook_events": frame("webhook_events", rows)}


def _disputes(reader: Reader, scope: Scope) -> threads.Frames:
    span = Window(scope.as_of - DISPUTED, scope.known.end)
    rows = [
        {
            "dispute": dispute.id,
            "created_at": dispute.created,
            "status": None if dispute.status is None else DISPUTE_STATES.of(dispute.status),
            "reason": dispute.reason,
            "due_at": _due(dispute),
        }
        for dispute in reader.listing(Dispute, "/v1/disputes", span)
        if dispute.id is not None
    ]
    return {"disputes": frame("disputes", rows)}


def _due(dispute: Dispute) -> datetime | None:
    due = dispute.evidence and dispute.evidence.due_by
    return datetime.fromtimestamp(due, UTC) if due else None


def _payouts(reader: Reader, scope: Scope) -> threads.Frames:
    """Payouts that the bank refused, unless one of the same currency arrived since; the others need no word."""
    span = Window(scope.known.start - REFUSED_WITHIN, scope.known.end)
    arrived: set[str | None] = set()
    failed = []
    for payout in reader.listing(Payout, "/v1/payouts", span):
        if payout.status == "paid":
            arrived.add(payout.currency)
        elif payout.status == "failed" and payout.id and payout.currency not in arrived:
            failed.append(payout)
    return _states(_state("payout", str(p.id), "failed", ok=False, detail=p.failure_code) for p in failed)


def _account(reader: Reader) -> threads.Frames:
    balance = Balance.of(reader.api.get("/v1/balance").json(), reader.unclear)
    live_mode = None if balance is None else balance.livemode
    mode = {True: "in live mode", False: "in test mode", None: None}[live_mode]
    return _states([_state("account", "stripe", mode, ok=live_mode, detail="the key's mode, by its balance")])


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
