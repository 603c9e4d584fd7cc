"""What vendors' published specifications allow, reduced to what is asked and to the fields that are read.

Each file has the parameters of each request and a JSON Schema of each answer, made of the published one, its
version named at its head. A newer version is held against it by hand: a few fields of each vendor, which
`docs/vendors.md` lists with their meaning.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

Schema = Mapping[str, Any]


@cache
def answers(source: str) -> Mapping[str, Schema]:
    """The schema of the answer to each request of a vendor."""
    text = (Path(__file__).parent / f"{source}.json").read_text(encoding="utf-8")
    found: Mapping[str, Schema] = json.loads(text)["answers"]
    return found


def alternatives(schema: Schema) -> Iterator[Schema]:
    """The schemas of which a value is one."""
    for one in schema.get("anyOf", [schema]):
        yield from alternatives(one) if "anyOf" in one else [one]


def kinds(schema: Schema) -> set[str]:
    """The types that a value may have; empty where any may stand."""
    found = [one.get("type", []) for one in alternatives(schema)]
    return {kind for one in found for kind in ([one] if isinstance(one, str) else one)}


def words(schema: Schema) -> set[str]:
    """The words of which a value is one; empty where it is any text."""
    return {word for one in alternatives(schema) for word in one.get("enum", []) if isinstance(word, str)}


def objects(schema: Schema, path: str) -> list[Schema]:
    """The schemas of the objects at a path of keys, through lists; an empty path is the answer itself."""
    found: list[Schema] = []
    key, _, rest = path.partition(".")
    for one in alternatives(schema):
        if "items" in one:
            found += objects(one["items"], path)
        elif not path:
            found += [one] if "properties" in one else []
        elif key in one.get("properties", {}):
            found += objects(one["properties"][key], rest)
    return found


@cache
def requests(source: str) -> Mapping[str, str]:
    """The parameters of each request of a vendor: `*` one that is needed, `:n` a number, `=` its words."""
    text = (Path(__file__).parent / f"{source}.json").read_text(encoding="utf-8")
    found: Mapping[str, str] = json.loads(text)["requests"]
    return found
