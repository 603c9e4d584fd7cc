"""Reports of one moment ask each question once; what failed, or is asked at another moment, is asked anew."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from pdmlib.errors import SourceError
from pdmlib.sources.http import Api
from pdmlib.sources.once import Memory
from tests.sources.loopback import Reply, routed, vendor


@pytest.mark.parametrize(("memory", "asked"), [(Memory(), 1), (None, 2)])
def test_an_answer_is_asked_for_once_where_reports_share_a_moment(memory: Memory | None, asked: int) -> None:
    with vendor(routed({"/x": Reply({"n": 1})})) as server:
        with memory.used() if memory else nullcontext():
            for _ in range(2):  # each source of each report makes a client of its own
                with Api("v", server.url) as api:
                    assert api.get("/x", {"from": "2025-03-03"}).json() == {"n": 1}
                    api.get("/x", {"from": "2025-03-04"})
        assert len(server.asked("/x")) == 2 * asked


def test_a_refusal_is_no_answer() -> None:
    replies = iter([Reply({}, 404), Reply({"n": 1})])
    with vendor(lambda call: next(replies)) as server, Memory().used(), Api("v", server.url) as api:
        with pytest.raises(SourceError):
            api.get("/x")
        assert api.get("/x").json() == {"n": 1}


def test_another_moment_has_answers_of_its_own() -> None:
    with vendor(routed({"/x": Reply({"n": 1})})) as server, Api("v", server.url) as api:
        for memory in (Memory(), Memory()):
            with memory.used():
                api.get("/x")
        assert len(server.asked("/x")) == 2
