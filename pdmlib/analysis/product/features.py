"""Features: how much each is used, against its target and its own days before the deployment.

A feature that falls silent is *abandoned* only when so many days of nothing are unlikely at its
own rate; one whose attempts go on without completions is *broken*; else it is merely *rare*.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pdmlib import stats
from pdmlib.analysis.compare.baseline import Change
from pdmlib.analysis.metric import Metric
from pdmlib.analysis.product.usage import (
    DAY,
    Amounts,
    Silence,
    amounts,
    change_of,
    conversion,
    full_days,
    last_use,
    silence,
)
from pdmlib.frames.case import Case, once
from pdmlib.frames.readings import (
    Finding,
    Limit,
    Measurement,
    Priority,
    State,
    Status,
    Trend,
    significant,
    written,
)
from pdmlib.frames.readings import amount as shown
from pdmlib.frames.states import Cell, Usage
from pdmlib.phases.phase import EXTRAS, PHASES, Topic
from pdmlib.phases.window import Day, Window, spoken_day
from pdmlib.site.site import Site
from pdmlib.site.tables import Feature

LEAST_CHANCE = 1e-4  # below it the digits of a chance are those of its model
SECTION = "features"
ASK = "Gather user feedback on the feature, find out why it is not used any more"
TEST = "Test the feature manually, document the result"
PROMOTE = "Promote the underutilized feature"
UNLIKELY = 0.05  # chance of the silence seen, below which it is called a fault
NEARLY_A_DAY = timedelta(hours=20)  # a window of which it may be said that nothing happened all day


@dataclass(frozen=True)
class Use:
    """How one feature is used in a window.

    Attributes:
        state: used, abandoned, broken, rare or unknown.
        attempts: attempts during the silence, and the share completed before the deployment.
        chance: probability of what was seen, for abandoned and broken ones.
    """

    total: float
    change: Change
    silence: Silence
    state: Usage
    attempts: float = 0.0
    rate: float | None = None
    chance: float | None = None


def amount(case: Case, feature: Feature) -> Measurement:
    """The amount in the window; not judged while the phase goes on and the target is not met."""
    found = amounts(case, feature.name)
    if found is None:
        return case.missing("postgres", f"feature:{feature.name}", "the feature's table was not read")
    scope, total, blank = case.scope, found.within(case.window), found.blank(case.window)
    if blank and not total:
        why = f"{blank} rows without a number that is understood"
        return Measurement.missing(State.NOT_UNDERSTOOD, why, "postgres")
    changed = change_of(case, feature, found)
    target = target_of(case.site, feature, scope.phase.name)
    early = target is not None and total < target and not scope.complete
    return Measurement(
        State.MEASURED,
        _whole(total),
        reason=f"{scope.days_done} of {len(scope.days)} days are over: {written(total)} of {written(target or 0)}"
        if early
        else None,
        source="postgres",
        window=case.window,
        baseline=changed.baseline,
        change_pct=changed.change_pct,
        trend=changed.trend,
        evidence=f"{written(total)} in the window; {changed.words}"
        + (f"; {blank} rows without a number that is understood are not in it" if blank else ""),
        judged=not early and not blank,
    )


def target_of(site: Site, feature: Feature, phase: str) -> float | None:
    """The amount to reach in a phase: the mildest of the site's limits, else its target, else the feature's."""
    own = site.limits.get(f"feature_{feature.name}")
    if own and not isinstance(own[-1].edge, str):
        return float(own[-1].edge)
    return site.targets.get(f"feature_{feature.name}", {}).get(phase, feature.targets.get(phase))


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else value


def use_of(case: Case, feature: Feature) -> Use | None:
    """How a feature is used in the case's window; None when its source was not seen or not understood."""
    use: Use | None = case.kept(("use", feature.name), lambda one: _use_of(one, feature))
    return use


def _use_of(case: Case, feature: Feature) -> Use | None:
    found = amounts(case, feature.name)
    if found is None or (found.blank(case.window) and not found.within(case.window)):
        return None
    quiet, total = silence(case, found), found.within(case.window)
    tried, rate = _attempts(case, feature, found, quiet=quiet, total=total)
    broken = (1 - rate) ** tried if rate is not None and tried > 0 else 1.0
    state, chance = _state(case, total, quiet, broken)
    return Use(
        total, change_of(case, feature, found), quiet, state=state, attempts=tried, rate=rate, chance=chance
    )


def _attempts(
    case: Case, feature: Feature, found: Amounts, quiet: Silence, total: float
) -> tuple[float, float | None]:
    """Attempts while nothing was completed, and the share completed before the deployment."""
    attempted = amounts(case, feature.attempts) if feature.attempts else None
    silent = [day.window for day in quiet.days]
    if not silent and total == 0 and not full_days(case) and case.window.seconds >= NEARLY_A_DAY.total_seconds():
        silent = [case.window]
    if attempted is None or not silent:
        return 0.0, None
    return sum(attempted.within(window) for window in silent), conversion(case, found, attempted)


def _state(case: Case, total: float, quiet: Silence, broken: float) -> tuple[Usage, float | None]:
    if broken < UNLIKELY:
        return Usage.BROKEN, broken
    if not quiet.days:
        return (Usage.USED if total > 0 else Usage.UNKNOWN), None
    if quiet.expected is None or quiet.chance is None:
        return Usage.UNKNOWN, None
    if quiet.chance < UNLIKELY:
        return Usage.ABANDONED, quiet.chance
    if quiet.expected / len(quiet.days) < 1:
        return Usage.RARE, quiet.chance
    return (Usage.USED if total > 0 else Usage.UNKNOWN), quiet.chance


@once
def adoption(case: Case) -> list[dict[str, Any]]:
    """Rows of `feature_adoption`, one a feature of the site file.

    `days` holds one amount per local day of the phase, None where there is none; `cells` says of
    what kind each is: count, zero, no_data, not_yet, or partial (a day of which only a part lies in
    the window). `total` is that of the whole window, as in the feature's reading.
    """
    return [_row(case, feature) for feature in case.site.features]


def _row(case: Case, feature: Feature) -> dict[str, Any]:
    found, use = amounts(case, feature.name), use_of(case, feature)
    cells = [_cell(case, day, found) for day in case.scope.days]
    target = target_of(case.site, feature, case.scope.phase.name)
    return {
        "feature": feature.name,
        "title": feature.title,
        "kind": feature.kind.value,
        "days": [value for _, value in cells],
        "dates": [day.date.isoformat() for day in case.scope.days],
        "cells": [kind for kind, _ in cells],
        "total": _whole(use.total) if use else None,
        "daily_avg": _daily_avg(case, found) if found else None,
        "trend": use.change.trend if use else Trend.UNKNOWN,
        "abandoned": use is not None and use.state == Usage.ABANDONED,
        "state": use.state if use else Usage.UNKNOWN,
        "target": target,
        "target_met": _met(case, use, target, found),
        "reason": use.change.reason if use else amount(case, feature).reason,
    }


def _cell(case: Case, day: Day, found: Amounts | None) -> tuple[Cell, float | None]:
    part = day.window.clip(case.scope.window)
    if day.window.start >= case.scope.as_of or part.seconds <= 0:
        return Cell.NOT_YET, None
    if found is None:
        return Cell.NO_DATA, None
    value = _whole(found.within(part))
    if not value and found.blank(part):
        return Cell.NO_DATA, None
    if part.seconds < day.window.seconds:
        return Cell.PARTIAL, value
    return (Cell.COUNT if value else Cell.ZERO), value


def _daily_avg(case: Case, found: Amounts) -> float | None:
    """The amount per day over the whole days of 24 hours since the window's start."""
    start, days = case.window.start, int(case.window.seconds // DAY.total_seconds())
    return round(found.within(Window(start, start + days * DAY)) / days, 2) if days else None


def _met(case: Case, use: Use | None, target: float | None, found: Amounts | None) -> bool | None:
    if use is None or target is None:
        return None
    sure = case.scope.complete and not (found and found.blank(case.window))
    return True if use.total >= target else False if sure else None


def underused(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Rows of `feature_adoption` that are abandoned, broken, rare or below their target."""
    idle = (Usage.ABANDONED, Usage.BROKEN, Usage.RARE)
    return [row for row in rows if row["state"] in idle or row["target_met"] is False]


def findings(case: Case) -> list[Finding]:
    """Features that are abandoned or broken, and conversion rates below their target when the phase is over."""
    return [finding for feature in case.site.features for finding in _found(case, feature)]


def _found(case: Case, feature: Feature) -> Iterator[Finding]:
    use = use_of(case, feature)
    if use is None:
        return
    if use.state == Usage.ABANDONED:
        yield _abandoned(case, feature, use)
    if use.state == Usage.BROKEN:
        yield _broken(case, feature, use)
    yield from _below_rate(case, feature, use)


def _chance(share: float) -> str:
    return "under 0.01 %" if share < LEAST_CHANCE else f"{significant(100 * share, 2)} %"


def _abandoned(case: Case, feature: Feature, use: Use) -> Finding:
    quiet, last = use.silence, last_use(case, feature.name)
    count, due = len(quiet.days), quiet.expected or 0.0
    return Finding(
        id=f"feature:{feature.name}:abandoned",
        title=f"{feature.title}: not used for {count} days",
        priority=Priority.P2,
        reading=f"feature_{feature.name}",
        evidence=f"Nothing on {count} full days since {spoken_day(quiet.days[0].date)}, where {due:.1f} were due "
        f"by {quiet.used}; the chance of that is {_chance(use.chance or 0.0)}."
        + (f" Last used on {spoken_day(last)}." if last else ""),
        action=ASK,
        becomes_green=f"a use is counted again (now 0; {due / count:.1f} a day are usual)",
        since=_silent_since(case, feature, quiet.days[0].window.start),
        value=0,
        threshold=f"{due:.1f} due",
        owner=feature.owner,
        said=f"Nobody used {feature.title} for {count} days",
    )


def _silent_since(case: Case, feature: Feature, day: datetime) -> datetime:
    """The start of the first silent day, or the deployment where nothing came between them either."""
    deployed, found = case.scope.deployed_at, amounts(case, feature.name)
    between = Window(deployed, day)
    return deployed if deployed < day and found is not None and not found.within(between) else day


def _broken(case: Case, feature: Feature, use: Use) -> Finding:
    days, rate = use.silence.days, 100 * (use.rate or 0)
    since = _silent_since(case, feature, days[0].window.start if days else case.window.start)
    day, tried = spoken_day(since.astimezone(case.site.zone).date()), _tried(case, feature, since, use)
    chance = _chance((1 - rate / 100) ** tried)
    return Finding(
        id=f"feature:{feature.name}:broken",
        title=f"{feature.title}: {written(tried)} attempts, none completed",
        priority=Priority.P1,
        reading=f"feature_{feature.name}",
        evidence=f"{written(tried)} of {_title(case, feature.attempts)} and none of {feature.title} since {day}; "
        f"before the deployment {rate:.1f} % were completed, so the chance of none is {chance}.",
        action=TEST,
        becomes_green=f"completions are counted again (now 0 of {written(tried)}; about "
        f"{tried * rate / 100:.0f} are usual)",
        since=since,
        value=0,
        threshold=f"{tried * rate / 100:.0f} usual",
        owner=feature.owner,
        said=f"{feature.title}: {written(tried)} were tried and none was completed",
    )


def _tried(case: Case, feature: Feature, since: datetime, use: Use) -> float:
    """Attempts from when nothing was completed any more: up to now where that is still so, else on whole days."""
    attempted = amounts(case, feature.attempts) if feature.attempts else None
    until = case.window.end if not use.total or not use.silence.days else use.silence.days[-1].window.end
    return attempted.within(Window(since, until)) if attempted else use.attempts


def _title(case: Case, name: str | None) -> str:
    """What the site calls a feature."""
    return next((feature.title for feature in case.site.features if feature.name == name), name or "")


def _below_rate(case: Case, feature: Feature, use: Use) -> Iterator[Finding]:
    wanted = feature.rate_targets.get(case.scope.phase.name)
    attempted = amounts(case, feature.attempts) if feature.attempts else None
    tried = attempted.within(case.window) if attempted else 0.0
    if wanted is None or tried <= 0 or not case.scope.complete or 100 * use.total / tried >= wanted:
        return
    low, high = stats.wilson(use.total, tried)
    share = shown(100 * use.total / tried, "%")
    sure = "surely below" if 100 * high < wanted else "below, though chance could explain it"
    yield Finding(
        id=f"feature:{feature.name}:rate",
        title=f"{feature.title}: {share} of {_title(case, feature.attempts)}, target {wanted:g} %",
        priority=Priority.P2,
        reading=f"feature_{feature.name}",
        evidence=f"{written(use.total)} of {written(tried)} ({share}, "
        f"95 % interval {100 * low:.1f} to {100 * high:.1f} %) is {sure} {wanted:g} %.",
        action=PROMOTE,
        becomes_green=f"{_needed(tried, wanted)} of {written(tried)} (now {written(use.total)})",
        value=round(100 * use.total / tried, 2),
        threshold=f">= {wanted:g} %",
        owner=feature.owner,
    )


def _needed(tried: float, wanted: float) -> int:
    return int(-(-tried * wanted // 100))


def metrics(site: Site) -> tuple[Metric, ...]:
    """One reading a feature; where a phase has a target, a metric of its own with that limit."""
    return (*(metric for feature in site.features for metric in _metrics(site, feature)), *_logins(site))


def _logins(site: Site) -> Iterator[Metric]:
    """The logins to the portal among what users do: the site's first feature of the kind login."""
    for feature in [f for f in site.features if f.kind == "login"][:1]:
        measure = partial(amount, feature=feature)
        yield Metric(
            "portal_logins",
            feature.title,
            "count",
            adds_up=True,
            section="activity",
            measure=measure,
            better="higher",
            topic=Topic.USE,
        )


def _metrics(site: Site, feature: Feature) -> Iterator[Metric]:
    targets = {phase: target_of(site, feature, phase) for phase in _phases_of_use()}
    plain = tuple(phase for phase, target in targets.items() if target is None)
    for phase, target in targets.items():
        if target is not None:
            limits = (Limit("<", target, Status.WARN, action=PROMOTE),)
            yield _metric(feature, limits, f">= {target:.10g}", (phase,))
    if plain:
        yield _metric(feature, (), "", plain)


def _phases_of_use() -> list[str]:
    return [phase.name for phase in (*PHASES, *EXTRAS) if Topic.USE in phase.topics]


def _metric(feature: Feature, limits: tuple[Limit, ...], target: str, phases: tuple[str, ...]) -> Metric:
    measure = partial(amount, feature=feature)
    name = f"feature_{feature.name}"
    return Metric(
        name,
        feature.title,
        "count",
        adds_up=True,
        section=SECTION,
        measure=measure,
        limits=limits,
        target=target,
        better="higher",
        topic=Topic.USE,
        phases=phases,
    )
