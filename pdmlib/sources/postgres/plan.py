"""A plan as `EXPLAIN (FORMAT JSON)` writes it: what of it is kept, and what makes two plans the same."""

from __future__ import annotations

import hashlib
import json

from pdmlib.frames.plan import nodes
from pdmlib.frames.statement_text import redacted
from pdmlib.sources.postgres.session import Row

# What is kept of a plan's node: names and counts as they are, and expressions without their literals.
_KEPT = frozenset(
    (
        "Node Type",
        "Schema",
        "Relation Name",
        "Index Name",
        "Alias",
        "Join Type",
        "Actual Rows",
        "Actual Loops",
        "Actual Total Time",
        "Rows Removed by Filter",
        "Shared Hit Blocks",
        "Shared Read Blocks",
        "Temp Written Blocks",
    )
)
_EXPRESSIONS = frozenset(
    ("Filter", "Index Cond", "Recheck Cond", "Hash Cond", "Merge Cond", "Join Filter", "Sort Key", "Group Key")
)


def kept(node: Row) -> Row:
    """The parts of a plan that name no person's data."""
    found = {
        key: _bare(value) if key in _EXPRESSIONS else value
        for key, value in node.items()
        if key in _KEPT or key in _EXPRESSIONS
    }
    plans = [kept(child) for child in node.get("Plans", ())]
    return {**found, "Plans": plans} if plans else found


def _bare(expressions: str | list[str]) -> str | list[str]:
    return redacted(expressions) if isinstance(expressions, str) else [redacted(one) for one in expressions]


def fingerprint(plan: Row) -> str:
    """A plan's shape in twelve characters: node types, relations and indexes, not figures."""
    shape = [(n["Node Type"], n.get("Relation Name"), n.get("Index Name")) for n in nodes(plan)]
    return hashlib.sha256(json.dumps(shape).encode()).hexdigest()[:12]


def shape(node: Row) -> Row:
    """A plan without its figures, so that a plan that stays is the same text."""
    words = {key: value for key, value in node.items() if isinstance(value, str)}
    plans = [shape(child) for child in node.get("Plans", ())]
    return {**words, "Plans": plans} if plans else words
