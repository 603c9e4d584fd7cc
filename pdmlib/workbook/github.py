"""The decision card in GitHub Actions: the summary of the step and the status of the deployment."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pdmlib.errors import CallError, SourceError
from pdmlib.frames.states import ReportStatus
from pdmlib.report.text import card_markdown
from pdmlib.report.words import one_line
from pdmlib.site.environment import environment_value
from pdmlib.sources.http import Api, Budget

TOKEN, SUMMARY = "GITHUB_TOKEN", "GITHUB_STEP_SUMMARY"
# What the page of a deployment can show; one that is still looked at has neither succeeded nor failed.
STATES = {ReportStatus.GREEN: "success", ReportStatus.RED: "failure"}
WATCHED = "in_progress"
DESCRIPTION = 140  # characters that GitHub takes of a status
SECONDS = 20.0


def check_github() -> None:
    """Fails outside of GitHub Actions, before any source is asked.

    Raises:
        CallError: names the variable that is missing.
    """
    if environment_value(SUMMARY) is None:
        raise CallError(f"--github: {SUMMARY} is not set, so this is no run of GitHub Actions")


def tell_github(content: Mapping[str, Any]) -> None:
    """Appends the card of a `report.json` to the step's summary, and sets the status of the run's deployment.

    A run that no deployment began, or without a token, has the summary alone.

    Raises:
        SourceError: the status was not taken.
    """
    with Path(environment_value(SUMMARY) or "").open("a", encoding="utf-8") as summary:
        summary.write(card_markdown(content["card"]))
    deployment, token = _deployment(), environment_value(TOKEN)
    if deployment is None or token is None:
        return
    base = environment_value("GITHUB_API_URL") or "https://api.github.com"
    path = f"/repos/{environment_value('GITHUB_REPOSITORY')}/deployments/{deployment}/statuses"
    headers = {"Authorization": f"Bearer {token}", "X-GitHub-Api-Version": "2022-11-28"}
    with Api("github", base, headers, budget=Budget(SECONDS)) as api:
        api.post(path, _status(content))


def _status(content: Mapping[str, Any]) -> dict[str, str]:
    said = one_line(content["card"]["sentence"], DESCRIPTION)
    return {"state": STATES.get(ReportStatus(content["status"]), WATCHED), "description": said}


def _deployment() -> int | None:
    """The id of the deployment that began the run, from the event that GitHub wrote down."""
    path = environment_value("GITHUB_EVENT_PATH")
    try:
        event = json.loads(Path(path).read_text(encoding="utf-8")) if path else {}
        found = event.get("deployment", {}).get("id")
    except (OSError, ValueError, AttributeError):
        raise SourceError("github", "the event of the run could not be read") from None
    return found if isinstance(found, int) else None
