"""What the schema was made of at one look: tables, indexes, views, foreign keys, policies, triggers, functions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from pdmlib.frames.case import Case, once
from pdmlib.frames.index_text import Index, index_of, same_table
from pdmlib.frames.statement_text import tables_of

FLAG = " | "
PARTITIONED, PARTITION_OF = "partitioned", "partition of "
# Views that stand on views: deeper ones are rare, and a loop of names must end.
DEEPEST = 5
MOST = 20_000  # things of one kind that a look reads


@dataclass(frozen=True)
class Parts:
    """The parts of the schema: kind -> object -> how the server would make it again; None where it was locked."""

    details: Mapping[str, Mapping[str, str | None]]
    valid: frozenset[str]

    def of(self, kind: str) -> dict[str, str]:
        """The objects of one kind that could be read."""
        return {name: detail for name, detail in self.details.get(kind, {}).items() if detail is not None}

    @cached_property
    def indexes(self) -> dict[str, Index]:
        """The valid indexes, by `schema.index`."""
        made = {name: index_of(text) for name, text in self.of("index").items() if name in self.valid}
        return {name: index for name, index in made.items() if index is not None}

    def has(self, kind: str, name: str) -> bool:
        """Whether an object was there, readable or not."""
        return name in self.details.get(kind, {})

    def lacks(self, kind: str, name: str) -> bool:
        """Whether an object was not there for sure: a look reads so many of a kind and no more."""
        return not self.has(kind, name) and len(self.details.get(kind, {})) < MOST

    def knows(self, kind: str, name: str) -> bool:
        """Whether the look says for sure what an object is: it was there and readable, or it was not there."""
        return self.lacks(kind, name) or self.details.get(kind, {}).get(name) is not None

    def tables(self, names: Iterable[str]) -> tuple[str, ...]:
        """The tables behind the names that a statement uses: itself, those below its views, their partitions."""
        found = dict.fromkeys(self._known(names))
        for _ in range(DEEPEST):
            views = [view for view in self.of("view") if view in found]
            below = self._known(table for view in views for table in tables_of(self.of("view")[view]))
            found |= dict.fromkeys(below)
        return (*found, *(t for t, flags in self._flags.items() if flags & {PARTITION_OF + n for n in found}))

    def _known(self, names: Iterable[str]) -> Iterator[str]:
        known = [*self.details.get("table", {}), *self.details.get("view", {})]
        for name in names:
            yield from [table for table in known if same_table(table, name)] or [name]

    @cached_property
    def _flags(self) -> dict[str, frozenset[str]]:
        return {table: frozenset(text.split(FLAG)[1:]) for table, text in self.of("table").items()}

    def flags(self, table: str) -> frozenset[str]:
        """What is said of a table beside its columns: `partitioned`, `unlogged`, .."""
        return self._flags.get(table, frozenset())

    @cached_property
    def partitions(self) -> dict[str, list[str]]:
        """The partitions of each table that has some, by name."""
        found: dict[str, list[str]] = {}
        for table, flags in self._flags.items():
            for flag in flags:
                if flag.startswith(PARTITION_OF):
                    found.setdefault(flag.removeprefix(PARTITION_OF), []).append(table)
        return {table: sorted(partitions) for table, partitions in found.items()}

    def columns(self, table: str) -> frozenset[str]:
        """The names of its columns."""
        columns = self.of("table").get(table, "").split(FLAG)[0]
        return frozenset(column.partition(" ")[0] for column in columns.split(", "))


def parts_at(case: Case, at: pd.Timestamp | None) -> Parts:
    """The parts of the schema at one look."""
    return _read(case.at(case.scope.window), at)


@once
def _read(case: Case, at: pd.Timestamp | None) -> Parts:
    table = case["database_gauges"]
    rows = table[(table["at"] == at) & table["object"].notna()]
    rows = rows[rows["value"].isna() | rows["metric"].eq("index")]
    details = {
        str(kind): {
            name: None if pd.isna(text) else text for name, text in zip(g["object"], g["detail"], strict=True)
        }
        for kind, g in rows.groupby("metric")
    }
    valid = rows[rows["metric"].eq("index") & rows["value"].ne(0)]["object"]
    return Parts(details, frozenset(valid))
