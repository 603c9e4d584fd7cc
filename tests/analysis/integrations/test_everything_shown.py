"""Everything that the three vendors tell is judged or shown: without a column the report is another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from pdmlib.analysis.catalogue import TABLES
from pdmlib.analysis.product import costs
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection
from tests.analysis.integrations.answered import of_case
from tests.builders import DEPLOYED, a_case

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LATE = DEPLOYED + 6 * DAY
# What tells a row from others, or what the source itself writes; it is no fact that a report could show.
IDENTITY = {
    ("costs", "source"),
    ("costs", "service"),
    ("email_counts", "interval_s"),
    ("payments", "payment"),
    ("messages", "message"),
    ("vendor_errors", "event"),
    ("webhook_events", "event"),
}


def _payment(name: str, **more: Any) -> dict[str, Any]:
    base = {"source": "stripe", "payment": name, "created_at": LATE, "status": "succeeded"}
    return {**base, **more}


def _state(vendor: str, kind: str, item: str, ok: bool | None, **more: Any) -> dict[str, Any]:
    return {"vendor": vendor, "kind": kind, "item": item, "status": "enabled", "ok": ok, **more}


ROWS: Mapping[str, list[dict[str, Any]]] = {
    "payments": [
        _payment("a"),
        _payment("b", status="failed", fault="ours", failure_code="processing_error", outcome="invalid"),
        _payment("c", status="failed", fault="customer", outcome="blocked"),
        _payment("d", status="failed", fault="customer", failure_code="card_declined", outcome="issuer_declined"),
    ],
    "disputes": [
        {
            "dispute": "dp_1",
            "created_at": LATE,
            "status": "open",
            "reason": "fraudulent",
            "due_at": LATE + 9 * DAY,
        },
    ],
    "webhook_events": [
        {"vendor": "stripe", "event": "e1", "type": "charge.failed", "created_at": LATE, "pending": 1},
    ],
    "messages": [
        {
            "message": "m1",
            "created_at": LATE,
            "status": "failed",
            "direction": "outbound-api",
            "error_code": 30007,
            "fault": "ours",
        },
        {"message": "m2", "created_at": LATE, "status": "delivered", "direction": "inbound"},
        {"message": "m3", "created_at": LATE, "status": "delivered", "direction": "outbound-api"},
    ],
    "email_counts": [
        {
            "at": LATE,
            "interval_s": 3600,
            "sent": 900,
            "delivered": 890,
            "bounced": 10,
            "bounced_permanent": 6,
            "bounced_transient": 4,
            "complained": 1,
            "failed": 2,
            "suppressed": 3,
            "delivery_delayed": 5,
        },
    ],
    "vendor_errors": [
        {"vendor": "resend", "event": "r1", "at": LATE, "kind": "call", "code": "422", "place": "POST /emails"},
        {
            "vendor": "twilio",
            "event": "t1",
            "at": LATE,
            "kind": "webhook",
            "code": "11200",
            "place": "shop.example/h",
        },
    ],
    "vendor_states": [
        _state("resend", "webhook", "w1", True, detail="shop.example/hooks"),
        _state("resend", "webhook elsewhere", "w2", None, detail="staging.example/hooks"),
        _state("stripe", "webhook", "we_1", False, detail="shop.example/hooks", status="disabled"),
    ],
    "costs": [
        {
            "start": LATE,
            "end": LATE + DAY,
            "name": "stripe",
            "service": "fees",
            "amount": 3.5,
            "currency": "USD",
            "source": "stripe",
        },
        {
            "start": LATE,
            "end": LATE + DAY,
            "name": "twilio",
            "service": "messages",
            "amount": 1.5,
            "currency": "EUR",
            "source": "twilio",
        },
    ],
}


def _shown(case: Case) -> str:
    """Everything of integrations and costs that a report holds."""
    found = of_case(case)
    readings = [(r.id, r.status, asdict(r.measurement)) for r in found.readings.values()]
    return repr((readings, found.alerts, found.findings, TABLES["integrations"](case), costs.rows(case)))


def _without(case: Case, frame: str, column: str) -> Case:
    table = case[frame]
    blank = table.assign(**{column: pd.Series(None, index=table.index, dtype=table[column].dtype)})
    kept = Collection({**case.collection.frames, frame: blank}, case.collection.coverage)
    return Case(case.site, case.scope, kept, case.window)


FILLED = sorted({(name, column) for name, rows in ROWS.items() for row in rows for column in row} - IDENTITY)


@pytest.mark.slow
@pytest.mark.parametrize(("frame", "column"), FILLED)
def test_a_report_without_a_column_is_another_report(frame: str, column: str) -> None:
    case = a_case(ROWS, phase="week1")
    assert _shown(_without(case, frame, column)) != _shown(case)
