"""The sources of a site, asked all at once: what each brought, or why it brought nothing.

Each source is one file with `collect(site, scope)`; what fails in one is a gap and never stops the
others. This is the one place where a `SourceError` becomes a gap.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

import pandas as pd

from pdmlib.frames.collection import LIVE, Collection, Coverage
from pdmlib.frames.frame import frame, merge
from pdmlib.frames.readings import Answer, State
from pdmlib.phases.scope import Scope
from pdmlib.site.site import Site
from pdmlib.sources import app, resend, sentry, stripe, supabase, twilio
from pdmlib.sources.postgres import source
from pdmlib.sources.threads import Frames, as_finished, reason_of
from pdmlib.sources.vercel import source as vercel

LIMIT_S = 180.0
SHOWN = 4000  # characters of a detail: dozens of reasons; a screen shows the beginning of it
NO_ROWS = ("gaps", "understood")  # frames that hold nothing of what was asked for
OF_SEVERAL = ("feature", "query", "table")
CUT_OFF = "no probe and no other source on the web was answered: the fault may lie on this side"


@dataclass(frozen=True)
class SourceRow:
    """One source: its name, as the block in the site file, and what reads it."""

    name: str
    collect: Callable[[Site, Scope], Frames]


SOURCES: tuple[SourceRow, ...] = (
    SourceRow("app", app.collect),
    SourceRow("sentry", sentry.collect),
    SourceRow("vercel", vercel.collect),
    SourceRow("supabase", supabase.collect),
    SourceRow("postgres", source.collect),
    SourceRow("stripe", stripe.collect),
    SourceRow("twilio", twilio.collect),
    SourceRow("resend", resend.collect),
)


@dataclass(frozen=True)
class _Part:
    """What became of one source."""

    coverage: Coverage
    frames: Mapping[str, pd.DataFrame]


def collect(
    site: Site,
    scope: Scope,
    only: Iterable[str] | None = None,
    on_progress: Callable[[str, str], None] | None = None,
    explained: bool = False,
) -> Collection:
    """Everything the site's sources answer for a scope, and how each answered.

    Sources that the site does without have no row; one that is not configured, switched off or
    failed has a row in `coverage` and one in the frame `gaps`.

    Args:
        only: names of the sources to ask; all where not given.
        on_progress: called with a name and a status as each source ends, on the caller's thread.
        explained: with the frame `understood`, which holds real values.
    """
    wanted = [row for row in SOURCES if row.name not in site.without and (only is None or row.name in set(only))]
    parts = {row.name: _absent(site, row.name) for row in wanted if site.source(row.name) is None}
    asked = [row for row in wanted if row.name not in parts]
    calls = [partial(_read, row, site, scope) for row in asked]
    began = time.monotonic()
    for position, result in as_finished(calls, len(calls), LIMIT_S):
        name = asked[position].name
        seconds = time.monotonic() - began
        parts[name] = _failed(name, reason_of(result), seconds) if isinstance(result, Exception) else result
        if on_progress is not None:
            on_progress(name, parts[name].coverage.status)
    if _cut_off(parts, [row.name for row in asked]):
        parts["app"] = _failed("app", CUT_OFF, parts["app"].coverage.seconds)
    ordered = [parts[row.name] for row in wanted]
    frames = merge(part.frames for part in ordered)
    if not explained:
        frames.pop("understood", None)
    return Collection(frames, tuple(part.coverage for part in ordered))


def _cut_off(parts: Mapping[str, _Part], asked: Iterable[str]) -> bool:
    """Whether what looks like the application being down may as well be a network that does not let us out.

    A refusal (4xx) of a vendor shows that it was reached. A database may lie on this side of the way out.
    """
    others = [parts[name].coverage for name in asked if name not in ("app", "postgres")]
    silent = all(c.status is Answer.FAILED and not (c.detail or "").startswith("4") for c in others)
    probes = parts["app"].frames.get("probes") if "app" in parts else None
    return len(others) > 0 and silent and probes is not None and bool((probes["status"] == "down").all())


def _read(row: SourceRow, site: Site, scope: Scope) -> _Part:
    began = time.monotonic()
    try:
        frames = row.collect(site, scope)
    except Exception as error:
        return _failed(row.name, reason_of(error), time.monotonic() - began)
    rows = sum(len(table) for name, table in frames.items() if name not in NO_ROWS)
    gaps = frames.get("gaps", frame("gaps"))
    status = Answer.PARTIAL if len(gaps) else Answer.OK
    seconds = round(time.monotonic() - began, 2)
    return _Part(Coverage(row.name, status, rows, seconds=seconds, detail=_detail(gaps)), frames)


def _detail(gaps: pd.DataFrame) -> str | None:
    """Each reason once, with the items that it stands for."""
    reasons: dict[str, list[str]] = {}
    for item, reason in zip(gaps["item"], gaps["reason"], strict=True):
        reasons.setdefault(str(reason), []).append(_called(str(item)))
    text = "; ".join(f"{_all_called(items)}{reason}" for reason, items in reasons.items())
    return (text if len(text) <= SHOWN else text[: SHOWN - 1] + "…") or None


def _all_called(items: list[str]) -> str:
    """The items of a reason; all that a source shows of now needs no name."""
    return "" if items == [LIVE] else f"{', '.join(dict.fromkeys(items))}: "


def _called(item: str) -> str:
    """What an item is called: by its name where it is one of several of the site file, else by its kind."""
    kind, _, rest = item.partition(":")
    return f"{kind} {rest.partition(':')[0]}" if kind in OF_SEVERAL else kind


def _failed(name: str, reason: str, seconds: float) -> _Part:
    return _Part(
        Coverage(name, Answer.FAILED, 0, seconds=round(seconds, 2), detail=reason), _gap(name, State.ERROR, reason)
    )


def _absent(site: Site, name: str) -> _Part:
    if name in site.unset:
        return _failed(name, f"set {', '.join(site.unset[name])}", 0.0)
    off = getattr(site.sources, name) is not None
    file = site.file or "the site file"
    reason = f"switched off in {file}" if off else f"{file} has no block sources.{name}"
    return _Part(
        Coverage(name, Answer.NOT_CONFIGURED, 0, seconds=0.0, detail=reason),
        _gap(name, State.NOT_CONFIGURED, reason),
    )


def _gap(name: str, state: State, reason: str) -> Frames:
    return {"gaps": frame("gaps", [{"source": name, "item": None, "state": state.value, "reason": reason}])}
