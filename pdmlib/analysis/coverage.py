"""Whether everything that the site needs could be read. What was not read is never taken for healthy."""

from __future__ import annotations

from collections.abc import Iterator

from pdmlib.analysis.errors import unheard
from pdmlib.analysis.metric import Metric
from pdmlib.analysis.traffic import log_silence
from pdmlib.frames.case import DEPLOYMENT, Case
from pdmlib.frames.readings import Measurement, State
from pdmlib.phases.window import spoken
from pdmlib.site.site import SOURCE_NAMES

LOG_ENDED = "the log holds nothing since"
MOST_PCT = 80.0  # of a window: below it a log is no log of the window


def sources_read(case: Case) -> Measurement:
    """How many of the sources that the site needs were read and heard of; unknown as soon as one was not.

    A source of which a vital part was refused, what a source read and did not understand, and a table or query
    that the site file names and that could not be read, count like a source that was not read.
    """
    wanted = [name for name in SOURCE_NAMES if name not in case.site.without]
    wanted += ["requests"] if case.site.requests else []
    unread: dict[str, list[str]] = {}
    for row in case.collection.coverage:
        if row.source in wanted and not row.status.heard:
            unread.setdefault(row.brief, []).append(row.source)
    lost = [f"{', '.join(names)}: {why}" for why, names in unread.items()]
    lost += [f"{name}: {part}" for name in wanted for part in case.collection.unread_parts(name)]
    gaps = case["gaps"]
    asked = gaps["item"].fillna("").str.match(rf"(table|feature|query):|{DEPLOYMENT}$")
    named = gaps[asked & (gaps["state"] == State.ERROR.value)]
    called = (" ".join(item.split(":")[:2]) for item in named["item"])  # its part, such as `:columns`, left out
    lost += [f"{item}: {reason}" for item, reason in zip(called, named["reason"], strict=True)]
    seen = {c.source for c in case.collection.coverage}
    lost += [f"{name}: not asked" for name in wanted if name not in seen]
    lost += [unclear for name in wanted if (unclear := case.unclear(name))]
    silent = unheard(case)
    if silent:
        lost.append(f"sentry: {silent}")
    lost += [f"requests: {told}" for told in _undelivered(case)]
    if lost:
        return Measurement.missing(State.ERROR, "; ".join(dict.fromkeys(lost)))
    return Measurement(State.MEASURED, len(wanted), samples=len(wanted))


def _undelivered(case: Case) -> Iterator[str]:
    """What of the window the request log does not vouch for, where that is its end or much of it."""
    window = case.scope.window
    if log_silence.delivered(case) is not True and (last := log_silence.ended(case)):
        yield f"{LOG_ENDED} {spoken(last.window.start, case.site.zone)}"
    share = 100 * (1 - log_silence.unheard_s(case.at(window)) / window.seconds) if window.seconds else 100.0
    if share < MOST_PCT:
        yield f"the log holds {share:.0f} % of the window"


METRICS: tuple[Metric, ...] = (
    Metric(
        "sources_read",
        "Sources read",
        "count",
        section="sources",
        measure=sources_read,
        limits=(),
        target="all",
        better="higher",
        alerts=False,
    ),
)
