"""The commands that write reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from pdmlib.cli.options import (
    EXIT_OF,
    FAIL_ON,
    AsOf,
    Debug,
    DeployedAt,
    Notify,
    Out,
    SiteOption,
    caught,
    check_out,
    console,
    secret_variables,
)
from pdmlib.cli.production import production_of
from pdmlib.errors import CallError, PdmError
from pdmlib.frames.states import ReportStatus
from pdmlib.phases.phase import PHASES, phase_named
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import parse_time
from pdmlib.site.site import Site
from pdmlib.workbook.execute import Written
from pdmlib.workbook.gather import gather, history_folder
from pdmlib.workbook.opening import open_site
from pdmlib.workbook.scope import incident_scope_for, scope_for, span_of
from pdmlib.workbook.shipped import DEMO_SITE


def report(
    phase: Annotated[str, typer.Argument(help=", ".join(p.name for p in PHASES))],
    site: SiteOption = DEMO_SITE,
    as_of: AsOf = "",
    deployed_at: DeployedAt = "",
    out: Out = Path("outputs"),
    notes: Annotated[
        str, typer.Option(help="The analyst's notes; default params/notes/<site>-<phase>.yaml.")
    ] = "",
    fail_on: Annotated[
        str, typer.Option(help="red, yellow or unknown: exit 10, 11 or 12 for that status or worse.")
    ] = "",
    notify: Notify = False,
    mail_to: Annotated[
        str, typer.Option(help="Mail the decision card to this address by the server in SMTP_HOST.")
    ] = "",
    github: Annotated[
        bool, typer.Option("--github", help="In GitHub Actions: the step's summary and the deployment's status.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Write the report of a phase: report.html, report.md, report.json, notebook.ipynb."""
    with caught(debug):
        told = _told(mail_to, github)
        if fail_on and fail_on not in FAIL_ON:
            raise CallError(f"--fail-on: {fail_on!r} is not one of {', '.join(FAIL_ON)}")
        phase_named(phase)

        def scope(loaded: Site) -> Scope:
            return scope_for(loaded, phase, as_of, deployed_at, out=out)

        written = _report(site, as_of, out, notes=notes, scope_of=scope, notify=notify)
        for tell in told if "card" in written.content else ():
            _in_one_line(partial(tell, written.content))
        _finish(written, fail_on)


def _told(mail_to: str, github: bool) -> list[Callable[[Mapping[str, Any]], None]]:
    """Whom a report is told to, each checked before any source is asked."""
    told: list[Callable[[Mapping[str, Any]], None]] = []
    if mail_to:
        from pdmlib.workbook.mail import check_mail, send

        check_mail(mail_to)
        told.append(partial(send, mail_to))
    if github:
        from pdmlib.workbook.github import check_github, tell_github

        check_github()
        told.append(tell_github)
    return told


def _in_one_line(tell: Callable[[], Any]) -> None:
    """Tells somebody of a report; what fails is one line, since the report stands."""
    try:
        tell()
    except (PdmError, OSError) as error:
        console.print(f"pdm: {error}", style="red", markup=False, soft_wrap=True)


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
    fail_on: Annotated[str, typer.Option(help="As for `report`.")] = "",
    debug: Debug = False,
) -> None:
    """Write the report of an incident: timeline, impact, criteria, verification."""
    with caught(debug):
        if not (start or alert):
            raise CallError(
                "--from: give the ISO time at which the incident began, or --alert with the id of an alert"
            )

        def scope(loaded: Site) -> Scope:
            began, ended = (start, end) if start else span_of(alert, loaded, out)
            return incident_scope_for(loaded, began, ended, as_of=as_of, deployed_at=deployed_at, out=out)

        _finish(_report(site, as_of, out, notes=notes, scope_of=scope), fail_on)


def _finish(written: Written, fail_on: str) -> None:
    _announce(written)
    if written.blind:
        raise typer.Exit(3)
    if fail_on and written.status in FAIL_ON[fail_on]:
        raise typer.Exit(EXIT_OF[written.status])


def _report(
    site: str, as_of: str, out: Path, notes: str, scope_of: Callable[[Site], Scope], notify: bool = False
) -> Written:
    from pdmlib.workbook.telemetry import report_broken, watched

    check_out(out)
    with ThreadPoolExecutor(2) as pool, production_of(site, as_of, pool) as production:
        from pdmlib.workbook.execute import write_report
        from pdmlib.workbook.kernel import Kernel

        hidden = (*secret_variables(site), "SMTP_PASSWORD", "GITHUB_TOKEN")
        with ExitStack() as stack, console.status("starting") as status:
            imported = pool.submit(_import_ahead)
            production.ready(lambda text: status.update(f"demo production: {text}"))
            kernel = stack.enter_context(Kernel(hidden))
            loaded = open_site(site)
            webhook = webhook_of(loaded) if notify else None
            scope = scope_of(loaded)
            notes = _notes_of(loaded, scope, notes)
            production.keep_history(history_folder(loaded, out))
            production.look_back(scope.asked_at)
            with watched(f"pdm-{loaded.site}-{scope.phase.name}"):
                done: list[str] = []

                def progress(source: str, state: str) -> None:
                    done.append(f"{source} {state}")
                    status.update("collecting: " + ", ".join(done))

                status.update("collecting")
                collection = gather(loaded, scope, out, progress)
                imported.result()
                written = write_report(
                    loaded, scope, out, collection=collection, kernel=kernel, notes=notes, say=status.update
                )
                report_broken(written.content)
            if webhook:
                _tell(webhook, written)
            return written


def _notes_of(site: Site, scope: Scope, given: str) -> str:
    """The path of the notes, empty where there are none; fails on wrong ones before any source is asked."""
    from pdmlib.site.notes import load_notes, notes_path, notes_places

    if given and not Path(given).is_file():
        raise CallError(f"--notes: {given} is not a file")
    path = notes_path(site, scope.phase.name, given)
    load_notes(path)
    if path.exists():
        return str(path.resolve())
    places = " nor ".join(map(str, notes_places(site, scope.phase.name)))
    console.print(f"no notes: neither {places} is there", style="dim", markup=False, soft_wrap=True)
    return ""


def webhook_of(site: Site) -> str:
    """The address that news of a site goes to; fails where none is set."""
    from pdmlib.workbook.notify import webhook

    return webhook(site)


def _tell(webhook: str, written: Written) -> None:
    """Notifies of a report; what fails is one line, since the report stands."""
    from pdmlib.storage.reports import previous_report
    from pdmlib.workbook.notify import notify

    phase, content = written.folder.parent, written.content
    last = previous_report(phase, parse_time(content["as_of"]))
    _in_one_line(lambda: notify(webhook, phase.parent, content, last))


def _import_ahead() -> None:
    """Imports what collecting and executing need, in that order, while the demo starts."""
    for name in ("pdmlib.storage.history", "pdmlib.sources.catalogue", "papermill"):
        import_module(name)


def _announce(written: Written) -> None:
    from pdmlib.report.card import lines

    colour = {ReportStatus.GREEN: "green", ReportStatus.YELLOW: "yellow", ReportStatus.RED: "red"}
    card = written.content.get("card")
    first, *more = (line for line in (lines(card) if card else [written.status.value]) if line)
    console.print(first, style=f"bold {colour.get(written.status, 'white')}", markup=False, soft_wrap=True)
    for line in more:
        console.print(line, markup=False, soft_wrap=True)
    for name in ("report.html", "report.md", "report.json", "notebook.ipynb", "slides.html"):
        if (written.folder / name).exists():
            print(written.folder / name)
