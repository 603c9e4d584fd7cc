"""Tables of a report: which rows each shows, in which order."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

from markupsafe import Markup, escape

from pdmlib.frames.readings import Reading, Status, Trend
from pdmlib.frames.states import Cell, Usage
from pdmlib.phases.window import spoken, spoken_day
from pdmlib.report import cells, words
from pdmlib.report.card import Told
from pdmlib.report.columns import COLUMNS, C, Column
from pdmlib.report.html import Html, grid, part, render
from pdmlib.report.text import becomes_green
from pdmlib.verdict.alerts import Alert
from pdmlib.verdict.causes import Cause, CauseStatus, telling
from pdmlib.verdict.checklist import BoxState
from pdmlib.verdict.sides import Sure

BECAME = {
    CauseStatus.NEW: "still so",
    CauseStatus.STANDING: "there before the deployment",
    CauseStatus.RECOVERED: "over; " + words.OPEN,
}


ISO, DAY = len("2025-03-10T15:00:00Z"), re.compile(r"\d{4}-\d\d-\d\d")
NOTHING = "Nothing to show."
# What it means that there is none, of tables that most sites do not fill.
NONE_OF = {
    "before_after": "No request log of the site's own holds the same hours of the week before and since.",
    "waits": "No round of pdm watch looked at sessions.",
}
ROWS = 8  # of a table without a rule of its own that are seen at once
# Which rows of a table are told at once; the others are folded under it. Of these tables the troubled rows count.
TROUBLED: Mapping[str, Callable[[Mapping[str, Any]], bool]] = {
    "cron": lambda row: bool(row["failed"] or row["missed"]),
    "integrations": lambda row: row["status"] != "OPERATIONAL",
    "checklist": lambda row: row["state"] == BoxState.FAILED,
    "database_findings": lambda row: row["severity"] in (Status.WARN, Status.FAIL),
    "plans": lambda row: bool(row["changed"]),
    "queries": lambda row: bool(row["regressed"]),
    "plan_history": lambda _: False,
    "changes": lambda row: row["change"] != "still open",
    "visibility": lambda row: bool(row["grant"]),
    "tickets": lambda _: False,
    "routes": lambda row: bool(row["regressed"] or row["failing"]),
    "before_after": lambda row: not row["item"],
    "cron_drift": lambda _: False,
    "daily": lambda _: False,
    "feature_adoption": lambda row: row["state"] != Usage.USED or row["target_met"] is False,
    "top_errors": lambda row: bool(row["new"] or row["security"]),
}
ADOPTION = ("title", "total", "daily_avg", "trend", "target", "target_met", "state")
TOLD = ("plans", "database_findings")  # each troubled row is evidence of a cause, and stands there in full


def table(
    name: str,
    rows: Iterable[Mapping[str, Any]],
    zone: ZoneInfo,
    empty: str = NOTHING,
    most: int | None = None,
) -> Html:
    """The rows of a report table as HTML, times in the site's zone; a sentence where there are none.

    Args:
        most: rows of a slide; without it the troubled rows of the table stand first and the others are folded.
    """
    listed = [_with_unit(_told(_local(row, zone))) for row in rows]
    columns = COLUMNS.get(name) or _plain_columns(listed)
    return _folded(name, columns, listed, empty, most=most)


def first_the_troubled_of(name: str, rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The rows of a table, those in trouble first."""
    troubled = TROUBLED.get(name)
    return sorted(rows, key=lambda row: not (troubled and troubled(row)))


def _folded(
    name: str, columns: Iterable[Column], rows: Sequence[Mapping[str, Any]], empty: str, most: int | None
) -> Html:
    troubled = TROUBLED.get(name)
    if most is not None:
        return grid(list(columns), rows, empty, most)
    if troubled is None:
        return grid(list(columns), rows, empty, ROWS if len(rows) > ROWS + 2 else None)
    first = sum(map(troubled, rows))
    if name in TOLD and first:
        rest = f"{first} of {len(rows)} rows in trouble: the causes tell of {'it' if first == 1 else 'them'}"
        return grid(list(columns), first_the_troubled_of(name, rows), empty, most=0, rest=rest)
    rest = f"{len(rows) - first} {'more ' * bool(first)}row{'s' * (len(rows) - first != 1)}"
    return grid(list(columns), first_the_troubled_of(name, rows), empty, most=first, rest=rest)


def _local(row: Mapping[str, Any], zone: ZoneInfo) -> Mapping[str, Any]:
    """A row with the ISO times among its values as a person of the site says them."""
    moments = {key: v for key, v in row.items() if isinstance(v, str) and len(v) == ISO and v[10] == "T"}
    days = {
        key: spoken_day(date.fromisoformat(v)) for key, v in row.items() if isinstance(v, str) and DAY.fullmatch(v)
    }
    return {**row, **days, **{key: spoken(datetime.fromisoformat(text), zone) for key, text in moments.items()}}


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
    told = _folded("feature_adoption", columns, flat, "The site file names no features.", most=None)
    unknown = sum(row["state"] == Usage.UNKNOWN for row in listed)
    wrong = sum(map(TROUBLED["feature_adoption"], listed)) - unknown
    well = 0 if wrong else sum(bool(row["target_met"]) for row in listed)
    return part(told, wrong=wrong, unknown=unknown, well=well)


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
        {
            "title": r.title,
            "value": words.number(r.value, r.unit),
            "target": words.target(r),
            "status": words.judged(r),
        }
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


def readings(rows: Iterable[Reading], links: Mapping[str, int], most: int | None = None) -> Html:
    """Readings with value, interval, target, status and what became of them; what is well is folded.

    Args:
        links: the number of the cause that tells of a reading.
        most: readings of a slide; without it those that are not well.
    """
    found = list(rows)
    bad = [r for r in found if r.status in NOT_WELL]
    listed = [_row(r, links) for r in sorted(found, key=lambda r: r.status not in NOT_WELL)]
    well = Counter(r.status for r in found)
    rest = " · ".join(
        f"{well[status]} {word}"
        for status, word in ((Status.PASS, "pass"), (Status.INFO, "to know"))
        if well[status]
    )
    told = grid(
        READINGS, listed, "Nothing is measured here in this phase.", len(bad) if most is None else most, rest=rest
    )
    unknown = well[Status.UNKNOWN]
    return part(told, wrong=len(bad) - unknown, unknown=unknown, well=well[Status.PASS])


NOT_WELL = (Status.FAIL, Status.WARN, Status.UNKNOWN)
READINGS = (
    C("title", "What", cells.marked),
    C("value", "Value", cells.text, True),
    C("interval", "95 % interval", cells.text, True),
    C("target", "Target", cells.text),
    C("status", "Status", cells.text, mark=True),
    C("reason", "Why", cells.sentences),
    C("source", "Source", cells.text),
)


def _row(r: Reading, links: Mapping[str, int]) -> dict[str, Any]:
    link = Markup(' <a class="why" href="#cause-{0}">cause {0}</a>').format(links[r.id]) if r.id in links else ""
    return {
        "anchor": f"r-{r.id}",
        "title": escape(r.title) + link,
        "value": words.number(r.value, r.unit),
        "interval": words.interval(r),
        "target": words.target(r),
        "status": words.judged(r),
        "reason": r.reason or r.measurement.evidence,
        "source": r.measurement.source,
    }


def slices(by: str, rows: Iterable[Mapping[str, Any]], said: str) -> Html:
    """A slice of requests, each figure with its interval, before the deployment and since."""
    listed = [_slice_row(by, row) for row in rows]
    if not listed:
        return grid((), listed, said)
    shown = grid((C("key", by.capitalize(), cells.text), *COLUMNS["slice"]), listed, said)
    return Html(f"<p>{escape(said)}</p>{shown.html}")


def _slice_row(by: str, row: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"key": row[by]}
    for end in ("", "_before"):
        hours = row.get(f"hours{end}")
        found[f"hours{end}"] = "" if hours is None else words.number(round(hours, 2))
        p95 = row.get(f"p95_ms{end}", row.get(f"p95_median_ms{end}"))
        found |= {f"requests{end}": row.get(f"requests{end}"), f"p95{end}": words.number(p95, "ms") if p95 else ""}
        found[f"p95_interval{end}"] = words.between(row.get(f"p95_low{end}"), row.get(f"p95_high{end}"))
        rate = row.get(f"error_rate_pct{end}")
        found[f"errors{end}"] = "" if rate is None else words.number(rate, "%")
        found[f"errors_interval{end}"] = words.between(
            row.get(f"error_rate_low{end}"), row.get(f"error_rate_high{end}")
        )
    return found


def sides(rows: Iterable[Mapping[str, Any]], said: str) -> Html:
    """Two reports side by side, what differs beyond chance or in its status first."""
    listed = [
        {
            **row,
            **{side: _with_interval(row, side) for side in "ab"},
            **{f"{side}_status": words.marked(row[f"{side}_status"]) for side in "ab"},
            "differs": row["sure"] == Sure.BEYOND or row["a_status"] != row["b_status"],
        }
        for row in rows
    ]
    listed.sort(key=lambda row: not row["differs"])
    first = sum(row["differs"] for row in listed)
    rest = f"{len(listed) - first} whose difference is not known to be more than chance"
    shown = grid(COLUMNS["compared"], listed, "There is nothing to compare.", most=first, rest=rest)
    return Html(f"<p>{escape(said)}</p>{shown.html}" if said else shown.html)


def _with_interval(row: Mapping[str, Any], side: str) -> str:
    bounds = words.between(row[f"{side}_low"], row[f"{side}_high"])
    return words.number(row[side], row["unit"]) + (f" ({bounds})" if bounds else "")


def causes(
    rows: Iterable[tuple[Told, Cause]], notes: Mapping[str, str], readings: Mapping[str, str], empty: str
) -> Html:
    """Causes with their evidence, action and fix, what would make them go away, and what became of them.

    Args:
        notes: what the analyst says became of a cause, by its id.
        readings: the reading that each finding belongs to, by its id.
        empty: what it means that there is none.
    """
    listed = [
        {
            "told": told,
            "state": notes.get(cause.id) or BECAME[cause.status],
            "green": "" if cause.status is CauseStatus.RECOVERED else becomes_green(cause),
            "steps": [{**step._asdict(), "reading": readings.get(step.id, "")} for step in telling(cause.steps)],
            "open": told.number == 1,
        }
        for told, cause in rows
    ]
    return part(render("causes.html.j2", causes=listed, empty=empty), wrong=len(listed))


def alerts(rows: Iterable[Alert], zone: ZoneInfo, empty: str) -> Html:
    """Alerts that hold at present; a sentence where none does."""
    listed = [
        {
            "priority": a.priority.value,
            "title": a.title,
            "value": "" if a.value is None else words.number(a.value, a.unit) + _from(a, zone),
            "threshold": a.threshold.removeprefix("== "),
            "action": a.action,
            "since": spoken(a.since, zone) if a.since else "",
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
    rest = f"{len(listed)} alert{'s' * (len(listed) != 1)}; the causes tell of each"
    return grid(columns, listed, empty, most=0, rest=rest)


def _from(alert: Alert, zone: ZoneInfo) -> str:
    return f" (from {spoken(alert.window.start, zone)})" if alert.window else ""


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
