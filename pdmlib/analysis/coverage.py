"""Whether everything that the site needs could be read. What was not read is never taken for healthy."""

from __future__ import annotations

from pdmlib.analysis.errors import unheard
from pdmlib.analysis.metric import Metric
from pdmlib.frames.case import DEPLOYMENT, Case
from pdmlib.frames.readings import Measurement, State
from pdmlib.site.site import SOURCE_NAMES


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
    if lost:
        return Measurement.missing(State.ERROR, "; ".join(dict.fromkeys(lost)))
    return Measurement(State.MEASURED, len(wanted), samples=len(wanted))


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
