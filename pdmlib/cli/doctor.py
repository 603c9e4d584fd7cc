"""The command that checks a site's sources and shows how what they say is understood."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from pdmlib.cli.lab import ready_site
from pdmlib.cli.options import AsOf, Debug, Out, SiteOption, caught, check_out
from pdmlib.cli.terminal import console
from pdmlib.errors import CallError
from pdmlib.frames.states import Proof
from pdmlib.frames.understanding import Understood
from pdmlib.phases.window import parse_time, spoken
from pdmlib.site.site import Site
from pdmlib.sources.endpoints import Answered
from pdmlib.sources.probes import PROBES, worst
from pdmlib.workbook.doctor import Examination, examine
from pdmlib.workbook.probe import check_probes
from pdmlib.workbook.probe import probe as made_once
from pdmlib.workbook.probe_record import Record
from pdmlib.workbook.scope import looking_scope
from pdmlib.workbook.shipped import DEMO_SITE

INDENTED = (0, 0, 0, 2)
PROBED = {Proof.WORKED: 0, Proof.FAILED: 1, Proof.NOT_KNOWN: 3}  # exit codes


def doctor(
    site: SiteOption = DEMO_SITE,
    as_of: AsOf = "",
    out: Out = Path("outputs"),
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Show a real row of each table and vendor, the words and each endpoint."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For a program; without the texts of rows.")] = False,
    probe: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Instead make a test payment, sms or email, once for the deployment; exit 1 failed, 3 not known.",
            autocompletion=lambda: list(PROBES),
        ),
    ] = None,
    really: Annotated[
        bool, typer.Option("--really", help="Probe with live keys, and write to the site file's recipients.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Check every source of a site: configured, reachable, allowed, how fast, and what is not understood."""
    with caught(debug), _ready(site, as_of, out, probe or [], really=really) as loaded:
        if probe:
            _probed(loaded, probe, out, really=really, as_of=as_of, as_json=as_json)
            return
        found = examined(loaded, as_of, out, explain)
        if as_json:
            print(json.dumps(found.as_json(), indent=2, default=str))
        else:
            show(found, explain)
        if found.code:
            raise typer.Exit(found.code)


@contextmanager
def _ready(site: str, as_of: str, out: Path, names: list[str], really: bool) -> Iterator[Site]:
    """The site, once what was asked for is known to be possible."""
    check_probes(names)
    if really and not names:
        raise CallError("--really: only with --probe")
    if names:
        check_out(out)
    with ready_site(site, as_of, tolerant=True) as (loaded, _):
        yield loaded


def _probed(site: Site, names: list[str], out: Path, really: bool, as_of: str, as_json: bool) -> None:
    """Makes probes one after another and prints what became of each."""
    with console.status("") as spinner:
        tell: Callable[[Text], None] = spinner.update if console.is_terminal else console.print
        found = [
            made_once(site, n, out, lambda said: tell(Text(said)), really=really, as_of=as_of)
            for n in dict.fromkeys(names)
        ]
    if as_json:
        rows = [{"state": record.state, **asdict(record)} for record in found]
        print(json.dumps({"site": site.site, "probes": rows}, indent=2))
    else:
        screen = Console(highlight=False, markup=False)
        for record in found:
            screen.print(Text("\n".join(_told(record, site))), soft_wrap=True)
    code = PROBED[worst([check for record in found for check in record.checks])]
    if code:
        raise typer.Exit(code)


def _told(record: Record, site: Site) -> Iterator[str]:
    """A probe in lines: the box of the checklist, what was found, and what to do."""
    when = f", by a call of {spoken(parse_time(record.at), site.zone)}" if record.earlier else ""
    yield f"{record.box}: {record.state.upper()}{when}"
    for check in record.checks:
        yield f"  {check.what}: {check.state}: {check.evidence}"
        if check.todo:
            yield f"    to do: {check.todo}"


def examined(site: Site, as_of: str, out: Path, explain: bool) -> Examination:
    """What the doctor finds, with the name of each source as it ends."""
    scope = looking_scope(site, as_of)
    with console.status("asking every source") as spinner:
        return examine(
            site=site,
            scope=scope,
            out=out,
            explained=explain,
            on_progress=lambda name, how: spinner.update(f"{name}: {how}"),
        )


def show(found: Examination, explain: bool) -> None:
    """Prints what the doctor found."""
    screen = Console(highlight=False, markup=False)
    for part in (
        _sources(found),
        *_refused(found),
        *_mends(found),
        *(_explained(found) if explain else ()),
        *_unclear(found),
    ):
        # A line to copy is not broken, however narrow the screen is.
        screen.print(part, soft_wrap=isinstance(part, Text))


def _sources(found: Examination) -> RenderableType:
    title = f"{found.site.title} ({found.site.file})"
    rows = (
        (r.source, r.status, f"{r.seconds:.2f}", f"{r.rows:,}", r.brief if r.detail else "")
        for r in found.found.coverage
    )
    return _table(title, ("Source", "Answered", "Seconds", "Rows", "Detail"), rows)


def _refused(found: Examination) -> Iterator[RenderableType]:
    rows = [tuple(row.values()) for row in found.refused()]
    if rows:
        yield _table("Refused", ("Source", "It says", "It needs", "Without it"), rows)


def _mends(found: Examination) -> Iterator[RenderableType]:
    for path, detail in found.down():
        yield Text(
            f"{path} was down at every probe: {detail}\n  it is down, or sources.app.base_url is not its address"
        )
    for item, reason, sql in found.grants():
        yield Text(f"{item}: {reason}\n  mend: {sql}")


def _unclear(found: Examination) -> Iterator[RenderableType]:
    rows = found.not_understood()
    if rows:
        names = ("source", "item", "what", "count", "example", "taken_for")
        values = ([str(row[name] or "") for name in names] for row in rows)
        yield _table("Not understood", [name.replace("_", " ").capitalize() for name in names], values)
    for mend in dict.fromkeys(row["mend"] for row in rows if row["mend"]):
        yield Text(f"  mend: {mend}")


def _explained(found: Examination) -> Iterator[RenderableType]:
    if found.endpoints:
        yield endpoints_table(found.endpoints)
    for table in found.tables:
        yield from _one_table(table)


def endpoints_table(answers: Iterable[Answered]) -> RenderableType:
    """Paths, their answers and what these were taken for."""
    rows = (
        (a.path, str(a.code or "-"), a.said, f"{a.ms:.0f}", a.taken_for or "NOT UNDERSTOOD", a.detail or "")
        for a in answers
    )
    return _table("Endpoints", ("Path", "Code", "Body begins", "ms", "Taken for", "Because"), rows)


def _one_table(table: Understood) -> Iterator[RenderableType]:
    yield Text(f"\n{table.key}: {table.table}", style="bold")
    if table.problem:
        yield Text(f"  {table.problem}" + (f"\n  mend: {table.mend}" if table.mend else ""))
    if table.columns:
        rows = ((s.ours, s.theirs or "-", s.value or "", s.taken_for, s.means) for s in table.columns)
        yield Padding(_table(None, ("Ours", "Theirs", "Newest row", "Taken for", "Means"), rows), INDENTED)
    if table.words:
        words = ((w.ours, w.theirs, f"{w.count:,}", w.taken_for or "NOT UNDERSTOOD") for w in table.words)
        yield Padding(_table(None, ("Field", "Word", "Rows", "Taken for"), words), INDENTED)


def _table(title: str | None, names: Any, rows: Any) -> Table:
    shown = Table(*names, title=title)
    for row in rows:
        shown.add_row(*row)
    return shown
