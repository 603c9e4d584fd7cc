"""A collection takes light locks alone, costs next to nothing, and leaves everything as it was."""

import pytest

from pdmlib.demo import Production
from tests.hostile.harmless import ALLOWED, WEEK, asked, beyond, measured
from tests.servers import Database


def test_a_role_that_may_write_leaves_everything_as_it_was_and_costs_less_than_a_hundredth_of_a_core(
    database: Database,
) -> None:
    harm = measured(database, rounds=1)
    assert harm.changed == ()
    assert harm.locks == {"light"}
    assert 0 < harm.share_pct < 1


@pytest.mark.slow
@pytest.mark.parametrize("phase", WEEK)
def test_no_collection_asks_a_vendor_more_than_it_allows(production: Production, phase: str) -> None:
    found = asked(production.environ, phase)
    assert set(ALLOWED) <= set(found)
    assert [beyond(vendor, requests) for vendor, requests in found.items() if beyond(vendor, requests)] == []


def test_a_vendor_that_is_asked_too_much_would_be_told() -> None:
    """Supabase allows 120 a minute; with half a second between them no second has more than three of Resend's."""
    assert beyond("supabase", 121) == "supabase: 121 requests in 60 s, and 120 are allowed"
    assert (beyond("supabase", 120), beyond("resend", 1000), beyond("stripe", 1000)) == ("", "", "")
