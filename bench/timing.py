"""Whole commands in turn, so that a slow minute of the machine hits all of them alike."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Wall-clock seconds of one command over several runs."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median of the runs."""
        return statistics.median(self.seconds)

    def against(self, other: Timing) -> str:
        """Median of the ratios run by run, as text."""
        ratios = [a / b for a, b in zip(self.seconds, other.seconds, strict=True)]
        return (
            f"{self.name} / {other.name}: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        )


def alternate(commands: Mapping[str, Sequence[str]], rounds: int = 5, warm: int = 1) -> dict[str, Timing]:
    """Runs the commands one after the other, round by round; the warm-up rounds are not counted.

    Raises:
        subprocess.CalledProcessError: a command failed.
    """
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + warm):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if number >= warm:
                taken[name].append(time.perf_counter() - start)
    return {name: Timing(name, tuple(seconds)) for name, seconds in taken.items()}


def table(timings: Mapping[str, Timing]) -> str:
    """The timings as Markdown."""
    rows = [
        f"| {t.name} | {t.median:.2f} | {min(t.seconds):.2f} | {max(t.seconds):.2f} |" for t in timings.values()
    ]
    return "\n".join(["| command | median s | min | max |", "|---|---|---|---|", *rows])
