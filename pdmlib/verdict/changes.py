"""What changed since the last report of a phase: what is new, worse, better or fixed, and what is to do.

Silence is not a repair: a finding that can no longer be measured stays open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pdmlib.analysis.catalogue import all_metrics
from pdmlib.analysis.compare.change import practical_pct
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Priority, Status
from pdmlib.phases.phase import PHASES
from pdmlib.phases.window import Window, iso, parse_time
from pdmlib.site.notes import ActionNote, Notes
from pdmlib.storage.reports import previous_report
from pdmlib.verdict.verdict import Verdict

Row = dict[str, Any]
CLOSED = ("done", "dropped")
CHANGES = ("worse", "new", "better", "still open", "fixed")
NAMED, SIZE = ("id", "title", "priority", "reading"), ("value", "low", "high")
TROUBLED = {Status.FAIL.value: Priority.P1.value, Status.WARN.value: Priority.P2.value}


def known_since(site: Path, as_of: datetime) -> dict[str, str]:
    """What the last report of any phase left open, by id, with the ISO time since when it is known.

    Args:
        site: the site's folder of outputs.
    """
    found = (previous_report(site / phase.name, as_of) for phase in PHASES)
    last = max((report for report in found if report), key=lambda report: str(report["as_of"]), default=None)
    return {name: row["since"] for name, row in open_before(last).items()}


def remembered(
    verdict: Verdict, notes: Notes, previous: Mapping[str, Any] | None, known: Mapping[str, str] | None = None
) -> Verdict:
    """The verdict with its table `changes`, and its action items as people and the last report left them."""
    items = action_items(previous, verdict, notes.action_items)
    tables = {**verdict.tables, "changes": changes(previous, verdict, known or {}), "action_items": items}
    return replace(verdict, actions=tuple(items), tables=tables)


def changes(
    previous: Mapping[str, Any] | None, verdict: Verdict, known: Mapping[str, str] = MappingProxyType({})
) -> list[Row]:
    """What became of each finding, and of each reading beyond its limit that no finding explains.

    It is worse with a higher priority, or where its value moved clearly: out of the last report's
    interval by more than the metric's practical size, or to twice or half of it where there is no
    interval. A sum over the window, as a count of events is, is held against the length of the window,
    which grows from report to report; a level, such as the connections at one time, is not.

    Args:
        known: since when other phases' reports know of it, by id.

    Returns:
        Rows of id, title, change (worse, new, better, still open, fixed), priority, reading, age_days,
        `since`: the as-of time of the first report that had it, value with its interval low and
        high (none where it is fixed), and `was`: the value in the last report.
    """
    as_of = verdict.case.scope.as_of
    before, open_now = open_before(previous), _open_now(verdict)
    longer = _times_longer(previous, verdict.case.scope.window)
    blind = {reading.id for reading in verdict.unknown}
    rows = [
        _row(
            row,
            _change(before.get(name), row, verdict.case, longer),
            before.get(name),
            as_of=as_of,
            known=known.get(name),
        )
        for name, row in open_now.items()
    ]
    for name, row in before.items():
        if name not in open_now:
            hidden = row["reading"] in blind
            left = {**row, "title": _unseen(row)} if hidden else {**row, **dict.fromkeys(SIZE)}
            rows.append(_row(left, "still open" if hidden else "fixed", row, as_of))
    return sorted(rows, key=lambda row: (CHANGES.index(row["change"]), row["priority"], row["id"]))


def _change(before: Row | None, row: Row, case: Case, longer: float) -> str:
    if before is None:
        return "new"
    if row["priority"] != before["priority"]:
        return "worse" if row["priority"] < before["priority"] else "better"
    metric = next((m for m in (*all_metrics(case.site), *case.own) if m.id == row["reading"]), None)
    adds_up = metric.adds_up if metric else isinstance(row["value"], int)
    moved = _moved(before, row, longer if adds_up else 1.0, practical_pct(case, row["reading"]))
    rising_is_bad = metric is None or metric.better != "higher"
    return ("better", "still open", "worse")[moved * (1 if rising_is_bad else -1) + 1]


def _moved(before: Row, row: Row, scale: float, practical: float) -> int:
    """1 where the value clearly rose, -1 where it clearly fell, else 0; unchanged it is `scale` times as much."""
    new, old = _number(row["value"]), _number(before.get("value"))
    if new is None or old is None or new == old:
        return 0
    low, high = _number(before.get("low")), _number(before.get("high"))
    if low is None or high is None:
        low, high = old / 2, old * 2
    else:
        low, high = min(low, old * (1 - practical / 100)), max(high, old * (1 + practical / 100))
    return int(new >= high * scale) - int(new <= low * scale)


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _times_longer(previous: Mapping[str, Any] | None, window: Window) -> float:
    """The window's length as a multiple of the last report's."""
    said = (previous or {}).get("window")
    last = (parse_time(said["end"]) - parse_time(said["start"])).total_seconds() if said else 0
    return window.seconds / last if last else 1.0


def _row(row: Row, change: str, before: Row | None, as_of: datetime, known: str | None = None) -> Row:
    since = min(filter(None, (before and before["since"], known)), default=iso(as_of))
    kept = {key: row.get(key) for key in (*NAMED, *SIZE)} | {"was": before and before.get("value")}
    return {**kept, "change": change, "age_days": max(0, (as_of - parse_time(since)).days), "since": since}


def _unseen(row: Row) -> str:
    mark = " (cannot be seen now)"
    return str(row["title"]).removesuffix(mark) + mark


def _open_now(verdict: Verdict) -> dict[str, Row]:
    found = [
        {
            "id": f.id,
            "title": f.title,
            "priority": f.priority.value,
            "reading": f.reading,
            "active": f.active,
            "value": f.value,
        }
        for f in verdict.findings
    ]
    judged = [
        {
            "id": r.id,
            "title": r.title,
            "status": r.status.value,
            "value": r.value,
            "low": r.measurement.low,
            "high": r.measurement.high,
        }
        for r in verdict.readings
    ]
    return _open(found, judged)


def open_before(previous: Mapping[str, Any] | None) -> dict[str, Row]:
    """What the previous report left open: its own `changes`, else its findings and readings."""
    if previous is None:
        return {}
    tables = previous.get("tables", {})
    if "changes" in tables:
        return {row["id"]: row for row in tables["changes"] if row["change"] != "fixed"}
    found = _open(previous.get("findings", ()), previous.get("readings", ()))
    return {name: {**row, "since": previous["as_of"]} for name, row in found.items()}


def _open(findings: Iterable[Mapping[str, Any]], readings: Iterable[Mapping[str, Any]]) -> dict[str, Row]:
    findings = list(findings)
    spoken = {finding["reading"] for finding in findings}
    troubled = [
        {**r, "priority": TROUBLED[r["status"]], "reading": r["id"]}
        for r in readings
        if r["status"] in TROUBLED and r["id"] not in spoken
    ]
    rows = [*(f for f in findings if f["active"]), *troubled]
    return {str(row["id"]): {key: row.get(key) for key in (*NAMED, *SIZE)} for row in rows}


def action_items(previous: Mapping[str, Any] | None, verdict: Verdict, notes: Iterable[ActionNote]) -> list[Row]:
    """Proposals, what the last report left to do, and the notes' own word on both; what is closed is gone.

    Returns:
        Rows of id, action, priority, owner, due, state (proposed, open) and `since`, the local day of
        the first report that had it; most urgent first.
    """
    scope = verdict.case.scope
    today = scope.as_of.astimezone(scope.zone).date().isoformat()
    carried = {
        row["id"]: {**row, "state": "open"} for row in (previous or {}).get("tables", {}).get("action_items", ())
    }
    items = {name: {**row, "since": row.get("since") or _day(previous, verdict)} for name, row in carried.items()}
    for proposed in verdict.actions:
        items[proposed["id"]] = _proposed(proposed, items.get(proposed["id"]), today)
    for note in notes:
        items[note.id] = _noted(items.get(note.id), note, today)
    left = [row for row in items.values() if row["state"] not in CLOSED]
    told = [proposed["id"] for proposed in verdict.actions]  # in the order of the card
    place = {name: at for at, name in enumerate(told)}
    return sorted(left, key=lambda r: (r["priority"], r["due"] or "9", place.get(r["id"], len(told)), r["id"]))


def _day(previous: Mapping[str, Any] | None, verdict: Verdict) -> str:
    moment = parse_time((previous or {})["as_of"])
    return moment.astimezone(verdict.case.scope.zone).date().isoformat()


def _proposed(proposal: Mapping[str, Any], carried: Row | None, today: str) -> Row:
    if carried is None:
        return {**proposal, "since": today}
    due = min((day for day in (proposal["due"], carried["due"]) if day), default=None)
    owner = carried["owner"] or proposal["owner"]
    return {**proposal, "owner": owner, "due": due, "state": "open", "since": carried["since"]}


def _noted(row: Row | None, note: ActionNote, today: str) -> Row:
    new = {
        "id": note.id,
        "action": note.id,
        "priority": Priority.P2.value,
        "owner": None,
        "due": None,
        "since": today,
    }
    said = note.model_dump(mode="json", exclude_none=True)
    return {**(row or new), **said}
