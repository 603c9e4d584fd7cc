"""Five weeks of the demo in minutes: collections in simulated time, and each report at the moment it is due.

Vendors and database stand where the clock stands, so a report sees what was there at its time and nothing
later. Whatever is kept or written is whole, so a replay that was stopped goes on where it stood.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from jupyter_client.manager import KernelManager

from pdmlib.demo import Production
from pdmlib.frames.collection import Collection
from pdmlib.frames.frame import merge
from pdmlib.frames.readings import Priority
from pdmlib.phases.due import due_times
from pdmlib.phases.phase import DAILY, EXTRAS, INCIDENT, PHASES
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import iso, stamp
from pdmlib.site.site import Site
from pdmlib.sources import catalogue
from pdmlib.storage import history, sampled
from pdmlib.storage.reports import reports_of
from pdmlib.workbook.execute import Written, write_report
from pdmlib.workbook.gather import gather, history_folder
from pdmlib.workbook.scope import incident_scope_for, looking_scope, scope_for

LENGTH = timedelta(days=35)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FAST, FAST_UNTIL = timedelta(minutes=5), HOUR
NO_HISTORY_OF_THEIR_OWN = ("app", "supabase")


@dataclass(frozen=True)
class Step:
    """A moment at which something is collected; on some of them reports fall due."""

    at: datetime
    reports: tuple[str, ...]
    daily: bool


def steps(site: Site, deployed_at: datetime, length: timedelta = LENGTH) -> list[Step]:
    """Every moment of a replay: each five minutes in the first hour, each hour, and when a report is due."""
    end = deployed_at + length
    due: dict[datetime, list[str]] = {}
    for name, moment in reports(site, deployed_at, end):
        due.setdefault(moment, []).append(name)
    paced = {deployed_at + n * FAST for n in range(1, FAST_UNTIL // FAST)}
    paced |= {deployed_at + n * HOUR for n in range(1, length // HOUR + 1)}
    whole = {deployed_at + n * DAY for n in range(1, length // DAY + 1)}
    return [Step(at, tuple(due.get(at, ())), at in whole) for at in sorted(paced | set(due))]


def reports(site: Site, deployed_at: datetime, end: datetime) -> Iterator[tuple[str, datetime]]:
    """Every report that the guide's timeline asks for up to a moment, with its time, a phase at a time."""
    for phase in PHASES:
        times = [at for at in due_times(phase, deployed_at, end, site.zone) if at <= end]
        yield from ((phase.name, at) for at in times)
        yield from ((extra.name, times[-1]) for extra in EXTRAS if extra.beside == phase.name and times)


def month_site(site: Path, folder: Path, clock: datetime) -> Path:
    """A copy of the demo's site file whose clock stands at the end of a replay, with a history of its own."""
    tree = yaml.safe_load(site.read_text(encoding="utf-8"))
    tree["demo"]["clock"] = iso(clock)
    tree["history"] = str((folder / tree["site"] / "history").resolve())
    tree["sources"]["app"]["probes"] = 1
    target = folder / site.name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    return target


@dataclass
class Replay:
    """A replay under way.

    Attributes:
        kernel: executes the notebooks.
        tell: told each report as it is written.
        kept: samples added to the history.
    """

    site: Site
    out: Path
    production: Production
    kernel: KernelManager
    tell: Callable[[Written], None]
    kept: int = 0
    _pending: list[Collection] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        newest = sampled.newest(self._history)
        self._until = newest + timedelta(seconds=1) if newest else None

    @property
    def _history(self) -> Path:
        return history_folder(self.site, self.out)

    def run(self, step: Step) -> None:
        """Collects at a moment and writes the reports that fall due, unless that was done before.

        What is collected between two looks at the database is kept with the later one.
        """
        missing = [name for name in step.reports if not self._folder(name, step.at).exists()]
        if self._until and step.at <= self._until and not missing:
            return
        look = step.daily or bool(step.reports)
        self.production.set_clock(step.at, rows=look)
        names = (*NO_HISTORY_OF_THEIR_OWN, "postgres") if look and not missing else NO_HISTORY_OF_THEIR_OWN
        scope = looking_scope(self.site, iso(step.at))
        self._pending.append(catalogue.collect(self.site, scope, only=names))
        if look:
            self._keep()
        for name in missing:
            written = self._report(scope_for(self.site, name, iso(step.at)))
            if name == DAILY.name:
                self._incidents(written.content, step.at)

    def _keep(self) -> None:
        self.kept += history.append(self._history, Collection(merge(found.frames for found in self._pending)))
        self._pending.clear()

    def _report(self, scope: Scope) -> Written:
        collection = gather(self.site, scope, self.out)
        self._pending.append(collection)
        self._keep()
        written = write_report(self.site, scope, self.out, collection=collection, kernel=self.kernel)
        self.tell(written)
        return written

    def _incidents(self, content: Mapping[str, Any], at: datetime) -> None:
        """The report of the first incident of P0 or P1 that is over and has none yet."""
        folder = self.out / self.site.site / INCIDENT.name
        told = [json.loads((path / "report.json").read_text(encoding="utf-8")) for path in reports_of(folder)]
        known = {report["window"]["start"] for report in told}
        for row in content["tables"]["incidents"]:
            if row["priority"] in (Priority.P0, Priority.P1) and row["end"] and row["start"] not in known:
                self._report(incident_scope_for(self.site, row["start"], row["end"], iso(at)))
                return

    def _folder(self, phase: str, at: datetime) -> Path:
        return self.out / self.site.site / phase / stamp(at)
