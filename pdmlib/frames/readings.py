"""What is measured and how it is judged: measurements, limits, readings, findings.

A `Measurement` is what an analysis found, in one of its states. A `Reading` is a measurement that was held against
the limits of its metric."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from numbers import Real
from typing import Any, Literal

from pdmlib.phases.window import Window

Value = float | int | str | bool | None
ISO_4217 = 3  # letters of a currency, all capitals
TWO_DIGITS, THREE_DIGITS = 10, 100  # below them a number has two digits and one behind the point
_PLURAL = re.compile(r"\b(\w+?)(ies|s)\b")
FEWEST_EVENTS = 3  # of one event in eight Wilson's lower bound is above 2 %, and it is one event


def significant(value: float, digits: int = 3) -> str:
    """A number with so many digits that tell something: no limit is ever `0.0`."""
    if not value or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{places}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def written(value: float) -> str:
    """A number with up to six digits behind its first, never with an exponent; a whole one with all of its own."""
    return significant(value, 6)


def amount(value: Any, unit: str = "") -> str:
    """A value with its unit, at the precision a reader can use."""
    if value is None:
        return "not measured"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return value
    if unit == "currency" or (len(unit) == ISO_4217 and unit.isupper()):
        return f"{value:,.2f} {unit.removeprefix('currency')}".rstrip()
    digits = 2 if unit.startswith("%") or abs(value) < TWO_DIGITS else 1 if abs(value) < THREE_DIGITS else 0
    text = f"{value:,.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    if value and text in ("0", "-0"):  # little is not nothing
        text = significant(value, 1)
    return f"{text} {unit}" if unit and unit not in ("count", "bool") else text


def number_of(value: object) -> float | None:
    """A value as a number; None where it is none, which yes and no are not."""
    return float(value) if isinstance(value, Real) and not isinstance(value, bool) else None


def counted(count: float, noun: str, many: str = "") -> str:
    """So many of something, in the singular for one; `many` is a plural that is not formed with an s."""
    return f"{count:,.0f} {noun if count == 1 else many or noun + 's'}"


def counted_title(count: float, title: str) -> str:
    """So many of what a title names in the plural: `3 connection errors`, `1 slow query`."""
    name = lowered(title)
    if count == 1:
        name = _PLURAL.sub(lambda found: found[1] + ("y" if found[2] == "ies" else ""), name, count=1)
    return f"{amount(count)} {name}"


def lowered(title: str) -> str:
    """A title inside a sentence; an abbreviation at its start stays."""
    return title if title[:2].isupper() else title[:1].lower() + title[1:]


def aside(text: str) -> str:
    """What explains a word, behind it: in brackets, or behind a colon where it has brackets of its own."""
    return f": {text}" if "(" in text else f" ({text})"


class State(StrEnum):
    """What became of an attempt to measure."""

    MEASURED = "measured"
    NO_DATA = "no_data"
    ERROR = "error"
    NOT_UNDERSTOOD = "not_understood"
    NOT_DUE = "not_due"
    NOT_CONFIGURED = "not_configured"


class Answer(StrEnum):
    """How a source answered as a whole."""

    OK = "ok"
    PARTIAL = "partial"  # something that was asked for is a gap
    FAILED = "failed"
    NOT_CONFIGURED = "not_configured"

    @property
    def heard(self) -> bool:
        """Whether the source gave anything."""
        return self in (Answer.OK, Answer.PARTIAL)


class Status(StrEnum):
    """How a reading is judged."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    INFO = "info"
    UNKNOWN = "unknown"


class Trend(StrEnum):
    """Which way a value moved against its baseline."""

    UP = "up"
    DOWN = "down"
    FLAT = "flat"  # moved by less than matters, or by no more than chance does
    NEW = "new"  # there was none before
    UNKNOWN = "unknown"


class Priority(StrEnum):
    """The guide's three alert classes, most urgent first."""

    P0 = "P0"
    P1 = "P1"
    P2 = "P2"


ORDER = {Priority.P0: 0, Priority.P1: 1, Priority.P2: 2}


@dataclass(frozen=True)
class Measurement:
    """One measured value, or the reason why there is none.

    Attributes:
        low, high: 95 % interval where one is defined.
        samples: events, requests or probes behind the value.
        coverage_pct: share of the window that the source vouches for.
        evidence: a sentence for the report, built from the data.
        judged: False while it is too early to hold the value against its limits.
        few: fewer were counted than such a figure takes.
    """

    state: State
    value: Value = None
    reason: str | None = None
    samples: int | None = None
    low: float | None = None
    high: float | None = None
    baseline: float | None = None
    change_pct: float | None = None
    trend: Trend = Trend.UNKNOWN
    source: str | None = None
    window: Window | None = None
    coverage_pct: float | None = None
    evidence: str | None = None
    judged: bool = True
    few: bool = False

    @classmethod
    def missing(cls, state: State, reason: str, source: str | None = None) -> Measurement:
        """A measurement that could not be made; the reason is a sentence."""
        return cls(state, reason=reason, source=source)


OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True)
class Limit:
    """One step of a ladder: when `value op edge` holds, the reading gets `status`.

    Attributes:
        critical: at this level the whole report is RED.
        rollback: a rollback criterion of the guide.
        of: what the edge is compared with: the value, its lower bound, the value as a multiple
            of its baseline, or the word of its trend.
        unsure: it only may hold: of a rate, chance alone could bring as much.
    """

    op: str
    edge: float | str | bool
    status: Status
    priority: Priority | None = None
    action: str = ""
    critical: bool = False
    rollback: bool = False
    of: Literal["value", "low", "baseline", "trend"] = "value"
    unsure: bool = field(default=False, compare=False)

    def holds(self, value: Value) -> bool:
        """Whether the value is beyond this step's edge; never for a step of anything but the value."""
        return self.of == "value" and self._beyond(value)

    def reached(self, found: Measurement) -> bool:
        """Whether a measurement is beyond this step's edge; without a baseline no multiple of it is."""
        if self.of == "trend":
            return self._beyond(found.trend)
        if self.of == "low":
            return found.low is not None and self._beyond(found.low)
        if self.of == "baseline":
            value, base = found.value, found.baseline
            return isinstance(value, int | float) and bool(base) and self._beyond(value / (base or 1))
        return self.holds(found.value)

    def _beyond(self, value: Value) -> bool:
        return bool(OPERATORS[self.op](value, self.edge))


Ladder = tuple[Limit, ...]


@dataclass(frozen=True, repr=False)
class Reading:
    """A judged measurement: the row of `report.json`.

    Attributes:
        critical: at a level that makes the whole report RED, where it was not so before the deployment.
        rollback: a rollback criterion of the guide holds.
        becomes_green: what would have to be measured for it to be GREEN, as a clause behind "when".
        key: without it no report is GREEN.
        unsure: of a rate, too few were counted to tell a fault from none.
        few: too few were counted to be sure of how it is judged.
    """

    id: str
    title: str
    unit: str
    section: str
    status: Status
    target: str
    measurement: Measurement
    critical: bool = False
    rollback: bool = False
    reason: str | None = None
    action: str = ""
    becomes_green: str | None = None
    key: bool = False
    unsure: bool = False
    few: bool = False

    def __repr__(self) -> str:
        target = f", target {self.target}" if self.target else ""
        whole = ", rollback" if self.rollback else ", RED" if self.critical else ""
        return f"Reading({self.id}: {amount(self.value, self.unit)}, {self.status}{whole}{target})"

    @property
    def value(self) -> Value:
        """The measured value, None when unknown."""
        return self.measurement.value

    @property
    def low(self) -> float | None:
        """The lower end of its 95 % interval, None where none is defined."""
        return self.measurement.low

    @property
    def high(self) -> float | None:
        """The upper end of its 95 % interval, None where none is defined."""
        return self.measurement.high

    @property
    def samples(self) -> int | None:
        """Events, requests or probes behind the value, None where they are not counted."""
        return self.measurement.samples

    @property
    def why(self) -> str:
        """The reason, with the source that could not be read where the reason does not name it."""
        source, reason = self.measurement.source or "", self.reason or ""
        unread = self.measurement.state is State.ERROR and source and source not in reason
        return f"{source}: {reason}" if unread else reason


@dataclass(frozen=True)
class Finding:
    """Something a person should know, found by an analysis that is more than one number.

    Attributes:
        id: stable between reports, e.g. `cron:process-referrals:missed`.
        reading: id of the reading it belongs to.
        becomes_green: what would have to be measured for it to go away, as a clause behind "when".
        rollback: a rollback criterion of the guide.
        absolute: its limit is one that no site is excused from, however long it was broken.
        fix: a statement that mends it, where one is known.
        size: how much of what it brought, as (unit, amount): times as slow as before, failed requests, or failed
            calls of a vendor to the application where nothing else is wrong with it.
        said: the same in one sentence for somebody who knows no term of ours, without its full stop; empty where
            the title is one.
    """

    id: str
    title: str
    priority: Priority
    reading: str
    evidence: str
    action: str
    becomes_green: str
    since: datetime | None = None
    active: bool = True
    value: Value = None
    threshold: str = ""
    owner: str | None = None
    rivals: tuple[str, ...] = field(default=())
    rollback: bool = False
    absolute: bool = False
    fix: str | None = None
    size: tuple[str, float] | None = None
    said: str = ""

    @property
    def decides(self) -> bool:
        """Whether it tells of the verdict also where it was there before the deployment."""
        return self.absolute or self.priority is Priority.P0

    @property
    def rule(self) -> str:
        """What was held against what."""
        return f"{self.reading} {self.threshold}"
