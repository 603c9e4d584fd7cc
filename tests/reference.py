"""Writes the pages of docs/reference/ from the code: `make reference`; a test holds the two together."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

import pdmlib
from pdmlib.analysis.catalogue import TABLES, all_metrics
from pdmlib.analysis.metric import Metric
from pdmlib.cli.main import COMMANDS, called
from pdmlib.cli.reports import ASKED
from pdmlib.frames.about import FILLED_BY, about
from pdmlib.frames.readings import Limit
from pdmlib.frames.schemas import SCHEMAS
from pdmlib.report.columns import COLUMNS
from pdmlib.site.load import load_site
from pdmlib.site.site import Site

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
PACKAGE = FOLDER.parents[1] / "pdmlib"
DEMO = FOLDER.parents[1] / "params" / "demo.yaml"
MADE = "Made from the code by `make reference`; a test holds the two together.\n"
ABOUT = {"Units": "units", "From": "source", "Missing": "missing"}
# Readings that a site file makes, one for each of its features, queries, categories of tickets and costs.
FAMILIES = {
    "feature_": "feature_<name>",
    "query_": "query_<name>_ms",
    "tickets_": "tickets_<category>",
    "integration_": "integration_<name>",
    "cost_": "cost_<name>",
}
ALONE = ("tickets_total",)


def commands() -> str:
    """Every command, its arguments, options and exit codes."""
    parts = [f"# Commands\n\n{MADE}\n`pdm --help` and `pdm <command> --help` say the same on a terminal.\n"]
    parts += [_command(name) for name in COMMANDS]
    parts.append("""## Exit codes

| code | means |
| --- | --- |
| 0 | done; of `report`: written, whatever its status |
| 1 | it failed, in one line; of `doctor`: a source is partial or failed; of `report all`: one was not written |
| 2 | the call or the site file is wrong, in one line that names the key, the line and the nearest name |
| 3 | no source at all could be read; the report is written and says UNKNOWN |
| 10, 11, 12 | with `--fail-on`: the report is RED, YELLOW, UNKNOWN |
| 130 | stopped by Ctrl-C; nothing half-written is left |
""")
    return "\n".join(parts)


def _command(name: str) -> str:
    command = called(name)
    text, *rest = (command.help or "").split("\n\n\b\n")
    rows = [_parameter(parameter) for parameter in command.params if parameter.name != "help"]
    phases = "".join(f"- `{p.name}`: {p.question}\n" for p in ASKED.values()) if rest else ""
    head = "| option | means | default |\n| --- | --- | --- |\n"
    return f"## pdm {name}\n\n{_line(text)}\n\n{phases}{chr(10) if phases else ''}{head}{''.join(rows)}"


def _parameter(parameter: Any) -> str:
    is_option = parameter.param_type_name == "option"
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    default = "true" if parameter.default is True else parameter.default
    shown = "" if default in (None, "", False) or callable(default) else f"`{default}`"
    return f"| {names if is_option else f'`{parameter.name.upper()}`'} | {_line(parameter.help)} | {shown} |\n"


def readings() -> str:
    """Every reading: what is measured, and its limits."""
    site = load_site(DEMO, offline=True)
    parts = [
        f"""# Readings

{MADE}
The limits are those that come along; `limits` and `targets` of a site file move them, and each report shows those
in force. *warns* and *fails* are the status of the reading, *RED* and *rollback* make the whole report so, P0 to
P2 is the priority of the alert. A share is held against its 95 % interval, so that few events decide nothing. What
could not be measured is `unknown`, never 0.
"""
    ]
    known: set[str] = set()
    for section, metrics in groupby(all_metrics(site), key=lambda metric: metric.section):
        rows = list(_readings(site, metrics, known))
        if rows:
            names = ("reading", "title", "unit", "what it is", "pass", "limits")
            head = f"| {' | '.join(names)} |\n|{' --- |' * len(names)}\n"
            parts.append(f"## {section.capitalize()}\n\n{head}{''.join(rows)}")
    return "\n".join(parts)


def _readings(site: Site, metrics: Iterator[Metric], known: set[str]) -> Iterator[str]:
    for metric in metrics:
        name = family(metric.id)
        if name in known:
            continue
        known.add(name)
        own, aim, limits = name != metric.id, metric.target, "; ".join(map(_limit, metric.limits))
        if own and metric.section != "integrations":
            aim, limits = "the site's own", ""
        title = "" if own else metric.title
        cells = (f"`{name}`", title, metric.unit, _said(metric.measure), _cell(aim), _cell(limits))
        yield f"| {' | '.join(cells)} |\n"


def family(name: str) -> str:
    """The reading as the reference names it: one of a site's own features stands for all of them."""
    found = (general for start, general in FAMILIES.items() if name.startswith(start) and name not in ALONE)
    return next(found, name)


def _said(measure: Callable[..., Any]) -> str:
    """The first sentence of what measures."""
    function = measure.func if isinstance(measure, partial) else measure
    text = " ".join((function.__doc__ or "").partition("\n\n")[0].split())
    return _cell(re.sub(r" \(see `\w+`\)", "", text))


def _limit(limit: Limit) -> str:
    of = {"low": "lower bound ", "baseline": "times the baseline ", "trend": "trend "}.get(limit.of, "")
    does = "rollback" if limit.rollback else "RED" if limit.critical else f"{limit.status.value}s"
    edge = f"is {str(limit.edge).lower()}" if limit.op == "==" else f"{limit.op} {limit.edge:g}"
    return f"{of}{edge} {does}{f', {limit.priority.value}' if limit.priority else ''}"


def tables() -> str:
    """Every table of a report, with its columns."""
    parts = [
        f"""# Tables

{MADE}
Each is a list of rows under `tables` in `report.json`; `report.table("<name>")` shows it in a notebook. Keys that
no column shows are in `report.json` too.
"""
    ]
    for name, columns in COLUMNS.items():
        if not name.endswith("_glance"):
            said = _said(TABLES[name]) if name in TABLES else ""
            rows = "".join(f"| `{column.key}` | {_cell(column.title)} |\n" for column in columns)
            parts.append(
                f"## {name}\n\n{said}{chr(10) * 2 if said else ''}| key | shown as |\n| --- | --- |\n{rows}"
            )
    return "\n".join(parts)


def frames() -> str:
    """Every frame, with its grain, its key and its columns."""
    parts = [
        f"""# Frames

{MADE}
What the sources brought, before anything is judged: `report.frame("<name>")` is a pandas frame. Times are UTC; a
missing value is missing, never 0 or empty. `prose` is text that a stranger wrote, which is masked.
"""
    ]
    for name in FILLED_BY:
        schema = SCHEMAS[name]
        key = ", ".join(f"`{column}`" for column in schema.key) or "none"
        columns = " · ".join(f"`{column}` {kind}" for column, kind in schema.columns.items())
        told = about(name)
        said = "".join(f"- {title}: {_cell(told[part])}.\n" for title, part in ABOUT.items() if told[part])
        grain = told["grain"][:1].upper() + told["grain"][1:]
        parts.append(f"## {name}\n\n{grain}.\n\n- Key: {key}. Columns: {columns}.\n{said}")
    return "\n".join(parts)


def python() -> str:
    """What a notebook imports, and everything that a report can be asked."""
    parts = [f"# Python\n\n{MADE}\n`help(pdmlib.Report)` says the same in a notebook.\n"]
    for name in pdmlib.__all__:
        parts.append(f"## pdmlib.{name}\n\n{_documented(getattr(pdmlib, name))}")
    for name in dir(pdmlib.Report):
        member = inspect.getattr_static(pdmlib.Report, name)
        function = getattr(member, "func", None) or getattr(member, "fget", None) or member
        if not name.startswith("_") and callable(function):
            parts.append(f"### report.{name}\n\n{_documented(member if function is not member else function)}")
    return "\n".join(parts)


def _documented(thing: Any) -> str:
    """The call of something and its docstring, as written."""
    text = inspect.cleandoc(thing.__doc__ or "")
    if isinstance(thing, type) or not callable(thing):
        return f"{_prose(text)}\n"
    signature = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(thing)))
    signature = signature.replace("self, ", "").replace("(self)", "()")
    return f"`{thing.__name__}{signature}`\n\n{_prose(text)}\n"


def _prose(text: str) -> str:
    """A docstring as Markdown: what stands under `Args:` and `Raises:` is a list."""
    lines = []
    for line in text.splitlines():
        if re.match(r"\w+:$", line):
            lines.append(f"{line}\n")
        elif re.match(r"    \S", line):
            lines.append(f"- {line.strip()}")
        else:
            lines.append(line if not line.startswith("     ") else f"  {line.strip()}")
    return "\n".join(lines)


def methods() -> str:
    """Every method of statistics that has a source, where it is computed."""
    parts = [
        f"""# Methods

{MADE}
| where | what | source |
| --- | --- | --- |
"""
    ]
    for path in sorted(PACKAGE.rglob("*.py")):
        parts += _sourced(path)
    return "".join(parts)


def _sourced(path: Path) -> Iterator[str]:
    """A row of each function, or module, whose docstring names its source."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    place = path.relative_to(PACKAGE.parent).as_posix()
    for node in (tree, *(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef))):
        text, found, source = " ".join((ast.get_docstring(node) or "").split()).partition("Source: ")
        if found and path.parent.name not in ("sources", "specifications"):
            name = f"{place}:{node.name}" if isinstance(node, ast.FunctionDef) else place
            said = re.split(r"(?<=[.;])\s", text)[0].rstrip(".; ")
            yield f"| `{name}` | {_cell(said)} | {_cell(source.rstrip('.'))} |\n"


def _line(text: str | None) -> str:
    return _cell(" ".join((text or "").split()))


def _cell(text: str) -> str:
    """Text inside a cell of a table of Markdown."""
    return text.replace("|", "\\|").replace("<", "&lt;") if "`" not in text else text.replace("|", "\\|")


PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands,
    "readings.md": readings,
    "tables.md": tables,
    "frames.md": frames,
    "python.md": python,
    "methods.md": methods,
}


def main() -> int:
    """Writes every page."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
