"""Vercel: deployments and where traffic went, build logs, crons, requests, response times, visits, charges.

Metrics need Observability Plus and a role, visits Web Analytics: without them the rest is still read.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pandas as pd

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame, merge
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window, iso
from pdmlib.site.site import Site
from pdmlib.sources import threads
from pdmlib.sources.fields import entries
from pdmlib.sources.http import one_line
from pdmlib.sources.live import so_far
from pdmlib.sources.specifications import vercel as said
from pdmlib.sources.vercel import moves
from pdmlib.sources.vercel.metrics import metrics_of
from pdmlib.sources.vercel.platform import Platform, api_of, block_of, milliseconds

LINES = 200
NEAR = timedelta(minutes=30)
PRODUCTS = {"request_counts": "observability", "activity": "web_analytics", "costs": "billing"}
ERROR_LINE = re.compile(r"^\s*(error\b|fatal\b|failed to\b)|\btype error:|exited with [1-9]", re.IGNORECASE)
SIZE_LINE = re.compile(r"First Load JS|^\s*[┌├└+].*\d\s*[kM]?B\s*$")


def collect(site: Site, scope: Scope) -> threads.Frames:
    """Frames `deployments`, `build_logs`, `platform_crons`, `request_counts`, `latencies`, `activity`, `costs`."""
    with api_of(site) as api:
        platform = Platform(api, block_of(site))
        first: list[threads.Part] = [
            ("deployments", partial(_deployments, platform, scope)),
            ("platform_crons", partial(_crons, platform)),
        ]
        known = threads.read("vercel", first)
        rest = [*_logs_of(platform, scope, known), *metrics_of(platform, scope)]
        rest.append(("costs", partial(_charges, platform, site, scope)))
        found = _with_products(merge([known, threads.read("vercel", rest, strict=False)]))
        return merge([found, platform.unclear.frames()])


def _with_products(found: threads.Frames) -> threads.Frames:
    """What could not be read named a second time by the product that it needs."""
    table = found.get("gaps", frame("gaps"))
    extra = table[table["item"].isin(list(PRODUCTS))]
    extra = extra.assign(item=extra["item"].map(PRODUCTS))
    return merge([found, {"gaps": extra}])


def _deployments(platform: Platform, scope: Scope) -> threads.Frames:
    """Deployments of the weeks that are compared, and each move of traffic in them."""
    times: list[tuple[str, Any]] = [
        ("since", milliseconds(scope.baseline.start)),
        ("until", milliseconds(scope.as_of)),
    ]
    listed = [entry for page in platform.deployments(times) for entry in page]
    found = [one for entry in listed if (one := moves.built(entry, platform)) is not None]
    others, gaps = _moves(platform, Window(scope.baseline.start, scope.as_of))
    table = frame("deployments", moves.rows(found, others, scope.as_of))
    known = (table["created_at"] < scope.as_of) | table["live_at"].notna()
    return {"deployments": table[known.fillna(False)].reset_index(drop=True), **gaps}


def _moves(platform: Platform, window: Window) -> tuple[list[moves.Move], threads.Frames]:
    """Moves of traffic that no build tells, and a gap for each way to learn of them that is closed."""
    tellers = {
        "moves:events": partial(moves.events, platform, window),
        "moves:request": partial(moves.last_asked, platform),
        "moves:rolling": partial(moves.rolling, platform),
    }
    found: list[moves.Move] = []
    lost: dict[str, str] = {}
    for item, tell in tellers.items():
        try:
            found += [move for move in tell() if window.contains(move.at)]
        except SourceError as error:
            lost[item] = error.reason
    return found, threads.gaps("vercel", lost) if lost else {}


def _logs_of(platform: Platform, scope: Scope, known: threads.Frames) -> list[threads.Part]:
    table = known.get("deployments", frame("deployments"))
    return [("build_logs", partial(_build_logs, platform, uid)) for uid in _judged(table, scope)]


def _judged(table: pd.DataFrame, scope: Scope) -> list[str]:
    """The deployment that traffic moved to nearest to the judged time, and the one before it."""
    live = table[table["live_at"] <= scope.deployed_at + NEAR].sort_values("live_at")
    names = live.drop_duplicates("deployment", keep="last")["deployment"]
    return [str(uid) for uid in names.tail(2)]


def _build_logs(platform: Platform, uid: str) -> threads.Frames:
    """Lines of errors and of bundle sizes."""
    query = {"builds": 1, "limit": -1, "direction": "backward", "follow": 0}
    found = entries("vercel", platform.get(f"/v3/deployments/{uid}/events", query))
    rows = [row for entry in found if isinstance(entry, dict) for row in _line(platform, uid, entry)]
    return {"build_logs": frame("build_logs", rows[:LINES])}


def _line(platform: Platform, uid: str, entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    payload = entry["payload"] if isinstance(entry.get("payload"), dict) else entry
    text = payload.get("text")
    if not isinstance(text, str):
        return
    level = str(entry.get("level") or payload.get("level") or "").strip().lower()
    if level not in ("error", "fatal"):
        level = "error" if entry.get("type") in ("stderr", "fatal") and ERROR_LINE.search(text) else "info"
    if level != "info" or SIZE_LINE.search(text):
        line = said.BuildLine.of({"date": payload.get("date", entry.get("created"))}, platform.unclear)
        yield {"deployment": uid, "at": line and line.at, "level": level, "text": one_line(text)}


def _crons(platform: Platform) -> threads.Frames:
    """Schedules of the platform; none while it has them switched off."""
    crons = platform.project.crons
    if crons is None or (crons.disabled and (crons.enabled is None or crons.disabled > crons.enabled)):
        return {"platform_crons": frame("platform_crons")}
    listed = platform.body["crons"].get("definitions") or []
    found = said.Schedule.each(entries("vercel", listed), platform.unclear)
    rows = [{"path": one.path, "schedule": one.schedule} for one in found if one.path and one.schedule]
    return {"platform_crons": frame("platform_crons", rows)}


def _charges(platform: Platform, site: Site, scope: Scope) -> threads.Frames:
    """Charges of the project, and those of the team that name none, by service and day."""
    start = min(scope.previous.start, scope.window.start)
    query = [*platform.team.items(), ("from", iso(start)), ("to", iso(scope.window.end))]
    lines = _json_lines(platform.api.get("/v1/billing/charges", query).text())
    sums: dict[tuple[Any, ...], Decimal] = defaultdict(Decimal)
    for charge in said.Charge.each(lines, platform.unclear):
        if charge.cost is not None and _is_ours(platform, charge.tags):
            end = charge.end and so_far(charge.end, site, scope)
            key = (charge.start, end, charge.service, charge.currency)
            sums[key] += Decimal(repr(charge.cost))
    names = ("start", "end", "service", "currency")
    rows = [
        {**dict(zip(names, key, strict=True)), "name": "vercel", "amount": float(amount), "source": "vercel"}
        for key, amount in sums.items()
        if None not in key
    ]
    table = frame("costs", rows)
    return {"costs": table[table["start"] < scope.window.end].reset_index(drop=True)}


def _is_ours(platform: Platform, tags: said.Tags | None) -> bool:
    names = {tags.id, tags.name} - {None} if tags else set()
    return not names or bool(names & {platform.block.project, platform.project_id})


def _json_lines(text: str) -> Iterator[Any]:
    for line in text.splitlines():
        if line.strip():
            try:
                found = json.loads(line)
            except (ValueError, RecursionError):
                raise SourceError("vercel", "its charges are not JSON lines") from None
            yield found
