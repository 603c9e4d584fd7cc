"""The `pdm` command: its commands, one row each, in the order of its help."""

from __future__ import annotations

import signal
import sys
from importlib.metadata import version
from io import TextIOWrapper
from typing import Annotated

import typer

from pdmlib.cli.collecting import collect, status, watch
from pdmlib.cli.demo import demo
from pdmlib.cli.doctor import doctor
from pdmlib.cli.init import init
from pdmlib.cli.lab import lab
from pdmlib.cli.logs import compact, ingest
from pdmlib.cli.reports import incident, report
from pdmlib.cli.schema import schema

COMMANDS = (
    report,
    incident,
    demo,
    init,
    doctor,
    collect,
    watch,
    status,
    ingest,
    compact,
    schema,
)
# What JupyterLab is started with goes through to it.
OPEN = {"allow_extra_args": True, "ignore_unknown_options": True}


def application() -> typer.Typer:
    """The command with all its commands."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_options)
    for command in COMMANDS:
        app.command()(command)
    app.command(context_settings=OPEN)(lab)
    return app


# What a terminal that closes, a service manager and a container send to end a process.
ENDS = (signal.SIGTERM, signal.SIGHUP)


def let_ends_be_orderly() -> None:
    """Ends on a signal as on Ctrl-C: everything that was begun is closed, cancelled and removed on the way out."""
    for number in ENDS:
        signal.signal(number, _end)


def _end(number: int, _: object) -> None:
    for again in (*ENDS, signal.SIGINT):
        signal.signal(again, signal.SIG_IGN)
    sys.exit(128 + number)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"pdm {version('pdmlib')}")
        raise typer.Exit


def _options(
    shown: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Says whether a deployment is safe: collects, judges and reports."""


def main() -> None:
    """Entry point of the `pdm` command."""
    let_ends_be_orderly()
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe of ASCII gets escapes in place of what it cannot show.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # jsonschema loads this optional checker of IRIs where JupyterLab has brought it, which takes a second.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    application()()
