"""Between reports: what is new, fixed, still open or worse, and what stays to do until it is closed."""

import json
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from pdmlib.frames.readings import Finding, Measurement, Priority, Reading, State, Status
from pdmlib.phases.window import iso
from pdmlib.site.notes import ActionNote, Notes
from pdmlib.storage import reports
from pdmlib.verdict import changes
from pdmlib.verdict.verdict import Verdict
from tests.builders import WEEK_LATER, a_case


def a_finding(name: str, priority: Priority = Priority.P1, active: bool = True, reading: str = "cron") -> Finding:
    return Finding(
        name,
        f"Title of {name}",
        priority,
        reading=reading,
        evidence="evidence",
        action="Do it",
        becomes_green="it is gone",
        active=active,
    )


def a_reading(name: str, status: Status) -> Reading:
    if status is Status.UNKNOWN:
        found = Measurement.missing(State.ERROR, "the source was not read")
        return Reading(
            name,
            f"Reading {name}",
            "count",
            section="cron",
            status=status,
            target="0",
            measurement=found,
            reason="the source was not read",
        )
    return Reading(
        name,
        f"Reading {name}",
        "count",
        section="cron",
        status=status,
        target="0",
        measurement=Measurement(State.MEASURED, 3),
    )


def a_verdict(
    findings: tuple[Finding, ...] = (),
    readings: tuple[Reading, ...] = (),
    actions: tuple[dict[str, Any], ...] = (),
    days: int = 0,
) -> Verdict:
    as_of = WEEK_LATER + timedelta(days=days)
    case = a_case(as_of=as_of)
    return Verdict(
        case,
        readings,
        (),
        findings=findings,
        incidents=(),
        rivals=(),
        status="YELLOW",
        recommendation="investigate",
        outcome=None,
        confidence="high",
        confidence_reasons=("known",),
        next_check=as_of,
        summary="Facts.",
        actions=actions,
        tables={},
    )


def as_report(
    verdict: Verdict, notes: Notes | None = None, previous: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The parts of `report.json` that the next report reads."""
    known = changes.remembered(verdict, notes or Notes(), previous)
    return {
        "as_of": f"{verdict.case.scope.as_of:%Y-%m-%dT%H:%M:%SZ}",
        "deployed_at": "2025-03-03T15:00:00Z",
        "status": "GREEN",
        "tables": json.loads(json.dumps(known.tables)),
    }


def changed(rows: list[dict[str, Any]]) -> dict[str, str]:
    return {row["id"]: row["change"] for row in rows}


def an_action(name: str, due: str = "2025-03-12", priority: str = "P1") -> dict[str, Any]:
    return {
        "id": name,
        "action": f"Do {name}",
        "priority": priority,
        "owner": None,
        "due": due,
        "state": "proposed",
    }


def test_in_a_first_report_everything_is_new() -> None:
    rows = changes.changes(None, a_verdict((a_finding("a"),)))
    assert rows == [
        {
            "id": "a",
            "title": "Title of a",
            "change": "new",
            "priority": "P1",
            "reading": "cron",
            "age_days": 0,
            "since": "2025-03-10T15:00:00Z",
            "value": None,
            "low": None,
            "high": None,
            "was": None,
        }
    ]


def test_new_fixed_still_open_and_worse_are_told_apart() -> None:
    first = as_report(a_verdict((a_finding("gone"), a_finding("stays"), a_finding("grows", Priority.P2))))
    later = a_verdict((a_finding("stays"), a_finding("grows", Priority.P0), a_finding("fresh")), days=1)
    rows = changes.changes(first, later)
    assert changed(rows) == {"grows": "worse", "fresh": "new", "stays": "still open", "gone": "fixed"}


def grown(before: Any, after: Any, reading: str = "cron", window: float = 1.0) -> str:
    """What became of a finding whose value went from one to another, in a window so many times as long."""
    first = as_report(a_verdict((replace(a_finding("a", reading=reading), value=before),)))
    week = a_verdict().case.scope.window
    first["window"] = {"start": iso(week.end - (week.end - week.start) / window), "end": iso(week.end)}
    later = a_verdict((replace(a_finding("a", reading=reading), value=after),), days=1)
    (row,) = changes.changes(first, later)
    assert (row["was"], row["value"]) == (before, after)
    return str(row["change"])


def test_a_count_that_doubled_is_worse_and_one_that_halved_is_better() -> None:
    assert [grown(20, n) for n in (40, 39, 20, 11, 10)] == [
        "worse",
        "still open",
        "still open",
        "still open",
        "better",
    ]
    assert (grown(0, 3), grown(None, 3), grown("ISSUES", "ISSUES")) == ("worse", "still open", "still open")


def test_a_count_of_a_longer_window_is_worse_only_beyond_its_length() -> None:
    """28 runs missed in two days are as many as 98 in seven; a duration in ms does not grow with the window."""
    assert grown(28, 98, window=3.5) == "still open"
    assert grown(28, 196, window=3.5) == "worse"
    assert grown(300.0, 700.0, window=3.5) == "worse"


def test_a_level_is_not_held_against_the_length_of_the_window_and_a_sum_of_minutes_is() -> None:
    """95 connections at once are more than 40 in any window; 8 minutes down are in twice the time as many as 4."""
    assert [grown(40, n, "db_connections", window=3.5) for n in (40, 95)] == ["still open", "worse"]
    assert [grown(4.0, n, "downtime_minutes", window=2) for n in (8.0, 16.0)] == ["still open", "worse"]


def test_where_more_is_better_a_fall_is_worse() -> None:
    assert (grown(12.0, 5.0, "support_rating"), grown(5.0, 12.0, "support_rating")) == ("worse", "better")


def sized(value: float) -> Reading:
    found = Measurement(State.MEASURED, value, low=1.2, high=1.8)
    return replace(a_reading("error_rate_pct", Status.WARN), measurement=found)


def test_a_reading_beyond_the_interval_of_the_last_report_has_moved() -> None:
    """1.5 % [1.2, 1.8]: 1.75 is chance, 1.9 is not."""
    first = as_report(a_verdict(readings=(sized(1.5),)))
    seen = [changes.changes(first, a_verdict(readings=(sized(v),), days=1))[0]["change"] for v in (1.1, 1.75, 1.9)]
    assert seen == ["better", "still open", "worse"]


def test_a_change_below_the_practical_size_is_none_however_narrow_the_interval() -> None:
    def p95(value: float) -> Reading:
        found = Measurement(State.MEASURED, value, low=value - 1, high=value + 1)
        return replace(a_reading("latency_p95_ms", Status.WARN), measurement=found)

    first = as_report(a_verdict(readings=(p95(1000.0),)))
    seen = [changes.changes(first, a_verdict(readings=(p95(v),), days=1))[0]["change"] for v in (1090.0, 1110.0)]
    assert seen == ["still open", "worse"]


def test_a_milder_priority_is_better() -> None:
    first = as_report(a_verdict((a_finding("a", Priority.P0),)))
    assert changed(changes.changes(first, a_verdict((a_finding("a", Priority.P2),), days=1))) == {"a": "better"}


def test_age_counts_from_the_first_report_that_had_it() -> None:
    finding = (a_finding("a"),)
    first = as_report(a_verdict(finding))
    second = as_report(a_verdict(finding, days=1), previous=first)
    rows = changes.changes(second, a_verdict(finding, days=9))
    assert (rows[0]["since"], rows[0]["age_days"]) == ("2025-03-10T15:00:00Z", 9)


def put(site: Path, phase: str, report: dict[str, Any]) -> None:
    folder = site / phase / report["as_of"].replace("-", "").replace(":", "")
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(report), encoding="utf-8")


def test_age_counts_from_the_first_report_of_any_phase(tmp_path: Path) -> None:
    """New in the week's report, known to the daily ones for five days; what they saw go is not known any more."""
    both = (a_finding("a"), a_finding("gone"))
    put(tmp_path, "hour1", as_report(a_verdict(both, days=-6)))
    first = as_report(a_verdict(both, days=-5))
    put(tmp_path, "daily", as_report(a_verdict((a_finding("a"),), days=-1), previous=first))
    known = changes.known_since(tmp_path, WEEK_LATER)
    assert known == {"a": "2025-03-05T15:00:00Z"}
    (row,) = changes.changes(None, a_verdict((a_finding("a"),)), known)
    assert (row["change"], row["age_days"]) == ("new", 5)
    assert changes.known_since(tmp_path, WEEK_LATER - timedelta(days=8)) == {}


def test_what_is_fixed_has_the_value_it_had_and_none_now() -> None:
    first = as_report(a_verdict((replace(a_finding("a"), value=7),)))
    (row,) = changes.changes(first, a_verdict(days=1))
    assert (row["change"], row["was"], row["value"]) == ("fixed", 7, None)


def test_fixed_is_said_once_and_a_relapse_is_new() -> None:
    first = as_report(a_verdict((a_finding("a"),)))
    second = as_report(a_verdict(days=1), previous=first)
    assert changed(second["tables"]["changes"]) == {"a": "fixed"}
    assert changes.changes(second, a_verdict(days=2)) == []
    assert changed(changes.changes(second, a_verdict((a_finding("a"),), days=2))) == {"a": "new"}


def test_what_can_no_longer_be_seen_is_not_fixed() -> None:
    first = as_report(a_verdict((a_finding("a"),)))
    blind = (a_reading("cron", Status.UNKNOWN),)
    second = as_report(a_verdict(readings=blind, days=1), previous=first)
    third = changes.changes(second, a_verdict(readings=blind, days=2))
    assert third[0]["change"] == "still open"
    assert third[0]["title"] == "Title of a (cannot be seen now)"
    assert third[0]["age_days"] == 2
    seen = changes.changes(second, a_verdict(readings=(a_reading("cron", Status.PASS),), days=2))
    assert changed(seen) == {"a": "fixed"}


def test_a_finding_that_is_over_counts_as_fixed() -> None:
    first = as_report(a_verdict((a_finding("a"),)))
    assert changed(changes.changes(first, a_verdict((a_finding("a", active=False),), days=1))) == {"a": "fixed"}


def test_a_reading_without_finding_is_remembered_and_may_get_worse() -> None:
    first = as_report(a_verdict(readings=(a_reading("timeouts", Status.WARN),)))
    rows = changes.changes(first, a_verdict(readings=(a_reading("timeouts", Status.FAIL),), days=1))
    assert changed(rows) == {"timeouts": "worse"}


def test_a_report_from_before_there_was_memory_still_counts() -> None:
    old = {
        "as_of": "2025-03-09T15:00:00Z",
        "findings": [{"id": "a", "title": "A", "priority": "P1", "reading": "cron", "active": True}],
        "readings": [],
        "tables": {"action_items": [{"id": "x", "action": "X", "priority": "P1", "owner": None, "due": None}]},
    }
    rows = changes.changes(old, a_verdict((a_finding("a"),)))
    assert (rows[0]["change"], rows[0]["age_days"]) == ("still open", 1)
    assert changes.action_items(old, a_verdict(), ())[0]["since"] == "2025-03-09"


def test_an_action_item_stays_open_until_it_is_closed_in_the_notes() -> None:
    first = as_report(a_verdict(actions=(an_action("x"),)))
    assert first["tables"]["action_items"][0]["state"] == "proposed"
    later = a_verdict(days=7)
    kept = changes.action_items(first, later, ())
    assert kept == [{**an_action("x"), "state": "open", "since": "2025-03-10"}]
    for state in ("done", "dropped"):
        assert changes.action_items(first, later, (ActionNote(id="x", state=state),)) == []


def test_items_that_are_due_together_stand_in_the_order_of_the_card() -> None:
    verdict = a_verdict(actions=(an_action("z"), an_action("a")))
    assert [row["id"] for row in changes.action_items(None, verdict, ())] == ["z", "a"]


def test_a_proposal_made_again_keeps_its_first_date_and_its_earlier_deadline() -> None:
    first = as_report(a_verdict(actions=(an_action("x", due="2025-03-12"),)))
    again = a_verdict(actions=(an_action("x", due="2025-03-19", priority="P0"),), days=7)
    row = changes.action_items(first, again, ())[0]
    assert (row["priority"], row["due"], row["since"], row["state"]) == ("P0", "2025-03-12", "2025-03-10", "open")


def test_the_notes_override_a_proposal_and_add_their_own() -> None:
    notes = (
        ActionNote(id="x", owner="Ann", due=date(2025, 4, 1), priority="P2"),
        ActionNote(id="mine", action="Call the vendor", priority="P0"),
    )
    rows = changes.action_items(None, a_verdict(actions=(an_action("x"),)), notes)
    assert [row["id"] for row in rows] == ["mine", "x"]
    assert rows[0]["action"] == "Call the vendor"
    assert rows[1] == {
        "id": "x",
        "action": "Do x",
        "priority": "P2",
        "owner": "Ann",
        "due": "2025-04-01",
        "state": "open",
        "since": "2025-03-10",
    }


def test_what_the_notes_said_once_carries_over() -> None:
    noted = Notes(action_items=(ActionNote(id="mine", action="Call the vendor", owner="Ann"),))
    first = as_report(a_verdict(), noted)
    row = changes.action_items(first, a_verdict(days=7), ())[0]
    assert (row["action"], row["owner"], row["since"]) == ("Call the vendor", "Ann", "2025-03-10")


def test_the_last_report_is_the_newest_with_an_earlier_as_of(tmp_path: Path) -> None:
    for name in ("20250308T150000Z", "20250309T150000Z", "20250310T150000Z", "20250311T150000Z"):
        (tmp_path / name).mkdir()
        written = {"as_of": name, "deployed_at": "2025-03-03T15:00:00Z", "status": "GREEN"}
        (tmp_path / name / "report.json").write_text(json.dumps(written), encoding="utf-8")
    (tmp_path / "latest").symlink_to("20250311T150000Z")
    (tmp_path / ".20250310T140000Z.7.part").mkdir()
    found = reports.previous_report(tmp_path, WEEK_LATER)
    assert found is not None
    assert found["as_of"] == "20250309T150000Z"
    assert reports.previous_report(tmp_path, WEEK_LATER - timedelta(days=5)) is None


def test_the_same_inputs_give_the_same_tables() -> None:
    first = as_report(a_verdict((a_finding("b"), a_finding("a")), actions=(an_action("y"), an_action("x"))))
    later = a_verdict((a_finding("a"), a_finding("c")), actions=(an_action("z"),), days=1)
    again = replace(later, findings=tuple(reversed(later.findings)))
    assert as_report(later, previous=first) == as_report(again, previous=first)
