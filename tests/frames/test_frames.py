"""Frames: what enters is typed, and the text of strangers is made harmless once, at the door."""

from pdmlib.frames.frame import frame


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
