"""The `pdm` command: its commands, one row each, in the order of its help."""

from __future__ import annotations

import sys
from io import TextIOWrapper

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
        help="Says whether a deployment is safe: collects, judges and reports.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for command in COMMANDS:
        app.command()(command)
    app.command(context_settings=OPEN)(lab)
    return app


def main() -> None:
    """Entry point of the `pdm` command."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe of ASCII gets escapes in place of what it cannot show.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # jsonschema loads this optional checker of IRIs where JupyterLab has brought it, which takes a second.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    application()()
