"""A case: why a value is missing, told apart."""

from pdmlib.frames.readings import State
from tests.builders import a_case, a_site


def test_a_source_that_the_site_does_without_is_no_gap_of_the_data():
    """`no payment is known` would be said of a site that takes payments."""
    case = a_case(site=a_site(unused=["stripe"]), coverage={"stripe": "absent"})
    found = case.missing("stripe", "payments", "no payment is known")
    assert (found.state, found.reason) == (State.NOT_CONFIGURED, "the site does without stripe")
