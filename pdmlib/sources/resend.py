"""Resend: emails by hour and by window, the state of domains and webhooks, calls that it refused.

The limit of calls is shared with the application's own sending, so few are made and two at a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame, merge
from pdmlib.frames.understanding import Unclear
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window, iso
from pdmlib.site.site import Site
from pdmlib.site.vendors import Resend
from pdmlib.sources import live, threads, webhooks
from pdmlib.sources.fields import entries, goes_on
from pdmlib.sources.http import Api, one_line
from pdmlib.sources.specifications.resend import Domain, Log, Metrics, Period, Webhook

PAGE = 100
LOG_PAGES = 20
LIST_PAGES = (
    5  # of domains, and of webhooks: Resend's largest plan has 1,000 domains, few of them one application's
)
WORKERS = 2
# Resend takes 5 requests a second of a team, 2 of an older one, and the application's e-mails are among them
# (resend.com/docs/api-reference/rate-limit): what is read here must never cost the application one.
GAP_S = 0.5
NAMES = {"logs": "calls"}  # what a list holds, where it is called otherwise
WEEK = timedelta(days=7)
SECONDS = {"hourly": 3600.0, "daily": 86_400.0}
OURSELVES = "pdmlib/"  # how our own calls name themselves in the log
_ID = re.compile(r"/[0-9a-f-]{32,36}(?=/|$)", re.IGNORECASE)

COUNTS = tuple(Metrics.rules)
BROKEN = ("failed", "partially_failed")  # records that were looked for and not found
UNREADY = ("pending", "not_started")  # not sending yet: an issue where no other domain sends


def collect(site: Site, scope: Scope) -> threads.Frames:
    """Frames `email_counts`, `vendor_errors` and `vendor_states` (domain, webhook).

    `email_counts` holds hours of the window and of the week before it, but for those before the deployment, days
    of the week before that, and each of the scope's main windows as one interval of its own, which is exact where
    a window does not start on the hour.
    """
    block = site.source("resend")
    assert isinstance(block, Resend)
    headers, unclear = {"Authorization": f"Bearer {site.secret(block.key_env)}"}, Unclear("resend")
    with Api("resend", block.base_url, headers=headers, gap_s=0 if site.stand_in else GAP_S) as api:
        reader = Reader(api, unclear)
        parts: list[threads.Part] = [
            ("email_counts", partial(_periods, reader, _hours(scope), "hourly")),
            ("email_counts:before", partial(_periods, reader, scope.before, "daily")),
            *((threads.named(scope, "email_counts", w), partial(_totals, reader, w)) for w in _wholes(scope)),
            ("logs", partial(_logs, reader, scope)),
            *live.live(
                site,
                scope,
                "resend",
                [("domains", partial(_domains, reader)), ("webhooks", partial(_webhooks, reader, site))],
            ),
        ]
        return merge([threads.read("resend", parts, WORKERS), unclear.frames()])


class Reader:
    """Resend's answers, and where what is not understood of them goes."""

    def __init__(self, api: Api, unclear: Unclear) -> None:
        self.api, self.unclear = api, unclear

    def listed(self, path: str, query: Mapping[str, Any], key: str = "data") -> list[Any]:
        """The list of an answer.

        Raises:
            SourceError: as `Api.get`, or there is none.
        """
        return entries("resend", self.api.get(path, query).json(), key)

    def pages(self, path: str, most: int, lost: dict[str, str], rest: str) -> Iterator[list[Any]]:
        """The pages of a list, newest first; a reason in `lost` where it goes on after the most that are read.

        Raises:
            SourceError: as `Api.get`, or a page does not lead to the next.
        """
        after: str | None = None
        for _ in range(most):
            body = self.api.get(path, {"limit": PAGE, "after": after}).json()
            page = entries("resend", body, "data")
            yield page
            if not goes_on("resend", body):
                return
            last = page[-1] if page else None
            after = last.get("id") if isinstance(last, dict) else None
            if not isinstance(after, str):
                raise SourceError("resend", f"the last entry of a page of {path} has no id to go on from")
        listed = path.strip("/")
        lost[f"{listed}:{rest}"] = f"only the newest {most * PAGE:,} {NAMES.get(listed, listed)} were looked at"


def _hours(scope: Scope) -> Window:
    """What is read by the hour: as far back as what goes wrong in the window is dated."""
    start = scope.window.start
    return Window(max(min(scope.deployed_at, start), start - WEEK), scope.known.end)


def _wholes(scope: Scope) -> list[Window]:
    return [w for w in threads.main_windows(scope) if w.seconds]


def _periods(reader: Reader, window: Window, granularity: str) -> threads.Frames:
    """Counts of each hour or day that lies wholly in the window."""
    query = {**_asked(window), "granularity": granularity, "dimensions": "period"}
    length = SECONDS[granularity]
    found = (Period.of(entry, reader.unclear) for entry in reader.listed("/emails/metrics", query))
    rows = [_row(p.period, length, p) for p in found if p is not None and p.period is not None]
    whole = [r for r in rows if r["at"] >= window.start and r["at"].timestamp() + length <= window.end.timestamp()]
    return {"email_counts": frame("email_counts", whole)}


def _totals(reader: Reader, window: Window) -> threads.Frames:
    body = reader.api.get("/emails/metrics", _asked(window)).json()
    totals = body.get("totals") if isinstance(body, dict) else None
    if not isinstance(totals, dict):
        raise SourceError("resend", "its answer has no 'totals'")
    found = Metrics.of(totals, reader.unclear)
    rows = [] if found is None else [_row(window.start, window.seconds, found)]
    return {"email_counts": frame("email_counts", rows)}


def _asked(window: Window) -> dict[str, str]:
    return {"start_date": iso(window.start), "end_date": iso(window.end), "metrics": ",".join(COUNTS)}


def _row(at: datetime, seconds: float, counts: Metrics) -> dict[str, Any]:
    return {"at": at, "interval_s": seconds, **{name: getattr(counts, name) for name in COUNTS}}


def _logs(reader: Reader, scope: Scope) -> threads.Frames:
    """Calls of the application that Resend refused in the window, without the ids in their paths."""
    lost: dict[str, str] = {}
    rows = [
        {
            "vendor": "resend",
            "event": entry.id,
            "at": entry.created_at,
            "kind": "call",
            "code": f"{entry.response_status:.0f}",
            "place": _place(entry),
        }
        for entry in _newest(reader, scope.window.start, lost)
        if _is_refusal(entry) and (entry.created_at is None or scope.known.contains(entry.created_at))
    ]
    return {"vendor_errors": frame("vendor_errors", rows), **_gaps(lost)}


def _is_refusal(entry: Log) -> bool:
    """Whether a call of the application was refused; our own calls are none of its."""
    status = entry.response_status
    refused = status is not None and status >= 400
    return refused and entry.id is not None and not (entry.user_agent or "").startswith(OURSELVES)


def _place(entry: Log) -> str:
    try:
        path = urlsplit(entry.endpoint or "").path
    except ValueError:
        path = ""
    return one_line(f"{entry.method or '?'} {_ID.sub('/[id]', path)}")


def _newest(reader: Reader, start: datetime, lost: dict[str, str]) -> Iterator[Log]:
    """Calls, newest first, back to a moment; a reason in `lost` when it was not reached."""
    for page in reader.pages("/logs", LOG_PAGES, lost, "older"):
        found = Log.each(page, reader.unclear)
        yield from found
        made = [entry.created_at for entry in found if entry.created_at is not None]
        if made and min(made) < start:
            return


def _domains(reader: Reader) -> threads.Frames:
    """Each domain: well, broken, or unsaid where another one sends or this one is not meant to.

    Without any, e-mail reaches the account's own address alone.
    """
    lost: dict[str, str] = {}
    listed = [entry for page in reader.pages("/domains", LIST_PAGES, lost, "rest") for entry in page]
    known = [d for d in Domain.each(listed, reader.unclear) if d.name is not None]
    sends = any(d.status == "verified" for d in known)
    rows = [_state("domain", str(d.name), d.status, ok=_is_well(d, sends), detail=None) for d in known]
    if not listed:
        rows = [_state("domain", "for sending", "missing", ok=False, detail=None)]
    return {**_states(rows), **_gaps(lost)}


def _gaps(lost: dict[str, str]) -> threads.Frames:
    return threads.gaps("resend", lost) if lost else {}


def _is_well(domain: Domain, another: bool) -> bool | None:
    if domain.status == "verified":
        return True
    if (domain.capabilities and domain.capabilities.sending) == "disabled" or domain.status is None:
        return None
    return False if domain.status in BROKEN or (domain.status in UNREADY and not another) else None


def _webhooks(reader: Reader, site: Site) -> threads.Frames:
    lost: dict[str, str] = {}
    pages = reader.pages("/webhooks", LIST_PAGES, lost, "rest")
    known = [w for page in pages for w in Webhook.each(page, reader.unclear)]
    endpoints = [webhooks.Endpoint(w.id, w.endpoint, w.status) for w in known if w.id and w.endpoint]
    return {**_states(webhooks.states("resend", endpoints, site, reader.unclear)), **_gaps(lost)}


def _state(kind: str, item: str, status: str | None, ok: bool | None, detail: str | None) -> dict[str, Any]:
    return {"vendor": "resend", "kind": kind, "item": item, "status": status, "ok": ok, "detail": detail}


def _states(rows: Iterable[Mapping[str, Any]]) -> threads.Frames:
    return {"vendor_states": frame("vendor_states", rows)}
