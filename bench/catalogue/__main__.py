"""Does each fault to a server under load and prints what was said of it: `python -m bench.catalogue`."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from bench.catalogue.running import chosen, tried_all
from bench.catalogue.tables import beside, report
from bench.catalogue.trial import Trial
from bench.proof.__main__ import MARKS
from bench.proof.tally import between
from tests.servers import NEWEST

OLDER = 14


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the catalogue and prints its tables as Markdown; progress goes to standard error."""
    parser = argparse.ArgumentParser(prog="python -m bench.catalogue", description=__doc__)
    parser.add_argument("--versions", type=int, nargs="+", default=[NEWEST, OLDER], help="majors of PostgreSQL")
    parser.add_argument("--only", default="", help="faults whose name fits this regular expression")
    parser.add_argument("--write", type=Path, help="a Markdown file between whose marks the tables are put")
    parser.add_argument("--processes", type=int, default=2, help="each with a server and a share of the faults")
    parser.add_argument("--minutes", type=float, default=600, help="begin no fault after so many")
    parser.add_argument("--pghero", type=Path, help="the folder `lib` of a checkout of PgHero")
    parser.add_argument("--supabase", type=Path, help="a folder below which the SQL of `supabase inspect` lies")
    parser.add_argument("--splinter", type=Path, help="splinter's `splinter.sql`")
    given = parser.parse_args(arguments)
    began = time.monotonic()
    folders = tuple(filter(None, (given.pghero, given.supabase, given.splinter)))
    names = chosen(given.only)
    shares = max(1, given.processes // len(given.versions))
    work = [
        (version, names[first::shares], folders if version == NEWEST else (), 60 * given.minutes)
        for version in given.versions
        for first in range(shares)
    ]
    with ProcessPoolExecutor(len(work), get_context("spawn")) as pool:
        done = pool.map(tried_all, *zip(*work, strict=True))
        trials = sorted((trial for part in done for trial in part), key=lambda trial: names.index(trial.name))
    minutes = (time.monotonic() - began) / 60
    text = "\n\n".join(_parts(given.versions, trials, minutes)) + "\n"
    print(text)
    if given.write:
        given.write.write_text(between(given.write.read_text(encoding="utf-8"), text, MARKS), encoding="utf-8")
    return 0


def _parts(versions: Sequence[int], trials: Sequence[Trial], minutes: float) -> Iterator[str]:
    """The paragraphs and tables of the page."""
    calm_of = {t.name: t.nothing for t in trials}
    calm_faults = sum(calm_of.values())
    yield (
        f"{len(calm_of) - calm_faults} faults and {calm_faults} changes that are none, "
        f"on PostgreSQL {' and '.join(map(str, versions))}, {minutes:.0f} minutes in all."
    )
    yield report(trials)
    if any(t.peers for t in trials):
        yield "What peers find in the same databases, on PostgreSQL 18:"
        yield beside(trials)


if __name__ == "__main__":
    sys.exit(main())
