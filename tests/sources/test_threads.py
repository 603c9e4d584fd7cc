"""Parts of a source: asked together, and each a result or a gap."""

import threading
from datetime import timedelta
from itertools import pairwise

import pytest

from pdmlib.errors import FrameError, SourceError
from pdmlib.frames.frame import frame
from pdmlib.frames.readings import State
from pdmlib.phases.window import Window
from pdmlib.sources import live, threads
from pdmlib.sources.threads import as_finished, pieces, read, reason_of
from tests.builders import DEPLOYED, a_site
from tests.sources.loopback import SECRET, the_scope, the_site

ROW = {"path": "/api/cron/a", "schedule": "0 8 * * *"}


def crons() -> threads.Frames:
    return {"platform_crons": frame("platform_crons", [ROW])}


def broken() -> threads.Frames:
    raise KeyError(SECRET)


def refused() -> threads.Frames:
    raise SourceError("v", "402: pay first")


def test_calls_run_at_the_same_time() -> None:
    """Each of three calls ends only when the other two have begun as well."""
    together = threading.Barrier(3, timeout=120)
    found = dict(as_finished([together.wait] * 3, workers=3))
    assert sorted(str(n) for n in found.values()) == ["0", "1", "2"]


def test_no_more_calls_run_at_once_than_workers() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def call() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        threading.Event().wait(0.01)
        with lock:
            running -= 1

    list(as_finished([call] * 12, workers=2))
    assert most == 2


def test_a_call_that_does_not_end_is_given_up_and_the_others_are_kept() -> None:
    never = threading.Event()
    try:
        found = dict(as_finished([never.wait, lambda: True], workers=2, limit_s=0.3))
    finally:
        never.set()
    assert isinstance(found[0], TimeoutError)
    assert found[1] is True


def test_what_could_not_be_read_is_a_gap_beside_the_rest() -> None:
    found = read("v", [("crons", crons), ("metrics", refused), ("logs", broken)])
    assert len(found["platform_crons"]) == 1
    gaps = found["gaps"].set_index("item")["reason"]
    assert gaps["metrics"] == "402: pay first"
    assert gaps["logs"].startswith("the answer was not understood (KeyError in ")
    assert set(found["gaps"]["state"]) == {State.ERROR.value}


def test_a_source_of_which_nothing_could_be_read_is_an_error_that_tells_each_reason_once() -> None:
    with pytest.raises(SourceError) as caught:
        read("v", [("a", refused), ("b", refused), ("c", lambda: threads.gaps("v", {"live": "past"}))])
    assert caught.value.reason == "402: pay first"


@pytest.mark.parametrize("error", [KeyError(SECRET), ValueError(SECRET), FrameError(SECRET), TypeError(SECRET)])
def test_the_text_of_an_unexpected_error_is_never_told(error: Exception) -> None:
    assert SECRET not in reason_of(error)
    assert type(error).__name__ in reason_of(error)


def test_a_reason_that_begins_another_is_told_with_it() -> None:
    def limited() -> threads.Frames:
        raise SourceError("v", "429: too many")

    def told_to_wait() -> threads.Frames:
        raise SourceError("v", "429: too many; it asks to wait 60 s")

    with pytest.raises(SourceError) as caught:
        read("v", [("a", limited), ("b", told_to_wait), ("c", refused)])
    assert caught.value.reason == "429: too many; it asks to wait 60 s; 402: pay first"


def test_pieces_cover_a_window_without_gap_or_overlap() -> None:
    window = Window(DEPLOYED, DEPLOYED + timedelta(days=7))
    cut = pieces(window, timedelta(days=3))
    assert [p.seconds / 86_400 for p in cut] == [3, 3, 1]
    assert cut[0].start == window.start
    assert cut[-1].end == window.end
    assert all(a.end == b.start for a, b in pairwise(cut))


def test_an_empty_window_has_no_pieces() -> None:
    assert pieces(Window(DEPLOYED, DEPLOYED), timedelta(days=1)) == []


def test_the_present_says_nothing_about_a_report_of_the_past() -> None:
    found = read("v", live.live(a_site(), the_scope(), "v", [("account", broken)]))
    assert found["gaps"].to_dict("records") == [
        {"source": "v", "item": "live", "state": "no_data", "reason": live.PAST}
    ]


def test_a_demo_has_its_own_present() -> None:
    parts: list[threads.Part] = [("crons", crons)]
    assert live.live(the_site("resend"), the_scope(), "v", parts) == parts
