"""The guide's boxes: a box is ticked only when what it says is so."""

from typing import Any

from pdmlib.checklist import checklist
from pdmlib.readings import Finding, Measurement, Priority, Reading, State, Status
from tests.builders import a_site


def reading(name: str, value: Any, status: Status = Status.INFO, **measured: Any) -> Reading:
    return Reading(name, name, "count", "x", status, "", Measurement(State.MEASURED, value, **measured))


def states(phase: str, *readings: Reading, findings: tuple[Finding, ...] = ()) -> dict[str, str]:
    return {row["box"]: row["state"] for row in checklist(phase, readings, a_site(), findings)}


def test_a_count_without_a_limit_does_not_tick_a_box_that_says_none():
    """One outage is not `No overnight outages`, and three recurring issues are not `No recurring patterns`."""
    assert states("week1", reading("downtime_events", 1))["No overnight outages"] == "failed"
    assert states("week1", reading("downtime_events", 0))["No overnight outages"] == "done"
    assert states("hour1", reading("issues_recurring", 3))["No recurring error patterns"] == "failed"


def test_an_abandoned_feature_is_not_used():
    """The finding decides, although the count itself has no limit."""
    gone = Finding("feature:orders:abandoned", "Orders: not used", Priority.P2, "feature_orders", "", "", "")
    boxes = states("week1", reading("feature_orders", 0), findings=(gone,))
    assert boxes["No abandoned features"] == "failed"
    assert states("week1", reading("feature_orders", 4))["No abandoned features"] == "done"


def test_more_tickets_than_before_are_not_a_normal_volume():
    """The trend decides where a count has no limit."""
    boxes = states("day1", reading("tickets_total", 40, trend="up"), reading("page_views", 9, trend="down"))
    assert boxes["Support tickets normal volume"] == "failed"
    assert boxes["No unusual drop in activity"] == "failed"


def test_what_is_not_measured_is_left_to_a_person():
    """An unknown reading ticks nothing."""
    missing = Reading("downtime_events", "x", "count", "x", Status.UNKNOWN, "", Measurement(State.NO_DATA))
    assert states("week1", missing)["No overnight outages"] == "manual"
