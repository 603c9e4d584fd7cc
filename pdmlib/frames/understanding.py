"""What was read and not understood: counted, with an example and the line of the site file that would explain it.

A word, level, unit or number that nobody has declared is neither the worst nor nothing. A source hands what it
reads to a `Vocabulary` and an `Unclear`; what these do not know becomes None in its frame and a row of the frame
`not_understood`, and the readings that rest on it become unknown.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
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


class Unclear:
    """What one source read and did not understand.

    Args:
        source: name of the source, as the block in the site file.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._rows: dict[tuple[str, str, str], dict[str, Any]] = {}
        self._lock = threading.Lock()

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
        """The frame `not_understood`; nothing where all was understood."""
        return {"not_understood": frame("not_understood", self._rows.values())} if self._rows else {}


def mend_line(*path: str, value: Any) -> str:
    """A line of the site file, such as `uptime: {words: {down: [error]}}`."""
    for key in reversed(path):
        value = {key: value}
    line = yaml.safe_dump(value, default_flow_style=True, width=math.inf, allow_unicode=True, sort_keys=False)
    return line.strip()[1:-1]


def mend_words(*path: str, ours: Sequence[str], theirs: Any) -> str:
    """The line of the block at a path that would explain a word; which of ours it is a person has to choose."""
    return mend_line(*path, "words", "|".join(ours), value=[theirs])
