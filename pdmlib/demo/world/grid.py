"""The time grid of the demo world and the columns of facts that lie on it.

Times are whole milliseconds since 1970 in UTC; the business day follows America/Chicago.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from pdmlib.demo.scenarios import DEPLOYED, Plan, Spell

Array = NDArray[Any]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
START = datetime(2025, 1, 27, tzinfo=UTC)
END = datetime(2025, 4, 8, tzinfo=UTC)
HOLIDAYS = ("2025-02-17",)
_SPRING_FORWARD = datetime(2025, 3, 9, 8, tzinfo=UTC)
_HOURLY = np.array(
    [25, 18, 12, 10, 12, 25, 60, 115, 165, 215, 205, 185, 165, 175, 180, 165, 145, 110, 85, 72, 62, 52, 42, 34],
    dtype=float,
)


def ms(moment: datetime) -> int:
    """A moment as whole milliseconds since 1970."""
    return round(moment.timestamp() * 1000)


def moment(at: int | float) -> datetime:
    """Milliseconds since 1970 as a moment in UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=float(at))


@dataclass(frozen=True)
class Table:
    """Facts of one kind, column by column, in order of time (`at`)."""

    columns: dict[str, Array]

    def __getitem__(self, name: str) -> Array:
        return self.columns[name]

    def __len__(self) -> int:
        return len(self.columns["at"])

    def between(self, start: int, end: int) -> Table:
        """Facts with `start <= at < end`."""
        first, last = np.searchsorted(self.columns["at"], [start, end])
        return self.slice(int(first), int(last))

    def slice(self, first: int, last: int) -> Table:
        """Facts by position, `first` included and `last` not."""
        return Table({name: column[first:last] for name, column in self.columns.items()})

    def until(self, end: int) -> Table:
        """Facts up to a moment, itself included."""
        return self.between(0, end + 1)

    def where(self, chosen: Array) -> Table:
        """Facts at the positions, or under the mask, that were chosen."""
        return Table({name: column[chosen] for name, column in self.columns.items()})

    def rows(self) -> Iterable[dict[str, object]]:
        """Facts one by one as plain Python values."""
        names = list(self.columns)
        return (
            dict(zip(names, row, strict=True))
            for row in zip(*(c.tolist() for c in self.columns.values()), strict=True)
        )


def table(at: Array, **columns: Array) -> Table:
    """Columns as a table, put in order of time."""
    order = np.argsort(at, kind="stable")
    return Table({name: column[order] for name, column in {"at": at, **columns}.items()})


@dataclass(frozen=True)
class Story:
    """What a world is made from: the seed and the plan of its faults."""

    seed: int
    plan: Plan

    def rng(self, subject: str) -> np.random.Generator:
        """A stream of chance for one subject, untouched by what other subjects draw."""
        return np.random.default_rng([self.seed, crc32(subject.encode())])


def minutes() -> Ints:
    """The start of every minute of the world."""
    return np.arange(ms(START), ms(END), MINUTE, dtype=np.int64)


def local(at: Array) -> Ints:
    """Times shifted so that a UTC calendar of them is the calendar in America/Chicago."""
    return at.astype(np.int64) - 6 * HOUR + HOUR * (at >= ms(_SPRING_FORWARD))


def quiet(at: Array) -> Bools:
    """Whether each time falls on a weekend or a holiday."""
    days = local(at) // DAY
    holidays = np.array(HOLIDAYS, dtype="datetime64[D]").astype(np.int64)
    return ((days + 3) % 7 >= 5) | np.isin(days, holidays)


def rates(weekday: float, weekend: float) -> Floats:
    """Expected events of every minute, from those of a day and the rhythm of its hours."""
    at = minutes()
    share = _HOURLY / _HOURLY.sum() / 60
    level = np.where(quiet(at), weekend, weekday)
    return np.asarray(level * share[local(at) % DAY // HOUR], dtype=np.float64)


def draw(rng: np.random.Generator, expected: Floats, spread: float = 0.1) -> Ints:
    """Times of events with the expected counts per minute, more variable than a Poisson process.

    Args:
        spread: coefficient of variation of the level of a stretch of 20 minutes; days vary by a third of it.
    """
    shape = 1 / spread**2
    blocks = rng.gamma(shape, 1 / shape, len(expected) // 20 + 1).repeat(20)[: len(expected)]
    days = rng.gamma(9 * shape, 1 / (9 * shape), len(expected) // 1440 + 1).repeat(1440)[: len(expected)]
    counts = rng.poisson(expected * blocks * days)
    at = minutes().repeat(counts) + rng.integers(0, MINUTE, counts.sum())
    return np.sort(at)


def strength(at: Array, spells: Iterable[Spell], item: str = "") -> Floats:
    """The amount of the spells that hold at each time, of an item or of all items; 0 outside."""
    amount = np.zeros(len(at))
    for spell in spells:
        if spell.item in ("", item):
            amount[(at >= ms(spell.start)) & (at < ms(spell.end))] = spell.amount
    return amount


def during(at: Array, spells: Iterable[Spell], item: str = "") -> Bools:
    """Whether each time falls into one of the spells, of an item or of all items."""
    return strength(at, spells, item) > 0


def deployed() -> int:
    """The moment of the judged deployment."""
    return ms(DEPLOYED)
