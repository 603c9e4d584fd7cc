"""The first hour, looked at twelve times: `python -m bench.first_hour --write docs/proof.md`.

Hours of Poisson minutes are judged at each look by the workbook's own interval, beside Wilson's at a level that
all looks share, and beside a sequence for the lower bound, which the workbook does not use.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from scipy import special

from bench.proof.tally import between, table
from pdmlib import stats
from pdmlib.phases.phase import HOUR1

MARKS = ("<!-- what the first hours printed -->", "<!-- end of the first hours -->")
HOURS = 400
LOOKS = tuple(range(5, 61, 5))  # minutes: the guide's pace
SHOWN = (15, 30, 60)
EDGE, ROLLBACK = 0.005, 0.05  # of requests: the target's and the rollback's
CASES = ((500, 0.001), (1700, 0.0005), (1700, 0.001), (1700, 0.002), (5000, 0.002))
LEVEL = stats.level_for_looks(HOUR1.looks)

Counts = tuple[int, int]  # failed, of all
Bound = Callable[[Counts], float]


def shared_high(seen: Counts) -> float:
    """Upper bound at a level that all looks share."""
    return stats.wilson(*seen, level=LEVEL)[1]


def shared_low(seen: Counts) -> float:
    """Lower bound likewise, as the workbook has it."""
    return stats.proportion(*seen, level=LEVEL)[0]


def sequence_high(seen: Counts) -> float:
    """Upper bound that holds at every look, as the workbook has it."""
    return stats.proportion(*seen, level=LEVEL)[1]


def against(seen: Counts, share: float) -> bool:
    """Whether 40 to 1 speaks against a share, by the mixture that the upper bound rests on."""
    failed, asked = seen
    mixed = special.betaln(stats.LOW_RATES[0] + failed, stats.LOW_RATES[1] + asked - failed) - special.betaln(
        *stats.LOW_RATES
    )
    likely = special.xlogy(failed, share) + special.xlog1py(asked - failed, -share)
    return bool(mixed - likely >= math.log(2 / stats.LEVEL))


def hours(per_hour: float, rate: float, seed: int) -> Iterator[list[Counts]]:
    """What was counted up to each look, of so many drawn hours."""
    rng = np.random.default_rng(seed)
    for _ in range(HOURS):
        asked = rng.poisson(per_hour / 60, 60)
        failed = rng.binomial(asked, rate)
        yield [(int(failed[:minute].sum()), int(asked[:minute].sum())) for minute in LOOKS]


def passes(seen: Counts, high: Bound) -> bool:
    """Whether the error rate meets its target: below the edge, and surely below twice of it."""
    failed, asked = seen
    return asked > 0 and failed / asked < EDGE and high(seen) < 2 * EDGE


def drawn() -> str:
    """The table and the sentences below it."""
    rows = []
    for number, (per_hour, rate) in enumerate(CASES):
        found = list(hours(per_hour, rate, number))
        cells = [
            ", ".join(f"{100 * sum(passes(h[LOOKS.index(m)], high) for h in found) / HOURS:.0f}" for m in SHOWN)
            for high in (shared_high, sequence_high)
        ]
        rows.append((f"{per_hour:,}, {100 * rate:g} %", *(f"{cell} %" for cell in cells)))
    return "\n\n".join([table(("requests an hour, rate", "shared level", "sequence"), rows), *_said()])


def _said() -> Iterator[str]:
    clean = [next(n for n in range(1, 10_000) if high((0, n)) < 2 * EDGE) for high in (sequence_high, shared_high)]
    yield f"Without a failure {clean[0]} requests show a rate under 1 % by the sequence, {clean[1]} by the level."
    for per_hour in (1700, 5000):
        bad = list(hours(per_hour, 2 * EDGE, seed=9))
        ever = [100 * sum(any(high(look) < 2 * EDGE for look in h) for h in bad) / HOURS for high in BOUNDS]
        yield (
            f"Of hours with a rate of 1 % ({per_hour:,} requests) the shared level said in {ever[0]:.1f} % at one "
            f"look or another that it is lower, the sequence in {ever[1]:.1f} %."
        )
    worst = [h[LOOKS.index(30)] for h in hours(1700, 0.08, seed=10)]
    level = 100 * sum(shared_low(look) > ROLLBACK for look in worst) / HOURS
    mixed = 100 * sum(look[0] > ROLLBACK * look[1] and against(look, ROLLBACK) for look in worst) / HOURS
    yield (
        f"A rate of 8 % (1,700 requests) was surely above 5 % after 30 minutes in {level:.0f} % of hours with the "
        f"shared level, and in {mixed:.0f} % with a sequence: only the upper bound is one."
    )


BOUNDS: tuple[Bound, ...] = (shared_high, sequence_high)


def main(arguments: Sequence[str] | None = None) -> int:
    """Draws the hours and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.first_hour", description=__doc__)
    parser.add_argument("--write", type=Path, help="a Markdown file between whose marks the table is put")
    given = parser.parse_args(arguments)
    text = drawn()
    print(text)
    if given.write:
        given.write.write_text(between(given.write.read_text(encoding="utf-8"), text, MARKS), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
