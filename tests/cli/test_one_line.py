"""Whatever folder or terminal a command is given: one line, never a traceback."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pdmlib.cli.main import application
from tests.builders import slowly

ROOT = Path(__file__).parents[2]
SITE = "site: shop\ntitle: Ünïcode\ntime_zone: UTC\ndeployed_at: 2025-03-03T00:00:00Z\nsources: {}\n"


def pdm(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    code = "from pdmlib.cli.main import main; main()"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environ}
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        errors="replace",
        env=environment,
        timeout=600,
    )


@pytest.mark.parametrize("out", ["/dev/null", "/dev/null/reports", "/proc/reports"])
@pytest.mark.parametrize("command", [("report", "week1"), ("collect",), ("watch",)])
def test_a_folder_that_cannot_be_written_to_is_named_before_anything_is_asked(
    tmp_path: Path, command: tuple[str, ...], out: str
) -> None:
    (tmp_path / "shop.yaml").write_text(SITE)
    done = CliRunner().invoke(application(), [*command, "--site", str(tmp_path / "shop.yaml"), "--out", out])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"pdm: --out: {out} cannot be written to: ")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize("encoding", ["ascii", *slowly("latin-1", "utf-8")])
def test_a_terminal_that_cannot_show_a_letter_gets_its_escape(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "exämple.yaml"
    path.write_text(SITE, encoding="utf-8")
    done = pdm("status", "--site", str(path), "--as-of", "2025-03-04T00:00:00Z", PYTHONIOENCODING=encoding)
    assert done.returncode == 0
    path.write_text("title: Ünïcode\n", encoding="utf-8")
    done = pdm("status", "--site", str(path), PYTHONIOENCODING=f"{encoding}:strict")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_a_report_without_notes_says_where_they_were_looked_for(tmp_path: Path) -> None:
    (tmp_path / "shop.yaml").write_text(SITE)
    done = pdm(
        "report",
        "week1",
        "--site",
        str(tmp_path / "shop.yaml"),
        "--as-of",
        "2025-03-10T00:00:00Z",
        "--out",
        str(tmp_path / "out"),
    )
    assert (
        f"no notes of an analyst in {tmp_path}/notes/shop-week1.yaml and params/notes/shop-week1.yaml"
        in done.stderr
    )


def test_the_version_is_printed() -> None:
    result = pdm("--version")
    assert (result.returncode, result.stdout) == (0, f"pdm {version('pdmlib')}\n")
