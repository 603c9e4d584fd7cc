"""How a notebook shows what lies below the room of HTML: a reading, a cause, and the causes of a report."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

from pdmlib.frames.readings import Reading, counted
from pdmlib.report import tables, words
from pdmlib.report.card import Told, card_of
from pdmlib.report.html import Html, dressed
from pdmlib.verdict.causes import Cause
from pdmlib.verdict.verdict import Verdict

_LINK = re.compile(r' <a href="#[^"]*">[^<]*</a>')


class Causes(tuple[Cause, ...]):
    """The causes of a report: a tuple that a notebook shows as the report does."""

    _verdict: Verdict

    def __new__(cls, causes: Iterable[Cause], verdict: Verdict) -> Causes:
        """The causes of a verdict."""
        made = super().__new__(cls, causes)
        made._verdict = verdict
        return made

    def __repr__(self) -> str:
        titles = "; ".join(f"{cause.priority} {cause.sentence}" for cause in self)
        return words.one_line(f"{counted(len(self), 'cause')}: {titles}")

    def _repr_html_(self) -> str:
        card, verdict = card_of(self._verdict), self._verdict
        where = {f.id: f.reading for f in (*verdict.findings, *verdict.symptoms)}
        told = list(zip((*card.causes, *card.others), verdict.causes, strict=True))
        return _alone(tables.causes(told, {}, where))


def reading_row(reading: Reading) -> dict[str, Any]:
    """A reading as a flat row, its names those of `report.json`."""
    found = reading.measurement
    return {
        "id": reading.id,
        "title": reading.title,
        "section": reading.section,
        "value": reading.value,
        "unit": reading.unit,
        "status": reading.status.value,
        "target": reading.target,
        "low": found.low,
        "high": found.high,
        "samples": found.samples,
        "baseline": found.baseline,
        "change_pct": found.change_pct,
        "trend": found.trend.value,
        "coverage_pct": found.coverage_pct,
        "source": found.source,
        "reason": reading.reason,
    }


def _reading(reading: Reading) -> str:
    return tables.readings([reading], {}, most=1)._repr_html_()


def _cause(cause: Cause) -> str:
    since = f"since {cause.since:%Y-%m-%d %H:%M} UTC" if cause.since else ""
    told = Told(
        0,  # alone it has no number
        "",
        cause.priority.value,
        said=cause.sentence,
        since=since,
        owner=cause.owner or words.OPEN,
        due=cause.due,
        action=cause.action,
        fix=cause.fix or "",
    )
    return _alone(tables.causes([(told, cause)], {}, {}))


def _alone(piece: Html) -> str:
    """A piece as a notebook shows it, without links into a page that is not there."""
    return dressed(_LINK.sub("", piece.html))


# A notebook asks an object itself how it is shown, and the rooms below know no HTML.
SHOWN: dict[Any, Callable[[Any], str]] = {Reading: _reading, Cause: _cause}
for kind, show in SHOWN.items():
    kind._repr_html_ = show
