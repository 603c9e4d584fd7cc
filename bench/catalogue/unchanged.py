"""Windows of random load in which nothing happens, and which of them the report flags.

`python -m bench.catalogue.unchanged`.
"""

from __future__ import annotations

import argparse
import random
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from bench.catalogue.shop import USUAL, copy_of, shops, work
from bench.proof.tally import between
from tests.looks import Story, a_story
from tests.servers import NEWEST, Bench, Database, a_bench

MARKS = ("<!-- what the windows printed -->", "<!-- end of the windows -->")
LONGEST = 300  # characters of a finding that are shown
# Statements of all sizes: some touch a row, some a table.
MIX = (
    *USUAL,
    "SELECT count(*), sum(total) FROM public.orders WHERE total > {k}",
    "SELECT region, count(*) FROM public.customers WHERE email LIKE '%{k}%' GROUP BY region",
    "SELECT c.name, sum(o.total) FROM public.customers AS c JOIN public.orders AS o ON o.customer_id = c.id"
    " WHERE c.id BETWEEN {c} AND {c} + 300 GROUP BY c.name ORDER BY 2 DESC LIMIT 10",
    "UPDATE public.orders SET status = 'paid' WHERE id = {o}",
    "DELETE FROM public.audit WHERE id = {n}",
)
LOAD, SINGLE = (0.4, 3.0), (0.7, 1.3)  # times the usual calls: of all statements of a window, and of each
CALLS = 50


def flagged(bench: Bench, shop: str, windows: int, seed: int = 1) -> list[str]:
    """What was found in each of so many windows: an empty text for nothing."""
    rng = random.Random(seed)
    with copy_of(bench, shop) as database:
        database.run("VACUUM ANALYZE")
        story = a_story(database)
        for _ in range(2):
            _worked(database, rng)
            story.look()
        return [_window(story, rng) for _ in range(windows)]


def _window(story: Story, rng: random.Random) -> str:
    story.deploy()
    _worked(story.database, rng)
    story.look()
    story.looks = story.looks[-3:]
    return "; ".join(f"{finding.id}: {finding.evidence}" for finding in story.findings())


def _worked(database: Database, rng: random.Random) -> None:
    """A random load, by one to four sessions at once."""
    load, sessions = rng.uniform(*LOAD), rng.randint(1, 4)
    calls = {text: max(1, round(CALLS * load * rng.uniform(*SINGLE) / sessions)) for text in MIX}
    threads = [
        threading.Thread(target=work, args=(database, calls, rng.randint(1, 10**6))) for _ in range(sessions)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the windows and prints which of them were flagged."""
    parser = argparse.ArgumentParser(prog="python -m bench.catalogue.unchanged", description=__doc__)
    parser.add_argument("--windows", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, help="a Markdown file between whose marks the result is put")
    given = parser.parse_args(arguments)
    with a_bench() as bench, shops(bench) as shop:
        windows = flagged(bench, shop, given.windows, given.seed)
    found = list(filter(None, windows))
    lines = [f"{len(found)} of {len(windows)} windows were flagged, seed {given.seed}, PostgreSQL {NEWEST}."]
    text = "\n".join([*lines, *(f"\n- `{line[:LONGEST]}`" for line in found)])
    print(text)
    if given.write:
        given.write.write_text(between(given.write.read_text(encoding="utf-8"), text, MARKS), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
