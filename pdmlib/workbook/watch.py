"""Collects at the pace of the phase, judges, and rewrites the dashboard, until it is stopped.

Two clocks tell when a round is due: the wall's goes on while a laptop is closed, the steady one is
not set back. What was slept through is said: logs and vendors' records are read back by the next
round, probes from here and gauges of the host are not. What cannot be written to the history, because
the disk is full, is kept in memory and written by a later round.
"""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pandas as pd

from pdmlib.errors import CallError, PdmError, ReportError, SiteError, SourceError
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection
from pdmlib.frames.frame import merge
from pdmlib.phases.phase import DASHBOARD, PHASES, Phase, phase_at
from pdmlib.phases.scope import BASELINE, Scope
from pdmlib.phases.window import Window, iso, now
from pdmlib.report import document
from pdmlib.site.load import variables_of
from pdmlib.site.site import Site
from pdmlib.sources import catalogue
from pdmlib.sources.postgres.waits import waits
from pdmlib.sources.threads import reason_of
from pdmlib.storage import history, sampled
from pdmlib.storage.reports import previous_report
from pdmlib.verdict.verdict import Verdict, judge
from pdmlib.workbook.execute import write_report
from pdmlib.workbook.gather import history_folder, with_kept
from pdmlib.workbook.kernel import Kernel
from pdmlib.workbook.notify import notify
from pdmlib.workbook.scope import scope_for
from pdmlib.workbook.telemetry import report_broken, report_error

SCREEN = DASHBOARD.name
DASHBOARDS = 3


@dataclass
class Pace:
    """When the next round is due.

    Attributes:
        wall, steady, sleep: the machine's clocks, and how to wait.
    """

    wall: Callable[[], datetime] = now
    steady: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    _began: tuple[datetime, float] = field(init=False)

    def __post_init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """A round begins."""
        self._began = (self.wall(), self.steady())

    def took(self) -> timedelta:
        """How long the round has been going on."""
        return timedelta(seconds=self.steady() - self._began[1])

    def wait(self, every: timedelta, tick: Callable[[timedelta], None]) -> None:
        """Waits until `every` after the round began, telling the time left about once a second."""
        wall, steady = self._began
        while True:
            left = min(wall + every - self.wall(), every - timedelta(seconds=self.steady() - steady))
            if left <= timedelta(0):
                return
            tick(left)
            self.sleep(min(1.0, left.total_seconds()))


@dataclass(frozen=True)
class Round:
    """One round: what it saw, and what went wrong with it.

    Attributes:
        phase: the site's phase at the moment, whose pace is kept; the verdict is on the last day and hour.
        verdict: None when nothing could be judged.
        missed: times at which rounds were due and were not, since the history was last added to.
        page: the dashboard as rewritten.
    """

    at: datetime
    phase: Phase
    verdict: Verdict | None = None
    added: int = 0
    troubles: tuple[str, ...] = ()
    missed: tuple[datetime, ...] = ()
    page: Path | None = None


@dataclass
class Watch:
    """A watch over one site.

    Attributes:
        as_of: the moment of the first round, ISO; later rounds go on from it.
        webhook: where to post what gets worse; None: nowhere.
        every: instead of the phase's pace.
        say: told what is being done.
        follow: told the moment of each round before anything is asked.
    """

    site: Site
    out: Path
    as_of: str = ""
    deployed_at: str = ""
    webhook: str | None = None
    every: timedelta | None = None
    dashboard: bool = True
    say: Callable[[str], None] = lambda _: None
    follow: Callable[[datetime], None] = lambda _: None
    pace: Pace = field(default_factory=Pace)
    _unwritten: Collection = field(default_factory=lambda: Collection({}), init=False)
    _last: Scope | None = field(default=None, init=False)
    _offset: timedelta = field(default=timedelta(0), init=False)
    _busy_until: datetime | None = field(default=None, init=False)
    _pages: deque[Path] = field(default_factory=deque, init=False)

    def run(self, show: Callable[[Round, timedelta], None], rounds: int | None = None) -> int:
        """Runs rounds, for ever where no number is given; returns how many it ran.

        Args:
            show: called with the newest round and the time until the next, about once a second.

        Raises:
            CallError, SiteError: the first round shows that the call or the site file is wrong.
        """
        for done in count(1):
            self.pace.begin()
            seen = self.round()
            seen, every = self._paced(seen)
            self._shown(show, seen, every)
            if done == rounds:
                return done
            self.pace.wait(every, partial(self._shown, show, seen))
        raise AssertionError("unreachable")

    def _paced(self, seen: Round) -> tuple[Round, timedelta]:
        """A round and when the next is due; one that took longer than its pace says so: the next comes at once."""
        every, took = self.every or seen.phase.cadence, self.pace.took()
        self._busy_until = self.pace.wall() + self._offset
        if took <= every:
            return seen, every
        slow = (
            f"this round took {took.total_seconds():.0f} s, longer than the {every.total_seconds():.0f} s between"
        )
        return replace(seen, troubles=(*seen.troubles, f"{slow} rounds: the next begins at once")), every

    def _shown(self, show: Callable[[Round, timedelta], None], seen: Round, left: timedelta) -> None:
        """Shows a round; what cannot be shown is said, and the watch goes on."""
        try:
            show(seen, left)
        except Exception as error:
            report_error(error)
            self.say(f"this round cannot be shown: {reason_of(error)}")

    def round(self) -> Round:
        """Collects once, keeps it, judges it, rewrites the dashboard and says what got worse.

        What fails is told in the round's `troubles`, and the rest goes on.

        Raises:
            CallError, SiteError: the first round shows that the call or the site file is wrong.
        """
        wall = self.pace.wall()
        moment = wall + self._offset
        try:
            scope = self._scope(moment)
            self.follow(scope.as_of)
        except Exception as error:
            if self._last is None and isinstance(error, CallError | SiteError):
                raise
            report_error(error)
            said = error if isinstance(error, PdmError) else reason_of(error)
            return Round(moment, PHASES[0], troubles=(f"nothing collected: {said}",))
        self._offset, self._last = scope.as_of - wall, scope
        begun = Round(scope.as_of, phase_at(scope.deployed_at, scope.as_of))
        try:
            return self._collected(begun, scope)
        except Exception as error:  # whatever a stranger's answer has led to, the next round comes
            report_error(error)
            return replace(begun, troubles=(f"not judged: {reason_of(error)}",))

    def _scope(self, moment: datetime) -> Scope:
        """The dashboard's scope; where the platform does not say which deployment, it is the last one known."""
        as_of = iso(moment) if self._last else self.as_of
        try:
            return scope_for(self.site, SCREEN, as_of, self.deployed_at)
        except SourceError:
            deployed_at = iso(self._last.deployed_at) if self._last else ""
            return scope_for(self.site, SCREEN, as_of, deployed_at, out=self.out)

    def _collected(self, begun: Round, scope: Scope) -> Round:
        done: list[str] = []

        def progress(source: str, state: str) -> None:
            done.append(f"{source} {state}")
            self.say("collecting: " + ", ".join(done))

        self.say("collecting")
        found = self._with_waits(catalogue.collect(self.site, scope, on_progress=progress))
        folder = history_folder(self.site, self.out)
        newest, troubles = sampled.newest(folder), list[str]()
        slept_from = max(newest, self._busy_until) if newest and self._busy_until else newest
        missed = rounds_between(slept_from, scope.as_of, self.every or begun.phase.cadence)
        added = self._kept(folder, [found, *self._slept_through(scope, newest)], troubles)
        self.say("reading what is kept")
        collection = with_kept(found, self.site, scope, self.out)
        verdict = judge(Case(self.site, scope, collection, scope.window))
        last = previous_report(self.out / self.site.site / SCREEN, scope.as_of)
        page = self._rewritten(scope, collection, troubles) if self.dashboard else None
        content = document.document(verdict, now())
        report_broken(content)
        self._told(content, last, troubles)
        return replace(begun, verdict=verdict, added=added, troubles=tuple(troubles), missed=missed, page=page)

    def _with_waits(self, found: Collection) -> Collection:
        """What was collected, and what the database's sessions wait for, which a single look does not tell."""
        looked = found["statements"]["at"].max()
        if pd.isna(looked):
            return found
        self.say("sampling what sessions wait for")
        seen = waits(self.site, looked, self.pace.sleep)
        return Collection(merge((found.frames, seen)), found.coverage)

    def waiting(self) -> int:
        """Samples that even now cannot be written to the history."""
        self._kept(history_folder(self.site, self.out), [], [])
        return sum(map(len, self._unwritten.frames.values()))

    def _slept_through(self, scope: Scope, newest: datetime | None) -> list[Collection]:
        """The application's own probes of a gap that is longer than what a round looks back."""
        if newest is None or newest >= scope.previous.start:
            return []
        span = Window(max(newest, scope.previous.start - BASELINE), scope.previous.start)
        past = replace(scope, window=span, full=span)
        probes = catalogue.collect(self.site, past, only=("postgres",))["probes"]
        return [Collection({"probes": probes})]

    def _kept(self, folder: Path, found: list[Collection], troubles: list[str]) -> int:
        """Adds to the history, together with what could not be written before."""
        frames = merge(part.frames for part in (self._unwritten, *found))
        self._unwritten = Collection({name: frames[name] for name in history.KEPT if name in frames})
        try:
            added = history.append(folder, self._unwritten)
        except ReportError as error:
            rows = sum(map(len, self._unwritten.frames.values()))
            troubles.append(f"{rows} samples wait in memory for the next round: {error}")
            return 0
        self._unwritten = Collection({})
        return added

    def _rewritten(self, scope: Scope, collection: Collection, troubles: list[str]) -> Path | None:
        """The dashboard's page; of those that this watch wrote only the newest stay."""
        try:
            with Kernel(variables_of(self.site.file)) as kernel:
                written = write_report(
                    self.site,
                    scope,
                    self.out,
                    collection=collection,
                    kernel=kernel,
                    say=lambda text, _: self.say(text),
                )
        except Exception as error:
            report_error(error)
            said = error if isinstance(error, PdmError | OSError) else reason_of(error)
            troubles.append(f"dashboard not rewritten: {said}")
            return None
        if written.folder not in self._pages:
            self._pages.append(written.folder)
        while len(self._pages) > DASHBOARDS:
            shutil.rmtree(self._pages.popleft(), ignore_errors=True)
        return written.folder.with_name("latest") / "report.html"

    def _told(self, content: Mapping[str, Any], last: Mapping[str, Any] | None, troubles: list[str]) -> None:
        try:
            if self.webhook is not None:
                notify(self.webhook, self.out / self.site.site, content, last)
        except Exception as error:
            report_error(error)
            troubles.append(str(error) if isinstance(error, PdmError | OSError) else reason_of(error))


def rounds_between(newest: datetime | None, moment: datetime, every: timedelta) -> tuple[datetime, ...]:
    """Times at which rounds were due after the newest sample kept and before a round; a little late is none."""
    late = (moment - newest - every / 2) // every if newest else 0
    return tuple(newest + i * every for i in range(1, late + 1)) if newest else ()
