"""How the code is written where linters have no rule: calls say what they pass, the formatter has every line."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MOST_BY_PLACE = 4  # values that a reader can still tell apart by their place alone


@cache
def sources() -> dict[str, Path]:
    """Every file of the project by the name that it is imported by; the notebooks too."""
    paths = [path for room in ("pdmlib", "tests", "bench") for path in sorted((ROOT / room).rglob("*.py"))]
    paths += sorted((ROOT / "notebooks").glob("*.ipynb"))
    return {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in paths}


@cache
def tree(module: str) -> ast.Module:
    text = sources()[module].read_text(encoding="utf-8")
    if sources()[module].suffix == ".ipynb":
        cells = (cell["source"] for cell in json.loads(text)["cells"] if cell["cell_type"] == "code")
        text = "\n".join("".join(lines) for lines in cells)
    return ast.parse(text)


def parameters_of_function(node: ast.FunctionDef, bound: bool) -> list[str]:
    names = [argument.arg for argument in node.args.args]
    static = any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in node.decorator_list)
    return names[1:] if bound and not static else names


def parameters_of_class(node: ast.ClassDef, module: str) -> list[str]:
    """What a class is called with: the parameters of its `__init__`, else its fields after those of its bases."""
    made = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    if made:
        return parameters_of_function(made, bound=True)
    bases = [base.id for base in node.bases if isinstance(base, ast.Name)]
    inherited = [name for base in bases for name in called(module, base) or ()]
    fields = [n.target.id for n in node.body if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name)]
    return [*inherited, *(name for name in fields if name not in inherited)]


@cache
def defined(module: str) -> dict[str, ast.FunctionDef | ast.ClassDef]:
    """The functions and classes at the top of a file."""
    return {node.name: node for node in tree(module).body if isinstance(node, ast.FunctionDef | ast.ClassDef)}


@cache
def methods() -> dict[str, set[tuple[str, ...]]]:
    """The parameters of methods by their name, over all classes of the project."""
    found: dict[str, set[tuple[str, ...]]] = {}
    for module in sources():
        for kind in (node for node in tree(module).body if isinstance(node, ast.ClassDef)):
            for node in (n for n in kind.body if isinstance(n, ast.FunctionDef)):
                found.setdefault(node.name, set()).add(tuple(parameters_of_function(node, bound=True)))
    return found


@cache
def imports(module: str) -> dict[str, str]:
    """What the names that a file imports stand for, anywhere in it."""
    found = {}
    for node in ast.walk(tree(module)):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return found


def called(module: str, name: str) -> tuple[str, ...] | None:
    """The parameters of what a name stands for in a file; None for what the project does not define."""
    node = defined(module).get(name)
    if isinstance(node, ast.FunctionDef):
        return tuple(parameters_of_function(node, bound=False))
    if node:
        return tuple(parameters_of_class(node, module))
    home, _, original = imports(module).get(name, "").rpartition(".")
    return called(home, original) if home in sources() else None


def parameters(module: str, function: ast.expr) -> tuple[str, ...] | None:
    """The parameters of what is called, by place; None where it is not the project's or not known for sure."""
    if isinstance(function, ast.Name):
        return called(module, function.id)
    if not isinstance(function, ast.Attribute):
        return None
    if isinstance(function.value, ast.Name):
        home = imports(module).get(function.value.id, "")
        if home in sources():
            return called(home, function.attr)
    ways = methods().get(function.attr, set())
    return next(iter(ways)) if len(ways) == 1 else None


@dataclass(frozen=True)
class Call:
    """One call that passes more by place than a reader can tell apart."""

    module: str
    node: ast.Call
    parameters: tuple[str, ...]

    def __str__(self) -> str:
        return f"{sources()[self.module].relative_to(ROOT)}:{self.node.lineno} {ast.unparse(self.node.func)}"


def calls_by_place() -> Iterator[Call]:
    for module in sources():
        for node in ast.walk(tree(module)):
            if isinstance(node, ast.Call) and len(node.args) > MOST_BY_PLACE:
                known = parameters(module, node.func)
                starred = any(isinstance(argument, ast.Starred) for argument in node.args)
                if known and not starred and len(known) >= len(node.args):
                    yield Call(module, node, known)


@pytest.mark.slow
def test_calls_of_more_than_four_values_say_what_they_pass() -> None:
    assert [str(call) for call in calls_by_place()] == []


@pytest.mark.parametrize("room", ["pdmlib", "tests", "bench"])
def test_no_line_is_kept_from_the_formatter(room: str) -> None:
    mark = "fmt: " + "skip"
    assert [str(path) for path in sorted((ROOT / room).rglob("*.py")) if mark in path.read_text("utf-8")] == []
