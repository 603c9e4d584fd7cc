"""A source read in parts: independent calls together on threads, each with a result or a gap."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import count
from typing import TypeVar

import pandas as pd

from pdmlib.errors import SourceError, where
from pdmlib.frames.frame import frame, merge
from pdmlib.frames.readings import State
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window, iso

Frames = dict[str, pd.DataFrame]
Part = tuple[str, Callable[[], Frames]]
T = TypeVar("T")
WORKERS = 6


def as_finished(
    calls: Sequence[Callable[[], T]], workers: int, limit_s: float | None = None
) -> Iterator[tuple[int, T | Exception]]:
    """The position and the result, or the exception, of each call as it ends.

    Args:
        limit_s: after so many seconds the calls that have not ended give TimeoutError.
    """
    done: queue.SimpleQueue[tuple[int, T | Exception]] = queue.SimpleQueue()
    positions = iter(range(len(calls)))
    lock = threading.Lock()

    def work() -> None:
        while True:
            with lock:
                position = next(positions, None)
            if position is None:
                return
            done.put((position, attempt(calls[position])))

    for _ in range(min(workers, len(calls))):
        threading.Thread(target=work, daemon=True).start()
    end = None if limit_s is None else time.monotonic() + limit_s
    waiting = set(range(len(calls)))
    while waiting:
        try:
            position, result = done.get(timeout=None if end is None else max(0.0, end - time.monotonic()))
        except queue.Empty:
            break
        waiting.remove(position)
        yield position, result
    for position in sorted(waiting):
        yield position, TimeoutError()


def attempt(call: Callable[[], T]) -> T | Exception:
    """What a call gives, or its error."""
    try:
        return call()
    except Exception as error:
        return error


def read(source: str, parts: Sequence[Part], workers: int = WORKERS, strict: bool = True) -> Frames:
    """The frames of all parts together; a part that could not be read is a row of `gaps`.

    Args:
        strict: parts of which none could be read are an error, not only gaps.

    Raises:
        SourceError: no part could be read.
    """
    results: dict[int, Frames | Exception] = dict(as_finished([call for _, call in parts], workers))
    found: list[Frames] = []
    lost: dict[str, str] = {}
    for position, (item, _) in enumerate(parts):
        result = results[position]
        if isinstance(result, Exception):
            lost.setdefault(item, reason_of(result))
        else:
            found.append(result)
    if strict and lost and not any(part.keys() - {"gaps"} for part in found):
        reasons = dict.fromkeys(lost.values())
        more = [one for one in reasons if not any(other != one and other.startswith(one) for other in reasons)]
        raise SourceError(source, "; ".join(more))
    return merge([*found, gaps(source, lost)])


def all_of(calls: Sequence[Callable[[], T]], workers: int = 3) -> list[T]:
    """The results of calls that are of use only together, in their order.

    Raises:
        Exception: the first of them that failed.
    """
    results = dict(as_finished(calls, workers))
    found: list[T] = []
    for position in range(len(calls)):
        result = results[position]
        if isinstance(result, Exception):
            raise result
        found.append(result)
    return found


def gaps(source: str, lost: dict[str, str], state: State = State.ERROR) -> Frames:
    """The frame `gaps` of items and the reason of each."""
    rows = [{"source": source, "item": i, "state": state.value, "reason": r} for i, r in lost.items()]
    return {"gaps": frame("gaps", rows)}


def reason_of(error: Exception) -> str:
    """Why something failed, in words; of an unexpected error its kind and place, never its text."""
    if isinstance(error, SourceError):
        return error.reason
    if isinstance(error, TimeoutError):
        return "no answer in the time allowed"
    return f"the answer was not understood ({where(error)})"


def pieces(window: Window, length: timedelta) -> list[Window]:
    """A window cut into stretches of at most a length, oldest first."""
    starts = (window.start + n * length for n in count())
    cut: list[Window] = []
    for start in starts:
        if start >= window.end:
            return cut
        cut.append(Window(start, min(window.end, start + length)))
    return cut


def named(scope: Scope, item: str, window: Window) -> str:
    """The item of a window's gap: plain for what the report judges, with its start for the rest."""
    return item if window in (scope.window, scope.latest) else f"{item}:{iso(window.start)}"


def main_windows(scope: Scope) -> tuple[Window, ...]:
    """The window, its latest part, the same length before it and the week before the deployment."""
    return tuple(dict.fromkeys((scope.window, scope.latest, scope.previous, scope.before)))
