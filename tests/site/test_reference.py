"""The reference page and the JSON Schema name every key, column and word, and say what the models do."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import BaseModel

from pdmlib.site.reference import PAGE, SCHEMA, page, schema, schema_text
from pdmlib.site.site import Site
from pdmlib.site.terms import TERMS
from pdmlib.site.tree import read_tree

PARAMS = Path(__file__).parents[2] / "params"


def models(model: type[BaseModel] = Site) -> Iterator[type[BaseModel]]:
    """Every model that a site file is made of."""
    yield model
    for part in model.__subclasses__():
        yield from models(part)


def parts() -> list[type[BaseModel]]:
    return [m for m in models(BaseModel) if m.__module__.startswith("pdmlib.site.") and m.__name__ in _defined()]


def _defined() -> set[str]:
    return {*schema()["$defs"], "Site"}


def test_the_page_and_the_schema_are_those_that_the_code_makes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make reference`"
    assert SCHEMA.read_text(encoding="utf-8") == schema_text(), "run `make reference`"


def test_every_key_says_what_it_means() -> None:
    blocks = [schema(), *schema()["$defs"].values()]
    silent = [
        key for block in blocks for key, value in block["properties"].items() if not value.get("description")
    ]
    assert silent == []


@pytest.mark.slow
def test_every_key_column_and_word_stands_on_the_page() -> None:
    text = page()
    assert len(parts()) > 25
    names = {f.alias or n for m in parts() for n, f in m.model_fields.items() if not f.exclude}
    names |= {column.name for terms in TERMS for column in terms.columns if terms.block != "cron.settings"}
    names |= {word.name for terms in TERMS for word in terms.every_word()}
    assert {name for name in names if f"`{name}`" not in text} == set()


@pytest.mark.parametrize("path", sorted(PARAMS.glob("*.yaml")), ids=lambda path: path.stem)
def test_the_files_that_come_with_the_project_hold_to_the_schema_they_name(path: Path) -> None:
    named = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# yaml-language-server: $schema=")
    known = json.loads((path.parent / named).read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(known)
    jsonschema.validate(read_tree(str(path)).plain(), known)


@cache
def checks() -> jsonschema.Draft202012Validator:
    """The schema that the code makes, made once."""
    return jsonschema.Draft202012Validator(schema())


GOOD: dict[str, Any] = {
    "site": "a",
    "title": "A",
    "time_zone": "UTC",
    "sources": {"app": {"base_url": "https://a.b"}},
}


@pytest.mark.parametrize(
    "text",
    [
        "uptime: {table: checks, columns: {response_ms: null, status: state}, words: {up: [true, 0], down: gone}}",
        "holidays: [2025-01-01]",
        "holidays: {country: DE, subdivision: BY, extra: ['2025-01-01']}",
        "tables: {payments: public.payments}",
        "payments: {table: pay, words: {succeeded: paid}}",
        "cron: {jobs: [{name: a, schedule: [0 0 * * *, 5 0 * * *], path: '/a?b=c'}]}",
        "maintenance: [{cron: 0 3 * * 0, minutes: 30}]",
        "requests: {columns: {id: trace, agent: ua}}",
        "targets: {uptime_pct: {week1: 99.9}}",
    ],
)
def test_what_a_site_file_may_hold_the_schema_lets_in(text: str) -> None:
    changes = yaml.load(text, Loader=yaml.BaseLoader) if "2025-01-01]" in text else yaml.safe_load(text)
    checks().validate({**GOOD, **changes})
    assert Site.model_validate({**GOOD, **changes})


@pytest.mark.parametrize(
    "text",
    [
        "uptime: {columns: {respons_ms: a}}",
        "uptime: {columns: {status: null}}",
        "uptime: {words: {upp: a}}",
        "activity: {words: {up: a}}",
        "targets: {uptime_pct: {week9: 1}}",
        "unused: [stripee]",
        "people: {owners: {databse: x}}",
        "colour: red",
        "requests: {columns: {idd: a}}",
    ],
)
def test_what_a_site_file_may_not_hold_the_schema_marks(text: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        checks().validate({**GOOD, **yaml.safe_load(text)})
