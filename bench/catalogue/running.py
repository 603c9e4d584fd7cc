"""The faults of the catalogue, done one after the other on one server."""

from __future__ import annotations

import re
import sys
import time
import traceback
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bench.catalogue.fault import Fault
from bench.catalogue.indexes import INDEXES
from bench.catalogue.peers import NAMES, asked
from bench.catalogue.schema import SEEN, SLOWER
from bench.catalogue.server import SERVER
from bench.catalogue.shop import shops
from bench.catalogue.trial import Trial, tried
from bench.catalogue.work import CALM, ROWS, WAITS
from tests.servers import a_bench

# A hundred databases one after the other fill the table of statements, which is a finding of its own.
ROOM = "pg_stat_statements.max = 50000"
# Restarts come last: they take the counters of the others with them.
FAULTS: tuple[Fault, ...] = (*INDEXES, *ROWS, *WAITS, *SLOWER, *SEEN, *CALM, *SERVER)


def tried_all(version: int, names: Sequence[str], folders: tuple[Path, ...], seconds: float) -> list[Trial]:
    """The trials of one server; of the peers too where there is a checkout of each."""
    trials: list[Trial] = []
    deadline = time.monotonic() + seconds
    with ExitStack() as stack:
        bench = stack.enter_context(a_bench(version, ROOM))
        shop = stack.enter_context(shops(bench))
        peers = stack.enter_context(asked(*folders)) if len(folders) == len(NAMES) else None
        for fault in (fault for fault in FAULTS if fault.name in names):
            began = time.monotonic()
            if began > deadline:
                break
            try:
                trials.append(tried(bench, shop, fault, version, peers=peers))
            except Exception:
                sys.stderr.write(f"{version} {fault.name}: could not be tried\n{traceback.format_exc()}\n")
                trials.append(Trial(fault.name, fault.nothing, version, said="could not be tried"))
            _tell(trials[-1], time.monotonic() - began)
    return trials


def chosen(only: str) -> list[str]:
    """The names of the faults that fit a regular expression."""
    return [fault.name for fault in FAULTS if re.search(only, fault.name)]


def _tell(trial: Trial, seconds: float) -> None:
    state = "ok" if trial.found and trial.cause and not trial.wrong and not trial.false else "LOOK"
    sys.stderr.write(
        f"{trial.version} {state} {trial.name} ({seconds:.0f} s) found={trial.found} cause={trial.cause} "
        f"ours={trial.ours} measured={trial.measured}\n"
    )
    if state == "LOOK" or trial.harmful:
        sys.stderr.write(
            f"    said: {trial.said[:500]}\n    wrong: {trial.wrong}\n    false: {trial.false}\n"
            f"    advice: {trial.advice}\n"
        )
    sys.stderr.flush()
