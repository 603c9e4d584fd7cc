"""Reads a site file, with its secrets from the environment.

A value may name environment variables as `${NAME}`; secrets are never written in the file, only the names of
their variables."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, SecretStr, ValidationError

from pdmlib.errors import SiteError
from pdmlib.site.site import SOURCE_NAMES, Demo, Site

UNSET = "https://unset.invalid"
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def load_site(path: str | Path, environ: Mapping[str, str] | None = None, offline: bool = False) -> Site:
    """The site of a YAML file, with its secrets from the environment.

    Args:
        offline: the site is only looked at, never asked: variables that are not set do not matter.

    Raises:
        SiteError: the file is missing or not YAML, a key is unknown, a value is of the wrong kind,
            or an environment variable that the file names is not set.
    """
    environ = os.environ if environ is None else environ
    file = str(path)
    tree = _read_yaml(file)
    needed = [name for name in dict.fromkeys(_variables(tree)) if name != tree.get("notify_env")]
    absent = [name for name in needed if not environ.get(name)]
    if offline:
        environ = {**dict.fromkeys(absent, UNSET), **environ}
    elif absent:
        raise SiteError(file, "sources", f"set the environment variables {', '.join(absent)} (or enabled: false)")
    tree = _substituted(tree, environ)
    try:
        site = Site.model_validate(tree)
    except ValidationError as error:
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"]) or "file"
        raise SiteError(file, key, _allowed(first)) from None
    wanted = _secret_names(site)
    absent = [name for name in wanted if not environ.get(name)]
    if absent:
        raise SiteError(
            file,
            "sources",
            f"set the environment variables {', '.join(absent)} (or enabled: false for their source)",
        )
    secrets = {name: SecretStr(environ[name]) for name in wanted}
    return site.model_copy(update={"secrets": secrets, "file": file})


def variables_of(path: str | Path) -> tuple[str, ...]:
    """The environment variables that a site file names."""
    return tuple(dict.fromkeys(_variables(_read_yaml(str(path)))))


def read_demo(path: str | Path) -> Demo | None:
    """The `demo` block of a site file, read before the variables it serves exist.

    Raises:
        SiteError: as `load_site`.
    """
    file = str(path)
    block = _read_yaml(file).get("demo")
    if block is None:
        return None
    try:
        return Demo.model_validate(block)
    except ValidationError as error:
        first = error.errors()[0]
        raise SiteError(file, ".".join(["demo", *map(str, first["loc"])]), _allowed(first)) from None


def _read_yaml(file: str) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise SiteError(file, "file", error.strerror or "cannot be read") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "file"
        raise SiteError(file, where, f"not YAML: {getattr(error, 'problem', None) or 'not text'}") from None
    if not isinstance(tree, dict):
        raise SiteError(file, "file", "must be a mapping of keys such as site, title, time_zone, sources")
    return tree


def _variables(tree: Any) -> Iterator[str]:
    """The environment variables that a file names, those of switched-off blocks left out."""
    if isinstance(tree, dict):
        if tree.get("enabled") is False:
            return
        for key, value in tree.items():
            if str(key).endswith("_env") and isinstance(value, str):
                yield value
            yield from _variables(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _variables(value)
    elif isinstance(tree, str):
        yield from _VARIABLE.findall(tree)


def _substituted(tree: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(tree, dict):
        return {key: _substituted(value, environ) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_substituted(value, environ) for value in tree]
    if isinstance(tree, str):
        return _VARIABLE.sub(lambda found: environ.get(found[1], found[0]), tree)
    return tree


def _secret_names(site: Site) -> list[str]:
    names = []
    for source in SOURCE_NAMES:
        block = site.source(source)
        if block is not None:
            names += [getattr(block, field) for field in type(block).model_fields if field.endswith("_env")]
    return list(dict.fromkeys(names))


def _keys_at(path: Iterable[str | int]) -> list[str]:
    """The keys that the block at a path of the site file may have."""
    block: type[BaseModel] = Site
    for key in path:
        if isinstance(key, str) and key in block.model_fields:
            block = next(_models(block.model_fields[key].annotation), block)
    return [name for name in block.model_fields if block is not Site or name not in ("file", "secrets")]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models inside an annotation such as `Sentry | None` or `tuple[Feature, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _allowed(error: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key; allowed are {', '.join(_keys_at(error['loc'][:-1]))}"
    if kind == "missing":
        return "is required"
    if kind == "value_error":
        return str(context.get("error", error["msg"]))
    return str(error["msg"])
