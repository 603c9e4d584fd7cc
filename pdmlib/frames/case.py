"""One case to judge: a site, what the report looks at, and the frames that were collected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

import pandas as pd

from pdmlib import stats
from pdmlib.errors import where
from pdmlib.frames.collection import Collection
from pdmlib.frames.readings import Measurement, State, counted
from pdmlib.frames.rows import Moments, microseconds, rows_at, within
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window
from pdmlib.site.site import Site

P = ParamSpec("P")
T = TypeVar("T")
DEPLOYMENT = "deployed_at"  # the item of the gap of a deployment that is only supposed
INTERNAL_ERROR = "internal error"
NOT_UNDERSTOOD = "not understood: "  # how a doubt begins
SHOWN = 3  # of what was not understood in one sentence; the report has a table of all


@dataclass(frozen=True, eq=False, repr=False)
class Case:
    """What every analysis is a pure function of.

    Attributes:
        window: the part of the scope that is looked at: the whole window, or its latest part.
        own: the metrics that an analyst added to those of the report.
    """

    site: Site
    scope: Scope
    collection: Collection
    window: Window
    own: tuple[Any, ...] = ()
    _seen: dict[Window, Case] = field(default_factory=dict, init=False, repr=False)
    _times: dict[tuple[str, str], Moments] = field(default_factory=dict, init=False, repr=False)
    _known: dict[Any, Any] = field(default_factory=dict, init=False, repr=False)
    _broken: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        self._seen[self.window] = self

    def __repr__(self) -> str:
        return f"Case({self.site.site} {self.scope.phase.name}, {self.window})"

    def __getitem__(self, name: str) -> pd.DataFrame:
        """The named frame as collected, whole."""
        return self.collection[name]

    def within(self, name: str, column: str, window: Window | None = None) -> pd.DataFrame:
        """Rows of a frame whose time column lies in the window; not to be changed."""
        found: pd.DataFrame = self.at(window or self.window).kept(("within", name, column), _within(name, column))
        return found

    def _times_of(self, name: str, column: str) -> Moments:
        if (name, column) not in self._times:
            self._times[name, column] = microseconds(self[name][column])
        return self._times[name, column]

    @property
    def level(self) -> float:
        """The level of one judgement: all looks at the growing data of a phase keep 5 % together."""
        return stats.level_for_looks(self.scope.phase.looks)

    @property
    def many_looks(self) -> str:
        """What an interval says of itself where growing data are looked at again and again; else nothing."""
        looks = self.scope.phase.looks
        return f"; 95 % interval adjusted for {looks} looks in the hour" if looks > 1 else ""

    def latest(self) -> Case:
        """The same case, looking at the latest part of its window."""
        return self.at(self.scope.latest)

    def present(self) -> Case:
        """The same case, looking at the last hour of data, since declared maintenance where that was in it."""
        return self.at(self._since_maintenance(self.scope.present))

    def _since_maintenance(self, window: Window) -> Window:
        ended = [span.end for span in self.site.maintenance_in(window) if span.end < window.end]
        return Window(max([window.start, *ended]), window.end)

    @property
    def maintained(self) -> bool:
        """Whether the present ends in declared maintenance: the site is expected to be down."""
        end = self.scope.present.end
        return any(span.contains(end) or span.end == end for span in self.site.maintenance_in(self.scope.present))

    def with_events(self, events: tuple[str, str, int], inside: Window | None = None) -> Window:
        """The present, made longer until it holds so many rows of a frame.

        Args:
            events: name of the frame, its time column, and how many of its rows tell enough.
            inside: how far it may go back; the latest part where not given.
        """
        name, column, count = events
        moments = self.within(name, column, inside or self.scope.latest)[column].sort_values()
        first = moments.iloc[max(0, len(moments) - count)].to_pydatetime() if len(moments) else self.window.end
        return Window(min(first, self.scope.present.start), self.scope.present.end)

    def at(self, window: Window) -> Case:
        """The same case, looking at another window; the same object for the same window."""
        if window not in self._seen:
            other = replace(self, window=window)
            self._seen[window] = other
            for shared in ("_seen", "_times", "_broken"):
                object.__setattr__(other, shared, getattr(self, shared))
        return self._seen[window]

    def kept(self, key: Any, compute: Callable[[Case], Any]) -> Any:
        """What `compute` makes of this case, made once under a key."""
        if key not in self._known:
            self._known[key] = compute(self)
        return self._known[key]

    def attempt(self, part: str, compute: Callable[[], T], instead: Callable[[str], T]) -> T:
        """What is computed; where that breaks, what stands in its place: no error of ours costs the whole report.

        Args:
            part: what of the report it is, in words.
            instead: what the report has in its place, given the reason.
        """
        try:
            return compute()
        except Exception as error:
            return instead(self.broke(part, error))

    def broke(self, part: str, error: Exception) -> str:
        """Notes that a part could not be computed; returns the reason for a reader."""
        self._broken.setdefault(part, where(error))
        return f"{INTERNAL_ERROR} ({where(error)})"

    @property
    def broken(self) -> list[dict[str, str]]:
        """The parts that could not be computed so far, and the kind and place of each error."""
        return [{"part": part, "error": error} for part, error in self._broken.items()]

    @property
    def doubt(self) -> str | None:
        """Why the deployment is only supposed; None where it is known."""
        gap = self.collection.gap("vercel", DEPLOYMENT)
        told = self["gaps"]["item"].eq(DEPLOYMENT).any()
        return gap[1] if gap and told else None

    def answered(self, source: str, item: str | None = None) -> bool:
        """Whether a source, and that item of it, was read: only then is nothing found a zero."""
        read = any(c.source == source and c.status.heard for c in self.collection.coverage)
        return read and self.collection.gap(source, item) is None

    def unclear(self, source: str, item: str = "") -> str | None:
        """What of a source, or of what an item of it begins with, was not understood; None when all was."""
        rows = [
            row
            for row in self.collection.not_understood
            if row["source"] == source and str(row["item"]).startswith(item)
        ]
        each = (
            f"{row['item']} {row['example']!r} ({row['what']}, {counted(row['count'], 'time')})"
            for row in rows[:SHOWN]
        )
        more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
        return f"{NOT_UNDERSTOOD}{', '.join(each)}{more}" if rows else None

    def entries_lost(self, source: str, listed: str, key: str = "id") -> int:
        """How many entries of a list are no objects or lack the key of each, so that nothing of them is known."""
        items = (listed, f"{listed}.{key}")
        rows = [r for r in self.collection.not_understood if r["source"] == source and r["item"] in items]
        return sum(int(row["count"]) for row in rows)

    def is_without(self, found: Measurement) -> bool:
        """Whether a measurement is of a source that the site does without, so that no report has a line of it."""
        return found.state is State.NOT_CONFIGURED and found.source in self.site.without

    def missing(
        self, source: str, item: str | None = None, otherwise: str = "the source has nothing"
    ) -> Measurement:
        """Why there is no value: the gap of the source or its item, else `no_data` with a reason."""
        if source in self.site.without:
            return Measurement.missing(State.NOT_CONFIGURED, f"the site does without {source}", source)
        gap = self.collection.gap(source, item)
        state, reason = gap or (State.NO_DATA, otherwise)
        return Measurement.missing(state, reason, source)


def _within(name: str, column: str) -> Callable[[Case], pd.DataFrame]:
    return lambda case: rows_at(case[name], within(case._times_of(name, column), case.window))


def once(function: Callable[Concatenate[Case, P], T]) -> Callable[Concatenate[Case, P], T]:
    """A pure function of a case, computed once a case, window and arguments; its result is not to be changed."""

    @wraps(function)
    def remembered(case: Case, /, *args: P.args, **kwargs: P.kwargs) -> T:
        key = (function, args, tuple(sorted(kwargs.items())))
        found: T = case.kept(key, lambda one: function(one, *args, **kwargs))
        return found

    return remembered
