"""How the code is written: closed sets have names, and so has every number that a rule rests on."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import pdmlib
from pdmlib.phases.phase import EXTRAS, PHASES

PACKAGE = Path(pdmlib.__file__).parent
# Rooms in which each word of a closed set is written by its enum; sources compare vendors' words.
SETS_IN = ("cli", "workbook", "report", "verdict", "analysis", "frames", "phases")
# A word of a closed set that means something else in this file.
OTHERWISE = {
    ("analysis/compare/baseline.py", "days"): "a kind of baseline, not a topic",
    ("analysis/deployment.py", "error"): "a level of the build log",
    ("analysis/integrations/payments.py", "failed"): "a payment's status in the site file's words",
    ("analysis/integrations/payments.py", "pending"): "a payment's status in the site file's words",
    ("analysis/errors.py", "high"): "a priority as the error tracker gives it",
    ("analysis/performance.py", "low"): "a confidence that a vendor gives of its own percentile",
    ("frames/readings.py", "low"): "the lower bound, not a confidence",
    ("frames/statement_text.py", "UNKNOWN"): "a kind of token of the SQL parser",
    ("verdict/ladder.py", "low"): "the lower bound, not a confidence",
    ("frames/readings.py", "count"): "a unit",
    ("analysis/database/health.py", "count"): "a unit",
    ("verdict/ladder.py", "count"): "a unit",
    ("workbook/questions.py", "count"): "a unit",
}


def files(*rooms: str) -> list[str]:
    return sorted(str(p.relative_to(PACKAGE)) for room in rooms for p in (PACKAGE / room).rglob("*.py"))


@cache
def tree(name: str) -> ast.Module:
    return ast.parse((PACKAGE / name).read_text(encoding="utf-8"))


@cache
def words() -> dict[str, list[str]]:
    """Each word of each enum of words, and where it stands."""
    found: dict[str, list[str]] = {}
    for word, place in _words():
        found.setdefault(word, []).append(place)
    return found


def _words() -> Iterator[tuple[str, str]]:
    for name in files(*SETS_IN):
        for node in ast.walk(tree(name)):
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "StrEnum" for base in node.bases):
                for line in node.body:
                    if isinstance(line, ast.Assign) and isinstance(line.value, ast.Constant):
                        yield str(line.value.value), f"{node.name}.{ast.unparse(line.targets[0])} of {name}"


def compared(node: ast.AST) -> Iterator[ast.expr]:
    """What a comparison compares, and what a column is looked for in."""
    if isinstance(node, ast.Compare) and any(
        isinstance(o, ast.Eq | ast.NotEq | ast.In | ast.NotIn) for o in node.ops
    ):
        sides = [node.left, *node.comparators]
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "isin":
        sides = list(node.args)
    else:
        return
    for side in sides:
        yield from side.elts if isinstance(side, ast.Tuple | ast.List | ast.Set) else (side,)


@pytest.mark.parametrize("name", files(*SETS_IN))
def test_a_word_of_a_closed_set_is_compared_by_its_enum(name: str) -> None:
    found = {
        (part.value, part.lineno)
        for node in ast.walk(tree(name))
        for part in compared(node)
        if isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value in words()
    }
    bare = sorted((line, word) for word, line in found if (name, word) not in OTHERWISE)
    assert not bare, "; ".join(f"line {line}: {word!r} is {' or '.join(words()[word])}" for line, word in bare)


def test_every_exception_is_needed() -> None:
    used = {
        (name, part.value)
        for name in files(*SETS_IN)
        for node in ast.walk(tree(name))
        for part in compared(node)
        if isinstance(part, ast.Constant)
    }
    assert OTHERWISE.keys() - used == set()


# Rooms without a bare number in a comparison; what is left needs no name.
NUMBERS_IN = ("analysis", "verdict", "storage", "frames", "phases")
PLAIN = (-1, 0, 1, 2, 100)  # signs, one, a pair, and the whole of a percentage


@pytest.mark.parametrize("name", [*files(*NUMBERS_IN), "stats.py", "sources/http.py"])
def test_a_number_that_a_rule_compares_with_has_a_name(name: str) -> None:
    sides = [
        side
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Compare)
        for side in (node.left, *node.comparators)
    ]
    found = {
        (part.value, part.lineno)
        for side in sides
        for part in ast.walk(side)
        if isinstance(part, ast.Constant) and type(part.value) in (int, float) and part.value not in PLAIN
    }
    assert found == set()


# Names of phases that are words of their own: a table and a kind of period, an area and a part of a health check.
ALSO_WORDS = {"daily", "database"}


def test_the_name_of_a_phase_stands_with_the_phases_alone() -> None:
    names = {phase.name for phase in (*PHASES, *EXTRAS)} - ALSO_WORDS
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir()} - {"phases", "demo"}
    found = {
        (name, node.value, node.lineno)
        for name in files(*rooms)
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Constant) and node.value in names
    }
    assert found == set()
