"""The commands that write reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pdmlib.cli import orders
from pdmlib.cli.options import (
    EXIT_OF,
    FAIL_ON,
    AsJson,
    AsOf,
    Debug,
    DeployedAt,
    FailOn,
    Notify,
    Out,
    SiteOption,
    caught,
    check_out,
    in_one_line,
    tell,
)
from pdmlib.cli.orders import Order
from pdmlib.cli.terminal import console
from pdmlib.errors import CallError, one_of
from pdmlib.frames.states import ReportStatus
from pdmlib.phases.phase import EXTRAS, INCIDENT, PHASES
from pdmlib.workbook.shipped import DEMO_SITE

if TYPE_CHECKING:
    from pdmlib.cli.orders import Ask, Outcome
    from pdmlib.workbook.execute import Written

# Every phase but those whose window a person names, which `pdm incident` does.
ASKED = {phase.name: phase for phase in (*PHASES, *EXTRAS) if not phase.named_window}
ALL = "all"
FILES = ("report.html", "report.md", "report.json", "notebook.ipynb", "slides.html", "report.pdf")
COLOURS = {ReportStatus.GREEN: "green", ReportStatus.YELLOW: "yellow", ReportStatus.RED: "red"}
LOST, BLIND = 1, 3
# Several reports end with the first of these codes that one of them has: the worst.
WORST = (LOST, BLIND, *EXIT_OF.values(), 0)


def _phases(incomplete: str) -> list[tuple[str, str]]:
    """The phases that begin so, each with its question, for a shell that completes."""
    return [(name, phase.question) for name, phase in ASKED.items() if name.startswith(incomplete)]


def report(
    phase: Annotated[
        str,
        typer.Argument(
            help="The phase; `all` for every phase and the newest incident, from one collection.",
            autocompletion=_phases,
        ),
    ],
    site: SiteOption = DEMO_SITE,
    as_of: AsOf = "",
    deployed_at: DeployedAt = "",
    out: Out = Path("outputs"),
    notes: Annotated[
        str, typer.Option(help="The analyst's notes; default params/notes/<site>-<phase>.yaml.")
    ] = "",
    fail_on: FailOn = "",
    notify: Notify = False,
    mail_to: Annotated[
        str, typer.Option(help="Mail the decision card to this address by the server in SMTP_HOST.")
    ] = "",
    github: Annotated[
        bool, typer.Option("--github", help="In GitHub Actions: the step's summary and the deployment's status.")
    ] = False,
    pdf: Annotated[
        bool, typer.Option("--pdf", help="Print report.pdf too, by the Chromium of this machine.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write the report of a phase: report.html, report.md, report.json, notebook.ipynb."""
    with caught(debug):
        told = _told(pdf, mail_to, github)
        if phase != ALL and phase not in ASKED:
            raise CallError(one_of(phase, (*ASKED, ALL), "a phase"))
        if phase == ALL and notes:
            raise CallError("--notes: belongs to one phase; without it each phase takes its own in params/notes/")
        order = Order(site=site, as_of=as_of, deployed_at=deployed_at, out=out, notes=notes, notify=notify)
        names = ASKED if phase == ALL else (phase,)
        asks: list[Ask] = [(name, partial(orders.phase, name)) for name in names]
        if phase == ALL:
            asks.append((INCIDENT.name, orders.newest_incident))
        _write(order, asks, fail_on, as_json=as_json, told=told)


report.__doc__ = f"{report.__doc__}\n\n\b\nThe phases:\n" + "\n".join(
    f"  {name:15}{phase.question}" for name, phase in ASKED.items()
)


def incident(
    start: Annotated[str, typer.Option("--from", help="ISO time at which the incident began.")] = "",
    end: Annotated[str, typer.Option("--to", help="ISO time at which it ended; default now.")] = "",
    alert: Annotated[
        str, typer.Option(help="Id of an alert or incident of the latest reports, instead of --from.")
    ] = "",
    site: SiteOption = DEMO_SITE,
    as_of: AsOf = "",
    deployed_at: DeployedAt = "",
    out: Out = Path("outputs"),
    notes: Annotated[str, typer.Option(help="The notes; default params/notes/<site>-incident.yaml.")] = "",
    fail_on: FailOn = "",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write the report of an incident: timeline, impact, criteria, verification."""
    with caught(debug):
        if not (start or alert):
            raise CallError(
                "--from: give the ISO time at which the incident began, or --alert with the id of an alert"
            )
        order = Order(site=site, as_of=as_of, deployed_at=deployed_at, out=out, notes=notes)
        asks: list[Ask] = [(INCIDENT.name, partial(orders.incident, start, end, alert))]
        _write(order, asks, fail_on, as_json=as_json)


def _told(pdf: bool, mail_to: str, github: bool) -> list[Callable[[Written], object]]:
    """What else becomes of a report, each checked before any source is asked."""
    told: list[Callable[[Written], object]] = []
    if pdf:
        from pdmlib.workbook.pdf import check_pdf, print_pdf

        check_pdf()
        told.append(lambda written: print_pdf(written.folder))
    if mail_to:
        from pdmlib.workbook.mail import check_mail, send

        check_mail(mail_to)
        told.append(_of_card(partial(send, mail_to)))
    if github:
        from pdmlib.workbook.github import check_github, tell_github

        check_github()
        told.append(_of_card(tell_github))
    return told


def _of_card(tell_of: Callable[[Mapping[str, Any]], None]) -> Callable[[Written], None]:
    """Told of a report whose card could be computed."""

    def told(written: Written) -> None:
        if "card" in written.content:
            tell_of(written.content)

    return told


def _write(
    order: Order,
    asks: Sequence[Ask],
    fail_on: str,
    as_json: bool,
    told: Sequence[Callable[[Written], object]] = (),
) -> None:
    """Writes reports, shows each as it is done, and ends with the worst of their exit codes."""
    if fail_on and fail_on not in FAIL_ON:
        raise CallError(f"--fail-on: {one_of(fail_on, FAIL_ON, 'a status')}")
    check_out(order.out)
    from pdmlib.cli.production import production_of

    codes, rows, alone = [0], list[dict[str, Any]](), len(asks) == 1

    def done(outcome: Outcome) -> None:
        codes.append(_code(outcome, fail_on))
        rows.append(_row(outcome))
        if outcome.written is None:
            tell(f"{outcome.phase}: {outcome.reason}")
            return
        for each in told:
            in_one_line(partial(each, outcome.written))
        if not alone:
            announce_line(outcome.written)

    try:
        with production_of(order.site, order.as_of) as production:
            from pdmlib.cli import writing  # takes a second to import, in which a demo starts

            written = writing.write(order, asks, production, done)
        if alone and written:
            _announce(written[0], as_json)
    finally:
        if as_json:
            print(json.dumps(rows[0] if alone and rows else rows, indent=2))
    if code := min(codes, key=WORST.index):
        raise typer.Exit(code)


def _code(outcome: Outcome, fail_on: str) -> int:
    """The exit code of one report."""
    written = outcome.written
    if written is None or written.blind:
        return BLIND if written else LOST
    return EXIT_OF[written.status] if written.status in FAIL_ON.get(fail_on, ()) else 0


def _row(outcome: Outcome) -> dict[str, Any]:
    """One report for a program: what it says and where it lies."""
    written = outcome.written
    if written is None:
        return {"phase": outcome.phase, "error": outcome.reason}
    said = {name: written.content.get(name) for name in ("phase", "status", "recommendation", "outcome", "as_of")}
    return {**said, "folder": str(written.folder), "files": [name for name, _ in _files(written)]}


def _files(written: Written) -> list[tuple[str, Path]]:
    return [(name, written.folder / name) for name in FILES if (written.folder / name).exists()]


def _announce(written: Written, as_json: bool) -> None:
    """What a report says, and its files."""
    from pdmlib.report.card import lines

    card = written.content.get("card")
    first, *more = (line for line in (lines(card) if card else [written.status.value]) if line)
    colour = COLOURS.get(written.status, "white")
    console.print(first, style=f"bold {colour}", markup=False, soft_wrap=True)
    for line in more:
        console.print(line, markup=False, soft_wrap=True)
    for _, path in _files(written) if not as_json else ():
        print(path)


def announce_line(written: Written) -> None:
    """One line of one report among others."""
    phase, page = written.content["phase"], written.folder / "report.html"
    console.print(f"{written.status:8}{phase:14}{page}", markup=False, soft_wrap=True)
