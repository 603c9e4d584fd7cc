"""Mistakes in a YAML file, said in one line: the file, the line, the key, what is allowed and the nearest name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from pdmlib.errors import SHOWN, SiteError, nearest, shown
from pdmlib.site.tree import Node, Step, read_tree
from pdmlib.site.types import MisplacedError

Block = TypeVar("Block", bound=BaseModel)


def validated(model: type[Block], file: str, tree: Node, plain: Any, above: Sequence[str] = ()) -> Block:
    """A block of a file as its model.

    Raises:
        SiteError: names the first mistake; a misspelt key before what is missing because of it.
    """
    try:
        return model.model_validate(plain)
    except ValidationError as error:
        found = error.errors(include_url=False)
        first = min(found, key=lambda one: one["type"] != "extra_forbidden")
    except RecursionError:
        raise SiteError(file, ".".join(above) or "file", "is nested too deeply", tree.line) from None
    inner = first.get("ctx", {}).get("error")
    path = (*first["loc"], *(inner.path if isinstance(inner, MisplacedError) else ()))
    keys, node = _found(tree, path)
    if first["type"] == "missing":
        keys.append(str(first["loc"][-1]))
    key = ".".join(str(step)[:SHOWN] for step in (*above, *keys)) or "file"
    raise SiteError(file, key, _said(first, model, node), node.line)


def line_at(file: str, path: Sequence[Step]) -> int | None:
    """The line of a key of a site file, for errors that are found after loading; None where it is not there."""
    try:
        _, node = _found(read_tree(file), path)
    except SiteError:
        return None
    return node.line


def _found(tree: Node, path: Sequence[Step]) -> tuple[list[Step], Node]:
    """The keys of a path that the file has, and the value at their end.

    A path of pydantic's also names things that are not in the file: the members of a union, `[key]`, the block
    that a single value was made into.
    """
    keys: list[Step] = []
    for step in path:
        if (inner := tree.child(step)) is not None:
            tree = inner
            keys.append(step)
    return keys, tree


def _said(error: Any, model: type[BaseModel], node: Node) -> str:
    """What is wrong and what is allowed, in one line; a value from the environment is not repeated."""
    text = _allowed(error, model)
    value = error.get("input")
    if isinstance(node.value, str) and "${" in node.value and isinstance(value, str) and value:
        text = text.replace(shown(value), shown(node.value)).replace(value, node.value)
    return text


def _allowed(error: Any, model: type[BaseModel]) -> str:
    kind, context, value = error["type"], error.get("ctx", {}), error.get("input")
    if kind == "extra_forbidden":
        keys = _keys_at(model, error["loc"][:-1])
        return f"unknown key; {nearest(str(error['loc'][-1]), keys)}allowed are {', '.join(keys)}"
    if kind == "missing":
        return "is required"
    if kind == "value_error":
        return str(context.get("error", error["msg"]))
    if kind in ("literal_error", "enum"):
        expected = re.findall(r"'([^']*)'", str(context.get("expected")))
        return f"{shown(value)} is not known; {nearest(str(value), expected)}allowed are {context.get('expected')}"
    if kind == "string_type" and isinstance(value, int | float):
        return f"{shown(value)} must be a string: put it in quotes"
    if kind == "string_pattern_mismatch":
        return f"{shown(value)} is not written as it should be: {_description(model, error['loc'])}"
    if kind in _SHAPES:
        return f"{shown(value)} must be {_SHAPES[kind]}: {_description(model, error['loc'])}"
    return str(error["msg"])[:1].lower() + str(error["msg"])[1:]


# What a value must be, in the words of whoever writes YAML.
_SHAPES = {
    "tuple_type": "a list, such as [a, b]",
    "list_type": "a list, such as [a, b]",
    "mapping_type": "keys with values, each on a line of its own",
    "dict_type": "keys with values, each on a line of its own",
    "model_type": "keys with values, each on a line of its own",
    "model_attributes_type": "keys with values, each on a line of its own",
}


def _description(model: type[BaseModel], path: Sequence[str | int]) -> str:
    """What the key at a path is for, as the reference says it."""
    told = ""
    for key in path:
        field = next((f for name, f in model.model_fields.items() if key == (f.alias or name)), None)
        if field is not None:
            told = field.description or told
            model = next(_models(field.annotation), model)
    return told or "see the reference of site files"


def _keys_at(model: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """The keys that the block at a path may have."""
    for key in path:
        field = next((f for name, f in model.model_fields.items() if key == (f.alias or name)), None)
        if field is not None:
            model = next(_models(field.annotation), model)
    # What is excluded from a dump is not in the file either: it is set after loading.
    return [field.alias or name for name, field in model.model_fields.items() if not field.exclude]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models inside an annotation such as `Sentry | None` or `tuple[Feature, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
