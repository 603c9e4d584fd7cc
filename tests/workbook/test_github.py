"""The decision card in GitHub Actions: the step's summary, and the status of the deployment that began the run."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pdmlib.errors import CallError
from pdmlib.workbook.github import check_github, tell_github
from tests.workbook.test_mail import content
from tests.workbook.test_notify import Receiver
from tests.workbook.test_notify import receiver as receiver


@pytest.fixture
def run(tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A run of GitHub Actions that deployment 42 began, with the variables that GitHub documents."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"deployment": {"id": 42}}), encoding="utf-8")
    values = {
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
        "GITHUB_EVENT_PATH": str(event),
        "GITHUB_API_URL": receiver.url.partition("/services")[0],
        "GITHUB_REPOSITORY": "shop/web",
        "GITHUB_TOKEN": "secret-of-the-run",
    }
    for name, value in values.items():
        monkeypatch.setenv(name, value)
    yield tmp_path


@pytest.mark.slow
def test_the_summary_has_the_card_and_the_deployment_a_status(run: Path, receiver: Receiver) -> None:
    (run / "summary.md").write_text("Before\n", encoding="utf-8")
    tell_github(content())
    summary = (run / "summary.md").read_text(encoding="utf-8")
    assert summary.startswith("Before\n") and "The application was down for 45 minutes" in summary
    assert receiver.paths == ["/repos/shop/web/deployments/42/statuses"]
    assert receiver.bodies[0]["state"] == "in_progress", "YELLOW has neither succeeded nor failed"
    assert len(receiver.bodies[0]["description"]) <= 140, "GitHub takes no more"


@pytest.mark.slow
def test_a_run_that_no_deployment_began_has_the_summary_alone(run: Path, receiver: Receiver) -> None:
    (run / "event.json").write_text("{}", encoding="utf-8")
    tell_github(content())
    assert (run / "summary.md").exists()
    assert receiver.bodies == []


def test_outside_of_github_it_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    with pytest.raises(CallError, match="this is no run of GitHub Actions"):
        check_github()
