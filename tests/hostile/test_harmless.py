"""A collection takes light locks alone, costs next to nothing, and leaves the database as it was."""

from tests.hostile.harmless import measured
from tests.servers import Database


def test_a_role_that_may_write_leaves_everything_as_it_was_and_costs_less_than_a_hundredth_of_a_core(
    database: Database,
) -> None:
    harm = measured(database, rounds=1)
    assert harm.changed == ()
    assert harm.locks == {"light"}
    assert 0 < harm.share_pct < 1
