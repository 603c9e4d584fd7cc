"""Tries what the tests hold, for longer, and writes down what came of it: `make faults`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import count, starmap
from pathlib import Path
from random import Random
from time import monotonic

from pdmlib.demo import start
from pdmlib.phases.window import now
from pdmlib.report import document
from pdmlib.verdict.verdict import judge
from tests.hostile import canaries, database, disks, fuzz, harmless, kills, texts_shown, vendors
from tests.hostile.frames import odd_case
from tests.servers import a_bench

BEGIN, END = "<!-- what the run printed -->", "<!-- end of it -->"


@dataclass
class Part:
    """One row of the table: what was tried, how often, and what did not hold."""

    name: str
    tried: int = 0
    most: int = 0
    failed: list[str] = field(default_factory=list)
    note: str = ""

    def row(self) -> str:
        held = self.tried - len(self.failed)
        planned = f"{self.tried}" if self.tried >= self.most else f"{self.tried} of {self.most} planned"
        return f"| {self.name} | {planned} | {held} | {len(self.failed)} | {self.note} |"


Tell = Callable[[bool, str], None]


def _vendors(part: Part, until: float, seed: int) -> None:
    trials = vendors.all_trials()
    Random(seed).shuffle(trials)
    part.most, names = len(trials), set[str]()
    with start("rough") as production, tempfile.TemporaryDirectory() as folder:
        running = vendors.run(_while(trials, until), production.environ, Path(folder))
        for trial in running:
            part.tried += 1
            names.add(trial.fault)
            _count(part, trial.why, f"{trial.vendor}, {trial.fault}")
    part.note = f"{len(names)} faults, {len(vendors.VENDORS)} vendors"


def _while(trials: list[tuple[str, object]], until: float) -> Iterator[tuple[str, object]]:
    for trial in trials:
        if monotonic() > until:
            return
        yield trial


def _database(part: Part, until: float, seed: int) -> None:
    part.most = len(database.TROUBLES)
    with a_bench() as bench:
        with bench.database() as empty:
            empty.run(database.TABLES)
            well = database.collected(empty)
        for trouble in database.TROUBLES:
            if monotonic() > until:
                return
            with bench.database() as one:
                trial = database.attempt(trouble, one, well)
            part.tried += 1
            _count(part, trial.why, trial.fault)


def _harmless(part: Part, until: float, seed: int) -> None:
    part.tried = part.most = 3
    with a_bench() as bench, bench.database() as one:
        harm = harmless.measured(one, part.most)
    _count(part, "; ".join(harm.changed), "changed")
    _count(part, ", ".join(harm.locks - {"light"}), "locks")
    with start("rough") as production:
        seconds = harmless.cost_s(production.environ)
    share = harmless.share_pct(seconds)
    part.note = f"{seconds:.1f} s of work a collection of the demo: {share:.3f} % of one core over a week"
    _count(part, "" if share < 1 else part.note, "cost")


def _limits(part: Part, until: float, seed: int) -> None:
    """A collection of each phase of the guide's first week, its requests counted by vendor."""
    week = Counter[str]()
    part.most = len(harmless.WEEK)
    with start("rough") as production:
        for phase, times in harmless.WEEK.items():
            found = harmless.asked(production.environ, phase)
            part.tried += 1
            week.update({vendor: times * requests for vendor, requests in found.items()})
            _count(part, "; ".join(filter(None, starmap(harmless.beyond, found.items()))), phase)
    each = ", ".join(f"{vendor} {requests:,}" for vendor, requests in sorted(week.items()))
    part.note = f"a week asks {each}"


def _disks(part: Part, until: float, seed: int) -> None:
    part.note = disks.why_not()
    if part.note:
        print(f"SKIPPED: {part.note}", file=sys.stderr)
        return
    with start("rough") as production, tempfile.TemporaryDirectory() as folder:
        trials = list(disks.trials(production.environ, Path(folder)))
        part.most = len(trials)
        for trial in trials:
            if monotonic() > until:
                return
            found = trial()
            part.tried += 1
            _count(part, found.why, found.what)


def _kills(part: Part, until: float, seed: int) -> None:
    part.most, said = 100, 0
    with tempfile.TemporaryDirectory() as folder:
        for kill in kills.kills(part.most, Path(folder), seed):
            part.tried += 1
            said += kill.acknowledged
            _count(part, kill.why, f"{kill.what} {kill.number} after {kill.after_s:.2f} s")
            if monotonic() > until:
                break
    part.note = f"{said} acknowledged writes before the kills"


def _power(part: Part, until: float, seed: int) -> None:
    part.most = 30
    with tempfile.TemporaryDirectory() as folder:
        for cut in kills.power_cuts(part.most, Path(folder), seed):
            part.tried += 1
            _count(part, cut.why, f"after {cut.after_s:.2f} s")
            if monotonic() > until:
                break


def _texts(part: Part, until: float, seed: int) -> None:
    from tests.hostile.texts import TEXTS

    with start("rough") as production, tempfile.TemporaryDirectory() as folder:
        for what, why in texts_shown.shown(production.environ, Path(folder)):
            part.tried += 1
            _count(part, why, what)
    part.most, part.note = part.tried, f"looks at {len(TEXTS)} texts in every column of prose"


def _canaries(part: Part, until: float, seed: int) -> None:
    with start("rough") as production, tempfile.TemporaryDirectory() as folder:
        for name, where in canaries.looked_for(production.environ, Path(folder)):
            part.tried += 1
            _count(part, where and f"it is in {where}", name)
    part.most, part.note = part.tried, f"secrets repeated in {len(canaries.FORMS)} forms, looked for in everything"


def _rows(part: Part, until: float, seed: int) -> None:
    rows = 0
    while monotonic() < until:
        case = odd_case(Random(seed + part.tried))
        rows += sum(map(len, case.collection.frames.values()))
        part.tried += 1
        try:
            document.encoded(document.document(judge(case), now()))
        except Exception as error:
            _count(part, f"{type(error).__name__}: {error}", f"seed {seed + part.tried - 1}")
    part.note = f"{rows:,} rows"


def _fuzz(part: Part, until: float, seed: int) -> None:
    """Kinds in turn, each until what is planned of it was tried."""
    with fuzz.kinds() as kinds:
        part.most, tried = sum(kind.planned for kind in kinds), {kind.name: 0 for kind in kinds}
        for number in count(1000 * seed):
            left = [kind for kind in kinds if tried[kind.name] < kind.planned]
            if not left or monotonic() > until:
                break
            for kind in left:
                inputs, why = fuzz.chunk(kind, number)
                tried[kind.name] += inputs
                _count(part, why, kind.name)
    part.tried = sum(tried.values())
    part.note = ", ".join(f"{number:,} {name}" for name, number in tried.items())


def _count(part: Part, why: str, what: str) -> None:
    if why:
        part.failed.append(f"{part.name}: {what}: {why}")
        print(part.failed[-1], flush=True)


PARTS: tuple[tuple[str, str, float, Callable[[Part, float, int], None]], ...] = (
    ("harmless", "Collections of a role that may write", 0.02, _harmless),
    ("limits", "Collections against the vendors' limits", 0.02, _limits),
    ("disks", "Commands on a disk that is not well, and two at once", 0.2, _disks),
    ("kills", "Processes ended at a random moment", 0.25, _kills),
    ("power", "Power cut: all that was not synced is gone", 0.06, _power),
    ("texts", "Hostile texts where people read", 0.05, _texts),
    ("canaries", "Secrets repeated by everybody who is asked", 0.05, _canaries),
    ("database", "Troubles of a PostgreSQL", 0.12, _database),
    ("vendors", "Faults of a vendor", 0.3, _vendors),
    ("fuzz", "Odd inputs of whatever others write", 0.1, _fuzz),
    ("rows", "Cases of odd rows, judged and written", 0.05, _rows),
)


def main() -> int:
    """Runs the parts and prints the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.hostile", description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="of " + ",".join(name for name, *_ in PARTS))
    parser.add_argument("--write", type=Path, help="a Markdown file between whose marks the table is put")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    wanted = given.only.split(",") if given.only else [name for name, *_ in PARTS]
    done = [part for part in PARTS if part[0] in wanted]
    found, whole = list[Part](), sum(share for _, _, share, _ in done)
    for _, title, share, work in done:
        part = Part(title)
        print(title, flush=True)
        try:
            work(part, monotonic() + 60 * given.minutes * share / whole, given.seed)
        except Exception as error:  # of the trials themselves: the other parts are tried all the same
            _count(part, f"{type(error).__name__}: {error}"[:200], "not tried to its end")
        print(part.row(), flush=True)
        found.append(part)
        if given.write:  # after each, so that a run that is ended early leaves what it found
            _write(given.write, found, given.seed)
    return 1 if any(part.failed for part in found) else 0


def _write(path: Path, found: list[Part], seed: int) -> None:
    """Puts the rows of what was run in the place of those before; what was not run keeps its row."""
    before, _, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    old, _, after = rest.partition(END)
    titles = [title for _, title, _, _ in PARTS]
    lines = {title: line for title in titles for line in old.splitlines() if line.startswith(f"| {title} |")}
    lines |= {part.name: part.row() for part in found}
    run = {part.name for part in found}
    failed = [line for line in old.splitlines() if line.startswith("- ") and line[2:].partition(":")[0] not in run]
    failed += [f"- {line[:300]}" for part in found for line in part.failed]
    head = [f"Last run on {date.today()}, seed {seed}.", "", "| Tried | Times | Held | Did not | |"]
    table = [*head, "|---|---:|---:|---:|---|", *lines.values()]
    told = "\n".join([*table, "", "What did not hold:" if failed else "Everything held.", "", *failed]).rstrip()
    path.write_text(f"{before}{BEGIN}\n\n{told}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
