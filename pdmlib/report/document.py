"""The verdict as `report.json`, and the schema that every report must meet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema

from pdmlib.errors import ReportError
from pdmlib.frames.readings import Finding, Reading, Trend
from pdmlib.phases.window import Window, iso
from pdmlib.report.card import card_of
from pdmlib.verdict.alerts import Alert
from pdmlib.verdict.causes import Cause
from pdmlib.verdict.verdict import Verdict


def document(verdict: Verdict, generated_at: datetime, tried: Sequence[str] = ()) -> dict[str, Any]:
    """The verdict as the JSON document of `schema.json`.

    Args:
        tried: what was moved or added by hand and is in no site file, each in words.
    """
    case, scope = verdict.case, verdict.case.scope
    return {
        "schema_version": 2,
        "site": case.site.site,
        "title": case.site.title,
        "phase": scope.phase.name,
        "time_zone": case.site.time_zone,
        "deployed_at": iso(scope.deployed_at),
        "deployment": case.site.deployment_name(scope.deployed_at),
        "as_of": iso(scope.as_of),
        "window": _window(scope.window),
        "generated_at": iso(generated_at),
        "status": verdict.status,
        "recommendation": verdict.recommendation,
        **({"outcome": verdict.outcome} if verdict.outcome else {}),
        "confidence": verdict.confidence,
        "confidence_reasons": list(verdict.confidence_reasons),
        "rivals": list(verdict.rivals),
        "next_check": iso(verdict.next_check),
        "summary": verdict.summary,
        **({"tried": list(tried)} if tried else {}),
        **case.attempt("card", lambda: {"card": _plain(card_of(verdict).plain())}, lambda _: {}),
        "readings": [_in_full(reading, scope.window) for reading in verdict.readings],
        "alerts": [_alert(alert) for alert in verdict.alerts],
        "findings": [_finding(finding) for finding in (*verdict.findings, *verdict.symptoms)],
        "causes": [_cause(cause) for cause in verdict.causes],
        "tables": {name: _plain(rows) for name, rows in sorted(_tables(verdict).items())},
        "not_understood": verdict.not_understood,
        "coverage": [
            {"source": c.source, "status": c.status, "rows": c.rows, "seconds": c.seconds, "detail": c.detail}
            for c in case.collection.coverage
        ],
    }


def _tables(verdict: Verdict) -> dict[str, Any]:
    """The tables, with what broke up to now: also what could not be shown."""
    broken = verdict.case.broken
    return {**verdict.tables, **({"internal_errors": broken} if broken else {})}


def encoded(content: dict[str, Any]) -> str:
    """The document as text, checked against the schema first.

    Raises:
        ReportError: the document breaks the schema; names the path.
    """
    error = jsonschema.exceptions.best_match(_validator().iter_errors(content))
    if error is not None:
        path = "/".join(str(part) for part in error.absolute_path)
        raise ReportError(f"report.json: {path}: {error.message[:200]}")
    return json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n"


@cache
def _validator() -> Any:
    schema = json.loads(files("pdmlib.report").joinpath("schema.json").read_text(encoding="utf-8"))
    return jsonschema.Draft202012Validator(schema)


def _window(window: Window) -> dict[str, str]:
    return {"start": iso(window.start), "end": iso(window.end)}


def reading_row(reading: Reading) -> dict[str, Any]:
    """A reading as a flat row, its names those of `report.json`."""
    found = reading.measurement
    return {
        "id": reading.id,
        "title": reading.title,
        "section": reading.section,
        "value": reading.value,
        "unit": reading.unit,
        "status": reading.status.value,
        "target": reading.target,
        "low": found.low,
        "high": found.high,
        "samples": found.samples,
        "baseline": found.baseline,
        "change_pct": found.change_pct,
        "trend": found.trend.value,
        "coverage_pct": found.coverage_pct,
        "source": found.source,
        "reason": reading.reason,
    }


def _in_full(reading: Reading, window: Window) -> dict[str, Any]:
    found, row = reading.measurement, _plain(reading_row(reading))
    return {
        **row,
        "trend": Trend.UP if found.trend is Trend.NEW else found.trend,
        "state": found.state.value,
        "action": reading.action or None,
        "becomes_green": f"becomes GREEN when {reading.becomes_green}" if reading.becomes_green else None,
        "evidence": found.evidence,
        "window": _window(found.window or window),
    }


def _alert(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.id,
        "priority": alert.priority.value,
        "reading": alert.reading,
        "title": alert.title,
        "value": _plain(alert.value),
        "threshold": alert.threshold,
        "action": alert.action,
        "since": iso(alert.since) if alert.since else None,
    }


def _finding(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "title": finding.title,
        "priority": finding.priority.value,
        "reading": finding.reading,
        "rule": finding.rule,
        "evidence": finding.evidence,
        "action": finding.action,
        "becomes_green": finding.becomes_green,
        "since": iso(finding.since) if finding.since else None,
        "active": finding.active,
        "rivals": list(finding.rivals),
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "id": cause.id,
        "title": cause.title,
        "priority": cause.priority.value,
        "since": iso(cause.since) if cause.since else None,
        "status": cause.status.value,
        "chain": list(cause.chain),
        "evidence": cause.evidence,
        "action": cause.action,
        "fix": cause.fix,
        "owner": cause.owner,
        "due": cause.due,
        "becomes_green": cause.becomes_green,
    }


def _plain(value: Any) -> Any:
    """A value as JSON can hold it: six significant decimals, no NaN, ISO times."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, bool) or value is None or isinstance(value, str | int):
        return value
    if isinstance(value, datetime):
        return iso(value)
    if hasattr(value, "item"):
        return _plain(value.item())
    if isinstance(value, float):
        return None if value != value or abs(value) == float("inf") else round(value, 6)
    return str(value)
