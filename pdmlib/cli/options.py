"""Options that several commands share, and errors as one line with an exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer

from pdmlib.errors import CallError, PdmError, SiteError
from pdmlib.frames.states import ReportStatus
from pdmlib.workbook.shipped import site_file

FAIL_ON = {
    "red": (ReportStatus.RED,),
    "yellow": (ReportStatus.RED, ReportStatus.YELLOW),
    "unknown": (ReportStatus.RED, ReportStatus.YELLOW, ReportStatus.UNKNOWN),
}
EXIT_OF = {ReportStatus.RED: 10, ReportStatus.YELLOW: 11, ReportStatus.UNKNOWN: 12}


def _site_files(incomplete: str) -> list[str]:
    """The site files beside the demo's, for a shell that completes."""
    return sorted(str(path) for path in Path("params").glob("*.yaml") if str(path).startswith(incomplete))


SiteOption = Annotated[
    str,
    typer.Option(
        "--site",
        help="The site's YAML file.",
        envvar="SITE",
        callback=site_file,
        autocompletion=_site_files,
    ),
]

AsOf = Annotated[
    str, typer.Option("--as-of", help="ISO time to report as of; default now (the demo: its own clock).")
]

DeployedAt = Annotated[str, typer.Option("--deployed-at", help="ISO time of the deployment; default the site's.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the outputs.")]

Notify = Annotated[
    bool,
    typer.Option("--notify", help="Post to the site's webhook what gets worse, and alerts that begin or end."),
]

FailOn = Annotated[
    str,
    typer.Option(
        help="red, yellow or unknown: exit 10, 11 or 12 for that status or worse.",
        autocompletion=lambda: list(FAIL_ON),
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print what a program reads, on stdout.")]

Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")]


def secret_variables(site: str) -> tuple[str, ...]:
    """The environment variables that a site file names, which no kernel may see."""
    from pdmlib.site.load import variables_of

    return variables_of(site)


def check_out(out: Path) -> None:
    """Fails where the folder of the outputs cannot be written to, before anything is asked; creates nothing.

    Raises:
        CallError: names the folder and why.
    """
    there = next(place for place in (out, *out.absolute().parents) if place.exists())
    try:
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise CallError(f"--out: {out} cannot be written to: {error.strerror}") from None


def tell(error: object) -> None:
    """Prints a failure as one line."""
    # Imported where it is needed: most calls have no mistake, and what draws on terminals takes a while to load.
    from pdmlib.cli.terminal import console

    console.print(f"pdm: {error}", style="red", markup=False, soft_wrap=True)


def in_one_line(tell_of: Callable[[], object]) -> None:
    """Tells somebody of a report; what fails is one line, since the report stands."""
    try:
        tell_of()
    except (PdmError, OSError) as error:
        tell(error)


@contextmanager
def caught(debug: bool) -> Iterator[None]:
    """Turns expected failures into one line and an exit code."""
    try:
        yield
    except PdmError as error:
        if debug:
            raise
        tell(error)
        raise typer.Exit(2 if isinstance(error, SiteError | CallError) else 1) from None
    except OSError as error:
        if debug:
            raise
        where = f"{error.filename}: " if error.filename else ""
        tell(f"{where}{error.strerror or error}")
        raise typer.Exit(1) from None
    except KeyboardInterrupt:
        from pdmlib.cli.terminal import console

        console.print("stopped; nothing half-written is left")
        raise typer.Exit(130) from None
