"""Reads a site file, with its secrets from the environment.

A value may name environment variables as `${NAME}`; secrets are never written in the file, only the names of
their variables.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from pdmlib.errors import SiteError
from pdmlib.site.site import SOURCE_NAMES, Demo, Site
from pdmlib.site.tree import Node, Step, read_tree
from pdmlib.site.types import SHOWN, MisplacedError, nearest, shown

# Stands for a variable that is not set where the site is only looked at; a name that no resolver knows (RFC 2606).
UNSET = "https://unset.invalid"
# Keys whose values are pasted from elsewhere: in them `${name}` is another program's.
PASTED = ("log_format",)
# Fields of a site that are not in its file.
INNER = ("file", "secrets", "unset")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def load_site(
    path: str | Path, environ: Mapping[str, str] | None = None, offline: bool = False, tolerant: bool = False
) -> Site:
    """The site of a YAML file, with its secrets from the environment.

    Args:
        offline: the site is only looked at, never asked: variables that are not set do not matter.
        tolerant: a source whose variables are not set is switched off and named in `unset`; the others are there.

    Raises:
        SiteError: the file cannot be read, a key is unknown, a value is of the wrong kind, or an environment
            variable that the file names is not set.
    """
    environ = os.environ if environ is None else environ
    file = str(path)
    tree = read_tree(file)
    wanted = {name: node for name, node in _variables(tree) if node is not tree.child("notify_env")}
    absent = [name for name in wanted if not environ.get(name)]
    if absent and not offline and not tolerant:
        text = f"set the environment variables {', '.join(absent)} (or enabled: false for their source)"
        raise SiteError(file, "sources", text, wanted[absent[0]].line)
    filled = {**environ, **dict.fromkeys(absent, UNSET)} if offline or tolerant else environ
    site: Site = _validated(Site, file, tree, _filled(tree, filled))
    if tolerant:
        site = _without(site, _unset(tree, absent))
    secrets = {name: SecretStr(filled[name]) for name in _secret_names(site) if name in filled}
    return site.model_copy(update={"secrets": secrets, "file": file})


def _unset(tree: Node, absent: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Source -> those of its variables that are not set."""
    sources = tree.child("sources")
    blocks = sources.value.items() if sources and isinstance(sources.value, dict) else ()
    missing = {name: tuple(v for v, _ in _variables(block) if v in absent) for name, block in blocks}
    return {name: variables for name, variables in missing.items() if variables}


def _without(site: Site, unset: Mapping[str, tuple[str, ...]]) -> Site:
    """The site with those sources switched off, and why."""
    off = {name: getattr(site.sources, name).model_copy(update={"enabled": False}) for name in unset}
    return site.model_copy(update={"sources": site.sources.model_copy(update=off), "unset": unset})


def variables_of(path: str | Path) -> tuple[str, ...]:
    """The environment variables that a site file names."""
    return tuple(dict.fromkeys(name for name, _ in _variables(read_tree(str(path)))))


def read_demo(path: str | Path) -> Demo | None:
    """The `demo` block of a site file, read before the variables it serves exist.

    Raises:
        SiteError: as `load_site`.
    """
    block = read_tree(str(path)).child("demo")
    if block is None or block.value is None:
        return None
    demo: Demo = _validated(Demo, str(path), block, block.plain(), ("demo",))
    return demo


def line_at(file: str, path: Sequence[Step]) -> int | None:
    """The line of a key of a site file, for errors that are found after loading; None where it is not there."""
    try:
        _, node = _found(read_tree(file), path)
    except SiteError:
        return None
    return node.line


def _variables(node: Node, secret: bool = False) -> Iterator[tuple[str, Node]]:
    """The environment variables that a file names and where, those of switched-off blocks left out."""
    if isinstance(node.value, dict):
        switch = node.value.get("enabled")
        for key, inner in node.value.items() if switch is None or switch.value is not False else ():
            if key not in PASTED:
                yield from _variables(inner, secret or key.endswith("_env"))
    elif isinstance(node.value, list):
        for inner in node.value:
            yield from _variables(inner, secret)
    elif isinstance(node.value, str):
        yield from ((name, node) for name in ([node.value] if secret else _VARIABLE.findall(node.value)))


def _filled(node: Node, environ: Mapping[str, str]) -> Any:
    """The plain value of a tree, its variables replaced; one that is not set stands in a switched-off block."""
    if isinstance(node.value, dict):
        return {
            key: inner.plain() if key in PASTED else _filled(inner, environ) for key, inner in node.value.items()
        }
    if isinstance(node.value, list):
        return [_filled(inner, environ) for inner in node.value]
    if isinstance(node.value, str):
        return _VARIABLE.sub(lambda found: environ.get(found[1]) or UNSET, node.value)
    return node.value


def _secret_names(site: Site) -> list[str]:
    names: list[str] = []
    for block in filter(None, map(site.source, SOURCE_NAMES)):
        for field in (field for field in type(block).model_fields if field.endswith("_env")):
            value = getattr(block, field)
            names += value.values() if isinstance(value, Mapping) else [value]
    return list(dict.fromkeys(names))


def _validated(model: type[BaseModel], file: str, tree: Node, plain: Any, above: Sequence[str] = ()) -> Any:
    """A block of a file as its model.

    Raises:
        SiteError: names the first mistake; a misspelt key before what is missing because of it.
    """
    _check_variables(file, tree)
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


def _check_variables(file: str, tree: Node, key: str = "file") -> None:
    """Fails on `${` that names no variable: it would stay in the value as it is.

    Raises:
        SiteError: at the first one.
    """
    if isinstance(tree.value, str) and "${" in _VARIABLE.sub("", tree.value):
        text = f"{shown(tree.value)}: a variable is written ${{NAME}}, in letters, digits and _"
        raise SiteError(file, key, text, tree.line)
    if isinstance(tree.value, dict):
        for name, inner in tree.value.items():
            if name not in PASTED:
                _check_variables(file, inner, name)
    elif isinstance(tree.value, list):
        for inner in tree.value:
            _check_variables(file, inner, key)


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
    if isinstance(node.value, str) and isinstance(value, str) and value and node.value != value:
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
    return str(error["msg"])[:1].lower() + str(error["msg"])[1:]


def _keys_at(model: type[BaseModel], path: Iterable[str | int]) -> list[str]:
    """The keys that the block at a path may have."""
    for key in path:
        field = next((f for name, f in model.model_fields.items() if key == (f.alias or name)), None)
        if field is not None:
            model = next(_models(field.annotation), model)
    return [field.alias or name for name, field in model.model_fields.items() if name not in INNER]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models inside an annotation such as `Sentry | None` or `tuple[Feature, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)
