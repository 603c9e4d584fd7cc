"""Some seconds of `make fuzz`, and that it would see what it looks for; `tests/site` has the quick part."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from tests.hostile import fuzz

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def kinds() -> Iterator[dict[str, fuzz.Kind]]:
    with fuzz.kinds() as made:
        yield {kind.name: kind for kind in made}


def test_no_odd_input_of_any_kind_raises_a_foreign_error(kinds: dict[str, fuzz.Kind]) -> None:
    for kind in kinds.values():
        tried, why = fuzz.chunk(kind, 2, examples=5)
        assert (tried >= 5, why) == (True, ""), kind.name


def test_an_error_that_is_not_ours_would_be_told(kinds: dict[str, fuzz.Kind]) -> None:
    def broken(_: object) -> int:
        raise KeyError("status")

    tried, why = fuzz.chunk(dataclasses.replace(kinds["notes"], attempt=broken), 3)
    assert (tried, why) == (1, "KeyError: 'status' (seed 3)")
