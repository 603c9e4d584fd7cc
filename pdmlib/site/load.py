"""Reads a site file, with its secrets from the environment.

A value may name environment variables as `${NAME}`; secrets are never written in the file, only the names of
their variables.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from pdmlib.errors import SiteError, shown
from pdmlib.site.mistakes import validated
from pdmlib.site.site import SOURCE_NAMES, Demo, Site
from pdmlib.site.tree import Node, read_tree

# Stands for a variable that is not set where the site is only looked at; a name that no resolver knows (RFC 2606).
UNSET = "https://unset.invalid"
# Keys whose values are pasted from elsewhere: in them `${name}` is another program's.
PASTED = ("log_format",)
# Keys whose variables matter only to `--notify` and `--probe`, which say so where one is not set.
SELDOM = ("notify_env", "probe_")
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
    wanted = dict(_variables(tree, left_out=SELDOM))
    absent = [name for name in wanted if not environ.get(name)]
    if absent and not offline and not tolerant:
        text = f"set the environment variables {', '.join(absent)} (or enabled: false for their source)"
        raise SiteError(file, "sources", text, wanted[absent[0]].line)
    filled = {**environ, **dict.fromkeys(absent, UNSET)} if offline or tolerant else environ
    _check_variables(file, tree)
    site = validated(Site, file, tree, _filled(tree, filled))
    if tolerant:
        site = _without(site, _unset(tree, absent))
    secrets = {name: SecretStr(filled[name]) for name in _secret_names(site) if name in filled}
    return site.model_copy(update={"secrets": secrets, "file": file})


def _unset(tree: Node, absent: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """Source -> those of its variables that are not set."""
    sources = tree.child("sources")
    blocks = sources.value.items() if sources and isinstance(sources.value, dict) else ()
    missing = {
        name: tuple(v for v, _ in _variables(block, left_out=SELDOM) if v in absent) for name, block in blocks
    }
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
    return validated(Demo, str(path), block, plain=block.plain(), above=("demo",))


def _variables(node: Node, secret: bool = False, left_out: tuple[str, ...] = ()) -> Iterator[tuple[str, Node]]:
    """The environment variables that a file names and where, those of switched-off blocks left out.

    Args:
        left_out: beginnings of keys that are left out, too.
    """
    if isinstance(node.value, dict):
        switch = node.value.get("enabled")
        for key, inner in node.value.items() if switch is None or switch.value is not False else ():
            if key not in PASTED and not (left_out and key.startswith(left_out)):
                yield from _variables(inner, secret or key.endswith("_env"), left_out)
    elif isinstance(node.value, list):
        for inner in node.value:
            yield from _variables(inner, secret, left_out)
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
    return [name for name in dict.fromkeys(names) if name]


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
