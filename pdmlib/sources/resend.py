"""Resend: emails by hour and by window, the state of domains and webhooks, errors of its API.

The limit of calls is shared with the application's own sending, so few are made and two at a time.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from pdmlib.frames.frame import frame
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window, iso
from pdmlib.site.site import Site
from pdmlib.site.vendors import Resend
from pdmlib.sources import live, threads
from pdmlib.sources.http import Api, listed, one_line

PAGE = 100
LOG_PAGES = 20
WORKERS = 2
COUNTS = ("sent", "delivered", "bounced", "complained", "failed")
SECONDS = {"hourly": 3600.0, "daily": 86_400.0}
_ID = re.compile(r"/[0-9a-f-]{32,36}(?=/|$)", re.IGNORECASE)


def collect(site: Site, scope: Scope) -> threads.Frames:
    """Frames `email_counts` and `vendor_states` (domain, webhook, log).

    `email_counts` holds hours of the window, days of the week before, and each of the scope's main
    windows as one interval of its own, which is exact where a window does not start on the hour.
    """
    block = site.source("resend")
    assert isinstance(block, Resend)
    headers = {"Authorization": f"Bearer {site.secret(block.key_env)}"}
    with Api("resend", block.base_url, headers=headers) as api:
        parts: list[threads.Part] = [
            ("email_counts", partial(_periods, api, scope.window, "hourly")),
            ("email_counts:before", partial(_periods, api, scope.before, "daily")),
            *((threads.named(scope, "email_counts", w), partial(_totals, api, w)) for w in _wholes(scope)),
            ("logs", partial(_logs, api, scope)),
            *live.live(
                site,
                scope,
                "resend",
                [("domains", partial(_domains, api)), ("webhooks", partial(_webhooks, api))],
            ),
        ]
        return threads.read("resend", parts, WORKERS)


def _wholes(scope: Scope) -> list[Window]:
    return [w for w in threads.main_windows(scope) if w.seconds]


def _periods(api: Api, window: Window, granularity: str) -> threads.Frames:
    """Counts of each hour or day that lies wholly in the window."""
    query = {**_asked(window), "granularity": granularity, "dimensions": "period"}
    length = SECONDS[granularity]
    rows = (
        _row(_utc(entry["period"]), length, entry)
        for entry in listed("resend", api.get("/emails/metrics", query).json(), "data")
    )
    whole = [r for r in rows if r["at"] >= window.start and r["at"].timestamp() + length <= window.end.timestamp()]
    return {"email_counts": frame("email_counts", whole)}


def _totals(api: Api, window: Window) -> threads.Frames:
    totals = api.get("/emails/metrics", _asked(window)).json()["totals"]
    return {"email_counts": frame("email_counts", [_row(window.start, window.seconds, totals)])}


def _asked(window: Window) -> dict[str, str]:
    return {"start_date": iso(window.start), "end_date": iso(window.end), "metrics": ",".join(COUNTS)}


def _row(at: datetime, seconds: float, counts: Mapping[str, Any]) -> dict[str, Any]:
    return {"at": at, "interval_s": seconds, **{name: counts.get(name) for name in COUNTS}}


def _utc(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def _logs(api: Api, scope: Scope) -> threads.Frames:
    """Calls of the application that Resend refused in the window, counted by endpoint and status."""
    found: Counter[tuple[str, int]] = Counter()
    lost: dict[str, str] = {}
    for entry in _newest(api, "/logs", scope.window.start, lost):
        status = int(entry["response_status"])
        if not 200 <= status < 300 and scope.window.contains(_utc(entry["created_at"])):
            found[f"{entry['method']} {_ID.sub('/[id]', urlsplit(entry['endpoint']).path)}", status] += 1
    states = _states(
        _state("log", f"{one_line(endpoint)} {status}", str(status), False, f"{n} calls")
        for (endpoint, status), n in sorted(found.items())
    )
    return {**states, **(threads.gaps("resend", lost) if lost else {})}


def _newest(api: Api, path: str, start: datetime, lost: dict[str, str]) -> Iterator[Mapping[str, Any]]:
    """Entries of a list, newest first, back to a moment; a reason in `lost` when it was not reached."""
    after: str | None = None
    for _ in range(LOG_PAGES):
        body = api.get(path, {"limit": PAGE, "after": after}).json()
        entries = listed("resend", body, "data")
        yield from entries
        if not body.get("has_more") or not entries or _utc(entries[-1]["created_at"]) < start:
            return
        after = entries[-1]["id"]
    lost["logs:older"] = f"only the newest {LOG_PAGES * PAGE} calls were looked at"


def _domains(api: Api) -> threads.Frames:
    found = listed("resend", api.get("/domains", {"limit": PAGE}).json(), "data")
    return _states(_state("domain", d["name"], d["status"], d["status"] == "verified", None) for d in found)


def _webhooks(api: Api) -> threads.Frames:
    found = listed("resend", api.get("/webhooks", {"limit": PAGE}).json(), "data")
    rows = (
        _state("webhook", urlsplit(w["endpoint"]).path or "/", w["status"], w["status"] == "enabled", None)
        for w in found
    )
    return _states(rows)


def _state(kind: str, item: str, status: str, ok: bool, detail: str | None) -> dict[str, Any]:
    return {"vendor": "resend", "kind": kind, "item": item, "status": status, "ok": ok, "detail": detail}


def _states(rows: Iterable[Mapping[str, Any]]) -> threads.Frames:
    return {"vendor_states": frame("vendor_states", rows)}
