"""Twilio: text messages without their text or numbers, integration alerts, daily cost, the account's state."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame
from pdmlib.phases.phase import DAY
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window, iso
from pdmlib.site.site import Site
from pdmlib.site.vendors import Twilio
from pdmlib.sources import live, threads
from pdmlib.sources.http import MAX_PAGES, Api, Budget, listed

PAGE = 1000
KEPT = timedelta(days=30)
HOSTS = ("api.twilio.com", "monitor.twilio.com")


def collect(site: Site, scope: Scope) -> threads.Frames:
    """Frames `messages` (window and the week before), `vendor_states` (account, alerts) and `costs`."""
    block = site.source("twilio")
    assert isinstance(block, Twilio)
    key = (site.secret(block.user_env), site.secret(block.password_env))
    budget, account = Budget(), f"/2010-04-01/Accounts/{block.account_sid}"
    with (
        Api("twilio", block.base_url, basic=key, hosts=HOSTS, budget=budget) as api,
        Api("twilio", block.monitor_url, basic=key, hosts=HOSTS, budget=budget) as monitor,
    ):
        parts: list[threads.Part] = [
            ("messages", partial(_messages, api, f"{account}/Messages.json", scope)),
            ("costs", partial(_costs, api, f"{account}/Usage/Records/Daily.json", scope)),
            ("alerts", partial(_alerts, monitor, scope)),
            *live.live(
                site, scope, "twilio", [("account", partial(_account, api, f"{account}.json", block.account_sid))]
            ),
        ]
        return threads.read("twilio", parts)


def _messages(api: Api, path: str, scope: Scope) -> threads.Frames:
    """Messages created in the window or the week before; a day is asked for at either end beyond them."""
    span = Window(scope.before.start, scope.window.end)
    query = [
        ("DateSent>", (span.start - DAY).date().isoformat()),
        ("DateSent<", (span.end + DAY).date().isoformat()),
        ("PageSize", str(PAGE)),
    ]
    rows = (_message(entry) for entry in _pages(api, path, query, "messages"))
    wanted = (scope.before, scope.window)
    kept = [row for row in rows if any(w.contains(row["created_at"]) for w in wanted)]
    return {"messages": frame("messages", kept)}


def _message(entry: Mapping[str, Any]) -> dict[str, Any]:
    price = entry.get("price")
    return {
        "message": entry["sid"],
        "created_at": parsedate_to_datetime(entry["date_created"]).astimezone(UTC),
        "status": entry["status"],
        "direction": entry.get("direction"),
        "error_code": entry.get("error_code"),
        "price": None if price is None else abs(float(Decimal(str(price)))),
        "currency": entry.get("price_unit"),
    }


def _costs(api: Api, path: str, scope: Scope) -> threads.Frames:
    """The total price of each GMT day; the categories overlap and are not added."""
    query = [
        ("Category", "totalprice"),
        ("StartDate", min(scope.previous.start, scope.window.start).date().isoformat()),
        ("EndDate", scope.window.end.date().isoformat()),
        ("PageSize", str(PAGE)),
    ]
    entries = _pages(api, path, query, "usage_records")
    rows = [_cost(e) for e in entries if e.get("category") == "totalprice"]
    return {"costs": frame("costs", [row for row in rows if row["start"] < scope.window.end])}


def _cost(entry: Mapping[str, Any]) -> dict[str, Any]:
    start = datetime.combine(datetime.fromisoformat(entry["start_date"]), time.min, UTC)
    return {
        "start": start,
        "end": start + DAY,
        "name": "twilio",
        "service": "messages",
        "amount": float(Decimal(str(entry["price"]))),
        "currency": str(entry["price_unit"]).upper(),
        "source": "twilio",
    }


def _alerts(api: Api, scope: Scope) -> threads.Frames:
    """Errors of the integration in the window, counted by their code."""
    start = max(scope.window.start, scope.as_of - KEPT)
    query = [("LogLevel", "error"), ("StartDate", iso(start)), ("EndDate", iso(scope.window.end))]
    found: Counter[str] = Counter()
    for alert in _pages(api, "/v1/Alerts", [*query, ("PageSize", str(PAGE))], "alerts"):
        if scope.window.contains(datetime.fromisoformat(alert["date_generated"])):
            found[str(alert["error_code"])] += 1
    return _states(_state("log", code, "error", False, f"{n} alerts") for code, n in sorted(found.items()))


def _account(api: Api, path: str, sid: str) -> threads.Frames:
    status = str(api.get(path).json()["status"])
    return _states([_state("account", sid, status, status == "active", None)])


def _state(kind: str, item: str, status: str, ok: bool, detail: str | None) -> dict[str, Any]:
    return {"vendor": "twilio", "kind": kind, "item": item, "status": status, "ok": ok, "detail": detail}


def _states(rows: Iterable[Mapping[str, Any]]) -> threads.Frames:
    return {"vendor_states": frame("vendor_states", rows)}


def _pages(api: Api, path: str, query: list[tuple[str, str]], key: str) -> Iterator[Mapping[str, Any]]:
    """Every entry of a list, over all of its pages.

    Raises:
        SourceError: as `Api.get`, or there are more pages than are read.
    """
    asked: list[tuple[str, str]] | None = query
    for _ in range(MAX_PAGES):
        body = api.get(path, asked or ()).json()
        yield from listed("twilio", body, key)
        meta = body.get("meta")
        link = meta.get("next_page_url") if isinstance(meta, dict) else body.get("next_page_uri")
        asked = api.next_query(link, path)
        if asked is None:
            return
    raise SourceError("twilio", f"more than {MAX_PAGES} pages of {key}")
