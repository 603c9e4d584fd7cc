"""Everything that one collection brought: frames by name, and how each source answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from pdmlib.frames.frame import empty
from pdmlib.frames.readings import Answer, State

BRIEF = 400  # characters of a detail in a sentence: a few reasons


@dataclass(frozen=True)
class Coverage:
    """How one source answered."""

    source: str
    status: Answer
    rows: int
    seconds: float
    detail: str | None = None

    @property
    def brief(self) -> str:
        """The beginning of the detail, for a sentence; the status where there is none."""
        text = self.detail or str(self.status)
        return text if len(text) <= BRIEF else text[: BRIEF - 1] + "…"


@dataclass(frozen=True, repr=False)
class Collection:
    """Everything one collection brought: frames by name, and how each source answered."""

    frames: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    coverage: tuple[Coverage, ...] = ()

    def __repr__(self) -> str:
        return f"Collection({sum(map(len, self.frames.values())):,} rows of {len(self.frames)} frames)"

    def __getitem__(self, name: str) -> pd.DataFrame:
        """The named frame; empty, with its columns, when nothing brought it."""
        return self.frames[name] if name in self.frames else empty(name)

    def gap(self, source: str, item: str | None = None) -> tuple[State, str] | None:
        """Why a source, or an item of it, could not be read; None when it was."""
        found = (g for g in self._gaps if g["source"] == source and (pd.isna(g["item"]) or g["item"] == item))
        first = next(found, None)
        return None if first is None else (State(first["state"]), str(first["reason"]))

    @cached_property
    def _gaps(self) -> list[dict[Any, Any]]:
        return list(self["gaps"].to_dict("records"))

    @cached_property
    def not_understood(self) -> list[dict[Any, Any]]:
        """What was not understood, the most frequent first."""
        return list(self["not_understood"].sort_values("count", ascending=False).to_dict("records"))
