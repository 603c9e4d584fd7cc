"""Two reports side by side: each reading of both, and whether chance explains what lies between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from pdmlib import stats
from pdmlib.analysis.catalogue import metrics_in
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Reading, Status, number_of, significant
from pdmlib.verdict.verdict import Verdict


class Sure(StrEnum):
    """Whether a difference between two sides is more than chance."""

    BEYOND = "no, beyond chance"
    CHANCE = "it may be"
    NO_INTERVAL = "no interval"
    SAME = "no difference"
    UNKNOWN = "one side is not known"


def compared(a: Verdict, b: Verdict) -> list[dict[str, Any]]:
    """Rows of readings that one side or both have, in the order of the first.

    Columns: id, title, unit; `a`, `a_low`, `a_high`, `a_status` and the same of b; `change_pct` of b against a,
    by the hour where `per_hour`: what adds up over time, of windows of other lengths; `sure`. Rates are held
    against each other by the exact conditional test of two Poisson counts (Przyborowski and Wilenski 1940,
    Biometrika 31), everything else with an interval by whether the 95 % intervals overlap, which errs towards
    chance.
    """
    sides = [{reading.id: reading for reading in verdict.readings} for verdict in (a, b)]
    metrics = [metric for verdict in (a, b) for metric in metrics_in(verdict.case)]
    rates, sums = {m.id for m in metrics if m.rate}, {m.id for m in metrics if m.adds_up}
    hours = [verdict.case.window.seconds / 3600 for verdict in (a, b)]
    return [
        _row(name, sides, hours, name in rates, adds_up=name in sums)
        for name in dict.fromkeys(name for side in sides for name in side)
    ]


def _row(
    name: str, sides: Iterable[Mapping[str, Reading]], hours: list[float], rate: bool, adds_up: bool
) -> dict[str, Any]:
    a, b = (side.get(name) for side in sides)
    known = a or b
    assert known is not None
    return {
        "id": name,
        "title": known.title,
        "unit": known.unit,
        **_side("a", a),
        **_side("b", b),
        "change_pct": _change(a, b, hours, adds_up),
        "per_hour": adds_up and hours[0] != hours[1],
        "sure": _sure(a, b, rate),
    }


def _side(key: str, reading: Reading | None) -> dict[str, Any]:
    found = reading.measurement if reading else None
    return {
        key: reading.value if reading else None,
        f"{key}_low": found.low if found else None,
        f"{key}_high": found.high if found else None,
        f"{key}_status": reading.status if reading else Status.UNKNOWN,
    }


def _number(reading: Reading | None) -> float | None:
    return number_of(reading.value) if reading else None


def _change(a: Reading | None, b: Reading | None, hours: list[float], adds_up: bool) -> float | None:
    first, second = _number(a), _number(b)
    if first is None or second is None or not first:
        return None
    longer = hours[1] / hours[0] if adds_up else 1.0
    return 100 * (second / longer / first - 1)


def _sure(a: Reading | None, b: Reading | None, rate: bool) -> Sure:
    if a is None or b is None or a.value is None or b.value is None:
        return Sure.UNKNOWN
    if a.value == b.value:
        return Sure.SAME
    first, second = a.measurement, b.measurement
    if rate and first.samples and second.samples:
        events = [(_number(side) or 0) * (side.measurement.samples or 0) / 100 for side in (b, a)]
        low, high = stats.rate_ratio(events[0], second.samples, events[1], first.samples)
        return Sure.CHANCE if low <= 1 <= high else Sure.BEYOND
    bounds = (first.low, first.high, second.low, second.high)
    if any(bound is None for bound in bounds):
        return Sure.NO_INTERVAL
    apart = (second.low or 0) > (first.high or 0) or (second.high or 0) < (first.low or 0)
    return Sure.BEYOND if apart else Sure.CHANCE


def told_apart(case: Case, other: Case) -> str:
    """What the two windows are, in a sentence."""
    windows = [case.window, other.window]
    same = windows[0].seconds == windows[1].seconds
    hours = " and ".join(f"{significant(window.seconds / 3600, 4)} h" for window in windows)
    return "" if same else f"The windows are {hours} long: what adds up over time is compared by the hour."
