"""Frames: what enters is typed, and the text of strangers is made harmless once, at the door."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from pdmlib.frames.frame import frame
from pdmlib.frames.schemas import SCHEMAS


def test_text_of_a_stranger_is_one_printable_line():
    """Line breaks, control characters, direction marks and lone surrogates cannot leave their cell."""
    title = "Boom\n# head\x1b[31m\x07 \u202eLTR\ud800 |x|"
    issues = frame("issues", [{"issue": "A-1", "title": title}])
    assert issues["title"][0] == "Boom # head [31m LTR |x|"
    issues["title"][0].encode()


def test_missing_text_stays_missing():
    """None and NaN are not turned into words."""
    issues = frame("issues", [{"issue": "A-1", "title": None}, {"issue": "A-2", "title": float("nan")}])
    assert issues["title"].isna().all()


def test_a_plan_keeps_its_lines():
    """The layout of a plan and of a query means something."""
    plan = "Seq Scan\n  Filter: x\x00"
    timings = frame("query_timings", [{"query": "q", "role": "monitor", "run": 1, "plan": plan}])
    assert timings["plan"][0].splitlines()[0] == "Seq Scan"


def test_a_count_that_a_vendor_extrapolated_is_rounded():
    """120.4 requests, written as text, are 120: half a request must not cost the whole frame."""
    latencies = frame("latencies", [{"source": "vercel", "samples": "120.4"}])
    assert latencies["samples"][0] == 120


ZONES = [UTC, ZoneInfo("America/New_York"), timezone(timedelta(hours=5, minutes=30))]
VALUES = {
    "time": st.datetimes(
        min_value=datetime(1970, 1, 1), max_value=datetime(2200, 1, 1), timezones=st.sampled_from(ZONES)
    ),
    "text": st.text(max_size=30),
    "prose": st.text(max_size=30),
    "int": st.integers(-(2**54), 2**54) | st.floats(),
    "float": st.integers(-(2**54), 2**54) | st.floats(),
    "bool": st.booleans(),
}


@st.composite
def some_rows(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]]]:
    """Rows of a frame, of which any may lack any column."""
    name = draw(st.sampled_from(sorted(SCHEMAS)))
    columns = {column: st.none() | VALUES[kind] for column, kind in SCHEMAS[name].columns.items()}
    return name, draw(st.lists(st.fixed_dictionaries({}, optional=columns), min_size=1, max_size=4))


@settings(suppress_health_check=[HealthCheck.too_slow])  # which is of the machine and not of the rows
@given(some_rows())
def test_rows_become_the_same_frame_whether_or_not_pandas_read_them_first(drawn: tuple[str, list[dict[str, Any]]]):
    """Most rows are plain values, from which columns are made at once; pandas reads all others."""
    name, rows = drawn
    # pandas keeps a whole number of over 2**53 beside a missing one as a double: as objects nothing is lost.
    read = pd.DataFrame(rows, dtype=object)
    assert_frame_equal(frame(name, rows), frame(name, read))
