"""Rows of a table that say the same of many things, as one row that names them all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

Row = dict[str, Any]

MOST = 3  # rows alike that are read faster than one with a list
_IT = "\0"  # stands for the thing in a sentence
# A statement that takes a list of things of one kind: what stands before it and behind it.
_GRANT = re.compile(r"(GRANT [^;]+? ON (?:SEQUENCE |SCHEMA )?)([^;]+?)( TO [^;]+;)")


def joined(rows: Iterable[Mapping[str, Any]], name: str, action: str) -> list[Row]:
    """Rows in their order, those that differ in one name alone as one row at the place of the first.

    A grant of it names all of them; of any other action the first is told.

    Args:
        name: the key of what a row is of.
        action: the key of the statement that mends it.
    """
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(_forms(row, name)), []).append(dict(row))
    return [row for group in groups.values() for row in _told(group, name, action)]


def _forms(row: Mapping[str, Any], name: str) -> Iterator[Any]:
    for key, value in row.items():
        if not row[name] or not isinstance(value, str):
            yield value
        else:
            yield None if key == name else _GRANT.sub(rf"\1{_IT}\3", value).replace(row[name], _IT)


def _told(group: Sequence[Row], name: str, action: str) -> Sequence[Row]:
    if len(group) <= MOST or not group[0][name]:
        return group
    first, names = group[0], [row[name] for row in group]
    texts = {k: v.replace(first[name], "each") if isinstance(v, str) else v for k, v in first.items()}
    return [{**texts, name: f"{len(names)} of them: {', '.join(names)}", action: _mend(group, name, action)}]


def _mend(group: Sequence[Row], name: str, action: str) -> str | None:
    first = group[0][action]
    said = [row[action] or "" for row in group]
    if all(_GRANT.sub("", text).strip() == "" and text for text in said):
        things: dict[tuple[str, str], dict[str, None]] = {}
        for head, thing, tail in (grant for text in said for grant in _GRANT.findall(text)):
            things.setdefault((head, tail), {})[thing] = None
        return " ".join(f"{head}{', '.join(names)}{tail}" for (head, tail), names in things.items())
    return f"{first} (and so on)" if first and group[0][name] in first else first
