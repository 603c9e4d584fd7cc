"""What else may explain a change: other deployments, more traffic, a vendor's outage.

Nothing runs beside the deployment to compare it with, so each comparison names these other explanations.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pandas as pd

from pdmlib.analysis.compare.change import weeks_before
from pdmlib.analysis.traffic.populations import populations, requests_of
from pdmlib.frames.case import Case, once
from pdmlib.frames.readings import significant
from pdmlib.frames.rows import json_rows
from pdmlib.phases.window import day_of, days_between, parse_time, spoken, spoken_day

SHIFT = 2.0  # times more or less traffic: enough to move response times by itself
NEAR = timedelta(minutes=30)  # a deployment becomes ready minutes after it is announced
BACK = ("rollback", "aborted")  # moves by which traffic leaves a deployment


@once
def rivals(case: Case) -> list[str]:
    """A sentence each: other deployments, a shift of traffic, vendors' incidents, days off, declared events."""
    return [*_deployments(case), *_traffic(case), *_vendors(case), *_days(case), *_events(case)]


@once
def production(case: Case) -> pd.DataFrame:
    """The platform's production deployments."""
    table = case["deployments"]
    return table[(table["source"] == "vercel") & (table["target"] == "production")]


@once
def judged(case: Case) -> pd.Series | None:
    """The platform's deployment that traffic moved to nearest to the judged time; None when none is near.

    A move back ends a deployment, and is one itself only at the very time that is judged.
    """
    table = production(case)
    away = (table["live_at"] - case.scope.deployed_at).abs()
    table = table[(away <= NEAR) & (~table["move"].isin(BACK) | (away == timedelta(0)))]
    return table.loc[away[table.index].idxmin()] if len(table) else None


@once
def deployments_between(case: Case) -> list[dict[str, object]]:
    """Moves of traffic to another deployment, of the platform and declared, within the window."""
    table, window = case["deployments"], case.scope.window
    far = (table["live_at"] - case.scope.deployed_at).abs() > NEAR
    moved, ours = production(case).sort_values("live_at"), judged(case)
    moved = moved[moved["deployment"] != moved["deployment"].shift()]
    moved = moved if ours is None else moved.drop(ours.name, errors="ignore")
    both = pd.concat([table[(table["source"] == "site") & far], moved]).sort_values("live_at")
    both = both[(both["live_at"] >= window.start) & (both["live_at"] < window.end)]
    return json_rows(both.assign(live=both["live_at"]))


def _deployments(case: Case) -> Iterator[str]:
    others = deployments_between(case)
    if others:
        lived = [(row, spoken(parse_time(str(row["live"])), case.site.zone)) for row in others[:3]]
        names = ", ".join(f"{row['deployment']} at {live}{_how(row)}" for row, live in lived)
        yield f"{len(others)} more production deployment{'s' * (len(others) > 1)} in the window: {names}"


def _how(row: dict[str, object]) -> str:
    """How traffic moved, where that was not a deployment of its own."""
    share = row["share_pct"]
    part = f", {share:.0f} % of the traffic" if isinstance(share, float) else ""
    return f" ({row['move']}{part})" if row["move"] not in (None, "deployment") else ""


def _traffic(case: Case) -> Iterator[str]:
    """More or less of it than in the same hours of the weeks before: a morning is busier than its week."""
    whole = case.at(case.scope.window)
    found = next(populations(whole), None)
    if found is None:
        return
    now, usual = requests_of(whole, found.source), weeks_before(whole, lambda one: requests_of(one, found.source))
    if now is None or not usual.expected:
        return
    factor = now / usual.expected
    if factor > SHIFT or factor < 1 / SHIFT:
        yield f"traffic is {significant(factor, 2)} times that of the same hours of the weeks before"


def _vendors(case: Case) -> Iterator[str]:
    states = case["vendor_states"]
    bad = states[(states["kind"] == "service") & (states["ok"] == False)]  # noqa: E712
    for (vendor, status), same in bad.groupby(["vendor", "status"], sort=False, dropna=False):
        yield f"{str(vendor).capitalize()} reports {', '.join(same['item'])} as {status}"


def _days(case: Case) -> Iterator[str]:
    scope, zone = case.scope, case.site.zone
    dates = [day.date for day in scope.days if day.window.start < scope.as_of]
    first = day_of(scope.before.start, zone).date
    earlier = days_between(first, dates[0], zone)[:-1] if dates else ()
    compared = [day.date for day in earlier if day.date in case.site.holidays]
    for day in (d for d in dates if d in case.site.holidays):
        yield f"{spoken_day(day)} in the window is a holiday"
    for day in compared:
        yield f"{spoken_day(day)} in the seven days before the deployment was a holiday"
    for day in (d for d in case.site.incident_days if d in dates):
        yield f"{spoken_day(day)} in the window is a declared incident day"


def _events(case: Case) -> Iterator[str]:
    scope, zone = case.scope, case.site.zone
    for event in case.site.events:
        when = spoken(event.at, zone)
        if scope.window.contains(event.at):
            yield f"{event.name} began in the window, at {when}"
        elif scope.before.contains(event.at):
            yield f"{event.name} began in the seven days before the deployment, at {when}"
