"""Clients that wait for the platform's pooler."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pdmlib.analysis.database.pooler import findings
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Priority
from tests.builders import WEEK_LATER, a_case

FIVE_MINUTES = timedelta(minutes=5)


def case_of(*waiting: float) -> Case:
    """Samples five minutes apart, the last of them just before the end of the week."""
    start = WEEK_LATER - len(waiting) * FIVE_MINUTES
    rows = [
        {"metric": "pooler_waiting", "at": start + n * FIVE_MINUTES, "value": value}
        for n, value in enumerate(waiting)
    ]
    return a_case({"host_metrics": rows})


def test_clients_that_wait_at_two_samples_in_a_row_are_a_finding_since_the_first_of_them() -> None:
    (found,) = findings(case_of(0, 7, 0, 3, 12, 4))
    assert (found.priority, found.active, found.value) == (Priority.P2, True, 12)
    assert found.since == WEEK_LATER - 3 * FIVE_MINUTES
    assert found.evidence.startswith("At 4 of 6 samples clients waited, at most 12, at ")


def test_a_queue_that_is_over_is_told_as_over() -> None:
    (found,) = findings(case_of(3, 12, 0, 0))
    assert not found.active
    assert found.since == WEEK_LATER - 4 * FIVE_MINUTES


@pytest.mark.parametrize("waiting", [(), (9,), (0, 0, 0), (0, 9, 0, 9, 0)])
def test_a_queue_of_a_moment_and_no_sample_are_none(waiting: tuple[float, ...]) -> None:
    assert list(findings(case_of(*waiting))) == []
