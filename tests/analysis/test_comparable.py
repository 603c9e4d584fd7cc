"""How comparable two periods are: by the shares of their routes."""

import pandas as pd
import pytest

from pdmlib.analysis.comparable import comparable, overlap_pct
from tests.builders import DEPLOYED, WEEK_LATER, a_case

WEEK = WEEK_LATER - DEPLOYED


def mix(**parts: float) -> pd.Series:
    return pd.Series(parts)


@pytest.mark.parametrize(
    ("before", "now", "pct"),
    [
        (mix(a=50, b=50), mix(a=500, b=500), 100),
        (mix(a=80, b=20), mix(a=20, b=80), 40),
        (mix(a=100), mix(b=100), 0),
        (mix(a=90, b=10), mix(a=80, c=20), 80),
    ],
)
def test_what_two_mixes_have_in_common_is_the_smaller_share_of_each_part(
    before: pd.Series, now: pd.Series, pct: float
) -> None:
    assert overlap_pct(before, now) == pytest.approx(pct)


def test_without_load_nothing_is_said() -> None:
    assert overlap_pct(mix(a=0), mix(a=1)) is None
    assert comparable(a_case(), "routes") == ""


def test_the_sentence_above_the_routes_doubts_a_comparison_of_other_routes() -> None:
    """80 of 100 requests were of the list before, 20 of 100 are now: 20 + 20 of 100 are alike."""
    rows = [
        {"source": "requests", "start": start, "end": start + WEEK, "route": route, "requests": n, "samples": n}
        for start, shares in ((DEPLOYED - WEEK, (80, 20)), (DEPLOYED, (20, 80)))
        for route, n in zip(("GET /list", "GET /one"), shares, strict=True)
    ]
    said = comparable(a_case({"latencies": rows}), "routes")
    assert said.startswith("How comparable: 40 % of the requests are on the same routes in the same shares")
    assert "may explain a change" in said
