"""The columns of every table: keys, titles and how a cell is shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pdmlib.report import cells, words


@dataclass(frozen=True)
class Column:
    """One column: the row's key, its title, and how a value becomes text."""

    key: str
    title: str
    show: Callable[[Any], str] = str
    numeric: bool = False
    mark: bool = False


C = Column

COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "performance": (
        C("metric", "Metric", cells.text),
        C("value", "Value", cells.text, True),
        C("target", "Target", cells.text),
        C("status", "Status", cells.text, mark=True),
    ),
    "cron": (
        C("job", "Job", cells.text),
        C("schedule", "Schedule (UTC)", cells.text),
        C("expected", "Expected", cells.count, True),
        C("ok", "OK", cells.count, True),
        C("failed", "Failed", cells.count, True),
        C("missed", "Missed", cells.count, True),
        C("late", "Late", cells.count, True),
        C("avg_seconds", "Avg s", cells.count, True),
        C("last_run", "Last run", cells.text),
        C("last_error", "Last error", cells.text),
    ),
    "cron_glance": (
        C("job", "Job", cells.text),
        C("failed", "Failed", cells.wrong, True),
        C("missed", "Missed", cells.wrong, True),
        C("last_run", "Last run", cells.text),
    ),
    "cron_drift": (
        C("job", "Job", cells.text),
        C("site", "Site file", cells.text),
        C("platform", "Platform", cells.text),
        C("log", "Cron log", cells.text),
        C("reason", "What differs", cells.sentences),
    ),
    "daily": (
        C("date", "Day", cells.text),
        C("requests", "Requests", cells.count, True),
        C("requests_vs_7day_pct", "vs 7 days", cells.pct, True),
        C("requests_trend", "Trend", words.arrow),
        C("error_rate_pct", "Error rate %", cells.count, True),
        C("error_rate_pct_trend", "Trend", words.arrow),
        C("latency_avg_ms", "Average", cells.ms, True),
        C("latency_avg_ms_trend", "Trend", words.arrow),
        C("latency_p95_ms", "p95", cells.ms, True),
        C("latency_p95_ms_vs_7day_pct", "vs 7 days", cells.pct, True),
        C("latency_p95_ms_trend", "Trend", words.arrow),
        C("coverage_pct", "Covered", cells.share, True),
    ),
    "routes": (
        C("route", "Route", cells.text),
        C("requests", "Requests", cells.count, True),
        C("error_rate_pct", "Error rate %", cells.count, True),
        C("p50", "p50", cells.ms, True),
        C("p95", "p95", cells.ms, True),
        C("p99", "p99", cells.ms, True),
        C("change_pct", "p95 change", cells.pct, True),
    ),
    "before_after": (
        C("dimension", "Of", cells.text),
        C("item", "Name", cells.text),
        C("requests_per_hour_before", "Requests an hour before", cells.count, True),
        C("requests_per_hour", "after", cells.count, True),
        C("p95_before", "p95 before", cells.ms, True),
        C("p95", "after", cells.ms, True),
        C("error_rate_before_pct", "Error rate % before", cells.count, True),
        C("error_rate_pct", "after", cells.count, True),
        C("time_own_pct", "Time: by speed", cells.pct, True),
        C("time_volume_pct", "by volume", cells.pct, True),
        C("errors_own_pct", "Errors: by rate", cells.pct, True),
        C("errors_volume_pct", "by volume", cells.pct, True),
    ),
    "top_errors": (
        C("title", "Error", cells.text),
        C("level", "Level", cells.text),
        C("class", "Class", cells.in_words),
        C("events", "Events", cells.count, True),
        C("users", "Users", cells.count, True),
        C("first_seen", "First seen", cells.text),
        C("last_seen", "Last seen", cells.text),
    ),
    "top_errors_glance": (
        C("title", "Error", cells.text),
        C("class", "Class", cells.in_words, mark=True),
        C("events", "Events", cells.count, True),
    ),
    "incidents": (
        C("start", "Start", cells.text),
        C("end", "End", cells.text),
        C("minutes", "Minutes", cells.count, True),
        C("reading", "What", cells.incident),
        C("priority", "Priority", cells.text, mark=True),
        C("status", "Status", cells.text),
    ),
    "integrations": (
        C("integration", "Integration", cells.text),
        C("status", "Status", cells.state, mark=True),
        C("notes", "Notes", cells.sentences),
    ),
    "queries": (
        C("query", "Query", cells.text),
        C("calls", "Calls", cells.count, True),
        C("before_mean_ms", "Mean before", cells.ms, True),
        C("mean_ms", "Mean now", cells.ms, True),
        C("change_pct", "Change", cells.pct, True),
        C("share_before_pct", "Share before", cells.share, True),
        C("share_pct", "Share now", cells.share, True),
        C("verdict", "Verdict", cells.in_words, mark=True),
        C("waits", "Waits on", cells.sentences),
        C("reason", "Reason", cells.sentences),
    ),
    "plan_history": (
        C("query", "Query", cells.text),
        C("verdict", "Verdict", cells.in_words, mark=True),
        C("since", "Plan since", cells.text),
        C("until", "Last seen", cells.text),
        C("plan", "Plan for unknown parameters", cells.sentences),
        C("cost", "Planner's cost", cells.amount, True),
        C("planned_as", "Planned as", cells.text),
        C("reason", "Why none", cells.sentences),
    ),
    "index_advice": (
        C("table", "Table", cells.text),
        C("keys", "Columns", cells.text),
        C("why", "Why", cells.text),
        C("tested", "Tested", cells.text),
        C("script", "Script", cells.script),
    ),
    "waits": (
        C("query", "Query", cells.text),
        C("role", "Role", cells.text),
        C("wait", "Waits for", cells.text),
        C("blocker", "Behind", cells.text),
        C("sessions", "Sessions at a time", cells.count, True),
        C("share_pct", "Of all at work", cells.share, True),
    ),
    "queries_glance": (
        C("query", "Query", cells.text),
        C("calls", "Calls", cells.count, True),
        C("before_mean_ms", "Mean before", cells.ms, True),
        C("mean_ms", "Mean now", cells.ms, True),
        C("share_pct", "Share of time", cells.share, True),
        C("verdict", "Verdict", cells.in_words, mark=True),
    ),
    "plans": (
        C("query", "Critical query", cells.text),
        C("role", "As", cells.text),
        C("changed", "Plan", cells.plan, mark=True),
        C("before_ms", "Before", cells.ms, True),
        C("now_ms", "Now", cells.ms, True),
        C("before", "Plan before", cells.sentences),
        C("now", "Plan now", cells.sentences),
        C("index", "Index that would serve", cells.sentences),
    ),
    "database_findings": (
        C("check", "Check", cells.text),
        C("object", "Object", cells.text),
        C("severity", "Severity", cells.text, mark=True),
        C("detail", "What was seen", cells.sentences),
        C("action", "What to do", cells.sentences),
    ),
    "not_understood": (
        C("source", "Source", cells.text),
        C("item", "What was read", cells.text),
        C("what", "What is wrong with it", cells.text),
        C("example", "Example", cells.text),
        C("count", "Times", cells.count, True),
        C("taken_for", "Taken for", cells.text),
        C("mend", "Line of the site file that explains it", cells.sentences),
    ),
    "visibility": (
        C("object", "Object", cells.text),
        C("state", "The role sees", cells.text),
        C("reason", "Why", cells.sentences),
        C("grant", "What would fix it", cells.sentences),
    ),
    "tickets": (
        C("ticket", "Ticket", cells.text),
        C("created_at", "Opened", cells.text),
        C("category", "Category", cells.in_words),
        C("priority", "Priority", cells.text),
        C("status", "Status", cells.text),
        C("rating", "Rating", cells.count, True),
        C("summary", "Summary", cells.text),
    ),
    "action_items": (
        C("action", "Action", cells.sentences),
        C("priority", "Priority", cells.text, mark=True),
        C("owner", "Owner", lambda v: cells.text(v) or "open"),
        C("due", "Due", cells.text),
        C("state", "State", cells.text),
        C("since", "Since", cells.text),
    ),
    "checklist": (
        C("section", "Section", cells.text),
        C("box", "Box", cells.text),
        C("state", "State", cells.state, mark=True),
        C("reading", "Decided by", cells.text),
        C("reason", "Reason", cells.sentences),
    ),
    "capacity": (
        C("what", "What", cells.text),
        C("unit", "Unit", cells.text),
        C("now", "Now", cells.count, True),
        C("limit", "Limit", cells.count, True),
        C("per_week", "Per week", cells.count, True),
        C("low", "95 % from", cells.amount, True),
        C("high", "to", cells.amount, True),
        C("reaches_limit_on", "Reaches the limit", cells.text),
    ),
    "timeline": (
        C("at", "Time", cells.text),
        C("source", "Source", cells.text),
        C("what", "What happened", cells.text),
    ),
    "impact": (C("what", "What", cells.text), C("value", "How much", cells.amount, True)),
    "response": (
        C("step", "Step", cells.text),
        C("within", "Within", cells.text),
        C("due", "Due", cells.text),
    ),
    "criteria": (
        C("criterion", "Rollback criterion", cells.text),
        C("holds", "Holds", cells.holds, mark=True),
        C("evidence", "Evidence", cells.sentences),
    ),
    "verification": (
        C("metric", "Metric", cells.text),
        C("unit", "Unit", cells.text),
        C("during", "In the incident", cells.count, True),
        C("after", "Since", cells.count, True),
        C("normal", "Back to normal", cells.yes),
        C("test", "Test", cells.sentences),
    ),
    "what_if": (
        C("what", "Verdict", cells.text),
        C("before", "Is", cells.text),
        C("after", "Would be", cells.text, mark=True),
    ),
    "what_if_edges": (
        C("limit", "Limit", cells.text),
        C("reading", "The reading", cells.text, mark=True),
        C("status", "The report", cells.text, mark=True),
        C("flips", "What would flip", cells.sentences),
    ),
    "limits": (
        C("reading", "Reading", cells.text),
        C("value", "Value", cells.text, True),
        C("status", "Status", cells.text, mark=True),
        C("ladder", "Limits, worst first", cells.sentences),
        C("from", "From", cells.text),
    ),
    "ladder": (
        C("limit", "Beyond", cells.text),
        C("status", "Status", cells.text, mark=True),
        C("priority", "Priority", cells.text, mark=True),
        C("report", "The whole report", cells.text, mark=True),
        C("action", "What to do", cells.sentences),
        C("holds", "Holds now", cells.holds, mark=True),
    ),
    "slice": (
        C("hours", "Hours", cells.text, True),
        C("requests", "Requests", cells.count, True),
        C("hours_before", "Hours before", cells.text, True),
        C("requests_before", "before", cells.count, True),
        C("p95", "p95", cells.text, True),
        C("p95_interval", "95 % interval", cells.text, True),
        C("p95_before", "before", cells.text, True),
        C("p95_interval_before", "95 % interval", cells.text, True),
        C("errors", "Error rate", cells.text, True),
        C("errors_interval", "95 % interval", cells.text, True),
        C("errors_before", "before", cells.text, True),
        C("errors_interval_before", "95 % interval", cells.text, True),
    ),
    "compared": (
        C("title", "What", cells.text),
        C("a", "A (95 % interval)", cells.text),
        C("a_status", "A is", cells.text, mark=True),
        C("b", "B (95 % interval)", cells.text),
        C("b_status", "B is", cells.text, mark=True),
        C("change_pct", "B against A", cells.pct, True),
        C("sure", "Is it chance?", cells.text),
    ),
    "frames": (
        C("name", "Frame", cells.text),
        C("rows", "Rows", cells.count, True),
        C("grain", "One row is", cells.sentences),
        C("units", "Units", cells.sentences),
        C("source", "From", cells.sentences),
        C("missing", "What is missing", cells.sentences),
    ),
    "names": (
        C("name", "Name", cells.text),
        C("rows", "Rows", cells.count, True),
        C("columns", "Columns", cells.sentences),
    ),
    "changes": (
        C("title", "Finding", cells.text),
        C("change", "Since the last report", cells.text, mark=True),
        C("priority", "Priority", cells.text, mark=True),
        C("was", "Last time", cells.amount, True),
        C("value", "Now", cells.amount, True),
        C("age_days", "Age, days", cells.count, True),
        C("since", "First reported", cells.text),
    ),
}


def keys_of(name: str) -> tuple[str, ...]:
    """The keys of a row of a table that are shown."""
    return tuple(dict.fromkeys(column.key for column in COLUMNS.get(name, ())))
