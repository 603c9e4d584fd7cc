"""What was read and not understood: counted, with an example and the line of the site file that would explain it.

A word, level, unit or number that nobody has declared is neither the worst nor nothing. A source hands what it
reads to a `Vocabulary` and an `Unclear`; what these do not know becomes None in its frame and a row of the frame
`not_understood`, and the readings that rest on it become unknown. What was understood the doctor shows: the newest
object of each kind and the words that were heard are rows of the frame `understood`.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any

import pandas as pd
import yaml

from pdmlib.frames.frame import frame
from pdmlib.site.masking import masked
from pdmlib.site.terms import word as term

LACKING = "empty"  # what is wrong with a row that lacks what it cannot do without
EXAMPLE_LENGTH = 80  # characters of a stranger's word that a table can show on one line
MEND_LENGTH = 1000  # characters of a line of the site file
EXAMPLES = 5  # of one thing: what changed its unit or format is another example in each of thousands of rows
MOST_WORDS = 200  # different words of one field that are counted; a field with more is not one of words
# Classes of HTTP statuses by their first digit (RFC 9110, 15).
CLASSES = {"1": "answered", "2": "answered", "3": "answered", "4": "refused, no failure", "5": "failed"}
# Times that databases and vendors can hold and that mean something here; beyond them a time is a mistake.
EARLIEST, LATEST = datetime(1990, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)

Word = str | int | float | bool


class Vocabulary:
    """Which of our words each of theirs stands for, compared without case and surrounding space.

    Args:
        words: our word -> theirs; booleans and numbers are words too.
    """

    def __init__(self, words: Mapping[str, Iterable[Word]]) -> None:
        self.ours = tuple(words)
        self._known = {term(theirs): ours for ours, all_theirs in words.items() for theirs in all_theirs}

    def of(self, theirs: Any) -> str | None:
        """Our word for theirs; None when it is not understood."""
        return None if theirs is None else self._known.get(term(theirs))


class Kind(StrEnum):
    """What a field holds; a text may be anything, and is shown masked and on a screen alone."""

    TIME = "moment"
    NUMBER = "number"
    WORD = "word"
    FLAG = "flag"
    TEXT = "free text"
    USE = "use of a word"


@dataclass(frozen=True)
class Said:
    """One field of an object, or column of a row, as it is understood.

    Attributes:
        theirs: its name where it was read; None where there is none.
        value: as it was read, short, and masked where it may be anything.
        taken_for: what the value was taken for; of a time ISO text.
        means: what the field says.
    """

    ours: str
    theirs: str | None
    value: str | None = None
    taken_for: str = ""
    kind: Kind = Kind.TEXT
    means: str = ""


@dataclass
class Used:
    """One word of a field, how often it was read, and our word for it; None: not understood."""

    ours: str
    theirs: str
    count: int
    taken_for: str | None


@dataclass(frozen=True)
class Understood:
    """How one table of the site file, or one list of a vendor, is understood.

    Attributes:
        key: the block of the site file.
        problem: why it cannot be read, and mend what would let it.
    """

    key: str
    table: str
    columns: tuple[Said, ...] = ()
    words: tuple[Used, ...] = ()
    problem: str | None = None
    mend: str | None = None


class Unclear:
    """What one source read and did not understand, and examples of what it did.

    Args:
        source: name of the source, as the block in the site file.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._rows: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._newest: dict[str, tuple[Any, Callable[[], Iterable[Said]]]] = {}
        self._heard: dict[str, dict[str, Used]] = {}
        self._lock = threading.Lock()

    def example(self, item: str, newness: Any, fields: Callable[[], Iterable[Said]]) -> None:
        """Keeps the newest object of a kind, to show how it was understood."""
        with self._lock:
            if item not in self._newest or newness > self._newest[item][0]:
                self._newest[item] = newness, fields

    def _hear(self, item: str, theirs: Any, ours: str | None) -> None:
        """Counts one use of a word."""
        name = str(term(theirs))
        with self._lock:
            known = self._heard.setdefault(item, {})
            if name not in known and len(known) < MOST_WORDS:
                known[name] = Used(item, masked(theirs), 0, ours)
            if name in known:
                known[name].count += 1

    def note(
        self, item: str, what: str, example: Any, *, taken_for: str = "unknown", mend: str = "", count: int = 1
    ) -> None:
        """Counts one thing that was not understood.

        Args:
            item: what was read: a block of the site file or a field of a vendor, such as `uptime.status`.
            what: what is wrong with it: `unknown word`, `out of range`, `not a time`, `no zone` and the like.
            example: as it was read; bounded and masked here, escaped where it is shown.
            taken_for: what the report makes of it until it is explained.
            mend: the line of the site file that would explain it; empty where none can.
        """
        plain = " ".join(str(example)[: 2 * EXAMPLE_LENGTH].split())[:EXAMPLE_LENGTH]
        shown = masked(plain, EXAMPLE_LENGTH)
        if shown != plain:
            mend = masked(mend, MEND_LENGTH)
        with self._lock:
            if (item, what, shown) not in self._rows and self._seen(item, what) >= EXAMPLES:
                shown, mend = "others", ""
            row = self._rows.setdefault(
                (item, what, shown),
                {
                    "source": self._source,
                    "item": item,
                    "what": what,
                    "count": 0,
                    "example": shown,
                    "taken_for": taken_for,
                    "mend": mend,
                },
            )
            row["count"] += count

    def _seen(self, item: str, what: str) -> int:
        return sum(known[:2] == (item, what) for known in self._rows)

    def word(self, item: str, theirs: Any, vocabulary: Vocabulary, *, mend: str = "") -> str | None:
        """Our word for theirs; None, and counted, when it is not understood. A null is None and not counted."""
        if theirs is None:
            return None
        ours = vocabulary.of(theirs)
        self._hear(item, theirs, ours)
        if ours is None:
            self.note(item, "unknown word", theirs, mend=mend)
        return ours

    def number(self, item: str, value: Any, low: float, high: float, *, mend: str = "") -> float | None:
        """A number from low to high; None, and counted, when it is none or cannot be. A null is None."""
        if value is None:
            return None
        try:
            number = math.nan if isinstance(value, bool) else float(value)
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        if low <= number <= high and not math.isinf(number):
            return number
        self.note(item, "not a number" if math.isnan(number) else "out of range", value, mend=mend)
        return None

    def moment(self, item: str, value: Any, *, mend: str = "") -> datetime | None:
        """A time with its zone, as a datetime or ISO text; None, and counted, when it is none. A null is None."""
        if value is None:
            return None
        try:
            moment = value if isinstance(value, datetime) else datetime.fromisoformat(str(value).strip())
        except ValueError:
            self.note(item, "not a time", value, mend=mend)
            return None
        if moment.tzinfo is None or not EARLIEST <= moment <= LATEST:
            self.note(item, "no zone" if moment.tzinfo is None else "out of range", value, mend=mend)
            return None
        return moment.astimezone(UTC)

    def frames(self) -> dict[str, pd.DataFrame]:
        """The frames `not_understood`, where something was not, and `understood`."""
        told = {"not_understood": list(self._rows.values()), "understood": list(self._shown())}
        return {name: frame(name, rows) for name, rows in told.items() if rows}

    def _shown(self) -> Iterator[dict[str, Any]]:
        for item, (_, fields) in self._newest.items():
            yield from ({"source": self._source, "item": item, **asdict(said)} for said in fields())
        for item, words in self._heard.items():
            for used in words.values():
                yield {"source": self._source, "item": item, "kind": Kind.USE.value, **_row_of(used)}


def _row_of(used: Used) -> dict[str, Any]:
    return {"ours": used.ours, "value": used.theirs, "taken_for": used.taken_for, "count": used.count}


def mend_line(*path: str, value: Any) -> str:
    """A line of the site file, such as `uptime: {words: {down: [error]}}`."""
    for key in reversed(path):
        value = {key: value}
    line = yaml.safe_dump(value, default_flow_style=True, width=math.inf, allow_unicode=True, sort_keys=False)
    return line.strip()[1:-1]


def mend_words(*path: str, ours: Sequence[str], theirs: Any) -> str:
    """The line of the block at a path that would explain a word; which of ours it is a person has to choose."""
    place = (*path, "words", "|".join(ours))
    # Every row of a table may hold the word, and writing YAML takes half a millisecond.
    return _mend_word(place, theirs) if isinstance(theirs, Word) else mend_line(*place, value=[theirs])


@lru_cache(maxsize=1024, typed=True)
def _mend_word(place: tuple[str, ...], theirs: Word) -> str:
    return mend_line(*place, value=[theirs])
