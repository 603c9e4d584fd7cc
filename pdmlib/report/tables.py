"""Rows as HTML tables: which columns, under which titles, and how a cell is shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined

from pdmlib.readings import Finding, Reading, Status
from pdmlib.report import words
from pdmlib.window import iso

if TYPE_CHECKING:
    from pdmlib.verdict import Alert


@dataclass(frozen=True)
class Html:
    """A piece of HTML that a notebook shows; everything in it is escaped already."""

    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return "HTML"


@dataclass(frozen=True)
class Column:
    """One column: the row's key, its title, and how a value becomes text."""

    key: str
    title: str
    show: Callable[[Any], str] = str
    numeric: bool = False
    mark: bool = False


def _count(value: Any) -> str:
    return "?" if value is None else words.number(float(value))


def _amount(value: Any) -> str:
    """A value of any kind; nothing where there is none."""
    return "" if value is None else words.one_line(words.number(value))


def _pct(value: Any) -> str:
    return "" if value is None else words.signed(float(value))


def _share(value: Any) -> str:
    return "" if value is None else f"{float(value):.1f} %"


def _ms(value: Any) -> str:
    return "?" if value is None else words.number(float(value), "ms")


def _text(value: Any) -> str:
    return "" if value is None else words.one_line(value)


def _sentences(value: Any) -> str:
    return "" if value is None else words.sentences(value)


def _minute(value: Any) -> str:
    """An ISO time in UTC, to the minute."""
    return "" if value is None else words.one_line(value).replace("T", " ")[:16]


def _yes(value: Any) -> str:
    return "not judged" if value is None else "✓ yes" if value else "✗ no"


def _holds(value: Any) -> str:
    return "unknown" if value is None else "✗ holds" if value else "✓ does not hold"


def _plan(value: Any) -> str:
    return "one look only" if value is None else "changed" if value else "same"


def _wrong(value: Any) -> str:
    """A count of what should not be."""
    return f"✗ {_count(value)}" if value else _count(value)


def _state(value: Any) -> str:
    signs = {
        "done": "✓ done",
        "failed": "✗ failed",
        "manual": "☐ manual",
        "OPERATIONAL": "✓ OPERATIONAL",
        "ISSUES": "✗ ISSUES",
    }
    return signs.get(str(value), _text(value))


C = Column
COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "performance": (
        C("metric", "Metric", _text),
        C("value", "Value", _text, True),
        C("target", "Target", _text),
        C("status", "Status", _text, mark=True),
    ),
    "cron": (
        C("job", "Job", _text),
        C("schedule", "Schedule (UTC)", _text),
        C("expected", "Expected", _count, True),
        C("ok", "OK", _count, True),
        C("failed", "Failed", _count, True),
        C("missed", "Missed", _count, True),
        C("late", "Late", _count, True),
        C("avg_seconds", "Avg s", _count, True),
        C("last_run", "Last run (UTC)", _minute),
        C("last_error", "Last error", _text),
    ),
    "cron_glance": (
        C("job", "Job", _text),
        C("failed", "Failed", _wrong, True),
        C("missed", "Missed", _wrong, True),
        C("last_run", "Last run (UTC)", _minute),
    ),
    "cron_drift": (
        C("job", "Job", _text),
        C("site", "Site file", _text),
        C("platform", "Platform", _text),
        C("log", "Cron log", _text),
        C("reason", "What differs", _sentences),
    ),
    "daily": (
        C("date", "Day", _text),
        C("requests", "Requests", _count, True),
        C("requests_vs_7day_pct", "vs 7 days", _pct, True),
        C("requests_trend", "", words.arrow),
        C("error_rate_pct", "Error rate %", _count, True),
        C("error_rate_pct_trend", "", words.arrow),
        C("latency_avg_ms", "Average", _ms, True),
        C("latency_avg_ms_trend", "", words.arrow),
        C("latency_p95_ms", "p95", _ms, True),
        C("latency_p95_ms_vs_7day_pct", "vs 7 days", _pct, True),
        C("latency_p95_ms_trend", "", words.arrow),
        C("coverage_pct", "Covered", _share, True),
    ),
    "routes": (
        C("route", "Route", _text),
        C("requests", "Requests", _count, True),
        C("error_rate_pct", "Error rate %", _count, True),
        C("p50", "p50", _ms, True),
        C("p95", "p95", _ms, True),
        C("p99", "p99", _ms, True),
        C("change_pct", "p95 change", _pct, True),
    ),
    "before_after": (
        C("dimension", "Of", _text),
        C("item", "Name", _text),
        C("requests_per_hour_before", "Requests an hour before", _count, True),
        C("requests_per_hour", "after", _count, True),
        C("p95_before", "p95 before", _ms, True),
        C("p95", "after", _ms, True),
        C("error_rate_before_pct", "Error rate % before", _count, True),
        C("error_rate_pct", "after", _count, True),
        C("time_own_pct", "Time: by speed", _pct, True),
        C("time_volume_pct", "by volume", _pct, True),
        C("errors_own_pct", "Errors: by rate", _pct, True),
        C("errors_volume_pct", "by volume", _pct, True),
    ),
    "top_errors": (
        C("title", "Error", _text),
        C("level", "Level", _text),
        C("class", "Class", _text),
        C("events", "Events", _count, True),
        C("users", "Users", _count, True),
        C("first_seen", "First seen (UTC)", _minute),
        C("last_seen", "Last seen (UTC)", _minute),
    ),
    "top_errors_glance": (
        C("title", "Error", _text),
        C("class", "Class", _text, mark=True),
        C("events", "Events", _count, True),
        C("last_seen", "Last seen (UTC)", _minute),
    ),
    "incidents": (
        C("start", "Start (UTC)", _minute),
        C("end", "End (UTC)", _minute),
        C("minutes", "Minutes", _count, True),
        C("reading", "What", _text),
        C("priority", "Priority", _text, mark=True),
        C("status", "Status", _text),
    ),
    "integrations": (
        C("integration", "Integration", _text),
        C("status", "Status", _state, mark=True),
        C("notes", "Notes", _sentences),
    ),
    "queries": (
        C("query", "Query", _text),
        C("calls", "Calls", _count, True),
        C("before_mean_ms", "Mean before", _ms, True),
        C("mean_ms", "Mean now", _ms, True),
        C("change_pct", "Change", _pct, True),
        C("share_pct", "Share of time", _share, True),
        C("verdict", "Verdict", _text, mark=True),
        C("reason", "Reason", _sentences),
    ),
    "plans": (
        C("query", "Critical query", _text),
        C("role", "As", _text),
        C("changed", "Plan", _plan, mark=True),
        C("before_ms", "Before", _ms, True),
        C("now_ms", "Now", _ms, True),
        C("before", "Plan before", _sentences),
        C("now", "Plan now", _sentences),
        C("index", "Index that would serve", _sentences),
    ),
    "database_findings": (
        C("check", "Check", _text),
        C("object", "Object", _text),
        C("severity", "Severity", _text, mark=True),
        C("detail", "What was seen", _sentences),
        C("action", "What to do", _sentences),
    ),
    "visibility": (
        C("object", "Object", _text),
        C("state", "The role sees", _text),
        C("reason", "Why", _sentences),
        C("grant", "What would fix it", _sentences),
    ),
    "tickets": (
        C("ticket", "Ticket", _text),
        C("created_at", "Opened (UTC)", _minute),
        C("category", "Category", _text),
        C("priority", "Priority", _text),
        C("status", "Status", _text),
        C("rating", "Rating", _count, True),
        C("summary", "Summary", _text),
    ),
    "action_items": (
        C("action", "Action", _sentences),
        C("priority", "Priority", _text, mark=True),
        C("owner", "Owner", lambda v: _text(v) or "open"),
        C("due", "Due", _text),
        C("state", "State", _text),
        C("since", "Since", _text),
    ),
    "checklist": (
        C("section", "Section", _text),
        C("box", "Box", _text),
        C("state", "State", _state, mark=True),
        C("reading", "Decided by", _text),
        C("reason", "Reason", _sentences),
    ),
    "capacity": (
        C("what", "What", _text),
        C("now", "Now", _count, True),
        C("limit", "Limit", _count, True),
        C("per_week", "Per week", _count, True),
        C("low", "95 % from", _amount, True),
        C("high", "to", _amount, True),
        C("reaches_limit_on", "Reaches the limit", _text),
    ),
    "timeline": (
        C("at", "Time (UTC)", _minute),
        C("source", "Source", _text),
        C("what", "What happened", _text),
    ),
    "impact": (C("what", "What", _text), C("value", "How much", _amount, True)),
    "response": (
        C("step", "Step", _text),
        C("within", "Within", _text),
        C("due", "Due (UTC)", _minute),
    ),
    "criteria": (
        C("criterion", "Rollback criterion", _text),
        C("holds", "Holds", _holds, mark=True),
        C("evidence", "Evidence", _sentences),
    ),
    "verification": (
        C("metric", "Metric", _text),
        C("during", "In the incident", _count, True),
        C("after", "Since", _count, True),
        C("normal", "Back to normal", _yes),
        C("test", "Test", _sentences),
    ),
    "what_if": (C("what", "Verdict", _text), C("before", "Is", _text), C("after", "Would be", _text, mark=True)),
    "changes": (
        C("title", "Finding", _text),
        C("change", "Since the last report", _text, mark=True),
        C("priority", "Priority", _text, mark=True),
        C("was", "Last time", _amount, True),
        C("value", "Now", _amount, True),
        C("age_days", "Age, days", _count, True),
        C("since", "First reported (UTC)", _minute),
    ),
}


def table(
    name: str, rows: Iterable[Mapping[str, Any]], empty: str = "Nothing to show.", most: int | None = None
) -> Html:
    """The rows of a report table as HTML; a sentence where there are none."""
    return grid(COLUMNS[name], [_with_unit(row) for row in rows], empty, most)


def _with_unit(row: Mapping[str, Any]) -> Mapping[str, Any]:
    return {**row, "value": words.number(row["value"], row["unit"])} if {"value", "unit"} <= row.keys() else row


def grid(
    columns: Iterable[Column], rows: Sequence[Mapping[str, Any]], empty: str, most: int | None = None
) -> Html:
    """Rows under columns as HTML.

    Args:
        most: rows that a slide shows; it says how many more the report has.
    """
    shown = [[(column, column.show(row.get(column.key))) for column in columns] for row in rows]
    return render("table.html.j2", columns=list(columns), rows=shown, empty=empty, most=most or len(shown))


def bullets(items: Iterable[str], empty: str, most: int | None = None) -> Html:
    """A list, each item on one line; a sentence where there are none; `most` as for `grid`."""
    shown = [words.sentences(item) for item in items]
    return render("list.html.j2", items=shown, empty=empty, most=most or len(shown))


def adoption(rows: Iterable[Mapping[str, Any]]) -> Html:
    """The feature day grid: a column a day, `?` where nothing could be read, blank where a day has not come."""
    listed = list(rows)
    days = len(listed[0]["days"]) if listed else 0
    flat = [_flat(row) for row in listed]
    columns = (
        C("title", "Feature", _text),
        *(C(f"day{i}", f"Day {i + 1}", _text, True) for i in range(days)),
        C("total", "Total", _count, True),
        C("daily_avg", "Daily avg", _count, True),
        C("trend", "Trend", words.arrow),
        C("target", "Target", lambda v: "" if v is None else words.number(v), True),
        C("target_met", "Met", _yes),
        C("state", "State", _text, mark=True),
    )
    return grid(columns, flat, "The site file names no features.")


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    signs = {"not_yet": "·", "no_data": "?"}
    cells = {
        f"day{i}": signs.get(kind, _count(count) + ("*" if kind == "partial" else ""))
        for i, (count, kind) in enumerate(zip(row["days"], row["cells"], strict=True))
    }
    return {**row, **cells}


def brief(rows: Iterable[Reading], most: int | None = None) -> Html:
    """Readings for a shared screen: value, target and status; what is not well comes first where not all fit."""
    listed = [
        {"title": r.title, "value": words.number(r.value, r.unit), "target": r.target, "status": words.judged(r)}
        for r in first_the_troubled(list(rows), most)
    ]
    columns = (
        C("title", "What", _text),
        C("value", "Value", _text, True),
        C("target", "Target", _text),
        C("status", "Status", _text, mark=True),
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
            {"box": _text(row["box"]), "state": _state(row["state"]), "kind": str(row["state"])}
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
        C("title", "What", _text),
        C("value", "Value", _text, True),
        C("interval", "95 % interval", _text, True),
        C("target", "Target", _text),
        C("status", "Status", _text, mark=True),
        C("reason", "Why", _sentences),
        C("source", "Source", _text),
    )
    return grid(columns, listed, "Nothing is measured here in this phase.", most)


def findings(rows: Iterable[Finding], notes: Mapping[str, str], zone: ZoneInfo) -> Html:
    """Findings with evidence, action, what would make them go away, and what became of them."""
    listed = [
        {
            "priority": f.priority.value,
            "title": f.title,
            "evidence": f.evidence,
            "action": f.action,
            "green": f.becomes_green,
            "since": words.local(f.since, zone) if f.since else "",
            "state": notes.get(f.id) or ("still so" if f.active else "over; " + words.OPEN),
        }
        for f in rows
    ]
    columns = (
        C("priority", "Priority", _text, mark=True),
        C("title", "Finding", _text),
        C("evidence", "Evidence", _sentences),
        C("action", "What to do", _sentences),
        C("green", "Becomes GREEN when", _text),
        C("state", "What became of it", _text),
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
        C("priority", "Priority", _text, mark=True),
        C("title", "Alert", _text),
        C("value", "Value", _text, True),
        C("threshold", "Threshold", _text),
        C("action", "Action", _sentences),
        C("since", "Since", _text),
    )
    return grid(columns, listed, "No alert holds.")


def coverage(rows: Iterable[Any]) -> Html:
    """How each source answered."""
    listed = [
        {"source": c.source, "status": c.status, "rows": c.rows, "seconds": c.seconds, "detail": c.detail}
        for c in rows
    ]
    columns = (
        C("source", "Source", _text),
        C("status", "Answered", _text, mark=True),
        C("rows", "Rows", _count, True),
        C("seconds", "Seconds", _count, True),
        C("detail", "Detail", _sentences),
    )
    return grid(columns, listed, "No source was asked.")


@cache
def environment() -> Environment:
    """The one environment of the HTML templates: everything is escaped, nothing may be undefined."""
    loaded = Environment(
        loader=PackageLoader("pdmlib.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    loaded.filters.update(iso=iso)
    return loaded


def _template(name: str) -> Any:
    return environment().get_template(name)


def render(name: str, **values: Any) -> Html:
    """A template of the package as HTML."""
    return Html(_template(name).render(**values))
