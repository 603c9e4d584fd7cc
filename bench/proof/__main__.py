"""Draws deployments, judges them, prints how often that was right: `python -m bench.proof`."""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections.abc import Sequence

from bench.proof.faults import FAULTS, UNCHANGED
from bench.proof.running import judged
from bench.proof.tally import report
from bench.proof.trial import draws


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the proof and prints its tables as Markdown; progress goes to standard error."""
    parser = argparse.ArgumentParser(prog="python -m bench.proof", description=__doc__)
    parser.add_argument("--repeats", type=int, default=2, help="draws of each fault and size")
    parser.add_argument("--unchanged", type=int, default=16, help="draws of each kind of unchanged deployment")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=60, help="begin no draw after so many")
    parser.add_argument("--only", default="", help="faults whose name holds this text")
    given = parser.parse_args(arguments)
    began, order = time.monotonic(), (given.repeats, given.unchanged, given.seed)
    chosen = [n for n, draw in enumerate(draws(*order)) if given.only in draw.fault.name]
    random.Random(given.seed).shuffle(chosen)
    trials = list(judged(order, chosen, given.processes, given.minutes))
    rank = {(f.name, f.size): n for n, f in enumerate((*UNCHANGED, *FAULTS))}
    trials.sort(key=lambda t: (rank[t.draw.fault.name, t.draw.fault.size], t.draw.seed))
    looks = sum(len(t.looks) for t in trials)
    minutes = (time.monotonic() - began) / 60
    print(
        f"{len(trials)} of {len(chosen)} deployments, {looks} verdicts, seed {given.seed}, {minutes:.1f} minutes\n"
    )
    print(report(trials))
    return 0


if __name__ == "__main__":
    sys.exit(main())
