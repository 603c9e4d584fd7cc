"""The command that says where a site stands."""

from __future__ import annotations

import json
from pathlib import Path

from pdmlib.cli.options import AsJson, AsOf, Debug, DeployedAt, Out, SiteOption, caught
from pdmlib.workbook.shipped import DEMO_SITE


def status(
    site: SiteOption = DEMO_SITE,
    as_of: AsOf = "",
    deployed_at: DeployedAt = "",
    out: Out = Path("outputs"),
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Say which phase the site is in, which reports are due and when, and what comes next."""
    with caught(debug):
        from pdmlib.cli import status_table
        from pdmlib.phases.phase import DAILY
        from pdmlib.phases.window import iso, parse_time
        from pdmlib.site.load import load_site
        from pdmlib.storage import reports, sampled
        from pdmlib.workbook.gather import history_folder
        from pdmlib.workbook.scope import declared_at, moment_of, scope_for
        from pdmlib.workbook.status import standing

        loaded = load_site(site, offline=True)
        folder = out / loaded.site
        moment = moment_of(loaded, as_of)
        given = parse_time(deployed_at) if deployed_at else declared_at(loaded, moment)
        given = given or reports.last_deployment(folder)
        deployed = given or scope_for(load_site(site), DAILY.name, iso(moment)).deployed_at
        collected = sampled.newest(history_folder(loaded, out))
        found = standing(deployed, moment, loaded.zone, folder=folder, collected_at=collected)
        if as_json:
            print(json.dumps(found.as_json(), indent=2))
        else:
            print(*status_table.lines(found, loaded.title, loaded.zone), sep="\n")
