"""Twilio: messages, usage, balance and account; and the alerts of its monitor."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import urlencode

import numpy as np

from pdmlib.demo.exchange import Call, Reply, Stage, Vendor, iso_s, parse
from pdmlib.demo.scenarios import DEPLOYED
from pdmlib.demo.vendors import made
from pdmlib.demo.world.grid import DAY, START, Table, during, moment, ms
from pdmlib.demo.world.messages import SMS_STATUSES

ACCOUNT = "AC00000000000000000000000000000001"
_PAGE = 200
_IN_FLIGHT_MS = 25_000
_PRICE, _INBOUND_PRICE = 0.0079, 0.0075
_REASONS = {30003: "Unreachable destination handset", 30007: "Carrier violation"}


def _refusal(code: int, message: str, status: int) -> Reply:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return Reply({"code": code, "message": message, "more_info": more, "status": status}, status)


def _allows(call: Call, stage: Stage) -> Reply | None:
    expected = (stage.secrets["PDM_DEMO_TWILIO_API_KEY"], stage.secrets["PDM_DEMO_TWILIO_API_SECRET"])
    return None if call.basic() == expected else _refusal(20003, "Authenticate", 401)


def _rfc(at: int) -> str:
    return format_datetime(moment(at // 1000 * 1000))


def _message(stage: Stage, n: int, row: dict[str, Any]) -> dict[str, Any]:
    inbound, at = SMS_STATUSES[row["status"]] == "received", row["at"]
    flying = not inbound and at > stage.clock - _IN_FLIGHT_MS
    error = 0 if flying else row["error"]
    price = (_INBOUND_PRICE if inbound else _PRICE) * row["segments"]
    sid = f"SM{n:032x}"
    ours, theirs = "+15005550006", f"+1555010{row['customer']:04d}"
    return {
        "account_sid": ACCOUNT,
        "api_version": "2010-04-01",
        "body": "Your appointment with Dirt Free is confirmed.",
        "date_created": _rfc(at),
        "date_sent": None if flying else _rfc(at + 1000),
        "date_updated": _rfc(min(at + 4000, stage.clock)),
        "direction": "inbound" if inbound else "outbound-api",
        "error_code": error or None,
        "error_message": _REASONS.get(error),
        "from": theirs if inbound else ours,
        "messaging_service_sid": None,
        "num_media": "0",
        "num_segments": str(row["segments"]),
        "price": None if flying else f"-{price:.5f}",
        "price_unit": None if flying else "USD",
        "sid": sid,
        "status": "queued" if flying else SMS_STATUSES[row["status"]],
        "to": ours if inbound else theirs,
        "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{sid}.json",
    }


def _day(text: str, otherwise: int) -> int | None:
    """The start of a GMT day; `otherwise` when none is named, None when it is no day."""
    if not text:
        return otherwise
    at = parse(text[:10])
    return None if at is None else at // DAY * DAY


def _messages(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    since, until = _day(call.one("DateSent>"), 0), _day(call.one("DateSent<"), 2**45)
    day = _day(call.one("DateSent"), -1)
    if since is None or until is None or day is None:
        return _refusal(20001, "Invalid DateSent", 400)
    if day >= 0:
        since = until = day
    texts = stage.world["texts"].until(stage.clock)
    if any(name.startswith("DateSent") for name in call.query):
        # The filter acts on the day of sending, which a message that was not sent does not have.
        texts = texts.where(texts["at"] <= stage.clock - _IN_FLIGHT_MS)
    first, last = np.searchsorted(texts["at"], [since, until + DAY]).tolist()

    def show(start: int, end: int) -> list[dict[str, Any]]:
        rows = texts.slice(max(last - end, first), last - start).rows()
        return [_message(stage, n, row) for n, row in enumerate(rows, start=max(last - end, first))][::-1]

    return _paged(call, found[0], "messages", total=last - first, show=show)


Show = Callable[[int, int], list[dict[str, Any]]]


def _paged(call: Call, path: str, key: str, total: int, show: Show) -> Reply:
    """One page of a list of `total` entries; `show` gives those from a position to another."""
    size = min(max(call.number("PageSize", 50), 1), 1000)
    page, step = max(call.number("Page", 0), 0), min(size, _PAGE)
    start = page * step
    asked = {k: v[0] for k, v in call.query.items() if k not in ("Page", "PageToken", "PageSize")}

    def uri(number: int) -> str:
        token = {"PageToken": f"PA{number}"} if number else {}
        return f"{path}?{urlencode({**asked, 'PageSize': size, 'Page': number, **token})}"

    shown = show(start, min(start + step, total)) if start < total else []
    more = start + step < total
    return Reply(
        {
            "end": max(start + len(shown) - 1, 0),
            "first_page_uri": uri(0),
            "next_page_uri": uri(page + 1) if more else None,
            "page": page,
            "page_size": size,
            "previous_page_uri": uri(page - 1) if page else None,
            "start": start,
            "uri": uri(page),
            key: shown,
        }
    )


def _prices(texts: Table) -> Any:
    inbound = texts["status"] == SMS_STATUSES.index("received")
    return np.where(inbound, _INBOUND_PRICE, _PRICE) * texts["segments"]


def _usage(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    start, end = _usage_day(call.one("StartDate"), stage), _usage_day(call.one("EndDate"), stage)
    category = call.one("Category")
    today = stage.clock // DAY * DAY
    last = today if end is None else min(end, today)
    days = range(last, max(ms(START), last - 30 * DAY if start is None else start) - 1, -DAY)
    names = [category] if category else ["sms", "sms-inbound", "sms-outbound", "totalprice"]
    entries = [_record(stage, day, name) for day in days for name in names]
    return _paged(call, found[0], "usage_records", total=len(entries), show=lambda start, end: entries[start:end])


def _usage_day(text: str, stage: Stage) -> int | None:
    back = re.fullmatch(r"-(\d+)days", text)
    if back:
        return stage.clock // DAY * DAY - int(back[1]) * DAY
    return _day(text, stage.clock // DAY * DAY) if text else None


def _record(stage: Stage, day: int, category: str) -> dict[str, Any]:
    texts = stage.world["texts"].until(stage.clock).between(day, day + DAY)
    inbound = texts["status"] == SMS_STATUSES.index("received")
    chosen = {"sms-inbound": inbound, "sms-outbound": ~inbound}.get(category, np.ones(len(texts), dtype=bool))
    mine = texts.where(chosen)
    date = iso_s(day)[:10]
    total = category == "totalprice"
    known = category in ("sms", "sms-inbound", "sms-outbound", "totalprice")
    count = "0" if total or not known else str(len(mine))
    return {
        "account_sid": ACCOUNT,
        "api_version": "2010-04-01",
        "as_of": iso_s(stage.clock).replace("Z", "+00:00"),
        "category": category,
        "count": count,
        "count_unit": "" if total else "messages",
        "description": category,
        "end_date": date,
        "price": f"{float(_prices(mine).sum()) if known else 0:.4f}",
        "price_unit": "usd",
        "start_date": date,
        "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Usage/Records/Daily.json?Category={category}&StartDate={date}",
        "usage": "0" if total or not known else str(int(mine["segments"].sum())),
        "usage_unit": "usd" if total else "segments",
        "subresource_uris": {},
    }


def _balance(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    spent = float(_prices(stage.world["texts"].until(stage.clock)).sum())
    return Reply({"account_sid": ACCOUNT, "balance": f"{120 - spent:.5f}", "currency": "USD"})


def _account(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    return Reply(
        {
            "sid": ACCOUNT,
            "friendly_name": "Dirt Free",
            "status": "active",
            "type": "Full",
            "owner_account_sid": ACCOUNT,
            "auth_token": "REDACTED-NEVER-STORE",
            "date_created": format_datetime(datetime(2024, 9, 18, 10, tzinfo=UTC)),
            "date_updated": format_datetime(DEPLOYED),
            "subresource_uris": {},
            "uri": f"/2010-04-01/Accounts/{ACCOUNT}.json",
        }
    )


def _alerts(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    start, end = parse(call.one("StartDate")) or 0, parse(call.one("EndDate")) or 2**45
    texts = stage.world["texts"].until(stage.clock).between(start, end)
    lost = texts.where(during(texts["at"], stage.plan.outages))
    level = call.one("LogLevel", "error")
    alerts = [_alert(n, row["at"]) for n, row in enumerate(lost.rows())][::-1] if level == "error" else []
    size, page = min(max(call.number("PageSize", 50), 1), 1000), max(call.number("Page", 0), 0)
    asked = {k: v[0] for k, v in call.query.items() if k not in ("Page", "PageToken")}

    def url(number: int) -> str:
        return f"{call.origin}/twilio-monitor{found[0]}?{urlencode({**asked, 'PageSize': size, 'Page': number})}"

    more = (page + 1) * size < len(alerts)
    meta = {
        "first_page_url": url(0),
        "key": "alerts",
        "next_page_url": url(page + 1) if more else None,
        "page": page,
        "page_size": size,
        "previous_page_url": url(page - 1) if page else None,
        "url": url(page),
    }
    return Reply({"alerts": alerts[page * size : (page + 1) * size], "meta": meta})


def _alert(n: int, at: object) -> dict[str, Any]:
    when, hook = iso_s(int(str(at))), "https://crm.example.com/api/webhooks/twilio"
    return {
        "account_sid": ACCOUNT,
        "alert_text": "sourceComponent=14100&ErrorCode=11200&httpResponse=503",
        "api_version": "2010-04-01",
        "date_created": when,
        "date_generated": when,
        "date_updated": when,
        "error_code": "11200",
        "log_level": "error",
        "more_info": "https://www.twilio.com/docs/errors/11200",
        "request_method": "POST",
        "request_url": hook,
        "resource_sid": f"SM{n:032x}",
        "sid": f"NO{n:032x}",
        "url": f"https://monitor.twilio.com/v1/Alerts/NO{n:032x}",
        "service_sid": None,
    }


_OF_ACCOUNT = rf"/2010-04-01/Accounts/{ACCOUNT}"
VENDOR = Vendor(
    allows=_allows,
    routes=(
        ("GET", rf"{_OF_ACCOUNT}/Messages\.json", _messages),
        ("POST", rf"{_OF_ACCOUNT}/Messages\.json", made.text),
        ("GET", rf"{_OF_ACCOUNT}/Messages/(\w+)\.json", made.read_text),
        ("GET", rf"{_OF_ACCOUNT}/Usage/Records/Daily\.json", _usage),
        ("GET", rf"{_OF_ACCOUNT}/Balance\.json", _balance),
        ("GET", rf"{_OF_ACCOUNT}\.json", _account),
        ("GET", r"/v1/Alerts", _alerts),
    ),
    unknown=_refusal(20404, "The requested resource was not found", 404),
    refusals={"limited": _refusal(20429, "Too Many Requests", 429)},
)
