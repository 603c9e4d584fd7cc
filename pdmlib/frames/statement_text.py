"""The text of SQL statements: redacted, made comparable, and read for the tables and columns they filter.

A reading by patterns, not a parser: it is used to name things for a person, never to run anything.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_COMMENT = re.compile(r"/\*.*?\*/|--[^\n]*", re.DOTALL)
_STRING = re.compile(r"\$(\w*)\$.*?\$\1\$|[eE]?'(?:[^']|'')*(?:'|$)", re.DOTALL)
_NUMBER = re.compile(r"(?<![\w$.])\d+(?:\.\d+)?(?:[eE][+-]?\d+)?\b")
_PARAMETER = re.compile(r"\$\d+|%\(\w+\)s|'\?'")
_IN_LIST = re.compile(r"\bin\s*\(\s*\?(?:\s*,\s*\?)*[\s,.]*\)", re.IGNORECASE)
_NAME = r'(?:"[^"]+"|[a-z_]\w*)'
_TABLE = re.compile(
    rf"\b(?:from|join|update|into)\s+(?:only\s+)?(?P<table>{_NAME}(?:\.{_NAME})?)(?!\s*\()"
    rf"(?:\s+(?:as\s+)?(?!(?:where|on|set|left|right|inner|cross|full|join|order|group|limit|using|natural|union|"
    rf"values|returning|select|for|having|offset|window|default)\b)(?P<alias>{_NAME}))?",
    re.IGNORECASE,
)
_FILTER = re.compile(
    rf"(?:(?P<owner>{_NAME})\.)?(?P<column>{_NAME})(?:::\w+)?\)?\s*"
    r"(?P<op>=|<>|<=|>=|<|>|\bin\b|\bbetween\b|~~\*?|\blike\b|\bilike\b)",
    re.IGNORECASE,
)
_NOT_COLUMNS = {"and", "or", "not", "where", "on", "is", "null", "in", "any", "all", "then", "when", "else"}


def redacted(text: str, limit: int = 2000) -> str:
    """A statement without the literals and comments that may hold people's data, at most `limit` characters.

    Parameters (`$1`) stay; strings become `'?'`, numbers `?`.
    """
    bare = _COMMENT.sub(" ", _STRING.sub("'?'", text))
    return " ".join(_NUMBER.sub("?", bare).split())[:limit]


def normalised(text: str) -> str:
    """A statement in one form whatever its parameters, letter case, spacing and length of IN lists."""
    bare = _PARAMETER.sub("?", redacted(text, 10_000)).lower()
    return _IN_LIST.sub("in (?)", " ".join(bare.split()))


def tables_of(text: str) -> dict[str, str]:
    """The tables of a statement by the name or alias it calls them: alias -> `schema.table` or `table`."""
    found = {}
    for match in _TABLE.finditer(redacted(text, 10_000)):
        table = match["table"].replace('"', "")
        found[(match["alias"] or table.split(".")[-1]).replace('"', "").lower()] = table
    return found


@dataclass(frozen=True)
class Filter:
    """The columns by which a statement picks rows of one table: equality first, then ranges."""

    table: str
    columns: tuple[str, ...]


def filters_of(text: str) -> list[Filter]:
    """What a statement filters each of its tables by, as far as its WHERE and ON clauses say."""
    bare = redacted(text, 10_000)
    tables = tables_of(text)
    clauses = re.split(r"\b(?:where|on)\b", bare, flags=re.IGNORECASE)[1:]
    clauses = [re.split(r"\b(?:order by|group by|returning|limit)\b", c, flags=re.IGNORECASE)[0] for c in clauses]
    equal: dict[str, list[str]] = {}
    ranged: dict[str, list[str]] = {}
    for match in (m for clause in clauses for m in _FILTER.finditer(clause)):
        column = match["column"].replace('"', "")
        owner = (match["owner"] or "").replace('"', "").lower()
        if column.lower() in _NOT_COLUMNS or (owner and owner not in tables):
            continue
        kind = equal if match["op"].lower() in ("=", "in") else ranged
        for table in [tables[owner]] if owner else list(tables.values())[:1]:
            kind.setdefault(table, []).append(column)
    names = dict.fromkeys((*equal, *ranged))
    return [Filter(t, _once(equal.get(t, []) + ranged.get(t, [])[:1])) for t in names]


def _once(columns: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(columns))
