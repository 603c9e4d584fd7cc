"""Files of a request log of which nothing is held: none of their lines is understood, or they cannot be read.

Another server may write them in another format, or for another account: what they hold is neither failed
requests nor none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd

from pdmlib.frames.frame import frame, merge
from pdmlib.frames.readings import State
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import now
from pdmlib.storage import engine
from pdmlib.storage.request_logs import formats
from pdmlib.storage.request_logs.addresses import REMOTE, SOURCE
from pdmlib.storage.request_logs.files import Piece
from pdmlib.storage.request_logs.fingerprints import Listed
from pdmlib.storage.request_logs.progress import many
from pdmlib.storage.request_logs.reader import DAY, Held, outer_hours
from pdmlib.storage.request_logs.rejects import FORMAT, Hours, item_of, lines_in, unclear

Files = Mapping[str, Mapping[str, Any]]  # by the path that was asked for
# What a line of requests names, and few others do that tell their time as an access log does (RFC 9110, 9.1).
METHOD = r"\b(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)\b"
READABLE = "let the account that runs pdm ingest read the file, or name the files that are request logs"


def not_understood(
    connection: duckdb.DuckDBPyConnection, piece: Piece, hours: Hours, example: str
) -> Mapping[str, Any] | None:
    """What is known of a file of which no line is understood; None of one that is no log of requests.

    Args:
        hours: when its lines were written.
    """
    timed = {hour.isoformat(): count for hour, count in sorted((h, n) for h, n in hours.items() if h and n)}
    if not timed or piece.path.startswith(REMOTE):
        return None
    query = (
        f"SELECT 1 FROM {formats.lines([piece.path])} WHERE regexp_matches(line, {engine.literal(METHOD)}) LIMIT 1"
    )
    try:
        named = connection.execute(query).fetchall()
    except duckdb.Error:
        return None
    return _file(piece.name, example=example, hours=timed) if named else None


def unreadable(path: str, reason: str) -> Mapping[str, Any]:
    """What is known of a file that cannot be read, or of a folder, which may be written to until now."""
    at: datetime | None = now()
    try:
        if isinstance(path, Listed):
            at = datetime.fromtimestamp(path.changed_us / 1e6, UTC)
        elif not Path(path).is_dir():
            at = datetime.fromtimestamp(Path(path).stat().st_mtime, UTC)
    except FileNotFoundError:  # it went away meanwhile, as the oldest of a rotation does
        at = None
    except OSError:  # its folder cannot be read either
        pass
    return _file(path.rstrip("/").rsplit("/", 1)[-1], reason=reason, changed=at.isoformat() if at else "")


def _file(
    name: str, reason: str = "", example: str = "", hours: Mapping[str, int] | None = None, changed: str = ""
) -> Mapping[str, Any]:
    """A file of which nothing is held: `since` when, and when it was `changed` last."""
    row = {"name": name, "reason": reason, "example": example}
    return {**row, "hours": hours or {}, "changed": changed or None, "since": changed or None}


def noted(files: Files, path: str, found: Mapping[str, Any] | None) -> Files:
    """The unread files with what a file is now, None where it was read.

    A log that is begun anew each day is many files of one path: what is known of earlier ones stays.
    """
    path = path if path.startswith(REMOTE) else str(Path(path).resolve())
    if found is None:
        return {name: row for name, row in files.items() if name != path}
    known = files.get(path, {})
    before = known.get("hours", {})
    first = min(found["hours"], default="")
    kept = {hour: count for hour, count in before.items() if not first or hour < first}
    since = min(filter(None, (known.get("since"), found["since"])), default=None)
    return {**files, path: {**found, "hours": {**kept, **found["hours"]}, "since": since}}


def opened(files: Files, logs: Sequence[str]) -> list[str]:
    """The folders among the unread that can be looked into now: a log lies in them."""
    above = {
        str(folder) for path in logs if not path.startswith(REMOTE) for folder in Path(path).resolve().parents
    }
    return [path for path in files if path in above]


def told(held: Held, scope: Scope) -> dict[str, pd.DataFrame]:
    """Rows of `not_understood` and gaps of files that may hold requests of the window."""
    files = held.manifest.unread.values()
    return merge([_strange(held, scope, list(files)), _refused(scope, [f for f in files if f["reason"]])])


def _strange(held: Held, scope: Scope, files: Sequence[Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    hours = outer_hours(scope.window)
    counts = [
        sum(count for at, count in file["hours"].items() if hours.start <= datetime.fromisoformat(at) < hours.end)
        for file in files
    ]
    found = [(file, count) for file, count in zip(files, counts, strict=True) if count]
    if not found:
        return {}
    lines, names = sum(count for _, count in found), _named([file for file, _ in found])
    example = found[0][0]["example"]
    reason = f"of {lines:,} lines of {names} none is understood, such as {example}"
    frames = {"gaps": frame("gaps", [_gap(reason)])}
    if many(lines, lines + lines_in(held, scope.window)):
        frames |= unclear(item_of(held.asked), f"lines of {names}", lines, example=example, mend=FORMAT)
    return frames


def _refused(scope: Scope, files: Sequence[Mapping[str, Any]]) -> dict[str, pd.DataFrame]:
    window = scope.window
    # One that was written to since the window began may hold some of it; if only long after, it is another day's.
    found = [
        file
        for file in files
        if file["changed"]
        and window.start <= datetime.fromisoformat(file["changed"])
        and datetime.fromisoformat(file.get("since") or file["changed"]) < window.end + DAY
    ]
    if not found:
        return {}
    example = f"{found[0]['name']}: {found[0]['reason']}"
    gap = {"gaps": frame("gaps", [_gap(f"{_named(found)} cannot be read: {found[0]['reason']}")])}
    return gap | unclear("requests", "log files that cannot be read", len(found), example=example, mend=READABLE)


def _named(files: Sequence[Mapping[str, Any]]) -> str:
    name, rest = files[0]["name"], len(files) - 1
    return f"{name} and {rest} more {'file' if rest == 1 else 'files'}" if rest else str(name)


def _gap(reason: str) -> Mapping[str, Any]:
    return {"source": SOURCE, "item": "unread", "state": State.NOT_UNDERSTOOD.value, "reason": reason}
