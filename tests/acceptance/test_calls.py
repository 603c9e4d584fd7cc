"""A person's mistake is one line that names what is wrong and what is allowed, and exit code 2."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pdmlib.cli.main import application
from pdmlib.errors import CallError
from pdmlib.workbook.execute import execute
from tests.acceptance.conftest import Called, pdm, site_file


def _call(*arguments: object) -> Called:
    """The command in this process."""
    done = CliRunner().invoke(application(), [str(argument) for argument in arguments])
    return Called(done.exit_code, done.stdout, done.stderr)


def _rename(content: dict[str, Any]) -> None:
    content["sources"]["sentry"]["organisation"] = "dirtfree"


MISTAKES = {
    "an unknown key": (_rename, ("site.yaml", "sources.sentry.organisation", "organization")),
    "a time zone": (lambda c: c.update(time_zone="America/Dallas"), ("site.yaml", "time_zone", "IANA time zone")),
    "a schedule": (
        lambda c: c["cron"]["jobs"][0].update(schedule="0 25 * *"),
        ("site.yaml", "cron.jobs.0.schedule", "five-field cron expression"),
    ),
    "a type": (
        lambda c: c["sources"]["app"].update(probes="many"),
        ("site.yaml", "sources.app.probes", "integer"),
    ),
    "a scenario": (lambda c: c["demo"].update(scenario="rogh"), ("rogh", "rough", "healthy")),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_wrong_site_file_is_one_line_of_file_key_and_what_is_allowed(tmp_path: Path, mistake: str):
    change, named = MISTAKES[mistake]
    done = _call("report", "week1", "--site", site_file(tmp_path, change), "--out", tmp_path / "out")
    assert done.code == 2
    assert [part for part in named if part not in done.line] == []
    assert not (tmp_path / "out").exists()


CALLS = {
    "a phase": (("report", "week2"), ("week2", "week1", "hour1")),
    "a time": (("report", "week1", "--as-of", "yesterday"), ("yesterday", "ISO")),
    "a status": (("report", "week1", "--fail-on", "amber"), ("--fail-on", "amber", "yellow")),
    "a file": (("report", "week1", "--site", "params/none.yaml"), ("params/none.yaml",)),
    "an end": (("incident", "--to", "2025-03-04T20:00:00Z"), ("--from",)),
    "a moment before": (
        ("report", "week1", "--as-of", "2025-03-01T00:00:00Z"),
        ("as-of", "2025-03-01", "not after the deployment", "2025-03-03"),
    ),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_call_is_one_line_that_names_it(tmp_path: Path, call: str):
    arguments, named = CALLS[call]
    done = _call(*arguments, "--out", tmp_path / "out")
    assert done.code == 2
    assert [part for part in named if part not in done.line] == []


def test_a_site_without_its_secrets_is_one_line_that_names_what_is_missing(tmp_path: Path):
    done = pdm("report", "week1", "--site", "params/dirtfree.yaml", "--out", tmp_path / "out")
    assert done.code == 2
    assert "params/dirtfree.yaml" in done.line
    assert "SENTRY_AUTH_TOKEN" in done.line
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


def test_notes_with_an_unknown_key_are_one_line_that_names_it(tmp_path: Path):
    notes = tmp_path / "notes.yaml"
    notes.write_text("higlights: [Nice week]\n")
    done = _call("report", "week1", "--notes", notes, "--out", tmp_path / "out")
    assert done.code == 2
    assert [part for part in ("notes.yaml", "higlights", "highlights") if part not in done.line] == []
    assert not list(tmp_path.glob("out/demo/week1/2*"))


def test_a_parameter_that_a_notebook_does_not_have_is_refused():
    with pytest.raises(CallError, match=r"week1\.ipynb: no parameter week; it has site, as_of"):
        execute("week1", {"week": "2"}, None)


def test_debug_shows_where_a_mistake_was_met(tmp_path: Path):
    done = pdm("report", "week9", "--debug", "--out", tmp_path)
    assert done.code == 1
    assert "Traceback" in done.stderr
