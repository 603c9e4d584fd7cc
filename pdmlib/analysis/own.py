"""A metric of an analyst's own: a value, or a function of the case, with a ladder in words.

`> 800 warn`, `> 1200 fail P1`: a comparison, an edge, what the reading is then, and the priority of its alert.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from pdmlib.analysis.limits import ladder_target, unreached
from pdmlib.analysis.metric import Metric
from pdmlib.errors import CallError, shown
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Ladder, Limit, Measurement, Priority, State, Status, Value, number_of
from pdmlib.phases.window import Window

SECTION = "own"  # of the readings that an analyst adds
SOURCE = "notebook"
EXAMPLE = "'> 800 warn' or '> 1200 fail P1'"
_STEP = re.compile(r"(>=|<=|>|<|==|!=)\s*(\S+)\s+(warn|fail)(?:\s+(P[012]))?")
_KINDS: tuple[tuple[Any, str], ...] = ((bool, "true or false"), (str, "a word"), ((int, float), "a number"))
_WORSE = (Status.FAIL, Status.WARN)


def ladder(steps: Iterable[str]) -> Ladder:
    """A ladder of such steps, worst first whatever their order.

    Raises:
        CallError: a step that is not written so, or one that a worse one holds for all values of.
    """
    if not isinstance(steps, Iterable):
        raise CallError(f"{shown(steps)} is no list of limits; write {EXAMPLE}")
    found = [_step(text) for text in steps]
    ordered = tuple(sorted(found, key=lambda limit: (_WORSE.index(limit.status), _mildness(limit))))
    if never := unreached(ordered):
        mild, worse = (f"{step.op} {edge_in_words(step.edge)} {step.status}" for step in never)
        raise CallError(f"{mild!r} is never reached: {worse!r} holds for all its values")
    return ordered


def edge_in_words(edge: float | str | bool) -> str:
    """An edge as a person writes it."""
    return (
        f"{edge:g}" if number_of(edge) is not None else str(edge).lower() if isinstance(edge, bool) else str(edge)
    )


def _mildness(limit: Limit) -> float:
    """Of steps with the same status the one that is harder to reach stands first."""
    number = number_of(limit.edge)
    return 0.0 if number is None else -number if limit.op.startswith(">") else number


def _step(text: str) -> Limit:
    found = _STEP.fullmatch(str(text).strip())
    if found is None:
        raise CallError(f"{shown(text)} is not a limit; write {EXAMPLE}")
    op, edge, status, priority = found.groups()
    value = _edge(edge)
    number = number_of(value)
    if number is not None and not math.isfinite(number):
        raise CallError(f"{shown(text)} is not a limit: {edge} is no number; write {EXAMPLE}")
    if op not in ("==", "!=") and number is None:
        raise CallError(f"{shown(text)} is not a limit: {op} needs a number; write {EXAMPLE}")
    return Limit(op, value, Status(status), priority=Priority(priority) if priority else None)


def _edge(text: str) -> float | str | bool:
    if text in ("true", "false"):
        return text == "true"
    try:
        return float(text)
    except ValueError:
        return text


def own_metric(
    name: str,
    value: Any,
    unit: str,
    steps: Iterable[str],
    title: str = "",
    low: float | None = None,
    high: float | None = None,
    adds_up: bool = False,
) -> Metric:
    """A metric of that id.

    Args:
        value: a number, a word, true or false; a `Measurement`; or a function of a case that gives one of these,
            which is asked for the whole window and, for its alert, for the present.
        steps: its ladder in words; without one the reading is only to know.
        low, high: its 95 % interval, where there is one.
        adds_up: as of `Metric`.

    Raises:
        CallError: the value is none, its interval does not hold it, or a step does not fit it.
    """
    given = None if callable(value) else _plain(value)
    _check_interval(name, given, low, high)
    measure: Callable[[Case], Any] = value if callable(value) else lambda _: given
    limits = ladder(steps)
    _check_edges(name, given, limits)
    return Metric(
        name,
        title or name.replace("_", " ").capitalize(),
        unit,
        section=SECTION,
        measure=lambda case: _measured(measure(case), _of(case, value), low, high),
        limits=limits,
        target=ladder_target(limits),
        adds_up=adds_up,
        alerts=any(limit.priority for limit in limits),
    )


def _check_interval(name: str, value: Value | Measurement, low: float | None, high: float | None) -> None:
    """Fails on an interval that is none, or does not hold its value."""
    known = {edge: bound for edge, bound in (("low", low), ("high", high)) if bound is not None}
    for edge, bound in known.items():
        if not math.isfinite(bound):
            raise CallError(f"{name}: {edge}={bound} is no number; leave it away where there is none")
    number = number_of(value)
    ends = [bound for bound in (low, number, high) if bound is not None and math.isfinite(bound)]
    if ends != sorted(ends):
        of = "" if number is None else f" for {number:g}"
        told = " and ".join(f"{edge}={bound:g}" for edge, bound in known.items())
        raise CallError(f"{name}: {told} is no interval{of}: low <= value <= high")


def _check_edges(name: str, value: Value | Measurement, steps: Ladder) -> None:
    """Fails on a step whose edge is of another kind than the value, as a site file does."""
    found = value.value if isinstance(value, Measurement) else value
    if found is None:
        return
    kind, what = next((kind, what) for kind, what in _KINDS if isinstance(found, kind))
    for step in steps:
        if not isinstance(step.edge, kind) or isinstance(step.edge, bool) is not isinstance(found, bool):
            raise CallError(f"{name}: limit {edge_in_words(step.edge)!r} is not {what}, as its value is")


def _of(case: Case, value: Any) -> Window:
    """The window that a value is of: a number worked out once is of the report's, of no week before."""
    return case.window if callable(value) else case.scope.window


def _measured(value: Any, window: Window, low: float | None, high: float | None) -> Measurement:
    plain = _plain(value)
    if isinstance(plain, Measurement):
        return replace(plain, source=plain.source or SOURCE, window=plain.window or window)
    if plain is None or (isinstance(plain, float) and not math.isfinite(plain)):
        return Measurement.missing(State.NO_DATA, "its cell of the notebook found no value", SOURCE)
    return Measurement(State.MEASURED, plain, low=low, high=high, source=SOURCE, window=window)


def _plain(value: Any) -> Value | Measurement:
    """A value as Python has it; what numpy and pandas call missing is None.

    Raises:
        CallError: it is none that a reading can have.
    """
    found = value.item() if isinstance(value, np.generic) else None if value is pd.NA or value is pd.NaT else value
    if found is None or isinstance(found, Measurement | bool | str | int | float):
        return found
    raise CallError(
        f"a value is a number, a word, true or false, or a function of a case, not {type(value).__name__}"
    )
