"""The cron jobs to expect: those that the platform's file schedules, and those that the log knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pdmlib.errors import CallError
from pdmlib.workbook.survey.guess import Guess

MOST_JOBS = 100  # a log with more names of jobs holds something else
MOST_BYTES = 1_000_000  # a vercel.json has a few kilobytes


@dataclass(frozen=True)
class Call:
    """One schedule of the platform: the path that it calls, and when, in UTC."""

    path: str
    schedule: str


@dataclass(frozen=True)
class ExpectedJob:
    """One job as the site file may name it; without a schedule it is only a comment."""

    name: str
    schedule: str | None
    time_zone: str
    why: str
    path: str | None = None


def calls_in(path: Path) -> list[Call]:
    """The schedules of a `vercel.json`; Vercel reads them in UTC.

    Raises:
        CallError: the file cannot be read, or is not JSON.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise CallError(f"{path}: larger than {MOST_BYTES // 1_000_000} MB, and not read")
        tree = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CallError(f"{path}: {error.strerror or 'cannot be read'}") from None
    except (ValueError, RecursionError):
        raise CallError(f"{path}: not JSON") from None
    crons = tree.get("crons") if isinstance(tree, dict) else None
    entries = [entry for entry in crons if isinstance(entry, dict)] if isinstance(crons, list) else []
    return [Call(str(e["path"]), str(e["schedule"])) for e in entries if "path" in e and "schedule" in e]


def project_beside(path: Path) -> tuple[str, str] | None:
    """Team and project of the `.vercel/project.json` that the platform's command leaves beside its file."""
    try:
        found = json.loads((path.parent / ".vercel" / "project.json").read_text(encoding="utf-8"))
        return str(found["orgId"]), str(found["projectId"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def expected_jobs(
    logged: Mapping[str, Guess | None], zones: Mapping[str, str], calls: Iterable[Call]
) -> list[ExpectedJob]:
    """The jobs to expect in the log.

    Args:
        logged: job of the log -> the schedule that its starts follow, and zones the zone of each.
    """
    found: list[ExpectedJob] = []
    by_name = {_plain(name): name for name in logged}
    for call in calls:
        theirs = by_name.get(_plain(_last(call.path)))
        if theirs is not None:
            found.append(
                ExpectedJob(
                    name=theirs,
                    schedule=call.schedule,
                    time_zone="UTC",
                    why="scheduled by the platform",
                    path=call.path,
                )
            )
    scheduled = {job.name for job in found}
    for name, guess in list(logged.items())[:MOST_JOBS]:
        if name not in scheduled:
            why = guess.why if guess else "in the log; no schedule shows in its starts"
            found.append(ExpectedJob(name, guess.value if guess else None, zones.get(name, "UTC"), why))
    return found


def never_logged(logged: Iterable[str], calls: Iterable[Call]) -> list[Call]:
    """Schedules of the platform that no job of the log is called like."""
    known = {_plain(name) for name in logged}
    return [call for call in calls if _plain(_last(call.path)) not in known]


def _last(path: str) -> str:
    return path.split("?")[0].rstrip("/").rpartition("/")[2]


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name.lower())
