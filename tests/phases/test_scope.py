"""What a scope says of its phase in words."""

from datetime import timedelta

import pytest

from tests.builders import DEPLOYED, a_scope


@pytest.mark.parametrize(
    ("phase", "passed", "over", "so_far"),
    [
        ("hour1", timedelta(minutes=40), "40 of 60 minutes", "40 of 60 minutes"),
        ("day1", timedelta(hours=5, minutes=59), "5 of 24 hours", "5 of 24 hours"),
        ("week1", timedelta(days=3, hours=2), "3 of 7 days", "4 of 7 days, the last not over"),
    ],
)
def test_how_much_of_a_phase_is_over_is_told_in_what_it_consists_of(
    phase: str, passed: timedelta, over: str, so_far: str
) -> None:
    """An hour has no days: "0 of 1 days are over" says nothing after 40 minutes."""
    scope = a_scope(phase=phase, deployed_at=DEPLOYED, as_of=DEPLOYED + passed)
    assert (scope.over, scope.so_far) == (over, so_far)
