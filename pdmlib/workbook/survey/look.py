"""A closer look at one sampled table: its columns by name, type and content."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from pdmlib.site.masking import masked
from pdmlib.site.terms import Terms
from pdmlib.sources.postgres.monitors import NAMES, Apart, told_apart
from pdmlib.sources.postgres.survey import NOT_MADE, Column, Table, words_in
from pdmlib.workbook.survey.rhythm import interval
from pdmlib.workbook.survey.words import meaning

MOST_WORDS = 8  # distinct values of a column of words; the blocks of a site file know four at most
MOST_NAMES = 200  # of jobs or integrations; a column with more names people or things
FEWEST_ROWS = 20  # fewer say nothing of how few words a column of numbers has
A_DAY_S = 86_400.0
# The integer types that may hold a word such as 0 and 1.
_CODES = ("smallint", "integer", "bigint")

Kind = Callable[[Column], bool]


@dataclass(frozen=True)
class Look:
    """One table, looked at."""

    table: Table

    def pick(self, terms: Terms, ours: str, kind: Kind, pattern: str, taken: Sequence[str] = ()) -> Column | None:
        """The column that may be ours: by one of the usual names, else by a name like it."""
        free = [column for column in self.table.columns if column.name not in taken and kind(column)]
        by_name = {column.name.casefold(): column for column in free}
        usual = next((by_name[name] for name in terms.column(ours).candidates if name in by_name), None)
        like = re.compile(pattern, re.IGNORECASE) if pattern else None
        return usual or next((column for column in free if like and like.search(_spelt(column.name))), None)

    @cached_property
    def made(self) -> Column | None:
        """The column that says when a row came to be: set in every row, and the earliest of its times."""
        times = [column for column in self.table.columns if column.is_time and not NOT_MADE.search(column.name)]
        return max(times, key=self._is_made, default=None)

    def _is_made(self, column: Column) -> tuple[float, ...]:
        values = self.table.values(column.name)
        there = sum(value is not None for value in values) / len(values) if values else 0.0
        return (
            round(there, 1),
            column.required,
            round(self._earliest(column), 1),
            column.made_now,
            column.indexed,
        )

    def _earliest(self, column: Column) -> float:
        """The share of rows in which no other time lies before this one, by more than a second."""
        others = [c.name for c in self.table.columns if c.is_time and not re.search("birth|dob|from", c.name)]
        rows = [row for row in self.table.rows if row.get(column.name) is not None]
        first = [row for row in rows if all(row.get(o) is None or row[o] >= row[column.name] - 1 for o in others)]
        return len(first) / len(rows) if rows else 0.0

    def is_wordy(self, column: Column) -> bool:
        """Whether a column holds few distinct words, and no numbers of things."""
        if column.single or column.refers or column.type == "uuid":
            return False
        if column.is_boolean or column.labels:
            return True
        values = [value for value in self.table.values(column.name) if value is not None]
        few = 0 < len(set(values)) <= MOST_WORDS and 2 * len(set(values)) <= len(values)
        if few and any(masked(value) != value for value in set(values)):
            return False  # they name people, or open doors
        return few and (column.is_text or (column.type in _CODES and len(values) >= FEWEST_ROWS))

    def status(self, terms: Terms, ours: str, pattern: str, taken: Sequence[str] = ()) -> Column | None:
        """The column of words: by its name, else the only one, or that of whose words most are understood."""
        named = self.pick(terms, ours, self.is_wordy, pattern, taken)
        if named is not None:
            return named
        wordy = [c for c in self.table.columns if c.name not in taken and self.is_wordy(c) and c.is_text]
        best = max(wordy, key=lambda column: self.known(terms, ours, column), default=None)
        # One column of words alone is that of the status, in whatever language its words are.
        sure = best is not None and (len(wordy) == 1 or self.known(terms, ours, best) > 0.5)
        return best if sure else None

    def known(self, terms: Terms, ours: str, column: Column) -> float:
        """The share of distinct words that something suggests a meaning for."""
        words = [word for word, _ in words_in(self.table, column)]
        return sum(meaning(terms, ours, column.name, w) is not None for w in words) / len(words) if words else 0.0

    def names(self, column: Column) -> bool:
        """Whether a column repeats the names of not too many things."""
        values = [value for value in self.table.values(column.name) if value is not None]
        counts = Counter(values)
        return (
            column.is_text
            and not column.single
            and column.type != "uuid"
            and bool(values)
            and len(counts) <= MOST_NAMES
            and median(counts.values()) >= 2
            and not any(re.fullmatch(r"[\d.,:-]*", value) or masked(value) != value for value in counts)
        )

    def by_name(self, name: Column, time: Column) -> dict[str, list[float]]:
        """The times of each name."""
        found: dict[str, list[float]] = {}
        for row in self.table.rows:
            if row.get(name.name) is not None and row.get(time.name) is not None:
                found.setdefault(row[name.name], []).append(row[time.name])
        return found

    def times(self, column: Column) -> list[float]:
        """The times of a column that are set."""
        return [value for value in self.table.values(column.name) if value is not None]

    def pace(self, time: Column, but: Column | None = None) -> tuple[float | None, Apart | None]:
        """Seconds between rows where they are regular, of each monitor alone; what tells monitors apart."""
        rows = [row for row in self.table.rows if row.get(time.name) is not None]
        free = [c.name for c in self.table.columns if c.type in NAMES and not c.single and c not in (time, but)]
        several = told_apart(self.times(time), {name: [row.get(name) for row in rows] for name in free})
        if several is None:
            return interval(self.times(time)), None
        of_one = (interval([r[time.name] for r in rows if str(r[several.column]) == n]) for n in several.names)
        return next(filter(None, of_one), None), several

    def ends(self, start: Column) -> Iterator[Column]:
        """Columns of times that come after the start in nearly every row, within a day."""
        for column in self.table.columns:
            if column.is_time and column is not start and not re.search("creat|updat", column.name, re.IGNORECASE):
                pairs = [(row[start.name], row[column.name]) for row in self.table.rows if row.get(column.name)]
                took = [b - a for a, b in pairs if a is not None]
                if took and sum(0 <= t <= A_DAY_S for t in took) >= 0.95 * len(took) and any(took):
                    yield column

    def twice(self, job: Column, start: Column, status: Column) -> bool:
        """Whether a run is written as two rows: one of the same job and start with another word."""
        seen = Counter((row.get(job.name), row.get(start.name)) for row in self.table.rows)
        words = {(row.get(job.name), row.get(start.name), row.get(status.name)) for row in self.table.rows}
        pairs = sum(count == 2 for count in seen.values())
        return pairs >= 0.5 * len(seen) and len(words) > 1.5 * pairs > 0


def _spelt(name: str) -> str:
    """A column's name with its words apart: `responseTimeMs` as `response_time_ms`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
