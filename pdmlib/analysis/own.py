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

from pdmlib.analysis.limits import ladder_target
from pdmlib.analysis.metric import Metric
from pdmlib.errors import CallError, shown
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Ladder, Limit, Measurement, Priority, State, Status, Value, number_of

SECTION = "own"  # of the readings that an analyst adds
SOURCE = "notebook"
EXAMPLE = "'> 800 warn' or '> 1200 fail P1'"
_STEP = re.compile(r"(>=|<=|>|<|==|!=)\s*(\S+)\s+(warn|fail)(?:\s+(P[012]))?")
_WORSE = (Status.FAIL, Status.WARN)


def ladder(steps: Iterable[str]) -> Ladder:
    """A ladder of such steps, worst first whatever their order.

    Raises:
        CallError: a step that is not written so.
    """
    if not isinstance(steps, Iterable):
        raise CallError(f"{shown(steps)} is no list of limits; write {EXAMPLE}")
    found = [_step(text) for text in steps]
    return tuple(sorted(found, key=lambda limit: (_WORSE.index(limit.status), _mildness(limit))))


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
    if op not in ("==", "!=") and number_of(value) is None:
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
    """
    given = None if callable(value) else _plain(value)
    measure: Callable[[Case], Any] = value if callable(value) else lambda _: given
    limits = ladder(steps)
    return Metric(
        name,
        title or name.replace("_", " ").capitalize(),
        unit,
        section=SECTION,
        measure=lambda case: _measured(measure(case), case, low, high),
        limits=limits,
        target=ladder_target(limits),
        adds_up=adds_up,
        alerts=any(limit.priority for limit in limits),
    )


def _measured(value: Any, case: Case, low: float | None, high: float | None) -> Measurement:
    plain = _plain(value)
    if isinstance(plain, Measurement):
        return replace(plain, source=plain.source or SOURCE, window=plain.window or case.window)
    if plain is None or (isinstance(plain, float) and not math.isfinite(plain)):
        return Measurement.missing(State.NO_DATA, "its cell of the notebook found no value", SOURCE)
    return Measurement(State.MEASURED, plain, low=low, high=high, source=SOURCE, window=case.window)


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
