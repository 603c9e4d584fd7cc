"""The `pdm` command: its commands, one row each, in the order of its help."""

from __future__ import annotations

import ast
import atexit
import os
import signal
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from io import TextIOWrapper
from pathlib import Path
from threading import Timer
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from pdmlib.phases.phase import INCIDENT
from pdmlib.site.environment import without_plugins

# Command -> the file of `cli/` that has its function. A file is imported when its command is called: help and
# completion want no more than the first line of each docstring, and importing every file takes a second.
COMMANDS = {
    "report": "reports",
    INCIDENT.name: "reports",
    "demo": "demo",
    "init": "init",
    "doctor": "doctor",
    "collect": "collecting",
    "watch": "collecting",
    "status": "status",
    "ingest": "logs",
    "compact": "logs",
    "schema": "schema",
    "lab": "lab",
}
# What JupyterLab is started with goes through to it.
OPEN: Mapping[str, dict[str, Any]] = {"lab": {"allow_extra_args": True, "ignore_unknown_options": True}}
PLAIN: Mapping[str, Any] = {"pretty_exceptions_enable": False, "rich_markup_mode": None}


def called(name: str) -> Any:
    """A command whole: its function, its options and its help."""
    app = typer.Typer(add_completion=False, **PLAIN)
    function = getattr(import_module(f"pdmlib.cli.{COMMANDS[name]}"), name)
    app.command(name, context_settings=OPEN.get(name))(function)
    return typer.main.get_command(app)


class _Named(TyperCommand):
    """A command of which no more than its name is known until it is called."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return called(str(self.name)).make_context(info_name, args, parent=parent, **extra)

    def get_short_help_str(self, limit: int = 0) -> str:
        """The first line of the function's docstring, read and not imported."""
        file = Path(__file__).parent / f"{COMMANDS[str(self.name)]}.py"
        functions = (n for n in ast.parse(file.read_bytes()).body if isinstance(n, ast.FunctionDef))
        return next(str(ast.get_docstring(n)).partition("\n")[0] for n in functions if n.name == self.name)


class _Commands(TyperGroup):
    """All commands; whatever is wrong with a call is one line."""

    def __init__(self, **settings: Any) -> None:
        named = {name: _Named(name, rich_markup_mode=None) for name in COMMANDS}
        super().__init__(**{**settings, "commands": named})

    def main(self, *args: Any, **settings: Any) -> Any:
        try:
            sys.exit(super().main(*args, **{**settings, "standalone_mode": False}))
        except typer.Abort:
            sys.exit(1)
        except TyperException as error:
            _say(error)
            sys.exit(error.exit_code)


def _say(error: Any) -> None:
    """Prints what is wrong with a call, and the nearest of what may be meant."""
    text, near = error.format_message(), getattr(error, "possibilities", None)
    if "\n" in text:  # the help, which answers a call of nothing
        print(text, file=sys.stderr)
        return
    if near:
        text = f"{error.message}. Did you mean {near[0]!r}?"
    from pdmlib.cli.options import tell

    path = error.ctx.command_path if getattr(error, "ctx", None) else "pdm"
    tell(f"{text[:1].lower()}{text[1:].rstrip('.')}" + ("" if text.endswith("?") else f"; see {path} --help"))


def application() -> typer.Typer:
    """The command with all its commands."""
    app = typer.Typer(cls=_Commands, no_args_is_help=True, **PLAIN)
    app.callback()(_options)
    return app


# What a terminal that closes, a service manager and a container send to end a process.
ENDS = (signal.SIGTERM, signal.SIGHUP)
STOPPED = 128 + signal.SIGINT  # the exit code of what a Ctrl-C ended
SOON_S = 0.01  # until a signal is tried again; a module is found in less
_ended: list[int] = []  # the exit code of the signal that came


def let_ends_be_orderly() -> None:
    """Ends on a signal as on Ctrl-C: everything that was begun is closed, cancelled and removed on the way out."""
    for number in ENDS:
        signal.signal(number, _end)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # else whoever called wants it ignored
        signal.signal(signal.SIGINT, _end)


def _end(number: int, frame: FrameType | None) -> None:
    frame = _interrupted(frame)
    if frame and frame.f_code.co_filename.startswith("<frozen importlib"):
        # Python loses what is raised where it looks for a module, and the lock of all imports stays taken.
        Timer(SOON_S, os.kill, (os.getpid(), number)).start()
        return
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    for again in (*ENDS, signal.SIGINT):
        signal.signal(again, signal.SIG_IGN)
    _ended.append(128 + number)
    sys.exit(128 + number)


def _interrupted(frame: FrameType | None) -> FrameType | None:
    """What a signal came into; where that was the answer to the one before it, what that came into."""
    found = frame
    while frame:
        found = frame.f_back if frame.f_code is _end.__code__ else found
        frame = frame.f_back
    return found


def _leave(code: int) -> None:
    """Ends a command that was stopped, once all that it began is closed, without the threads that still work.

    One that is in DuckDB would abort the process while Python takes itself apart, and one may wait for a vendor.
    """
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"pdm {version('pdmlib')}")
        raise typer.Exit


def _options(
    shown: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Says whether a deployment is safe: collects, judges and reports."""


def open_what_is_closed() -> None:
    """Opens the streams that the caller closed: else a file of ours takes the number of one, and gets its text."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            os.dup2(os.open(os.devnull, os.O_RDWR), number)
            os.set_inheritable(number, True)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def main() -> None:
    """Entry point of the `pdm` command."""
    open_what_is_closed()
    let_ends_be_orderly()
    without_plugins()
    for stream in (sys.stdout, sys.stderr):
        # A terminal or pipe of ASCII gets escapes in place of what it cannot show.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    # jsonschema loads this optional checker of IRIs where JupyterLab has brought it, which takes a second.
    sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
    try:
        application()()
    except SystemExit as ending:
        if _ended or ending.code == STOPPED:
            _leave(_ended[0] if _ended else STOPPED)
        raise
