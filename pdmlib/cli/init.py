"""The command that drafts a site file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pdmlib.cli.doctor import endpoints_table, examined, show
from pdmlib.cli.options import Debug, caught
from pdmlib.cli.terminal import console
from pdmlib.errors import CallError, PdmError, SourceError
from pdmlib.site.environment import environment_value
from pdmlib.site.load import load_site
from pdmlib.sources.accounts import SentryProject
from pdmlib.sources.endpoints import Answered, usual_answers
from pdmlib.workbook import init as drafting
from pdmlib.workbook.site_draft import NO_PATH, Asked, Question, Told, draft, is_zone
from pdmlib.workbook.survey.database import Seen
from pdmlib.workbook.survey.jobs import calls_in, project_beside

VERCEL_JSON = Path("vercel.json")
SENTRY = "https://us.sentry.io"


@dataclass(frozen=True)
class _Options:
    """Where to look."""

    url: str
    database_env: str
    vercel_json: Path | None
    log: Path | None
    time_zone: str
    sentry_url: str


def init(
    site: Annotated[
        Path | None, typer.Option("--site", help="The file to write; default params/<name of the address>.yaml.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Take the guesses instead of asking.")] = False,
    database_env: Annotated[
        str, typer.Option(help="Variable of the database's address; default the first usual one that is set.")
    ] = "",
    url: Annotated[str, typer.Option(help="The application's address.")] = "",
    vercel_json: Annotated[
        Path | None,
        typer.Option(help="The platform's file of cron schedules; default vercel.json, if it is there."),
    ] = None,
    log: Annotated[Path | None, typer.Option(help="A file of request logs, to tell its format.")] = None,
    sentry_url: Annotated[
        str, typer.Option(help="Sentry's address; asked where SENTRY_AUTH_TOKEN is set.")
    ] = SENTRY,
    time_zone: Annotated[str, typer.Option(help="The zone that its people live in, such as Asia/Kolkata.")] = "",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Write the file anew where there is one.")
    ] = False,
    debug: Debug = False,
) -> None:
    """Look at an application and draft its site file: database, health checks, cron schedules, logs."""
    with caught(debug):
        name = drafting.name_of(site, url or None)
        file = site or Path("params") / f"{name}.yaml"
        if file.exists() and not overwrite:
            raise CallError(f"{file}: is there already; --overwrite writes it anew")
        options = _Options(
            url=url,
            database_env=database_env,
            vercel_json=vercel_json,
            log=log,
            time_zone=time_zone,
            sentry_url=sentry_url,
        )
        told, seen, answers = _looked(name, options)
        asked = Asked((lambda question: question.guess or "") if yes else _prompt)
        if time_zone and not is_zone(time_zone):
            raise CallError(f"--time-zone: {time_zone!r} is not an IANA time zone such as Asia/Kolkata")
        made = draft(told, seen, answers, asked)
        drafting.write(made, file, overwrite)
        example = drafting.add_variables(Path(".env.example"), made.variables)
        print(f"{file} is written" + (f", and {', '.join(example)} added to .env.example" if example else ""))
        if seen is not None:
            print(f"\n{drafting.role_sql(made, seen)}")
        _examine(file)
        _left(asked, list(drafting.questions_left(made, seen)))


def _looked(name: str, options: _Options) -> tuple[Told, Seen | None, tuple[Answered, list[Answered]] | None]:
    """What options, files, endpoints and the database tell before anybody is asked."""
    calls_file = options.vercel_json or VERCEL_JSON
    is_called = options.vercel_json is not None or calls_file.exists()
    variable = drafting.database_variable(options.database_env)
    calls = tuple(calls_in(calls_file)) if is_called else ()
    log_format = drafting.log_format(options.log, options.time_zone or "UTC") if options.log else None
    seen, sslmode = _database(variable, bool(options.database_env))
    answers = _endpoints(options.url)
    told = Told(
        site=name,
        url=options.url.rstrip("/") or None,
        time_zone=options.time_zone or None,
        database_env=variable,
        sslmode=sslmode,
        calls=calls,
        project=project_beside(calls_file) if is_called else None,
        log_format=log_format,
        sentry=_sentry(options.sentry_url),
        sentry_url=options.sentry_url if options.sentry_url != SENTRY else None,
        supabase_ref=drafting.supabase_project(variable),
        set_variables=frozenset(filter(environment_value, drafting.VENDOR_VARIABLES)),
    )
    return told, seen, answers


def _sentry(url: str) -> tuple[SentryProject, ...]:
    """The projects of Sentry; none, and why on the screen, where they cannot be listed."""
    try:
        return drafting.sentry_projects_seen(url)
    except SourceError as error:
        console.print(f"no projects of Sentry: {error.reason}", markup=False)
        return ()


def _database(variable: str, is_wanted: bool) -> tuple[Seen | None, str]:
    """What is seen of the database; None, and why on the screen, where it cannot be looked at."""
    try:
        with console.status(f"looking at the database of {variable}"):
            return drafting.look_at_database(variable)
    except PdmError as error:
        if is_wanted:
            raise
        console.print(f"no database: {error}", markup=False)
        return None, "verify-full"


def _endpoints(url: str) -> tuple[Answered, list[Answered]] | None:
    if not url:
        return None
    with console.status(f"asking {url} at the usual paths"):
        page, there = usual_answers(url.rstrip("/"))
    screen = Console(highlight=False, markup=False)
    screen.print(endpoints_table([page, *there]))
    if page.everywhere:
        screen.print(NO_PATH)
    return page, there


def _prompt(question: Question) -> str:
    text = question.text + _options(question)
    while True:
        try:
            given = typer.prompt(text, default=question.guess or "", show_default=bool(question.guess), err=True)
        except typer.Abort:
            raise CallError("nobody answered; --yes takes the guesses") from None
        if question.takes(answer := str(given).strip()):
            return answer
        console.print(f"{answer!r} is not one of them", markup=False)


def _options(question: Question) -> str:
    return f" ({' or '.join(question.options)})" if question.options else ""


def _examine(file: Path) -> None:
    found = examined(load_site(file, tolerant=True), "", Path("outputs"), explain=True)
    show(found, explain=True)


def _left(asked: Asked, further: list[str]) -> None:
    """What is still to be told, as a list."""
    lines = [f"{question.key}: {question.text}{_options(question)}" for question in asked.open] + further
    if lines:
        print("\nStill to be told, in the site file unless it says otherwise:")
    for line in lines:
        print(f"  - {line}")
