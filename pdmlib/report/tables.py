"""Tables of a report: which rows each shows, in which order."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo

from pdmlib.frames.readings import Reading, Status, Trend
from pdmlib.frames.states import Cell
from pdmlib.report import cells, words
from pdmlib.report.columns import COLUMNS, C, Column
from pdmlib.report.html import Html, grid, render
from pdmlib.verdict.alerts import Alert
from pdmlib.verdict.causes import Cause, CauseStatus

BECAME = {
    CauseStatus.NEW: "still so",
    CauseStatus.STANDING: "there before the deployment",
    CauseStatus.RECOVERED: "over; " + words.OPEN,
}


def table(
    name: str,
    rows: Iterable[Mapping[str, Any]],
    empty: str = "Nothing to show.",
    most: int | None = None,
    above: str = "",
) -> Html:
    """The rows of a report table as HTML, below a sentence; another sentence where there are none."""
    listed = [_with_unit(_told(row)) for row in rows]
    return grid(COLUMNS.get(name) or _plain_columns(listed), listed, empty, most=most, above=above)


def _plain_columns(rows: list[Mapping[str, Any]]) -> tuple[Column, ...]:
    """Columns of a table for which nobody wrote any: its keys, each as it is."""
    keys = dict.fromkeys(key for row in rows for key in row)
    return tuple(Column(key, key.replace("_", " ").capitalize(), cells.amount) for key in keys)


def _told(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row without the changes that its trends say are none: no `-63 %` stands beside an arrow for flat."""
    ends = ("_vs_7day_pct", "_trend")
    quiet = {key for key in row if key.endswith(ends[0]) and row.get(key.replace(*ends)) == Trend.FLAT}
    return {key: None if key in quiet else value for key, value in row.items()}


def _with_unit(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**row, "value": words.number(row["value"], row["unit"])} if {"value", "unit"} <= row.keys() else row


def adoption(rows: Iterable[Mapping[str, Any]]) -> Html:
    """The feature day grid: a column a day, `?` where nothing could be read, blank where a day has not come."""
    listed = list(rows)
    days = len(listed[0]["days"]) if listed else 0
    flat = [_flat(row) for row in listed]
    columns = (
        C("title", "Feature", cells.text),
        *(C(f"day{i}", f"Day {i + 1}", cells.text, True) for i in range(days)),
        C("total", "Total", cells.count, True),
        C("daily_avg", "Daily avg", cells.count, True),
        C("trend", "Trend", words.arrow),
        C("target", "Target", lambda v: "" if v is None else words.number(v), True),
        C("target_met", "Met", cells.yes),
        C("state", "State", cells.text, mark=True),
    )
    return grid(columns, flat, "The site file names no features.")


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    signs = {Cell.NOT_YET: "·", Cell.NO_DATA: "?"}
    days = {
        f"day{i}": signs.get(kind, cells.count(count) + ("*" if kind == Cell.PARTIAL else ""))
        for i, (count, kind) in enumerate(zip(row["days"], row["cells"], strict=True))
    }
    return {**row, **days}


def brief(rows: Iterable[Reading], most: int | None = None) -> Html:
    """Readings for a shared screen: value, target and status; what is not well comes first where not all fit."""
    listed = [
        {"title": r.title, "value": words.number(r.value, r.unit), "target": r.target, "status": words.judged(r)}
        for r in first_the_troubled(list(rows), most)
    ]
    columns = (
        C("title", "What", cells.text),
        C("value", "Value", cells.text, True),
        C("target", "Target", cells.text),
        C("status", "Status", cells.text, mark=True),
    )
    shown = grid(columns, listed, "Nothing is measured here in this phase.", most)
    return Html(f"<div class='brief'>{shown.html}</div>")


def first_the_troubled(rows: list[Reading], most: int | None) -> list[Reading]:
    """Readings in their order, where there are more than `most` with those first that are not well."""
    if most is None or len(rows) <= most:
        return rows
    order = (Status.FAIL, Status.WARN, Status.UNKNOWN)
    return sorted(rows, key=lambda r: order.index(r.status) if r.status in order else len(order))


def boxes(rows: Iterable[Mapping[str, Any]]) -> Html:
    """A checklist as one card a section."""
    sections: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        sections.setdefault(str(row["section"]), []).append(
            {"box": cells.text(row["box"]), "state": cells.state(row["state"]), "kind": str(row["state"])}
        )
    return render("boxes.html.j2", sections=sections)


def readings(rows: Iterable[Reading], most: int | None = None) -> Html:
    """Readings with value, interval, target, status and what became of them; `most` as for `grid`."""
    listed = [
        {
            "title": r.title,
            "value": words.number(r.value, r.unit),
            "interval": words.interval(r),
            "target": r.target,
            "status": words.judged(r),
            "reason": r.reason or r.measurement.evidence,
            "source": r.measurement.source,
        }
        for r in rows
    ]
    columns = (
        C("title", "What", cells.text),
        C("value", "Value", cells.text, True),
        C("interval", "95 % interval", cells.text, True),
        C("target", "Target", cells.text),
        C("status", "Status", cells.text, mark=True),
        C("reason", "Why", cells.sentences),
        C("source", "Source", cells.text),
    )
    return grid(columns, listed, "Nothing is measured here in this phase.", most)


def causes(rows: Iterable[Cause], notes: Mapping[str, str], zone: ZoneInfo) -> Html:
    """Causes with their evidence, action and fix, what would make them go away, and what became of them."""
    listed = [
        {
            "priority": c.priority.value,
            "title": c.title,
            "evidence": c.evidence,
            "action": f"{c.action}: {c.fix}" if c.fix and c.fix not in c.action else c.action,
            "green": "" if c.status is CauseStatus.RECOVERED else c.becomes_green.removeprefix("becomes GREEN "),
            "since": words.local(c.since, zone) if c.since else "",
            "state": notes.get(c.id) or BECAME[c.status],
        }
        for c in rows
    ]
    columns = (
        C("priority", "Priority", cells.text, mark=True),
        C("title", "Cause", cells.sentences),
        C("evidence", "Evidence", cells.sentences),
        C("action", "What to do", cells.sentences),
        C("green", "Becomes GREEN when", cells.text),
        C("since", "Since", cells.text),
        C("state", "What became of it", cells.text),
    )
    return grid(columns, listed, "None.")


def alerts(rows: Iterable[Alert], zone: ZoneInfo) -> Html:
    """Alerts that hold in the latest part of the window."""
    listed = [
        {
            "priority": a.priority.value,
            "title": a.title,
            "value": words.number(a.value),
            "threshold": a.threshold,
            "action": a.action,
            "since": words.local(a.since, zone) if a.since else "",
        }
        for a in rows
    ]
    columns = (
        C("priority", "Priority", cells.text, mark=True),
        C("title", "Alert", cells.text),
        C("value", "Value", cells.text, True),
        C("threshold", "Threshold", cells.text),
        C("action", "Action", cells.sentences),
        C("since", "Since", cells.text),
    )
    return grid(columns, listed, "No alert holds.")


def coverage(rows: Iterable[Any]) -> Html:
    """How each source answered."""
    listed = [
        {"source": c.source, "status": c.status, "rows": c.rows, "seconds": c.seconds, "detail": c.detail}
        for c in rows
    ]
    columns = (
        C("source", "Source", cells.text),
        C("status", "Answered", cells.text, mark=True),
        C("rows", "Rows", cells.count, True),
        C("seconds", "Seconds", cells.count, True),
        C("detail", "Detail", cells.sentences),
    )
    return grid(columns, listed, "No source was asked.")
