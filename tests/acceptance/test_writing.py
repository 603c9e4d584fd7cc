"""A report appears whole or not at all, under its as-of; what a killed run left is swept by the next."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from pdmlib.demo import Production
from tests.acceptance.conftest import FILES, ROOT, command, newest, pdm, site_file

AS_OF = "2025-03-10T15:00:00Z"


def _outside(content: dict[str, Any]) -> None:
    """The site as one that runs elsewhere: its secrets in the environment, one of them wrong."""
    del content["demo"]
    content["sources"]["sentry"]["token_env"] = "PDM_WRONG_TOKEN"


@pytest.fixture
def call(healthy_production: Production, tmp_path: Path) -> tuple[list[str], dict[str, str]]:
    site = site_file(tmp_path, _outside)
    environ = {**os.environ, **healthy_production.environ, "PDM_WRONG_TOKEN": "sntrys_not_this_one_4711"}
    return ["report", "daily", "--site", str(site), "--as-of", AS_OF, "--out", str(tmp_path / "out")], environ


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_visible_and_the_next_one_sweeps_up_and_tells_no_secret(call, tmp_path: Path):
    arguments, environ = call
    phase = tmp_path / "out/demo/daily"
    running = subprocess.Popen(
        command(*arguments),
        cwd=ROOT,
        env=environ,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while running.poll() is None and not list(phase.glob(".*.part/collection/coverage.json")):
        time.sleep(0.02)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert [path.name[0] for path in phase.iterdir()] == ["."]

    done = pdm(*arguments, "--fail-on", "unknown", environ=environ)
    content = newest(tmp_path / "out", "daily")
    assert (done.code, content["status"]) == (12, "UNKNOWN"), done.stderr
    assert {path.name for path in phase.iterdir()} == {"latest", "20250310T150000Z"}
    assert (phase / "latest").readlink() == Path("20250310T150000Z")
    assert {path.name for path in (phase / "latest").iterdir() if path.is_file()} == set(FILES)
    told = {row["source"]: row["detail"] for row in content["coverage"] if row["status"] != "ok"}
    assert told == {"sentry": "401: Invalid token"}

    ours = {name: value for name, value in environ.items() if value and name.startswith("PDM_")}
    secret = [value for name, value in ours.items() if name != "PDM_DEMO_URL"]
    printed = (done.stdout + done.stderr).encode()
    written = [path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()]
    assert not [value for value in secret if any(value.encode() in text for text in [printed, *written])]


@pytest.mark.slow
def test_running_again_for_the_same_moment_replaces_the_report(call, tmp_path: Path):
    arguments, environ = call
    folder = tmp_path / "out/demo/daily/20250310T150000Z"
    folder.mkdir(parents=True)
    (folder / "report.md").write_text("of yesterday")
    (folder / "left.txt").write_text("over")
    (folder.parent / "20250309T150000Z").mkdir()
    assert pdm(*arguments, environ=environ).code == 0
    assert not (folder / "left.txt").exists()
    assert "of yesterday" not in (folder / "report.md").read_text()
    assert (folder.parent / "latest").readlink() == Path(folder.name)
