"""However a command is ended, it ends soon and leaves nothing: Ctrl-C, a signal, a kernel that dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any

import pytest

from pdmlib.cli.main import _end
from pdmlib.storage import engine
from tests.acceptance.conftest import ROOT, command

SITE = "site: shop\ntitle: Shop\ntime_zone: UTC\ndeployed_at: 2025-03-03T00:00:00Z\nsources: {}\n"


@contextmanager
def running(folder: Path, phase: str) -> Iterator[subprocess.Popen[str]]:
    """A report being written, which is killed where it does not end."""
    (folder / "shop.yaml").write_text(SITE)
    at = ("--site", folder / "shop.yaml", "--as-of", "2025-03-10T00:00:00Z", "--out", folder / "out")
    # Who runs tests in the background may have Ctrl-C ignored.
    asked = ["env", "--default-signal=INT", *command("report", phase, *at)]
    begun = subprocess.Popen(asked, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    try:
        yield begun
    finally:
        begun.kill()
        begun.wait()


def child_of(pid: int, named: str) -> int:
    """The process of that name that another has started."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            parent = int((path.parent / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and named in path.read_text():
                return int(path.parent.name)
        except OSError:  # it ended meanwhile
            continue
    raise AssertionError(f"no process {named}")


DIED = "pdm: week1.ipynb: the kernel that ran it died, as one does where memory runs out"


def kill_once_written(name: str, folder: Path) -> tuple[int, str, list[Path]]:
    """Kills the kernel once a file of the report stands there: the exit code, the last line, what is left."""
    phase = folder / "out/shop/week1"
    with running(folder, "week1") as report:
        while not list(phase.glob(f".*.part/**/{name}")):
            assert report.poll() is None
            time.sleep(0.005)
        os.kill(child_of(report.pid, "ipykernel_launcher"), signal.SIGKILL)
        _, said = report.communicate(timeout=30)
    return report.returncode, said.splitlines()[-1], list(phase.iterdir())


@pytest.mark.slow
def test_a_kernel_that_dies_ends_the_report_in_one_line(tmp_path: Path) -> None:
    """The system kills what takes too much memory; before, the command waited for its answer for ever."""
    assert kill_once_written("coverage.json", tmp_path) == (1, DIED, [])


@pytest.mark.slow
def test_a_kernel_that_dies_in_the_last_cells_leaves_a_whole_report_or_none(tmp_path: Path) -> None:
    """With `report.json` it may have run its last cell and is needed no more; the code of UNKNOWN is 3."""
    code, said, left = kill_once_written("report.json", tmp_path)
    if code == 1:
        assert (said, left) == (DIED, [])
    else:
        assert code == 3
        files = {path.name for path in (tmp_path / "out/shop/week1/latest").iterdir()}
        assert files >= {"report.html", "report.md", "report.json", "notebook.ipynb"}


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [0.5, 1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_all_reports_soon_and_leaves_nothing(
    number: int, code: int, seconds: float, tmp_path: Path
) -> None:
    with running(tmp_path, "all") as reports:
        time.sleep(seconds)
        reports.send_signal(number)
        _, said = reports.communicate(timeout=10)
    assert reports.returncode == code, said
    assert "Traceback" not in said
    assert list((tmp_path / "out").rglob(".*.part")) == []


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's own answer to a Ctrl-C, which who runs tests in the background does not have."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("opened", [engine.session, engine.cursor])
def test_a_signal_into_a_query_is_one_to_whoever_asked(opened: Callable[[], Any]) -> None:
    """DuckDB 2.0 takes it and ends the query with these words, which would be a crash of ours; others stay."""
    with pytest.raises(KeyboardInterrupt), opened():
        raise RuntimeError("Query interrupted")
    with pytest.raises(RuntimeError, match="another"), opened():
        raise RuntimeError("another")


@pytest.mark.usefixtures("ctrl_c")
@pytest.mark.parametrize("soon", [False, True])
def test_a_signal_while_python_looks_for_a_module_is_tried_again_once_it_does_not(
    soon: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is raised there is lost, and the lock of all imports stays taken: a Ctrl-C would hang for ever.

    On a slow machine the next one comes before the answer to the first is over.
    """
    real, made = Timer, list[Timer]()

    def timer(seconds: float, function: Callable[..., Any], args: tuple[Any, ...]) -> Timer:
        made.append(real(seconds, function, args))
        if soon and len(made) == 1:
            made[0].start = lambda: function(*args)  # type: ignore[method-assign]
        return made[-1]

    monkeypatch.setattr("pdmlib.cli.main.Timer", timer)
    came = "import sys\nend(number, sys._getframe())\nwas_raised = False\n"
    signal.signal(signal.SIGINT, _end)
    told = {"end": _end, "number": signal.SIGINT}
    with pytest.raises(KeyboardInterrupt):
        exec(compile(came, "<frozen importlib._bootstrap>", "exec"), told)
        time.sleep(5)
    assert told["was_raised"] is False
    assert len(made) == 1 + soon
    with pytest.raises(KeyboardInterrupt):
        _end(signal.SIGINT, sys._getframe())
