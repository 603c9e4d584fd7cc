"""A report of the past shows the state of then: what came later leaks into nothing that it says."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection
from pdmlib.frames.frame import frame
from pdmlib.frames.rewind import MADE, rewound
from pdmlib.frames.schemas import SCHEMAS
from pdmlib.report.document import document
from pdmlib.verdict.verdict import judge
from tests.builders import DEPLOYED, a_case, at

MOMENT = at("2025-03-06T15:00")
Rows = Mapping[str, list[dict[str, Any]]]


def ticket(number: int, opened: str, closed: str | None = None, **more: Any) -> dict[str, Any]:
    row = {"ticket": f"T{number}", "created_at": at(opened), "resolved_at": at(closed) if closed else None}
    return {
        **row,
        "status": "closed" if closed else "open",
        "priority": "urgent",
        "rating": 5 if closed else None,
        **more,
    }


def then(rows: Rows, moment: datetime = MOMENT, live: bool = True) -> Collection:
    frames = {name: frame(name, table) for name, table in rows.items()}
    return rewound(Collection(frames, a_case().collection.coverage), moment, moment, live)


def said(collection: Collection, moment: datetime = MOMENT) -> dict[str, Any]:
    scope = a_case(as_of=moment).scope
    return document(judge(Case(a_case().site, scope, collection, scope.window)), moment)


def test_rule_17_a_ticket_opened_on_the_3rd_and_closed_on_the_12th_is_open_on_the_4th() -> None:
    rows = {"tickets": [ticket(1, "2025-03-03T16:00", "2025-03-12T09:00")]}
    (row,) = said(then(rows, at("2025-03-04T15:00")), at("2025-03-04T15:00"))["tables"]["tickets"]
    assert (row["status"], row["rating"]) == ("open", None)
    (row,) = said(then(rows, at("2025-03-12T15:00")), at("2025-03-12T15:00"))["tables"]["tickets"]
    assert (row["status"], row["rating"]) == ("closed", 5)


def test_rule_17_what_cannot_be_taken_back_is_said_to_be_as_known_today() -> None:
    past = {c.source: c.detail for c in then({}, live=False).coverage}
    assert past["sentry"] == "as known today: the status and last event of issues"
    assert past["postgres"] is None
    assert {c.detail for c in then({}, live=True).coverage} == {None}


def test_rule_17_no_event_of_later_is_the_last_one_of_then() -> None:
    issue = {
        "issue": "SHOP-1",
        "title": "E",
        "level": "error",
        "status": "unresolved",
        "events": 4,
        "events_before": 0,
        "events_latest": 4,
        "first_seen": at("2025-03-04T10:00"),
        "last_seen": at("2025-03-20T10:00"),
    }
    (row,) = said(then({"issues": [issue]}))["tables"]["top_errors"]
    assert row["last_seen"] is None
    (active,) = [f["active"] for f in said(then({"issues": [issue]}))["findings"] if f["id"].startswith("issue:")]
    assert active, "four events in the latest part"


def test_every_frame_that_has_times_of_its_own_is_cut() -> None:
    timed = {name for name, schema in SCHEMAS.items() if "time" in schema.columns.values()}
    assert timed - set(MADE) == set()


HOURS = st.integers(-72, 120)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Rows, Rows]:
    """Rows of a whole fortnight, and those that a copy of the data taken at the moment would have held."""
    whole: dict[str, list[dict[str, Any]]] = {"tickets": [], "cron_logs": [], "payments": [], "deployments": []}
    cut: dict[str, list[dict[str, Any]]] = {name: [] for name in whole}
    for number, (made, took) in enumerate(draw(st.lists(st.tuples(HOURS, st.integers(0, 90)), max_size=12))):
        start = DEPLOYED + timedelta(hours=made)
        end = start + timedelta(hours=took)
        over = end <= MOMENT
        rows = {
            "tickets": (
                {"ticket": f"T{number}", "created_at": start, "priority": "urgent"},
                {"resolved_at": end, "status": "closed", "rating": 4},
                {"status": "open"},
            ),
            "cron_logs": (
                {"job": "deliver", "started_at": start},
                {"completed_at": end, "status": "failed", "error": "lost", "attempts": 2},
                {"status": "started"},
            ),
            "payments": (
                {"source": "stripe", "payment": f"p{number}", "created_at": start, "status": "succeeded"},
                {},
                {},
            ),
            "deployments": (
                {"source": "vercel", "deployment": f"d{number}", "created_at": start, "target": "production"},
                {"ready_at": end, "state": "READY"},
                {"state": "BUILDING"},
            ),
        }
        for name, (known, later, before) in rows.items():
            whole[name].append(known | later)
            if start <= MOMENT:
                cut[name].append(known | (later if over else before))
    return whole, cut


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(histories())
def test_rule_17_the_data_of_then_equal_a_copy_taken_then(history: tuple[Rows, Rows]) -> None:
    whole, cut = history
    for name, table in then(whole).frames.items():
        pd.testing.assert_frame_equal(table, frame(name, cut[name]))


# Each example judges a week twice.
@pytest.mark.slow
@settings(max_examples=2, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(histories())
def test_rule_17_a_report_of_then_equals_the_one_made_from_a_copy_of_then(history: tuple[Rows, Rows]) -> None:
    whole, cut = history
    copied = replace(then({}), frames={name: frame(name, rows) for name, rows in cut.items()})
    assert said(then(whole)) == said(copied)
