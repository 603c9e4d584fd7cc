"""The house stands: layers import downwards only, and each dependency has one home."""

import ast
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "pdmlib"

LAYERS = (
    {"errors"},
    {"window", "stats"},
    {"readings"},
    {"frames", "site"},
    {"notes", "phases"},
    {"case"},
    {"baseline", "traffic", "host", "schedules", "sqltext", "uptime"},
    {"comparison", "series", "routes", "attribution", "rivals", "usage"},
    {"days"},
    {"sources", "requests", "history", "analysis", "charts", "checks"},
    {"checklist", "judging", "actions", "sections"},
    {"verdict"},
    {"memory", "notify", "telemetry"},
    {"report"},
    {"asking", "figures"},
    {"workbook"},
    {"run", "status"},
    {"watch", "lab"},
    {"screen"},
    {"replay"},
    {"cli"},
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
HOMES = {
    "matplotlib": {"charts"},
    "papermill": {"run"},
    "nbconvert": {"report"},
    "sentry_sdk": {"telemetry"},
    "httpx": {"sources", "demo"},
    "psycopg": {"sources", "demo", "checks"},
    "typer": {"cli"},
    "scipy": {"stats"},
}


def modules() -> list[tuple[str, Path]]:
    return [
        (path.relative_to(PACKAGE).parts[0].removesuffix(".py"), path) for path in sorted(PACKAGE.rglob("*.py"))
    ]


@cache
def imported(path: Path) -> set[str]:
    """Dotted names that a file imports at run time; what only type checkers see does not count."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
        for node in ast.walk(block)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
    return names


def parts_of_package(path: Path) -> set[str]:
    return {name.split(".")[1] for name in imported(path) if name.startswith("pdmlib.")} & LEVEL.keys()


@pytest.mark.parametrize(("part", "path"), modules(), ids=lambda value: str(value)[-40:])
def test_imports_point_downwards(part: str, path: Path) -> None:
    if part in ("__init__", "demo"):
        return
    assert part in LEVEL, f"{part} has no place in the house: add it to LAYERS"
    for other in parts_of_package(path) - {part}:
        assert LEVEL[other] < LEVEL[part], f"{path.name} in {part} imports {other}, which does not lie below it"


@pytest.mark.parametrize("library", HOMES)
def test_each_dependency_has_one_home(library: str) -> None:
    users = {part for part, path in modules() if any(n.split(".")[0] == library for n in imported(path))}
    assert users <= HOMES[library]


def test_only_site_reads_the_environment() -> None:
    readers = {
        part for part, path in modules() if "environ" in path.read_text(encoding="utf-8") and part != "demo"
    }
    readers = {p for p in readers if any("os.environ" in f.read_text() for part, f in modules() if part == p)}
    assert readers <= {"site"}


def test_only_window_looks_at_the_clock() -> None:
    calls = {
        path.name
        for part, path in modules()
        if part not in ("window", "demo")
        for text in [path.read_text(encoding="utf-8")]
        if "datetime.now(" in text or "time.time(" in text or "utcnow(" in text
    }
    assert calls == set()


def test_the_analysis_opens_no_file_and_no_socket() -> None:
    forbidden = {"httpx", "psycopg", "socket", "pathlib", "duckdb", "urllib.request"}
    for path in (PACKAGE / "analysis").glob("*.py"):
        assert not {name for name in imported(path) if name.split(".")[0] in forbidden}, path.name
