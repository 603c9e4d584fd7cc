"""Bodies of vendors' answers made from their specifications: what is allowed, and what is not understood.

A body is a template with every field that the specification names and this project reads. `specified` gives it the
specification's words, its nulls, empty lists and fields of its own; `disturbed` puts in what no specification
allows, among it the next version's words; `unknown` leaves nothing that could be understood.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.frame import merge
from pdmlib.frames.readings import Answer, Measurement
from pdmlib.phases.scope import Scope
from pdmlib.site.site import Site
from pdmlib.sources import threads
from tests.sources.loopback import Call, Reply, vendor
from tests.sources.reads import ODD, read

Words = Mapping[str, st.SearchStrategy[Any]]
Draw = Callable[[st.SearchStrategy[Any]], Any]

# What a field of any type may hold of the next version or by mistake. No word of any vendor is among it.
NOT_UNDERSTOOD = st.sampled_from(ODD)
EXTRA = st.dictionaries(st.sampled_from(["newField", "x", "_links"]), NOT_UNDERSTOOD, max_size=2)


def one_of(*words: Any, null: bool = False) -> st.SearchStrategy[Any]:
    """The specification's words, in any case where they are text."""
    cased = [w.upper() for w in words if isinstance(w, str)] + [
        f" {w.lower()} " for w in words if isinstance(w, str)
    ]
    return st.sampled_from([*words, *words, *cased, *([None] if null else [])])


def said(source: str, listed: str, field: str) -> st.SearchStrategy[Any]:
    """A word or a number of the table, null where it may be."""
    row = read(source, listed, field)
    if row.words:
        return one_of(*row.words, null=row.null)
    numbers = st.one_of(st.just(row.low), st.floats(row.low, row.high, allow_nan=False))
    return st.none() | numbers if row.null else numbers


def count(high: float = 1e6, null: bool = False) -> st.SearchStrategy[Any]:
    """A number from 0 to high."""
    numbers = st.one_of(st.integers(0, int(high)), st.floats(0, high, allow_nan=False), st.just(0))
    return st.none() | numbers if null else numbers


def specified(draw: Draw, template: Any, words: Words, path: str = "") -> Any:
    """A body that the specification allows."""
    if path in words:
        return draw(words[path])
    if isinstance(template, dict):
        inner = {k: specified(draw, v, words, f"{path}.{k}".lstrip(".")) for k, v in template.items()}
        return inner | draw(EXTRA)
    if isinstance(template, list):
        times = draw(st.integers(0, 3))
        return [specified(draw, template[0], words, path) for _ in range(times)] if template else []
    return template


def disturbed(draw: Draw, body: Any, often: float = 0.15) -> Any:
    """The same with some of its parts replaced by what is not understood."""
    if draw(st.floats(0, 1)) < often / (3 if isinstance(body, dict | list) else 1):
        return draw(NOT_UNDERSTOOD)
    if isinstance(body, dict):
        return {k: disturbed(draw, v, often) for k, v in body.items() if draw(st.floats(0, 1)) > often / 3}
    if isinstance(body, list):
        return [disturbed(draw, v, often) for v in body]
    return body


def unknown(draw: Draw, template: Any, known: tuple[str, ...]) -> Any:
    """The template with every value but those of the known names replaced."""
    if isinstance(template, dict):
        return {k: v if k in known else unknown(draw, v, known) for k, v in template.items()}
    if isinstance(template, list):
        return [unknown(draw, v, known) for v in template]
    return draw(NOT_UNDERSTOOD)


@dataclass
class Answers:
    """A vendor on loopback whose bodies change from one example to the next."""

    url: str = ""
    bodies: dict[str, Any] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    def __call__(self, call: Call) -> Reply:
        self.asked.add(call.path)
        found = self.bodies.get(call.path, [])
        body = found if isinstance(found, str) else json.dumps(found)
        return Reply(body.encode("utf-8", "surrogatepass"))


@contextmanager
def answering() -> Any:
    """A running vendor; its `bodies` by path are set by each example."""
    answers = Answers()
    with vendor(answers) as server:
        answers.url = server.url
        yield answers


def case_of(site: Site, scope: Scope, source: str, collect: Callable[[Site, Scope], threads.Frames]) -> Case:
    """What a report would judge of one source's answers; only the source's own error may be raised."""
    frames = merge([collect(site, scope)])
    return Case(site, scope, Collection(frames, (Coverage(source, Answer.OK, 1, 0.1),)), scope.window)


def finite(case: Case) -> bool:
    """Whether every number of every frame is one, and none is negative where none can be."""
    for table in case.collection.frames.values():
        for _, column in table.select_dtypes("number").items():
            if not (column.dropna().abs() < 1e16).all():
                return False
    return True


def measured(case: Case, *metrics: Any) -> dict[str, Measurement]:
    """Every reading of some tables of metrics, by its id."""
    return {metric.id: metric.measure(case) for table in metrics for metric in table}
