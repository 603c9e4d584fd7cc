"""Stripe: payment attempts, undelivered webhook events, disputes, fees and the account's state.

Amounts stay in minor units beside their currency; nothing of a customer is read.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame
from pdmlib.phases.phase import DAY
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window, day_of
from pdmlib.site.site import Site
from pdmlib.site.vendors import Stripe
from pdmlib.sources import live, threads
from pdmlib.sources.http import MAX_PAGES, Api, listed

PAGE = 100
KEPT = timedelta(days=30)
YOUNG = timedelta(minutes=5)
OPEN_DISPUTES = ("needs_response", "warning_needs_response", "under_review", "warning_under_review")
WHOLE = (
    "bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"
)  # fmt: skip
THOUSANDTHS = ("bhd", "jod", "kwd", "omr", "tnd")


def collect(site: Site, scope: Scope) -> threads.Frames:
    """Frames `payments` (window and the week before), `webhook_events`, `vendor_states` and `costs`."""
    block = site.source("stripe")
    assert isinstance(block, Stripe)
    headers = {
        "Authorization": f"Bearer {site.secret(block.key_env)}",
        "Stripe-Version": block.api_version,
    }
    with Api("stripe", block.base_url, headers=headers) as api:
        parts: list[threads.Part] = [
            *(("payments", partial(_charges, api, w)) for w in _days(scope.before, scope.window)),
            *(("costs", partial(_fees, api, w, scope)) for w in _days(scope.previous, scope.window)),
            ("webhook_events", partial(_undelivered, api, scope)),
            ("disputes", partial(_disputes, api, Window(scope.before.start, scope.window.end))),
            *live.live(
                site,
                scope,
                "stripe",
                [("account", partial(_account, api)), ("webhooks", partial(_endpoints, api))],
            ),
        ]
        return _with_fees(threads.read("stripe", parts))


def _days(*windows: Window) -> list[Window]:
    """Days that together cover windows that may overlap, each second once."""
    start, end = min(w.start for w in windows), max(w.end for w in windows)
    days = threads.pieces(Window(start, end), DAY)
    return [day for day in days if any(day.start < w.end and w.start < day.end for w in windows)]


def _charges(api: Api, window: Window) -> threads.Frames:
    return {"payments": frame("payments", map(_payment, _listing(api, "/v1/charges", window)))}


def _payment(charge: Mapping[str, Any]) -> dict[str, Any]:
    outcome = charge.get("outcome")
    return {
        "source": "stripe",
        "payment": charge["id"],
        "created_at": _moment(charge["created"]),
        "status": charge["status"],
        "failure_code": charge.get("failure_code"),
        "outcome": outcome.get("type") if isinstance(outcome, dict) else None,
        "amount_minor": charge.get("amount"),
        "currency": charge.get("currency"),
    }


def _fees(api: Api, window: Window, scope: Scope) -> threads.Frames:
    """Fees by local day as `costs`, and by charge (in `payments` rows that carry nothing else)."""
    entries = list(_listing(api, "/v1/balance_transactions", window))
    sums: dict[tuple[datetime, datetime, str], Decimal] = defaultdict(Decimal)
    for entry in entries:
        day = day_of(_moment(entry["created"]), scope.zone).window
        sums[day.start, day.end, entry["currency"]] += Decimal(str(entry["fee"]))
    costs = [
        {
            "start": start,
            "end": end,
            "name": "stripe",
            "service": "fees",
            "amount": float(major(amount, currency)),
            "currency": currency.upper(),
            "source": "stripe",
        }
        for (start, end, currency), amount in sums.items()
    ]
    fees = [
        {"source": "fees", "payment": e["source"], "fee_minor": e["fee"]}
        for e in entries
        if isinstance(e.get("source"), str) and e.get("type") in ("charge", "payment")
    ]
    return {"costs": frame("costs", costs), "payments": frame("payments", fees)}


def _with_fees(found: threads.Frames) -> threads.Frames:
    """Each payment with its fee; days of fees added up, since a local day spans two of the calls."""
    if "payments" in found:
        rows = found["payments"]
        fees = rows[rows["source"] == "fees"].set_index("payment")["fee_minor"]
        payments = rows[rows["source"] == "stripe"]
        payments = payments.assign(fee_minor=payments["payment"].map(fees))
        found["payments"] = frame("payments", payments.reset_index(drop=True))
    if "costs" in found:
        costs = found["costs"]
        keys = [c for c in costs.columns if c != "amount"]
        found["costs"] = frame("costs", costs.groupby(keys, as_index=False)["amount"].sum().round({"amount": 3}))
    return found


def _undelivered(api: Api, scope: Scope) -> threads.Frames:
    end = scope.window.end - YOUNG
    start = max(scope.window.start, scope.as_of - KEPT)
    rows = []
    if start < end:
        query = [("delivery_success", "false")]
        rows = [
            {
                "vendor": "stripe",
                "event": event["id"],
                "type": event["type"],
                "created_at": _moment(event["created"]),
                "pending": event.get("pending_webhooks"),
            }
            for event in _listing(api, "/v1/events", Window(start, end), query)
        ]
    return {"webhook_events": frame("webhook_events", rows)}


def _disputes(api: Api, window: Window) -> threads.Frames:
    rows = (
        _state("dispute", d["id"], d["status"], d["status"] not in OPEN_DISPUTES, d.get("reason"))
        for d in _listing(api, "/v1/disputes", window)
    )
    return _states(rows)


def _account(api: Api) -> threads.Frames:
    alive = api.get("/v1/balance").json()
    mode = "live mode" if alive["livemode"] else "test mode"
    return _states([_state("account", "stripe", mode, bool(alive["livemode"]), "the key's mode, by its balance")])


def _endpoints(api: Api) -> threads.Frames:
    found = listed("stripe", api.get("/v1/webhook_endpoints", {"limit": PAGE}).json(), "data")
    rows = (
        _state("webhook", urlsplit(e["url"]).path or "/", e["status"], e["status"] == "enabled") for e in found
    )
    return _states(rows)


def _state(kind: str, item: str, status: str, ok: bool, detail: str | None = None) -> dict[str, Any]:
    return {"vendor": "stripe", "kind": kind, "item": item, "status": status, "ok": ok, "detail": detail}


def _states(rows: Iterable[Mapping[str, Any]]) -> threads.Frames:
    return {"vendor_states": frame("vendor_states", rows)}


def _listing(
    api: Api, path: str, window: Window, query: Iterable[tuple[str, Any]] = ()
) -> Iterator[Mapping[str, Any]]:
    """Every entry of a list made in a window, newest first.

    Raises:
        SourceError: as `Api.get`, or there are more pages than are read.
    """
    asked = [
        ("limit", PAGE),
        ("created[gte]", _epoch(window.start)),
        ("created[lt]", _epoch(window.end)),
        *query,
    ]
    last: str | None = None
    for _ in range(MAX_PAGES):
        body = api.get(path, [*asked, ("starting_after", last)]).json()
        entries = listed("stripe", body, "data")
        yield from entries
        if not body.get("has_more") or not entries:
            return
        last = entries[-1]["id"]
    raise SourceError("stripe", f"more than {MAX_PAGES} pages of {path} in {window}")


def _epoch(moment: datetime) -> int:
    """Seconds, rounded up, so that half-open windows meet without gap or overlap."""
    return -int(-moment.timestamp() // 1)


def _moment(epoch: Any) -> datetime:
    return datetime.fromtimestamp(int(epoch), UTC)


def major(minor: Decimal, currency: str) -> Decimal:
    """An amount of minor units in the currency's main unit."""
    if currency.lower() in WHOLE:
        return minor
    return minor / (1000 if currency.lower() in THOUSANDTHS else 100)
