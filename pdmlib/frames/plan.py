"""A plan of PostgreSQL, as `EXPLAIN (FORMAT JSON)` writes it and as frames keep it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Plan = Mapping[str, Any]


def nodes(plan: Plan) -> Iterator[Plan]:
    """The nodes of a plan, each before its children."""
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)
