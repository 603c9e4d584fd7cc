"""Twilio: text messages without their text or numbers, integration alerts, daily cost, the account's state."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, time, timedelta
from functools import partial
from typing import Any, TypeVar

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame, merge
from pdmlib.frames.understanding import Unclear, Vocabulary, mend_line
from pdmlib.phases.phase import DAY
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window, iso
from pdmlib.site.site import Site
from pdmlib.site.vendors import Twilio
from pdmlib.sources import live, threads, webhooks
from pdmlib.sources.fields import Answer, entries, vocabulary
from pdmlib.sources.http import MAX_PAGES, Api, Budget
from pdmlib.sources.permissions import Optional
from pdmlib.sources.specifications.twilio import (
    CODES,
    LOST,
    WEBHOOK_CODES,
    Account,
    Alert,
    Balance,
    Message,
    UsageRecord,
)

PAGE = 1000
KEPT = timedelta(days=30)  # how long the monitor keeps alerts
NEWEST = 10_000  # messages: ten pages, about 20 of the 60 s that a source may take
HOSTS = ("api.twilio.com", "monitor.twilio.com")

NEITHER = "neither the recipient's fault nor ours"


def collect(site: Site, scope: Scope) -> threads.Frames:
    """Frames `messages` (since the week before the deployment), `vendor_errors`, `vendor_states` and `costs`."""
    block = site.source("twilio")
    assert isinstance(block, Twilio)
    key = (site.secret(block.user_env), site.secret(block.password_env))
    budget, account = Budget(), f"/2010-04-01/Accounts/{block.account_sid}"
    unclear, optional = Unclear("twilio"), Optional("twilio")
    codes = vocabulary(CODES, block.faults)
    with (
        Api("twilio", block.base_url, basic=key, hosts=HOSTS, budget=budget) as api,
        Api("twilio", block.monitor_url, basic=key, hosts=HOSTS, budget=budget) as monitor,
    ):
        reader, other = Reader(api, unclear), Reader(monitor, unclear)
        parts: list[threads.Part] = [
            ("messages", partial(_messages, reader, f"{account}/Messages.json", scope, codes)),
            ("costs", partial(_costs, reader, f"{account}/Usage/Records/Daily.json", site, scope)),
            ("alerts", partial(_alerts, other, scope, frozenset(block.webhook_hosts))),
            *live.live(
                site,
                scope,
                "twilio",
                [
                    optional.part("account", partial(_account, reader, f"{account}.json", block.account_sid)),
                    optional.part("balance", partial(_balance, reader, f"{account}/Balance.json")),
                ],
            ),
        ]
        return merge([threads.read("twilio", parts), optional.frames(), unclear.frames()])


A = TypeVar("A", bound=Answer)


class Reader:
    """Twilio's lists, read page by page into the class of their objects."""

    def __init__(self, api: Api, unclear: Unclear) -> None:
        self.api, self.unclear = api, unclear

    def pages(self, path: str, query: list[tuple[str, str]], key: str) -> Iterator[list[Any]]:
        """Every page of a list.

        Raises:
            SourceError: as `Api.get`, or there are more pages than are read.
        """
        asked: list[tuple[str, str]] | None = query
        for _ in range(MAX_PAGES):
            body = self.api.get(path, asked or ()).json()
            yield entries("twilio", body, key)
            asked = self.api.next_query(_next(body), path)
            if asked is None:
                return
        raise SourceError("twilio", f"more than {MAX_PAGES} pages of {key}")

    def listing(self, kind: type[A], path: str, query: list[tuple[str, str]], key: str) -> Iterator[A]:
        """Every entry of a list, over all of its pages."""
        found = (kind.of(entry, self.unclear) for page in self.pages(path, query, key) for entry in page)
        yield from (one for one in found if one is not None)


def _next(body: Mapping[str, Any]) -> str | None:
    """The link to the next page: the older API gives a path, the newer one an address under `meta`."""
    links = {**body, **(body["meta"] if isinstance(body.get("meta"), dict) else {})}
    link = next((links[name] for name in ("next_page_url", "next_page_uri") if name in links), "")
    if link is not None and not (isinstance(link, str) and link):
        raise SourceError("twilio", "its answer does not tell whether the list goes on")
    return link


def _messages(reader: Reader, path: str, scope: Scope, codes: Vocabulary) -> threads.Frames:
    """Messages created in the window, the week before the deployment or between: a fault may have begun there.

    The filter acts on the day of *sending* and leaves out what failed before it was sent. So the newest messages
    are read without it, back to the start of the week before; only where that is too far it is used for the rest.
    """
    span = Window(scope.before.start, scope.known.end)
    found, reached = _newest(reader.pages(path, [_SIZE], "messages"), span.start)
    if not reached:
        # A day beyond either end: a message may be sent a day after it was made.
        since, until = (span.start - DAY).date().isoformat(), (span.end + DAY).date().isoformat()
        query = [("DateSent>", since), ("DateSent<", until), _SIZE]
        found += [entry for page in reader.pages(path, query, "messages") for entry in page]
    messages = [m for e in _distinct(found) if (m := Message.of(e, reader.unclear)) is not None]
    rows = [_message(m, codes, reader.unclear) for m in messages if m.sid and _is_wanted(m, span)]
    frames = {"messages": frame("messages", rows)}
    return frames if reached else {**frames, **threads.gaps("twilio", {"messages:unsent": NOT_REACHED})}


_SIZE = ("PageSize", str(PAGE))
NOT_REACHED = (
    f"messages that failed before they were sent are known among the newest {NEWEST:,} only: "
    "Twilio's filter leaves them out"
)


def _newest(pages: Iterator[list[Any]], start: datetime) -> tuple[list[Any], bool]:
    """Entries of the newest pages back to a moment, and whether it was reached."""
    found: list[Any] = []
    ahead = Unclear("twilio")  # what is not understood of them is told once they are read
    for page in pages:
        found += page
        times = [Message.field("date_created", entry, ahead) for entry in page]
        if max((at for at in times if at is not None), default=start) < start:
            return found, True
        if len(found) >= NEWEST:
            return found, False
    return found, True


def _distinct(found: Iterable[Any]) -> list[Any]:
    """Each message once; what has no id is left to be noted."""
    known: dict[Any, Any] = {}
    for place, entry in enumerate(found):
        sid = entry.get("sid") if isinstance(entry, dict) else None
        known[sid if isinstance(sid, str) else place] = entry
    return list(known.values())


def _is_wanted(message: Message, span: Window) -> bool:
    """Whether a message was made in the span; one whose time is not understood may have been."""
    return message.date_created is None or span.contains(message.date_created)


def _message(message: Message, codes: Vocabulary, unclear: Unclear) -> dict[str, Any]:
    return {
        "message": message.sid,
        "created_at": message.date_created,
        "status": message.status,
        "direction": message.direction,
        "error_code": message.error_code,
        "fault": _fault(message, codes, unclear) if message.status in LOST else None,
    }


def _fault(message: Message, codes: Vocabulary, unclear: Unclear) -> str | None:
    """`recipient` or `ours` for a lost message; None where its error code is not understood."""
    if message.error_code is None:
        unclear.note("messages.error_code", "no reason", "null", taken_for=NEITHER)
        return None
    code = int(message.error_code)
    mend = mend_line("sources", "twilio", "faults", value={"recipient": [code]})
    return unclear.word("messages.error_code", code, codes, mend=mend)


def _costs(reader: Reader, path: str, site: Site, scope: Scope) -> threads.Frames:
    """The total price of each GMT day; the categories overlap and are not added."""
    query = [
        ("Category", "totalprice"),
        ("StartDate", min(scope.previous.start, scope.window.start).date().isoformat()),
        ("EndDate", scope.window.end.date().isoformat()),
        ("PageSize", str(PAGE)),
    ]
    found = reader.listing(UsageRecord, path, query, "usage_records")
    rows = [_price(e) for e in found if e.category == "totalprice" and e.start_date is not None]
    rows = [row | {"end": live.so_far(row["end"], site, scope)} for row in rows]
    return {"costs": frame("costs", [row for row in rows if row["start"] < scope.window.end])}


def _price(entry: UsageRecord) -> dict[str, Any]:
    assert entry.start_date is not None
    start = datetime.combine(entry.start_date.date(), time.min, UTC)
    return {
        "start": start,
        "end": start + DAY,
        "name": "twilio",
        "service": "messages",
        "amount": entry.price,
        "currency": entry.price_unit and entry.price_unit.upper(),
        "source": "twilio",
    }


def _alerts(reader: Reader, scope: Scope, hosts: frozenset[str]) -> threads.Frames:
    """Errors of the integration, each with its code and the place that was called."""
    start = max(scope.window.start, scope.as_of - KEPT)
    query = [("LogLevel", "error"), ("StartDate", iso(start)), ("EndDate", iso(scope.known.end))]
    found = reader.listing(Alert, "/v1/Alerts", [*query, ("PageSize", str(PAGE))], "alerts")
    rows = [
        {
            "vendor": "twilio",
            "event": alert.sid,
            "at": alert.date_generated,
            "kind": _kind(alert, hosts),
            "code": alert.error_code,
            "place": alert.request_url and webhooks.place(alert.request_url),
        }
        for alert in found
        if alert.sid
    ]
    return {"vendor_errors": frame("vendor_errors", rows)}


def _kind(alert: Alert, hosts: frozenset[str]) -> str:
    """What met the error: a call of ours, or a webhook, of another application where hosts are declared."""
    if not (alert.error_code or "").startswith(WEBHOOK_CODES):
        return "call"
    elsewhere = hosts and alert.request_url and webhooks.host(alert.request_url) not in hosts
    return "webhook elsewhere" if elsewhere else "webhook"


def _account(reader: Reader, path: str, sid: str) -> threads.Frames:
    account = Account.of(reader.api.get(path).json(), reader.unclear)
    status = None if account is None else account.status
    return _states(
        [_state("account", sid, status, ok=None if status is None else status == "active", detail=None)]
    )


def _balance(reader: Reader, path: str) -> threads.Frames:
    """What is left, for a person to see: accounts that pay by invoice are below 0 and well."""
    found = Balance.of(reader.api.get(path).json(), reader.unclear)
    if found is None or found.balance is None:
        return _states([])
    left = f"{found.balance:.2f} {found.currency or ''}".strip()
    return _states([_state("balance", "left", left, ok=None, detail=None)])


def _state(kind: str, item: str, status: str | None, ok: bool | None, detail: str | None) -> dict[str, Any]:
    return {"vendor": "twilio", "kind": kind, "item": item, "status": status, "ok": ok, "detail": detail}


def _states(rows: Iterable[Mapping[str, Any]]) -> threads.Frames:
    return {"vendor_states": frame("vendor_states", rows)}
