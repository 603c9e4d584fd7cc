"""Whole commands in turn, so that a slow minute of the machine hits all of them alike."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from resource import RUSAGE_CHILDREN, getrusage


@dataclass(frozen=True)
class Timing:
    """One command over several runs.

    Attributes:
        seconds: wall-clock seconds of each run.
        processor: seconds of processor time of each run, with those of all that it started and waited for. Where
            others use the machine they say more than the clock on the wall.
    """

    name: str
    seconds: tuple[float, ...]
    processor: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the runs by the clock on the wall."""
        return statistics.median(self.seconds)

    def against(self, other: Timing) -> str:
        """Medians of the ratios run by run, as text."""
        wall, processor = (
            _ratios(self.seconds, other.seconds),
            _ratios(self.processor, other.processor),
        )
        return f"{self.name} / {other.name}: wall {wall}, processor time {processor}"


def _ratios(ours: Sequence[float], theirs: Sequence[float]) -> str:
    ratios = [a / b for a, b in zip(ours, theirs, strict=True)]
    return f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"


def alternate(commands: Mapping[str, Sequence[str]], rounds: int = 5, warm: int = 1) -> dict[str, Timing]:
    """Runs the commands one after the other, round by round; the warm-up rounds are not counted.

    Raises:
        subprocess.CalledProcessError: a command failed.
    """
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range(rounds + warm):
        for name, command in commands.items():
            start, before = time.perf_counter(), _processor()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if number >= warm:
                taken[name].append((time.perf_counter() - start, _processor() - before))
    return {name: Timing(name, *zip(*runs, strict=True)) for name, runs in taken.items()}


def _processor() -> float:
    """Seconds of processor time of all processes that this one started and that are over."""
    used = getrusage(RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def table(timings: Mapping[str, Timing]) -> str:
    """The timings as Markdown."""
    rows = [
        f"| {t.name} | {t.median:.2f} | {min(t.seconds):.2f} | {max(t.seconds):.2f} | "
        f"{statistics.median(t.processor):.2f} |"
        for t in timings.values()
    ]
    head = ["| command | median s | min | max | processor time, median s |", "|---|---|---|---|---|"]
    return "\n".join([*head, *rows])
