"""Draws judged in several processes at once, each with a production of its own."""

from __future__ import annotations

import contextlib
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from multiprocessing.queues import Queue
from queue import Empty
from typing import TypeAlias

from bench.proof.production import production
from bench.proof.trial import Look, Trial, draws, trial

Order = tuple[int, int, int]
Result = tuple[int, tuple[Look, ...], str]
Results: TypeAlias = "Queue[Result]"


def judged(order: Order, chosen: Sequence[int], processes: int, minutes: float) -> Iterator[Trial]:
    """The trial of each chosen draw of an order, as they end; no new one is begun after so many minutes.

    Raises:
        RuntimeError: a draw could not be judged; the text says why.
    """
    context = get_context("spawn")
    results = context.Queue()
    shares = [chosen[first::processes] for first in range(min(processes, len(chosen)))]
    workers = [context.Process(target=_work, args=(order, mine, minutes, results), daemon=True) for mine in shares]
    for worker in workers:
        worker.start()
    drawn, done, working = draws(*order), 0, len(workers)
    while working:
        position, looks, failure = _next(results, workers)
        if failure:
            raise RuntimeError(f"draw {position}: {failure}")
        if not looks:
            working -= 1
            continue
        done += 1
        sys.stderr.write(f"\r{done} of {len(chosen)} deployments")
        sys.stderr.flush()
        yield Trial(drawn[position], looks)
    sys.stderr.write("\n")
    for worker in workers:
        worker.join()


def _next(results: Results, workers: Sequence[BaseProcess]) -> Result:
    while True:
        with contextlib.suppress(Empty):
            return results.get(timeout=5)
        if any(worker.exitcode for worker in workers):
            return -1, (), "a worker died"


def _parent_lives() -> bool:
    parent = parent_process()
    return parent is not None and parent.is_alive()


def _work(order: Order, positions: Sequence[int], minutes: float, results: Results) -> None:
    """Judges draws by their position; faults hold functions, so that only their looks are sent back."""
    position, drawn, began = -1, draws(*order), time.monotonic()
    sys.setswitchinterval(0.03)  # vendors and collectors share one lock, and waiting for it costs a tenth
    try:
        with production() as running:
            for position in positions:
                if time.monotonic() - began > 60 * minutes or not _parent_lives():
                    break
                results.put((position, trial(running, drawn[position]).looks, ""))
        results.put((-1, (), ""))
    except Exception:
        results.put((position, (), traceback.format_exc()))
