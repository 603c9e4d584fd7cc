"""Draws deployments, judges them, prints how often that was right: `python -m bench.proof`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.proof.faults import FAULTS, UNCHANGED
from bench.proof.running import judged
from bench.proof.tally import between, report
from bench.proof.trial import Trial, draws, spread

MARKS = ("<!-- what the proof printed -->", "<!-- end of it -->")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the proof and prints its tables as Markdown; progress goes to standard error."""
    parser = argparse.ArgumentParser(prog="python -m bench.proof", description=__doc__)
    parser.add_argument("--repeats", type=int, default=2, help="draws of each fault and size")
    parser.add_argument("--unchanged", type=int, default=16, help="draws of each kind of unchanged deployment")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=30, help="begin no draw after so many")
    parser.add_argument("--only", default="", help="faults whose name holds this text")
    parser.add_argument("--write", type=Path, help="a Markdown file between whose marks the tables are put")
    given = parser.parse_args(arguments)
    began, order = time.monotonic(), (given.repeats, given.unchanged, given.seed)
    drawn = draws(*order)
    chosen = spread([n for n, draw in enumerate(drawn) if given.only in draw.fault.name], drawn, given.seed)
    if not chosen:
        parser.error(f"--only: no fault's name holds {given.only!r}; there are {', '.join(_names())}")
    trials, broken = _gathered(judged(order, chosen, given.processes, given.minutes))
    rank = {(f.name, f.size): n for n, f in enumerate((*UNCHANGED, *FAULTS))}
    trials.sort(key=lambda t: (rank[t.draw.fault.name, t.draw.fault.size], t.draw.seed))
    looks = sum(len(t.looks) for t in trials)
    minutes = (time.monotonic() - began) / 60
    options = " ".join(
        f"--{name} {getattr(given, name):g}" for name in ("repeats", "unchanged", "seed", "minutes")
    )
    text = (
        f"{len(trials)} of {len(chosen)} deployments, {looks} verdicts, {minutes:.1f} minutes with "
        f"{given.processes} processes: `{options}`.{broken and f' Broken off: {broken}.'}\n\n{report(trials)}\n"
    )
    print(text)
    if given.write:
        given.write.write_text(between(given.write.read_text(encoding="utf-8"), text, MARKS), encoding="utf-8")
    return 1 if broken else 0


def _names() -> list[str]:
    return list(dict.fromkeys(fault.name for fault in (*UNCHANGED, *FAULTS)))


def _gathered(results: Iterator[Trial]) -> tuple[list[Trial], str]:
    """The trials up to the end, or until something broke, and in one line what."""
    trials: list[Trial] = []
    try:
        for trial in results:
            trials.append(trial)
    except RuntimeError as error:
        sys.stderr.write(f"\n{error}\n")
        return trials, str(error).strip().splitlines()[-1]
    except KeyboardInterrupt:
        return trials, "interrupted"
    return trials, ""


if __name__ == "__main__":
    sys.exit(main())
