"""What a notebook completes and lists: the names of frames, tables and charts, each with what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Generic, TypeVar

import pandas as pd

from pdmlib.report import html
from pdmlib.report.columns import COLUMNS
from pdmlib.report.html import Table
from pdmlib.report.words import one_line

T = TypeVar("T")
SAID = 160  # characters of one line


class Names(Mapping[str, T], Generic[T]):
    """Names that can be looked through: shown as a table, completed by Tab after `[` and after a dot.

    Attributes:
        what: what they are names of, in the plural.
    """

    def __init__(self, what: str, rows: Sequence[Mapping[str, Any]], get: Callable[[str], T]) -> None:
        self.what, self._rows, self._get = what, rows, get

    @property
    def frame(self) -> pd.DataFrame:
        """The listing itself as a pandas frame, one row a name."""
        return self._table.frame

    @property
    def _table(self) -> Table:
        columns = COLUMNS["frames" if self.what == "frames" else "names"]
        told = [column for column in columns if any(column.key in row for row in self._rows)]
        shown = html.grid(told, self._rows, f"There are no {self.what}.")
        return Table(shown.html, self._rows)

    def __getitem__(self, name: str) -> T:
        return self._get(name)

    def __iter__(self) -> Iterator[str]:
        return (row["name"] for row in self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __getattr__(self, name: str) -> T:
        if name.startswith("_"):
            raise AttributeError(name)
        return self._get(name)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self]

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def _repr_html_(self) -> str:
        return self._table._repr_html_()

    def __repr__(self) -> str:
        return one_line(f"{len(self)} {self.what}: {', '.join(self)}", SAID)
