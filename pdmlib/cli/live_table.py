"""A round of `watch` as a live table: how each source answered, what was measured, what to do, what comes next."""

from __future__ import annotations

from datetime import timedelta

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from pdmlib.frames.readings import Answer, Status
from pdmlib.frames.states import ReportStatus
from pdmlib.phases.phase import DASHBOARD
from pdmlib.report import words
from pdmlib.report.words import SHAPES
from pdmlib.verdict.ladder import KEY_READINGS
from pdmlib.verdict.verdict import Verdict
from pdmlib.workbook.watch import Round

SHOWN = (
    *KEY_READINGS,
    "health_ok",
    "requests_total",
    "issues_critical",
    "db_cpu_pct",
    "db_memory_pct",
    "db_connections_pct",
    "cron_runs_failed",
    "cron_runs_missed",
    "payment_failures",
    "webhooks_pending",
)
COLOURS = {
    ReportStatus.GREEN: "green",
    ReportStatus.YELLOW: "yellow",
    ReportStatus.RED: "red",
    ReportStatus.UNKNOWN: "white",
}
STYLES = {Status.PASS: "green", Status.WARN: "yellow", Status.FAIL: "red", Status.UNKNOWN: "magenta"}
ANSWERS = {
    Answer.OK: "✓ ok",
    Answer.PARTIAL: "▲ partial",
    Answer.FAILED: "✗ failed",
    Answer.NOT_CONFIGURED: "· not configured",
}


class Screen:
    """Shows rounds: kept up to date on a terminal, else each once; a context manager."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._last: Round | None = None

    def __enter__(self) -> Screen:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, seen: Round, left: timedelta) -> None:
        """Shows a round and the time until the next."""
        if self._live:
            self._live.update(picture(seen, left), refresh=True)
        elif seen is not self._last:
            self._console.print(picture(seen, left))
        self._last = seen

    def say(self, text: str) -> None:
        """Shows what is being done, below the last round."""
        if self._live:
            before = [picture(self._last, None)] if self._last else []
            self._live.update(Group(*before, Text(text, "dim")), refresh=True)


def picture(seen: Round, left: timedelta | None) -> RenderableType:
    """What stands on the screen for a round."""
    lines = [Text(f"✗ {words.one_line(trouble)}", "red") for trouble in seen.troubles]
    if seen.missed:
        lines.append(Text(missed(seen), "magenta"))
    if seen.page:
        lines.append(Text(f"dashboard: {seen.page}", "dim"))
    if left is not None:
        lines.append(Text(f"phase {seen.phase.name}: next round in {clock(left)}, Ctrl-C stops", "dim"))
    return Group(*(_judged(seen.verdict) if seen.verdict else ()), *lines)


def missed(seen: Round) -> str:
    """Which rounds were missed, and what of it cannot be read back."""
    first, last, count = seen.missed[0], seen.missed[-1], len(seen.missed)
    span = f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} UTC" if count > 1 else f"{first:%Y-%m-%d %H:%M} UTC"
    return (
        f"? {count} round{'s' if count > 1 else ''} missed ({span}): logs and vendors' records were read back; "
        "probes from here and gauges of the host stay unknown for that time"
    )


def clock(left: timedelta) -> str:
    """A time left as h:mm:ss or m:ss."""
    minutes, seconds = divmod(max(0, round(left.total_seconds())), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _judged(verdict: Verdict) -> tuple[RenderableType, ...]:
    site, zone = verdict.case.site, verdict.case.site.zone
    head = Text(f"{SHAPES[verdict.status]} {verdict.status} ", f"bold {COLOURS[verdict.status]}")
    head.append(f"{site.title}: {verdict.recommendation_text.lower()} · ", "default")
    head.append(f"last {DASHBOARD.length // timedelta(hours=1)} h to ", "dim")
    head.append(words.local(verdict.case.scope.as_of, zone), "dim")
    alerts = [
        Text(f"■ {a.priority.value} {words.one_line(a.title)}: {words.one_line(a.action)}") for a in verdict.alerts
    ]
    tables = Table.grid(padding=(0, 4))
    tables.add_row(_sources(verdict), _readings(verdict))
    lost = [c for c in verdict.case.collection.coverage if c.status in (Answer.FAILED, Answer.PARTIAL)]
    reasons = [
        Text(f"? {c.source} {c.status}: {words.one_line(c.detail or 'no reason given')}", "magenta") for c in lost
    ]
    return (head, *alerts[:8], tables, *reasons)


def _sources(verdict: Verdict) -> Table:
    table = Table("Source", "Answered", "Seconds", box=None)
    for row in verdict.case.collection.coverage:
        style = {Answer.FAILED: "red", Answer.PARTIAL: "yellow"}.get(row.status, "default")
        table.add_row(Text(row.source), Text(ANSWERS.get(row.status, row.status), style), f"{row.seconds:.1f}")
    return table


def _readings(verdict: Verdict) -> Table:
    table = Table("Reading", "Value", "Target", "Status", box=None)
    for name in SHOWN:
        reading = verdict.reading(name)
        if reading is not None:
            value = words.number(reading.value, reading.unit)
            judged = Text(words.judged(reading), STYLES.get(reading.status, "default"))
            table.add_row(Text(reading.title), Text(value), Text(reading.target), judged)
    return table
