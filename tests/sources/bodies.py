"""Bodies of vendors' answers made from their published specifications, and what is not understood in them.

`allowed` gives a body that a schema allows: its words in any case, its nulls, empty lists and fields of its own.
`disturbed` puts in what no specification allows, among it the next version's words; `unknown` leaves nothing that
could be understood. (`hypothesis-jsonschema` would do the first, but its last version, of 2024, fails with the
Hypothesis of today, and a schema does not say which text is a time or an address.)
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
from tests.sources.published import Schema, alternatives, kinds
from tests.sources.reads import ODD

Draw = Callable[[st.SearchStrategy[Any]], Any]
# What stands under a name: what a schema calls a text or a number may be a time, an address or a share.
Usual = Mapping[str, st.SearchStrategy[Any]]

# What a field of any type may hold of the next version or by mistake. No word of any vendor is among it.
NOT_UNDERSTOOD = st.sampled_from(ODD)
EXTRA = st.dictionaries(st.sampled_from(["newField", "x", "_links"]), NOT_UNDERSTOOD, max_size=2)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=12)


def number(low: float, high: float) -> st.SearchStrategy[float]:
    """A number between two, its edges often."""
    return st.one_of(st.just(low), st.integers(int(low), int(high)), st.floats(low, high, allow_nan=False))


def allowed(draw: Draw, schema: Schema, usual: Usual, name: str = "", whole: bool = False) -> Any:
    """A body that a schema allows; a whole one has every field, no null and no empty list."""
    null = "null" in kinds(schema)
    if null and not whole and draw(st.integers(0, 3)) == 0:
        return None
    forms = [one for one in alternatives(schema) if kinds(one) != {"null"}]
    form = forms[0] if len(forms) == 1 else draw(st.sampled_from(forms))
    if "properties" in form:
        return _object(draw, form, usual, whole)
    if "items" in form:
        size = draw(st.integers(1 if whole else 0, 3))
        return [allowed(draw, form["items"], usual, name, whole=whole) for _ in range(size)]
    return draw(_leaf(form, usual, name))


def _object(draw: Draw, form: Schema, usual: Usual, whole: bool) -> dict[str, Any]:
    """Its fields, some of those left out that need not be there; where nothing needs to, all are."""
    needed = form["required"] or form["properties"]
    made = {
        key: allowed(draw, inner, usual, key, whole=whole)
        for key, inner in form["properties"].items()
        if whole or key in needed or draw(st.booleans())
    }
    return made if whole else made | draw(EXTRA)


def _leaf(form: Schema, usual: Usual, name: str) -> st.SearchStrategy[Any]:
    if "enum" in form:
        words = [word for word in form["enum"] if isinstance(word, str)]
        return st.sampled_from([*words, *words, *(w.upper() for w in words), *(f" {w.lower()} " for w in words)])
    kind = min(kinds(form) - {"null"}, default="string")
    known = usual.get(f"{name} {kind}", usual.get(name))
    if known is not None:
        return known
    if kind in ("number", "integer"):
        numbers = number(form.get("minimum", 0), form.get("maximum", 1e6))
        return numbers.map(int) if kind == "integer" else numbers
    return st.booleans() if kind == "boolean" else TEXT


def disturbed(draw: Draw, body: Any, often: float = 0.15) -> Any:
    """The same with some of its parts replaced by what is not understood."""
    if draw(st.floats(0, 1)) < often / (3 if isinstance(body, dict | list) else 1):
        return draw(NOT_UNDERSTOOD)
    if isinstance(body, dict):
        return {k: disturbed(draw, v, often) for k, v in body.items() if draw(st.floats(0, 1)) > often / 3}
    if isinstance(body, list):
        return [disturbed(draw, v, often) for v in body]
    return body


def unknown(draw: Draw, body: Any, known: tuple[str, ...]) -> Any:
    """The same with every value but those of the known names replaced."""
    if isinstance(body, dict):
        return {k: v if k in known else unknown(draw, v, known) for k, v in body.items()}
    if isinstance(body, list):
        return [unknown(draw, v, known) for v in body]
    return draw(NOT_UNDERSTOOD)


@dataclass
class Answers:
    """A vendor on loopback whose bodies change from one example to the next.

    Attributes:
        bodies: by path, or path and a parameter that tells requests of one path apart, such as `/x?dataset=y`.
        asked: those of them that were answered.
    """

    url: str = ""
    bodies: dict[str, Any] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    def __call__(self, call: Call) -> Reply:
        asked = [f"{call.path}?{key}={value}" for key, values in call.query.items() for value in values]
        path = next((one for one in asked if one in self.bodies), call.path)
        self.asked.add(path)
        found = self.bodies.get(path, [])
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
