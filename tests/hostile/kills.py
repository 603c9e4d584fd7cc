"""Whole processes killed at random moments, two at once, and power that is cut: what was acknowledged is there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random

from pdmlib.phases.window import Window
from pdmlib.storage import history

ROOT = Path(__file__).parents[2]
EVER = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC))
# Processes that keep, merge and report for ever, and say on a line of their own what they have acknowledged.
APPEND = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from pdmlib.frames.collection import Collection
from pdmlib.frames.frame import frame
from pdmlib.storage import history
folder, base = Path(sys.argv[1]), int(sys.argv[2])
for n in range(100000):
    at = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(seconds=base * 100000 + n)
    row = {"target": "/", "checked_at": at, "status": "up", "response_ms": 1.0}
    history.append(folder, Collection({"probes": frame("probes", [row])}))
    print(at.isoformat(), flush=True)
"""
COMPACT = """
import sys
from pathlib import Path
from pdmlib.storage import history
while True:
    history.compact(Path(sys.argv[1]))
    print("merged", flush=True)
"""
NOTIFY = """
import sys
from pathlib import Path
from pdmlib.workbook import notify
for n in range(100000):
    notify._keep(Path(sys.argv[1]) / ".notified.json", {"phases": {}, "alerts": {}, "said": [n] * 2000})
    print(n, flush=True)
"""
REPLACE = """
import sys
from pathlib import Path
from pdmlib.workbook import execute
target = Path(sys.argv[1]) / "20250310T150000Z"
for n in range(100000):
    execute._sweep(target.parent)
    beside = target.with_name(f".{target.name}.{__import__('os').getpid()}.part")
    beside.mkdir(parents=True)
    for name in ("report.json", "report.html"):
        (beside / name).write_text(str([n] * 20000))
    execute._place(beside, target)
    __import__("shutil").rmtree(beside, ignore_errors=True)
    print(n, flush=True)
"""


@dataclass(frozen=True)
class Kill:
    """One process that was ended, and what was wrong with what it left; `why` empty: nothing.

    Attributes:
        acknowledged: how many things it had said to be kept.
    """

    what: str
    number: str
    after_s: float
    acknowledged: int
    why: str = ""


def _started(
    program: str, folder: Path, *more: str, environ: Mapping[str, str] | None = None
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        ["env", "--default-signal=INT,TERM,HUP", sys.executable, "-c", program, str(folder), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environ or {})},
    )


def _ended(process: subprocess.Popen[str], after_s: float, number: signal.Signals) -> list[str]:
    """What a process acknowledged before it was ended, so long after it first did."""
    assert process.stdout
    with process, process.stdout:
        first = process.stdout.readline()
        time.sleep(after_s)
        process.send_signal(number)
        return [line.strip() for line in (first, *process.stdout) if line.strip()]


def kill_once(what: str, folder: Path, chance: Random, place: int) -> Kill:
    """Ends one process, and looks at what is there."""
    number = chance.choice((signal.SIGKILL, signal.SIGKILL, signal.SIGTERM, signal.SIGINT))
    after_s = chance.uniform(0, 0.7)
    program = {"append": APPEND, "compact": COMPACT, "notify": NOTIFY, "report": REPLACE}[what]
    others = [_started(APPEND, folder, str(place * 2 + 1))] if what in ("append", "compact") else []
    said = _ended(_started(program, folder, str(place * 2)), after_s, number)
    kept = said if what == "append" else []
    for other in others:
        kept += _ended(other, 0, signal.SIGKILL)
    check = {"append": _lost_samples, "compact": _lost_samples, "notify": _broken_state, "report": _broken_report}
    why = check[what](folder, kept)
    return Kill(what, number.name, after_s, acknowledged=len(said), why=why)


def _lost_samples(folder: Path, kept: list[str]) -> str:
    found = history.recall(folder, EVER, ("probes",)).get("probes")
    there = set() if found is None else {moment.isoformat() for moment in found["checked_at"]}
    lost = [moment for moment in kept if moment not in there]
    damaged = list(folder.rglob("*.damaged"))
    return f"{len(lost)} acknowledged samples are lost" if lost else f"damaged: {damaged}" if damaged else ""


def _broken_state(folder: Path, _: list[str]) -> str:
    try:
        said = json.loads((folder / ".notified.json").read_text(encoding="utf-8"))["said"]
    except (OSError, ValueError) as error:
        return f"the state cannot be read: {error}"
    return "" if len(set(said)) == 1 else "the state is of two"


def _broken_report(folder: Path, _: list[str]) -> str:
    target = folder / "20250310T150000Z"
    try:
        whole = {(target / name).read_text(encoding="utf-8") for name in ("report.json", "report.html")}
        latest = json.loads((folder / "latest" / "report.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        return f"there is no report: {error}"
    return "" if len(whole) == 1 and latest else "the report is of two"


def kills(count: int, folder: Path, seed: int) -> Iterator[Kill]:
    """Ends so many processes, each at its own random moment."""
    chance = Random(seed)
    for place in range(count):
        what = ("append", "compact", "report", "notify")[place % 4]
        own = folder / f"{what}-{place // 40}"
        own.mkdir(parents=True, exist_ok=True)
        yield kill_once(what, own, chance, place)


# Notes each fsync of a file or a folder and each rename, so that afterwards all can be undone that was not synced.
SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void note(const char *what, const char *path) {
  char line[4200];
  int log = open(getenv("PDM_SYNC_LOG"), O_WRONLY | O_APPEND | O_CREAT, 0644);
  int length = snprintf(line, sizeof line, "%s %s\n", what, path);
  if (log >= 0) { if (write(log, line, length)) {} close(log); }
}
static void synced(int fd) {
  char link[64], path[4096];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t n = readlink(link, path, sizeof path - 1);
  if (n > 0) { path[n] = 0; note("sync", path); }
}
int fsync(int fd) { static int (*real)(int); if (!real) real = dlsym(RTLD_NEXT, "fsync");
  int r = real(fd); if (!r) synced(fd); return r; }
int fdatasync(int fd) { static int (*real)(int); if (!real) real = dlsym(RTLD_NEXT, "fdatasync");
  int r = real(fd); if (!r) synced(fd); return r; }
int rename(const char *a, const char *b) {
  static int (*real)(const char *, const char *); if (!real) real = dlsym(RTLD_NEXT, "rename");
  int r = real(a, b); if (!r) { note("from", a); note("to", b); } return r; }
"""


def compiled(folder: Path, program: str) -> Path:
    """A library that a process may load before all others.

    Raises:
        OSError: there is no compiler.
    """
    folder.mkdir(parents=True, exist_ok=True)
    source, shim = folder / "shim.c", folder / "shim.so"
    source.write_text(program, encoding="utf-8")
    call = ["cc", "-shared", "-fPIC", "-O1", "-o", str(shim), str(source), "-ldl"]
    subprocess.run(call, check=True, capture_output=True)
    return shim


def power_cuts(count: int, folder: Path, seed: int) -> Iterator[Kill]:
    """Cuts the power so many times: what was not synced is not on the disk, neither contents nor names.

    Each is two cuts: the second hits the process that finds what the first has left.
    """
    shim, chance = compiled(folder, SHIM), Random(seed)
    for place in range(count):
        own, said, dropped, after_s = folder / f"history-{place}", list[str](), 0, 0.0
        for turn in ("0", "1"):
            before, log = set(own.rglob("*.parquet")), folder / f"log-{place}-{turn}"
            environ = {"LD_PRELOAD": str(shim), "PDM_SYNC_LOG": str(log)}
            after_s = chance.uniform(0, 0.7)
            said += _ended(_started(APPEND, own, turn, environ=environ), after_s, signal.SIGKILL)
            dropped += _drop_unsynced(own, log.read_text(encoding="utf-8").splitlines(), before)
        why = _lost_samples(own, said)
        yield Kill("power", f"{dropped} dropped", after_s, acknowledged=len(said), why=why)


def _drop_unsynced(folder: Path, events: list[str], before: set[Path]) -> int:
    """Empties files that were never synced and removes names whose folder was not synced after them.

    Args:
        before: files that were on the disk already.
    """
    whole, named, waiting = set(map(str, before)), set(map(str, before)), dict[str, str]()
    moved = ""
    for kind, path in (event.split(" ", 1) for event in events):
        if kind == "from":
            moved = path
        elif kind == "to":
            whole |= {path} if moved in whole else set()
            waiting[path] = str(Path(path).parent)
        else:
            whole.add(path)
            named |= {name for name, place in waiting.items() if place == path}
    gone = [path for path in folder.rglob("*.parquet") if str(path) not in named]
    for path in gone:
        path.unlink()
    empty = [path for path in folder.rglob("*.parquet") if str(path) not in whole]
    for path in empty:
        path.write_bytes(b"")
    return len(gone) + len(empty)
