"""The commands that collect, check and watch."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pdmlib.cli.lab import ready_site
from pdmlib.cli.options import AsOf, Debug, DeployedAt, Notify, Out, SiteOption, caught, console
from pdmlib.cli.reports import webhook_of
from pdmlib.frames.readings import Answer
from pdmlib.phases.phase import DAILY
from pdmlib.phases.window import iso, parse_time
from pdmlib.site.load import load_site
from pdmlib.workbook.gather import history_folder
from pdmlib.workbook.opening import open_site
from pdmlib.workbook.scope import declared_at, looking_scope, moment_of, scope_for
from pdmlib.workbook.shipped import DEMO_SITE


def collect(
    site: SiteOption = DEMO_SITE,
    as_of: AsOf = "",
    deployed_at: DeployedAt = "",
    out: Out = Path("outputs"),
    debug: Debug = False,
) -> None:
    """Append one collection to the site's history."""
    with caught(debug), ready_site(site, as_of, out) as (loaded, production):
        from pdmlib.sources import catalogue
        from pdmlib.storage import history

        scope = looking_scope(loaded, as_of, deployed_at)
        production.follow(scope.as_of)
        with console.status("collecting"):
            found = catalogue.collect(loaded, scope)
        folder = history_folder(loaded, out)
        added = history.append(folder, found)
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


def status(
    site: SiteOption = DEMO_SITE,
    as_of: AsOf = "",
    deployed_at: DeployedAt = "",
    out: Out = Path("outputs"),
    as_json: Annotated[bool, typer.Option("--json", help="For a program.")] = False,
    debug: Debug = False,
) -> None:
    """Say which phase the site is in, which reports are due and when, and what comes next."""
    with caught(debug):
        from pdmlib.cli import status_table
        from pdmlib.storage import history, reports
        from pdmlib.workbook import status

        loaded = open_site(site, offline=True)
        folder = out / loaded.site
        moment = moment_of(loaded, as_of)
        given = parse_time(deployed_at) if deployed_at else declared_at(loaded, moment)
        given = given or reports.last_deployment(folder)
        deployed = given or scope_for(load_site(site), DAILY.name, iso(moment)).deployed_at
        collected = history.newest(history_folder(loaded, out))
        found = status.standing(deployed, moment, loaded.zone, folder=folder, collected_at=collected)
        if as_json:
            print(json.dumps(found.as_json(), indent=2))
        else:
            Console(highlight=False, markup=False).print(status_table.picture(found, loaded.title, loaded.zone))
