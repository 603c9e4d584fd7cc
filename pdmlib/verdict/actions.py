"""Action items proposed from what was found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from pdmlib.frames.case import Case
from pdmlib.frames.readings import Finding, Priority, Reading, Status

DUE = {Priority.P0: timedelta(0), Priority.P1: timedelta(days=1), Priority.P2: timedelta(days=7)}


def actions_of(
    case: Case, readings: Iterable[Reading], findings: Iterable[Finding], priorities: Mapping[str, Priority]
) -> tuple[Mapping[str, Any], ...]:
    """Action items proposed from what was found: one per finding, and per reading that no finding explains."""
    owners, found = case.site.people.owners, list(findings)
    items = [
        _action(f"{f.action} ({f.title})", f.priority, f.owner or owners.get(_area(f.reading)), case, f.id)
        for f in found
    ]
    spoken = {f.reading for f in found}
    for r in readings:
        if r.status in (Status.WARN, Status.FAIL) and r.id not in spoken:
            what = r.action or "Look into it"
            priority = priorities.get(r.id, Priority.P1 if r.status is Status.FAIL else Priority.P2)
            items.append(_action(f"{what} ({r.title}: {r.reason})", priority, owners.get(_area(r.id)), case, r.id))
        if r.id == "sources_read" and r.status is Status.UNKNOWN:
            items.append(_action(f"Make every source readable ({r.reason})", Priority.P1, None, case, r.id))
    return tuple(sorted(items, key=lambda item: (item["priority"], item["id"])))


def _action(text: str, priority: Priority, owner: str | None, case: Case, name: str) -> Mapping[str, Any]:
    due = (case.scope.as_of.astimezone(case.site.zone) + DUE[priority]).date().isoformat()
    return {
        "id": name,
        "action": text,
        "priority": priority.value,
        "owner": owner,
        "due": due,
        "state": "proposed",
    }


def _area(reading: str) -> str:
    prefixes = {
        "db_": "database",
        "query_": "database",
        "cron_": "cron",
        "feature_": "features",
        "integration_": "integrations",
        "sms_": "integrations",
        "email_": "integrations",
        "payment_": "integrations",
        "webhooks": "integrations",
        "tickets": "support",
        "support": "support",
    }
    return next((area for prefix, area in prefixes.items() if reading.startswith(prefix)), "application")
