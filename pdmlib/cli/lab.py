"""The command that opens JupyterLab."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import typer

from pdmlib.cli.options import AsOf, Debug, DeployedAt, Out, SiteOption, caught, check_out
from pdmlib.cli.production import production_of
from pdmlib.cli.terminal import console
from pdmlib.site.site import Site
from pdmlib.workbook.gather import history_folder
from pdmlib.workbook.opening import open_site
from pdmlib.workbook.shipped import DEMO_SITE


def lab(
    context: typer.Context,
    site: SiteOption = DEMO_SITE,
    as_of: AsOf = "",
    deployed_at: DeployedAt = "",
    out: Out = Path("outputs"),
    debug: Debug = False,
) -> None:
    """Open JupyterLab on copies of the notebooks, set to the site; its own options (--no-browser) go through."""
    with caught(debug), ready_site(site, as_of, out) as (loaded, _):
        from pdmlib.workbook.lab import open_lab, working_copy

        folder = out / loaded.site / "lab"
        paths = {"site": str(Path(site).resolve()), "out": str(out.resolve())}
        working_copy(folder, {**paths, "as_of": as_of, "deployed_at": deployed_at})
        code = open_lab(folder, context.args)
        if code:
            raise typer.Exit(code)


@contextmanager
def ready_site(
    site: str, as_of: str, out: Path | None = None, tolerant: bool = False
) -> Iterator[tuple[Site, Any]]:
    """The site and its demo production, started, with what that kept in the history under `out`.

    Args:
        tolerant: a source whose environment variables are not set is switched off instead of an error.
    """
    if out is not None:
        check_out(out)
    with production_of(site, as_of) as production:
        production.ready(lambda text: console.print(text, style="dim"))
        loaded = open_site(site, tolerant=tolerant)
        if out is not None:
            production.keep_history(history_folder(loaded, out))
        yield loaded, production
