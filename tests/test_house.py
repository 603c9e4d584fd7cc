"""The house stands: data moves one way through the rooms, the map names each, and each dependency has one home."""

import ast
import re
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import pdmlib
from pdmlib.analysis.catalogue import all_metrics
from tests.builders import a_site

PACKAGE = Path(pdmlib.__file__).parent
MOST_ENTRIES = 14  # of pdmlib/, the package's own __init__.py among them: what a newcomer takes in at one look

# Highest first: a room imports from those below it only.
ORDER = "cli demo workbook report verdict analysis sources storage frames site phases stats errors"
ROOMS = ORDER.split()

# Inside a room, highest first, a floor a line; what shares a line knows nothing of each other. A file that is not
# named stands right above what it imports.
INSIDE = {
    "cli": """
        __main__
        main
        init
        collecting demo doctor
        lab logs reports status
        writing
        steps
        live_table options production replay schema status_table
        terminal
    """,
    "demo": """
        __main__
        cache server
        database vendors
        exchange history rows
        world
        scenarios workload
    """,
    "workbook": """
        watch
        init kernel lab
        doctor execute probe report site_draft
        questions waiting
        gather
        calls explained github live mail notify opening pdf probe_record scope shipped status survey telemetry
    """,
    "workbook.survey": """
        database
        features shapes zones
        jobs look
        rhythm
        guess queries words
    """,
    "report": """
        page shown
        listing regressions tables
        html
        columns
        cells document messages text
        card
        charts words
    """,
    "report.charts": """
        catalogue
        series
        cron timeline
        adoption bars days uptime zoom
        clock
        picture
    """,
    "verdict": """
        changes sides
        verdict
        checklist
        status symptoms
        alerts
        causes present
        ladder links
    """,
    "analysis": """
        catalogue
        product
        comparable
        coverage database deployment integrations own performance slices
        availability confounders errors
        cron limits traffic
        compare cron_schedules metric
    """,
    "analysis.compare": """
        change
        baseline same_hours
        weeks
    """,
    "analysis.traffic": """
        onset
        days hourly routes stretches
        populations
        silence tiling
    """,
    "analysis.availability": """
        incident
        stability
        uptime
    """,
    "analysis.database": """
        health
        alike counters
        drift plans pooler regressions
        gauge_deltas
        statements
        causes host statement_deltas
        pairs row_causes schema_causes
        slower
        parts plan_history waits
    """,
    "analysis.product": """
        features
        activity costs feedback usage
    """,
    "sources": """
        catalogue
        probes
        endpoints resend sentry stripe supabase twilio vercel
        sentry_monitors
        app postgres sentry_api
        specifications
        accounts fields health live permissions webhooks writes
        http needs threads
        once
    """,
    "sources.postgres": """
        source
        checks explain statement_plans tables
        monitors
        mapping survey timings waits
        plan snapshot visibility
        session
    """,
    "sources.postgres.checks": """
        application schema server sessions storage
        result
    """,
    "storage": """
        history request_logs
        engine reports
        durable sampled
    """,
    "storage.request_logs": """
        explain figures
        ingest matching percentiles
        days workers
        parse
        files
        formats reader remote
        manifests s3
        addresses fingerprints histogram mending progress routes
    """,
    "frames": """
        case rewind
        collection rows understanding
        about frame index_text plan
        readings schemas statement_text states
    """,
    "site": """
        load notes reference
        mistakes schedules site
        calendar tables tree vendors
        types
        environment log_formats masking terms
        log_variables
    """,
    "phases": """
        due scope
        phase window
    """,
    "sources.specifications": """
        resend sentry stripe supabase twilio vercel
    """,
    "sources.vercel": """
        source
        metrics moves
        platform
    """,
    "analysis.integrations": """
        operational
        emails messages payments
        shares since
    """,
}
HOMES = {
    "matplotlib": {"report.charts"},
    "papermill": {"workbook.execute"},
    "ipywidgets": {"workbook.live"},
    "IPython": {"workbook.completing", "workbook.waiting"},
    "ipympl": {"report.charts.zoom"},
    "nbconvert": {"report.page"},
    "sentry_sdk": {"workbook.telemetry"},
    "httpx": {"sources", "demo"},
    "psycopg": {"sources", "demo"},
    "duckdb": {"storage"},
    "opentelemetry": {"storage.request_logs.mending"},
    "postgast": {"frames.statement_text"},
    "typer": {"cli"},
    "scipy": {"stats"},
}

NOTEBOOKS = PACKAGE.parent / "notebooks"
SHOWN_OTHERWISE = {"sources", "features"}  # by the cell of the coverage and by the table of the adoption


@cache
def modules() -> dict[str, Path]:
    """Every module by its dotted name inside the package; a package by its own name."""
    names = {
        ".".join(p.relative_to(PACKAGE).with_suffix("").parts).removesuffix("__init__").rstrip("."): p
        for p in PACKAGE.rglob("*.py")
    }
    return {name: path for name, path in names.items() if name}


@cache
def imported(name: str) -> frozenset[str]:
    """Dotted names that a module imports, anywhere in it and for type checkers too, or names in a string."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(modules()[name].read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names |= set(re.findall(r"pdmlib\.[a-z_0-9.]+", node.value))
    return frozenset(names)


@cache
def neighbours(name: str) -> frozenset[str]:
    """The modules of the package that a module imports."""
    inside = {found.removeprefix("pdmlib.") for found in imported(name) if found.startswith("pdmlib.")}
    found = {n if n in modules() else n.rpartition(".")[0] for n in inside}
    return frozenset(found & modules().keys() - {name})


def test_the_map_names_every_entry_of_the_folder_and_nothing_else() -> None:
    entries = {path.stem for path in PACKAGE.iterdir() if not path.name.startswith(("__pycache__", "."))}
    assert len(entries) <= MOST_ENTRIES
    assert set(re.findall(r"^`(\w+)`", pdmlib.__doc__ or "", re.MULTILINE)) == entries - {"__init__"} == set(ROOMS)


@pytest.mark.parametrize("name", sorted(modules()))
def test_a_room_imports_only_from_rooms_below_it(name: str) -> None:
    room = name.split(".")[0]
    others = {other.split(".")[0] for other in neighbours(name)} - {room}
    assert not {other for other in others if ROOMS.index(other) <= ROOMS.index(room)}


def test_only_the_command_starts_the_demo() -> None:
    rooms = {name.split(".")[0] for name in modules() if any(n.startswith("demo") for n in neighbours(name))}
    assert rooms <= {"cli", "demo"}


@pytest.mark.parametrize("room", INSIDE)
def test_files_of_a_room_stand_in_its_order_and_import_downwards(room: str) -> None:
    floors = [floor.split() for floor in INSIDE[room].strip().splitlines()]
    level: dict[str, float] = {name: place for place, floor in enumerate(floors) for name in floor}
    below = _below(room)
    assert set(level) <= set(below), "a file that the order names is gone"
    for name in TopologicalSorter(below).static_order():  # what is imported comes first; a circle is an error
        level.setdefault(name, min((level[other] for other in below[name]), default=len(floors)) - 0.5)
        for other in below[name]:
            assert level[other] > level[name], f"{room}.{name} imports {other}, which does not lie below it"


def _below(room: str) -> dict[str, set[str]]:
    """Each file or folder of a room, and those of the same room that it imports."""
    below: dict[str, set[str]] = {}
    for name in modules():
        if name.startswith(f"{room}."):
            mine = name.removeprefix(f"{room}.").split(".")[0]
            found = {
                n.removeprefix(f"{room}.").split(".")[0] for n in neighbours(name) if n.startswith(f"{room}.")
            }
            below.setdefault(mine, set()).update(found - {mine})
    return below


def test_every_room_with_more_than_one_file_has_its_order() -> None:
    packages = {name for name, path in modules().items() if path.name == "__init__.py"}
    assert {name for name in packages if not name.startswith("demo.")} == set(INSIDE)


def test_no_room_takes_what_is_private_to_another_file() -> None:
    private = re.compile(r"pdmlib\..*(?<=\.)_(?!_main__)")
    assert {(name, found) for name in modules() for found in imported(name) if private.match(found)} == set()


@pytest.mark.parametrize("library", HOMES)
def test_each_dependency_has_one_home(library: str) -> None:
    users = {name for name in modules() if any(n.split(".")[0] == library for n in imported(name))}
    assert {u for u in users if not any(f"{u}.".startswith(f"{home}.") for home in HOMES[library])} == set()


def test_each_section_of_readings_stands_on_a_page() -> None:
    """A metric of a section that no notebook names would be in `report.json` and nowhere else."""
    pages = "".join(path.read_text(encoding="utf-8") for path in NOTEBOOKS.glob("*.ipynb"))
    shown = {word for call in re.findall(r"\.readings\(([^)]*)\)", pages) for word in re.findall(r"\w+", call)}
    assert {metric.section for metric in all_metrics(a_site())} - shown - SHOWN_OTHERWISE == set()


def test_only_site_reads_the_environment() -> None:
    readers = {name for name, path in modules().items() if "os.environ" in path.read_text(encoding="utf-8")}
    assert {name for name in readers if name.split(".")[0] not in ("site", "demo")} == set()


def test_only_window_looks_at_the_clock() -> None:
    looks = re.compile(r"datetime\.now\(|time\.time\(|utcnow\(")
    calls = {name for name, path in modules().items() if looks.search(path.read_text(encoding="utf-8"))}
    assert {name for name in calls if not name.startswith("demo")} == {"phases.window"}


def test_the_analysis_opens_no_file_and_no_socket() -> None:
    forbidden = {"httpx", "psycopg", "socket", "pathlib", "duckdb", "urllib"}
    used = {
        (m, n) for m in modules() if m.startswith("analysis") for n in imported(m) if n.split(".")[0] in forbidden
    }
    assert used == set()
