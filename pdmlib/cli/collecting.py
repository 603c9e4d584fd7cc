"""The commands that collect and watch."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pdmlib.cli.lab import ready_site
from pdmlib.cli.options import AsJson, AsOf, Debug, DeployedAt, Notify, Out, SiteOption, caught
from pdmlib.cli.steps import of_sources, steps
from pdmlib.cli.terminal import console
from pdmlib.cli.writing import webhook_of
from pdmlib.frames.readings import Answer
from pdmlib.site.site import SOURCE_NAMES
from pdmlib.sources import catalogue
from pdmlib.storage import history
from pdmlib.workbook.gather import history_folder
from pdmlib.workbook.scope import looking_scope
from pdmlib.workbook.shipped import DEMO_SITE


def collect(
    site: SiteOption = DEMO_SITE,
    as_of: AsOf = "",
    deployed_at: DeployedAt = "",
    out: Out = Path("outputs"),
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Append one collection to the site's history."""
    with caught(debug), ready_site(site, as_of, out) as (loaded, production):
        scope = looking_scope(loaded, as_of, deployed_at)
        production.follow(scope.as_of)
        with steps("collecting") as step:
            asked = sum(loaded.source(name) is not None for name in SOURCE_NAMES)
            found = catalogue.collect(loaded, scope, on_progress=of_sources(step, asked))
        folder = history_folder(loaded, out)
        added = history.append(folder, found)
        if as_json:
            rows = [asdict(row) for row in found.coverage]
            print(json.dumps({"added": added, "history": str(folder), "coverage": rows}, indent=2))
            return
        print(f"{added} samples added to {folder}")
        for row in found.coverage:
            if row.status is not Answer.OK:
                console.print(f"  {row.source} {row.status}: {row.detail or ''}", markup=False)


def watch(
    site: SiteOption = DEMO_SITE,
    as_of: AsOf = "",
    deployed_at: DeployedAt = "",
    out: Out = Path("outputs"),
    every: Annotated[
        float | None, typer.Option(min=1, help="Seconds between rounds; default the pace of the phase.")
    ] = None,
    rounds: Annotated[int | None, typer.Option(min=1, help="Stop after that many rounds.")] = None,
    dashboard: Annotated[bool, typer.Option(help="Rewrite the dashboard each round.")] = True,
    notify: Notify = False,
    debug: Debug = False,
) -> None:
    """Collect, judge and rewrite the dashboard at the pace of the phase, until Ctrl-C."""
    with caught(debug), ready_site(site, as_of, out) as (loaded, production):
        from pdmlib.cli.live_table import Screen
        from pdmlib.workbook.watch import Watch

        pace = timedelta(seconds=every) if every else None
        with Screen(Console(highlight=False)) as screen:
            webhook = webhook_of(loaded) if notify else None
            watched = Watch(
                loaded,
                out,
                as_of,
                deployed_at=deployed_at,
                webhook=webhook,
                every=pace,
                dashboard=dashboard,
                say=screen.say,
                follow=production.follow,
            )
            try:
                watched.run(screen.show, rounds)
            except KeyboardInterrupt:
                lost = watched.waiting()
                kept = f"{lost} samples could not be written" if lost else "every sample collected so far is kept"
                console.print(f"stopped; {kept}")
