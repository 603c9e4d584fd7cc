"""`make` installs by whatever works, mends what an earlier call left, and says in one line what is missing.

Python, uv and pip are stand-ins that write down their calls: nothing is fetched.
"""

import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

# As much of Python, venv and pip as the Makefile calls. CUT names what ends the whole call as Ctrl-C does.
PYTHON = """#!/bin/bash
here=$(dirname "$0")
echo "python $*" >> "$LOG"
case "$*" in *"$CUT"*) test -z "$CUT" || { kill -INT -- -$(ps -o pgid= $$ | tr -d ' '); sleep 5; } ;; esac
case "$*" in
  *version_info*) exit 0 ;;
  *"import ensurepip"*) test -z "$NO_VENV" || { echo "No module named 'ensurepip'" >&2; exit 1; } ;;
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && touch "$3/bin/pip" ;;
  "-m pip --version") test -e "$here/pip" ;;
  "-m ensurepip") exit 1 ;;
  *requirements-uv.lock) test -n "$NO_UV" || { cp "$UV_BIN" "$here/uv"; } ;;
esac
"""
UV = """#!/bin/bash
echo "uv $*" >> "$LOG"
test "$1" = --version || test -z "$UV_FAILS"
"""


class Clone:
    """A clone of the project with stand-ins for the programs that install it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        for name in (
            "Makefile",
            "requirements.lock",
            "requirements-uv.lock",
            "requirements-dev.lock",
            "pyproject.toml",
        ):
            shutil.copy(ROOT / name, folder / name)
        for name, text in (("python3", PYTHON), ("uv-stand-in", UV)):
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        (folder / "pdmlib").mkdir()

    def make(self, target: str = ".venv/.ready", **environ: str) -> subprocess.CompletedProcess[str]:
        """One call of make in a process group of its own."""
        self.log.write_text("")
        named = {
            "LOG": str(self.log),
            "UV_BIN": str(self.folder / "uv-stand-in"),
            "CUT": "",
            "NO_VENV": "",
            "NO_UV": "",
            "UV_FAILS": "",
            **environ,
        }
        # `make test` calls these tests: what it tells the makes below it would number their messages.
        outer = {name: value for name, value in os.environ.items() if "MAKE" not in name and name != "MFLAGS"}
        return subprocess.run(
            ["make", target, f"PYTHON={self.folder / 'python3'}"],
            cwd=self.folder,
            env={**outer, **named},
            capture_output=True,
            text=True,
            timeout=600,
            start_new_session=True,
        )

    def installed_by(self, program: str, lock: str = "requirements.lock") -> bool:
        """Whether a program was asked for the pinned packages in the last call."""
        return any(
            line.startswith(program) and line.endswith(f"-r {lock}") for line in self.log.read_text().splitlines()
        )


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def test_uv_installs_where_it_can(clone: Clone) -> None:
    assert clone.make().returncode == 0
    assert clone.installed_by("uv")
    assert not clone.installed_by("python")


@pytest.mark.parametrize("trouble", ["UV_FAILS", "NO_UV"])
@pytest.mark.parametrize(
    ("target", "lock"), [(".venv/.ready", "requirements.lock"), (".venv/.ready-dev", "requirements-dev.lock")]
)
def test_pip_installs_where_uv_is_missing_or_fails(clone: Clone, trouble: str, target: str, lock: str) -> None:
    assert clone.make(target, **{trouble: "1"}).returncode == 0
    assert clone.installed_by("python", lock)


@pytest.mark.parametrize("cut", ["-m venv", "requirements-uv.lock", "-e ."])
def test_what_ctrl_c_left_is_made_anew_by_the_next_call(clone: Clone, cut: str) -> None:
    stopped = clone.make(CUT=cut)
    assert stopped.returncode in (2, -signal.SIGINT)
    assert not (clone.folder / ".venv" / ".ready").exists()
    (clone.folder / ".venv" / "left").touch()
    assert clone.make().returncode == 0
    assert not (clone.folder / ".venv" / "left").exists()
    assert not (clone.folder / ".venv" / ".unfinished").exists()
    assert clone.make().returncode == 0
    assert clone.log.read_text() == ""


def test_what_ctrl_c_left_of_the_tools_is_made_anew_too(clone: Clone) -> None:
    assert clone.make().returncode == 0
    assert clone.make(".venv/.ready-dev", CUT="requirements-dev.lock", UV_FAILS="1").returncode != 0
    (clone.folder / ".venv" / "left").touch()
    assert clone.make(".venv/.ready-dev").returncode == 0
    assert not (clone.folder / ".venv" / "left").exists()


def test_an_environment_without_pip_that_an_older_call_left_is_made_anew(clone: Clone) -> None:
    assert clone.make().returncode == 0
    (clone.folder / ".venv" / ".ready").unlink()
    (clone.folder / ".venv" / "bin" / "pip").unlink()
    assert clone.make().returncode == 0
    assert (clone.folder / ".venv" / "bin" / "pip").exists()


def test_a_python_without_venv_is_said_in_one_line(clone: Clone) -> None:
    done = clone.make(NO_VENV="1")
    assert done.returncode != 0
    said = [line for line in done.stderr.splitlines() if not line.startswith("make: ***")]
    assert len(said) == 1
    assert "install python3-venv" in said[0]
    assert not (clone.folder / ".venv").exists()
