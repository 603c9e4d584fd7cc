"""How a notebook shows what lies below the room of HTML: a reading, a cause, and the causes of a report.

A notebook asks an object itself how it is shown, and the rooms below know no HTML: what a report hands out are
those objects with their looks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from typing import Self

from markupsafe import escape

from pdmlib.errors import Spelt
from pdmlib.frames.readings import Measurement, Reading, counted
from pdmlib.report import tables, words
from pdmlib.report.card import Told, card_of
from pdmlib.report.html import Html, dressed
from pdmlib.report.text import none_found
from pdmlib.verdict.causes import Cause
from pdmlib.verdict.verdict import Verdict

MEASURED = tuple(part.name for part in fields(Measurement))
_LINK = re.compile(r' <a href="#[^"]*">[^<]*</a>')


@dataclass(frozen=True, repr=False)
class ShownReading(Reading, Spelt):
    """A reading that a notebook shows as the report does.

    Attributes:
        ladder: its limits in force, worst first, in the words of the reference of readings.
    """

    ladder: str = ""

    @classmethod
    def of(cls, reading: Reading, ladder: str = "") -> Self:
        """The same reading with its looks."""
        return cls(**vars(reading), ladder=ladder)

    def _where_is(self, name: str) -> str:
        return f".measurement.{name}" if name in MEASURED else ""

    def _repr_html_(self) -> str:
        limits = f'<p class="soft">Limits: {escape(self.ladder)}.</p>' if self.ladder else ""
        return dressed(tables.readings([self], {}, most=1).html + limits)


class ShownCause(Cause, Spelt):
    """A cause that a notebook shows as the report does."""

    @classmethod
    def of(cls, cause: Cause) -> Self:
        """The same cause with its looks."""
        return cls(**vars(cause))

    def _repr_html_(self) -> str:
        since = f"since {self.since:%Y-%m-%d %H:%M} UTC" if self.since else ""
        told = Told(
            0,  # alone it has no number
            "",
            self.priority.value,
            said=self.sentence,
            since=since,
            owner=self.owner or words.OPEN,
            due=self.due,
            action=self.action,
            fix=self.fix or "",
        )
        return _alone(tables.causes([(told, self)], {}, {}, ""))


class Causes(tuple[Cause, ...]):
    """The causes of a report: a tuple that a notebook shows as the report does."""

    _verdict: Verdict

    def __new__(cls, verdict: Verdict) -> Causes:
        """The causes of a verdict."""
        made = super().__new__(cls, map(ShownCause.of, verdict.causes))
        made._verdict = verdict
        return made

    def __repr__(self) -> str:
        titles = "; ".join(f"{cause.priority} {cause.sentence}" for cause in self)
        return words.one_line(f"{counted(len(self), 'cause')}: {titles}")

    def _repr_html_(self) -> str:
        card, verdict = card_of(self._verdict), self._verdict
        where = {f.id: f.reading for f in (*verdict.findings, *verdict.symptoms)}
        told = list(zip((*card.causes, *card.others), verdict.causes, strict=True))
        return _alone(tables.causes(told, {}, where, none_found(verdict)))


def _alone(piece: Html) -> str:
    """A piece as a notebook shows it, without links into a page that is not there."""
    return dressed(_LINK.sub("", piece.html))
