"""Each command, as a process, on a disk that is full, read-only, vanishes or is slow, and two of each at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pdmlib.frames.collection import Collection
from pdmlib.frames.frame import frame
from pdmlib.phases.window import Window
from pdmlib.storage import history
from pdmlib.storage.request_logs import manifests
from tests.hostile.kills import COMPACT, EVER, ROOT, compiled
from tests.hostile.vendors import DEMO
from tests.storage.request_logs.logs import line, write

SIZE = "96m"  # of a small disk: a report of the demo has some MB
MOST_S = 240.0  # a report on a busy machine, many times over
SAYS = re.compile(
    r"No space left|Read-only|Could not write|cannot be written|not rewritten|wait in memory|No such file|gone"
)
# Every fsync takes 150 ms and every write 2 ms, as on a network's disk that is overloaded.
SLOW = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <unistd.h>
int fsync(int fd) { static int (*real)(int); if (!real) real = dlsym(RTLD_NEXT, "fsync");
  usleep(150000); return real(fd); }
ssize_t write(int fd, const void *b, size_t n) { static ssize_t (*real)(int, const void *, size_t);
  if (!real) real = dlsym(RTLD_NEXT, "write"); if (fd > 2) usleep(2000); return real(fd, b, n); }
ssize_t pwrite(int fd, const void *b, size_t n, off_t o) {
  static ssize_t (*real)(int, const void *, size_t, off_t);
  if (!real) real = dlsym(RTLD_NEXT, "pwrite"); usleep(2000); return real(fd, b, n, o); }
"""
COMMANDS: Mapping[str, tuple[str, ...]] = {
    "collect": ("-m", "pdmlib.cli", "collect"),
    "report": ("-m", "pdmlib.cli", "report", "daily"),
    "watch": ("-m", "pdmlib.cli", "watch", "--rounds", "1", "--every", "1"),
    "ingest": ("-m", "pdmlib.cli", "ingest"),
    "compact": ("-c", COMPACT.replace("while True", "for _ in range(3)")),
}
STATES = ("full", "read-only", "vanished", "slow")


@dataclass(frozen=True)
class Trial:
    """One command under one state of the disk; `why` empty: nothing was wrong."""

    what: str
    why: str = ""


@contextmanager
def _mounted(place: Path, *options: str) -> Iterator[None]:
    subprocess.run(["mount", *options, str(place)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=False, capture_output=True)


def why_not() -> str:
    """Why no disk can be mounted here; empty: one can."""
    if os.geteuid() != 0 or sys.platform != "linux":
        return "mounting a small disk needs root on Linux"
    with tempfile.TemporaryDirectory() as folder:
        try:
            with _mounted(Path(folder), "-t", "tmpfs", "tmpfs"):
                return ""
        except (OSError, subprocess.CalledProcessError):
            return "no disk can be mounted here"


def _site(folder: Path) -> Path:
    """The site of the demo, with request logs, and a log."""
    rows = [line(f"r{n}") for n in range(500)]
    write(folder / "access.ndjson", rows)
    block = "requests: {columns: {duration_ms: durationMs}}\n"
    text = DEMO.read_text(encoding="utf-8")
    (folder / "site.yaml").write_text(text if re.search("^requests:", text, re.M) else text + block, "utf-8")
    return folder / "site.yaml"


def _call(name: str, folder: Path, out: Path) -> list[str]:
    base = [sys.executable, "-W", "ignore", *COMMANDS[name]]
    if name == "compact":
        return [*base, str(_history(out))]
    return [
        *base,
        *([str(folder / "access.ndjson")] if name == "ingest" else []),
        *("--site", str(folder / "site.yaml"), "--out", str(out)),
    ]


def _history(out: Path) -> Path:
    return out / "demo" / "history-rough"


def _run(
    call: list[str], environ: Mapping[str, str], meanwhile: Callable[[], None] | None = None
) -> tuple[int, str]:
    """Exit code, and what was printed."""
    process = subprocess.Popen(
        call,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env={**os.environ, **environ, "PYTHONPATH": str(ROOT)},
    )
    if meanwhile:
        meanwhile()
    try:
        text, _ = process.communicate(timeout=MOST_S)
    except subprocess.TimeoutExpired:
        process.kill()
        text = process.communicate()[0]
        return -1, f"it did not end within {MOST_S:.0f} s: {text}"
    return process.returncode, text


def seeded(environ: Mapping[str, str], folder: Path) -> None:
    """Outputs in `whole`: a history of two collections, a store of requests and a report."""
    folder.mkdir(parents=True, exist_ok=True)
    _site(folder)
    for name in ("collect", "ingest", "report"):
        code, text = _run(_call(name, folder, folder / "whole"), environ)
        assert code == 0, text
    _append_older(folder / "whole")


def _append_older(out: Path) -> None:
    """Two looks of weeks ago, which `compact` has to merge."""
    for minute in (1, 2):
        row = {"target": "/", "checked_at": datetime(2025, 2, 3, 0, minute, tzinfo=UTC), "status": "up"}
        history.append(_history(out), Collection({"probes": frame("probes", [row])}))


@dataclass(frozen=True)
class _Kept:
    """What was acknowledged: how much of the history, of requests and of reports is whole."""

    samples: int
    requests: int
    reports: frozenset[str]


def _kept(out: Path) -> _Kept:
    window = Window(EVER.start, EVER.end)
    samples = sum(map(len, history.recall(_history(out), window).values()))
    manifest = manifests.load(out / "demo" / "requests")
    reports = (path for path in out.glob("demo/*/*/report.json") if not path.parent.is_symlink())
    whole = {str(path.relative_to(out)) for path in reports if json.loads(path.read_text("utf-8"))["status"]}
    return _Kept(samples, sum(day.rows for day in manifest.requests.values()), frozenset(whole))


def _lost(before: _Kept, out: Path) -> Iterator[str]:
    try:
        after = _kept(out)
    except Exception as error:
        yield f"what was kept cannot be read: {type(error).__name__}: {error}"
        return
    if after.samples < before.samples or after.requests < before.requests:
        yield f"acknowledged samples or requests are lost: {before} {after}"
    if not before.reports <= after.reports:
        yield f"reports are lost: {sorted(before.reports - after.reports)}"
    damaged = [str(path.relative_to(out)) for path in out.rglob("*.damaged")]
    if damaged:
        yield f"damaged: {damaged}"


def _told(name: str, code: int, text: str) -> Iterator[str]:
    """What is wrong with how a command that could not write has ended."""
    if "Traceback" in text and name != "compact":  # that is a program of the tests
        yield f"a traceback: {text[-300:]}"
    if code < 0:
        yield f"it ended by {code}: {text[-200:]}"
    if not SAYS.search(text):
        yield f"it says nothing of the disk (exit {code}): {text[-300:]}"


def attempt(name: str, state: str, environ: Mapping[str, str], folder: Path) -> Trial:
    """One command on a disk that is not well, what it has left, and the same command once the disk is."""
    what = f"{name}, {state}"
    real, seen = folder / f"real-{name}-{state}", folder / f"seen-{name}-{state}"
    real.mkdir()
    seen.mkdir()
    size = ("-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs")
    with _mounted(real, *size), _mounted(seen, "--bind", str(real)):
        shutil.copytree(folder / "whole", real / "out", symlinks=True)
        if name == "ingest":
            write(folder / "access.ndjson", [line(f"{what}{n}") for n in range(500)])
        if name == "collect":  # what was collected already would not be written again
            shutil.rmtree(_history(real / "out"))
            _append_older(real / "out")
        before = _kept(real / "out")
        wrong = list(_wrong(name, state, environ, folder, real=real, seen=seen))
        wrong += _lost(before, real / "out")
        if not wrong:
            code, text = _run(_call(name, folder, real / "out"), environ)
            wrong += [f"on the disk that is well again it ends with {code}: {text[-300:]}"] if code else []
            wrong += _lost(before, real / "out")
    return Trial(what, "; ".join(wrong))


def _wrong(
    name: str, state: str, environ: Mapping[str, str], folder: Path, real: Path, seen: Path
) -> Iterator[str]:
    """Lets a command run while the disk is in a state; the disk is well afterwards."""
    call = _call(name, folder, seen / "out")
    if state == "slow":
        shim = compiled(folder / "slow", SLOW)
        code, text = _run(call, {**environ, "LD_PRELOAD": str(shim)})
        yield from [f"it ends with {code}: {text[-300:]}"] if code else []
    elif state == "vanished":
        code, text = _run(
            call, environ, meanwhile=lambda: _vanish(seen, 1.5 if name in ("compact", "ingest") else 4.0)
        )
        yield from [f"a traceback: {text[-400:]}"] if "Traceback" in text and name != "compact" else []
        yield from [f"it ended by {code}: {text[-200:]}"] if code < 0 else []
    elif state == "full":
        with suppress(OSError), (real / "ballast").open("wb") as ballast:
            while True:
                ballast.write(bytes(2**16))
                ballast.flush()
        yield from _told(name, *_run(call, environ))
        (real / "ballast").unlink()
    else:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(seen)], check=True, capture_output=True)
        yield from _told(name, *_run(call, environ))


def _vanish(place: Path, after_s: float) -> None:
    time.sleep(after_s)
    subprocess.run(["umount", "-l", str(place)], check=True, capture_output=True)


def pair(name: str, environ: Mapping[str, str], folder: Path) -> Trial:
    """The same command twice at once on the same outputs."""
    out = folder / f"pair-{name}"
    shutil.copytree(folder / "whole", out, symlinks=True)
    if name == "ingest":
        write(folder / "access.ndjson", [line(f"pair{n}") for n in range(500)])
    before, wrong, other = _kept(out), list[str](), list[tuple[int, str]]()
    call = _call(name, folder, out)
    with tempfile.TemporaryFile("w+") as printed:
        second = subprocess.Popen(
            call,
            stdout=printed,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, **environ, "PYTHONPATH": str(ROOT)},
        )
        other.append(_run(call, environ))
        second.wait(MOST_S)
        printed.seek(0)
        other.append((second.returncode, printed.read()))
    for code, text in other:
        busy = "another ingest is writing" in text
        if "Traceback" in text or (code and not busy):
            wrong.append(f"it ends with {code}: {text[-300:]}")
    if all(code for code, _ in other):
        wrong.append("neither did it")
    wrong += _lost(before, out)
    return Trial(f"two of {name}", "; ".join(wrong))


def trials(environ: Mapping[str, str], folder: Path) -> Iterator[Callable[[], Trial]]:
    """Every command under every state, and two of each; each is tried when it is called."""
    seeded(environ, folder)
    for name in COMMANDS:
        yield lambda name=name: pair(name, environ, folder)  # type: ignore[misc]
    for state in STATES:
        for name in COMMANDS:
            yield lambda name=name, state=state: attempt(name, state, environ, folder)  # type: ignore[misc]
