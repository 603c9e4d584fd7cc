"""Earlier reports of a site, as they lie in its folder of outputs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pdmlib.errors import CallError
from pdmlib.frames.states import ReportStatus
from pdmlib.phases.phase import PHASES
from pdmlib.phases.window import parse_time, stamp
from pdmlib.storage import durable


def reports_of(folder: Path) -> list[Path]:
    """The folders of a phase's finished reports, oldest as-of first."""
    return sorted(path.parent for path in folder.glob("[0-9]*/report.json") if not path.parent.is_symlink())


def previous_report(folder: Path, as_of: datetime) -> Mapping[str, Any] | None:
    """The newest `report.json` of a phase's folder whose as-of is strictly earlier; None when there is none."""
    earlier = (path for path in reversed(reports_of(folder)) if path.name < stamp(as_of))
    return next((content for path in earlier if (content := _report(path)) is not None), None)


def _report(folder: Path) -> dict[str, Any] | None:
    """A report that says when it is of and what it found; one that does not is set aside as damaged."""
    content = read_json(folder / "report.json")
    try:
        if content is not None:
            parse_time(content["as_of"]), parse_time(content["deployed_at"]), ReportStatus(content["status"])
    except (CallError, KeyError, TypeError, ValueError):
        durable.set_aside(folder / "report.json")
        return None
    return content


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file that this workbook wrote; None where there is no file, or one set aside as damaged."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        durable.set_aside(path)
        return None
    return content


def last_deployment(folder: Path) -> datetime | None:
    """The deployment that the newest report of a site judged."""
    written = [path for phase in PHASES for path in reports_of(folder / phase.name)]
    newest = sorted(written, key=lambda path: path.name, reverse=True)
    found = (content["deployed_at"] for path in newest if (content := _report(path)))
    return next(map(parse_time, found), None)
