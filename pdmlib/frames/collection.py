"""Everything that one collection brought: frames by name, and how each source answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pandas as pd

from pdmlib.frames.frame import empty
from pdmlib.frames.readings import Answer, State

LIVE = "live"  # a gap of all that a source shows of now, in a report of the past
BRIEF = 400  # characters of a detail in a sentence: a few reasons
# Parts in which a vendor says what it is and what it did: a source without one of them was not read, whatever else
# it told. Figures that a plan or a key leaves out are none of them: each is unknown by itself.
VITAL: Mapping[str, tuple[str, ...]] = {
    "sentry": ("issues", "error_counts"),
    "vercel": ("deployments",),
    "supabase": ("project", "services"),
    "stripe": ("account", "webhooks", "payments", "webhook_events"),
    "twilio": ("account", "messages", "alerts"),
    "resend": ("email_counts", "logs", "domains", "webhooks"),
}


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

    def asked_later(self, source: str) -> bool:
        """Whether a source was asked so long after the moment of the report that its answers are not of then."""
        return any(gap["source"] == source and gap["item"] == LIVE for gap in self._gaps)

    def unread_parts(self, source: str) -> list[str]:
        """What of a source nobody can vouch for without having read it, and each reason."""
        parts: dict[str, list[str]] = {}
        for gap in self._gaps:
            lost = gap["source"] == source and gap["state"] == State.ERROR.value
            if lost and gap["item"] in VITAL.get(source, ()):
                parts.setdefault(str(gap["reason"]), []).append(str(gap["item"]))
        return [f"{', '.join(dict.fromkeys(items))} not read: {reason}" for reason, items in parts.items()]

    @cached_property
    def _gaps(self) -> list[dict[Any, Any]]:
        return list(self["gaps"].to_dict("records"))

    @cached_property
    def not_understood(self) -> list[dict[Any, Any]]:
        """What was not understood, the most frequent first."""
        return list(self["not_understood"].sort_values("count", ascending=False).to_dict("records"))
