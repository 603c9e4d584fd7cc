"""The rows of the phases: where each stands says when its report falls due."""

from pdmlib.phases.phase import EXTRAS, PHASES, Due


def test_what_falls_due_by_itself_is_among_the_phases_and_what_is_asked_for_among_the_extras() -> None:
    """`pdm status` and a replay look at `PHASES`: a time written into a row of `EXTRAS` would never come."""
    assert {phase.name for phase in EXTRAS if phase.due is not Due.NEVER} == set()
    assert {phase.name for phase in PHASES if phase.due is Due.NEVER} == set()
