"""One deployment: drawn, collected by the real collectors, judged, and held against its truth."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from fnmatch import fnmatchcase

from bench.proof.faults import FAULTS, UNCHANGED, Fault, moment
from bench.proof.production import Production
from pdmlib.analysis.errors import classify
from pdmlib.analysis.traffic.days import COLUMNS
from pdmlib.demo.scenarios import DEPLOYED
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Status
from pdmlib.phases.phase import phase_named
from pdmlib.phases.scope import scope_of
from pdmlib.verdict.verdict import Verdict, judge
from pdmlib.workbook.gather import gather

ARROWS = ("up", "down", "new")
JUDGED = (*ARROWS, "flat")


@dataclass(frozen=True)
class Draw:
    """A deployment to judge: its seed, its fault and when that starts after the deployment."""

    seed: int
    fault: Fault
    start: timedelta


@dataclass(frozen=True)
class Look:
    """One verdict on a deployment.

    Attributes:
        after: since the deployment.
        names: what the verdict names, see `names`.
        false: findings and alerts that the truth does not explain.
        cells: kinds of arrow cells (reading or day) -> arrows and cells that were judged.
    """

    after: timedelta
    status: str
    confidence: str
    names: tuple[str, ...]
    false: tuple[str, ...]
    cells: dict[str, tuple[int, int]]

    def detects(self, fault: Fault) -> bool:
        """Whether the fault is named."""
        return any(fnmatchcase(name, pattern) for name in self.names for pattern in fault.named)


@dataclass(frozen=True)
class Trial:
    """What became of a draw, look by look."""

    draw: Draw
    looks: tuple[Look, ...]

    @property
    def last(self) -> Look:
        """The verdict at the end of the phase, or the first that named the fault."""
        return self.looks[-1]

    @property
    def detected(self) -> bool:
        """Whether the fault was named at any look."""
        return any(look.detects(self.draw.fault) for look in self.looks)

    @property
    def after(self) -> timedelta | None:
        """Time from the fault's start to the look that named it."""
        found = next((look for look in self.looks if look.detects(self.draw.fault)), None)
        return found.after - self.draw.start if found else None


def draws(repeats: int, unchanged: int, seed: int) -> list[Draw]:
    """Every fault `repeats` times, every kind of unchanged deployment `unchanged` times; a seed each."""
    wanted = [(fault, n) for n in range(unchanged) for fault in UNCHANGED]
    wanted += [(fault, n) for n in range(repeats) for fault in FAULTS]
    return [
        Draw(seed + number, fault, fault.starts[n % len(fault.starts)]) for number, (fault, n) in enumerate(wanted)
    ]


def spread(chosen: Sequence[int], drawn: Sequence[Draw], seed: int) -> list[int]:
    """Positions in an order that takes every fault and every unchanged kind in turn, however soon it is ended."""
    luck, places = random.Random(seed), dict[int, list[int]]()
    for position in chosen:
        places.setdefault(id(drawn[position].fault), []).append(position)
    ranked = [
        ((n + luck.random()) / len(group), position)
        for group in places.values()
        for n, position in enumerate(group)
    ]
    return [position for _, position in sorted(ranked)]


def trial(production: Production, draw: Draw) -> Trial:
    """A draw, judged at each of its looks until its fault is named."""
    looks: list[Look] = []
    for after in draw.fault.looks:
        if draw.fault.named and after <= draw.start:
            continue
        looks.append(_look(production, draw, after))
        if looks[-1].detects(draw.fault):
            break
    return Trial(draw, tuple(looks))


def _look(production: Production, draw: Draw, after: timedelta) -> Look:
    fault, as_of = draw.fault, moment(after)
    production.dress(draw.seed, fault.plan(moment(draw.start)), as_of, fault.afresh)
    site = production.site()
    scope = scope_of(site.zone, phase_named(fault.phase), DEPLOYED, as_of)
    verdict = judge(Case(site, scope, gather(site, scope, production.folder), scope.window))
    told = {f.id for f in verdict.findings} | {a.id for a in verdict.alerts}
    explained = (*fault.named, *fault.also)
    false = sorted(name for name in told if not any(fnmatchcase(name, pattern) for pattern in explained))
    found = tuple(sorted(set(names(verdict))))
    return Look(after, verdict.status, verdict.confidence, names=found, false=tuple(false), cells=cells(verdict))


def names(verdict: Verdict) -> Iterator[str]:
    """Everything that a verdict names.

    Ids of findings, of alerts and of readings that warn or fail, unless "too few" is why; `unknown:<reading>`;
    `incident:<start>`;
    `value:<reading>` for counts above 0; `arrow:<reading>:<trend>`; `day:<metric>:<trend>` for the last two
    whole days; `class:<issue>:<class>`.
    """
    yield from (finding.id for finding in verdict.findings)
    yield from (alert.id for alert in verdict.alerts)
    yield from (f"incident:{incident['start']}" for incident in verdict.incidents)
    for reading in verdict.readings:
        if reading.status in (Status.WARN, Status.FAIL) and "too few" not in (reading.reason or ""):
            yield reading.id
        if reading.status is Status.UNKNOWN:
            yield f"unknown:{reading.id}"
        if reading.unit == "count" and isinstance(reading.value, int) and reading.value > 0:
            yield f"value:{reading.id}"
        if reading.measurement.trend in ARROWS:
            yield f"arrow:{reading.id}:{reading.measurement.trend}"
    for row in verdict.tables["daily"][-3:]:
        yield from (f"day:{name}:{row[f'{name}_trend']}" for name, *_ in COLUMNS if row[f"{name}_trend"] in ARROWS)
    issues = classify(verdict.case)
    yield from (f"class:{i}:{c}" for i, c in zip(issues["issue"], issues["class"], strict=True))


def cells(verdict: Verdict) -> dict[str, tuple[int, int]]:
    """Arrows and judged cells among the readings and among the days of the phase."""
    readings = [r.measurement.trend for r in verdict.readings]
    first = verdict.case.scope.days[0].date.isoformat()
    days = [row for row in verdict.tables["daily"] if row["date"] >= first]
    daily = [str(row[f"{name}_trend"]) for row in days for name, *_ in COLUMNS]
    return {
        kind: (sum(t in ARROWS for t in trends), sum(t in JUDGED for t in trends))
        for kind, trends in (("readings", readings), ("days", daily))
    }
