"""The commands of request logs and of the history's files."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pdmlib.cli.options import AsJson, Debug, Out, SiteOption, caught
from pdmlib.cli.steps import steps
from pdmlib.site.load import load_site
from pdmlib.workbook.gather import history_folder, requests_folder
from pdmlib.workbook.shipped import DEMO_SITE


def ingest(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, patterns with * or s3:// addresses.")],
    site: SiteOption = DEMO_SITE,
    out: Out = Path("outputs"),
    follow: Annotated[bool, typer.Option("--follow", help="Go on as the files grow, until Ctrl-C.")] = False,
    explained: Annotated[
        bool, typer.Option("--explain", help="Show how the files are understood; nothing is taken in.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Take raw request logs into the site's store; running again adds only what is new."""
    with caught(debug):
        if explained:
            from pdmlib.storage.request_logs.explain import explain

            for path in paths:
                print("\n".join(explain(load_site(site, offline=True), path)))
            return
        from pdmlib.storage.request_logs import ingest as logs
        from pdmlib.storage.request_logs.progress import Progress

        loaded = load_site(site, offline=True)
        folder = requests_folder(loaded, out)
        with steps("reading") as step:

            def tell(progress: Progress) -> None:
                step(str(progress), progress.share)

            if follow:
                for taken in logs.follow(loaded, paths, folder, on_progress=tell):
                    print(json.dumps(asdict(taken)) if as_json else taken, flush=True)
                return
            taken = logs.ingest(loaded, paths, folder, on_progress=tell)
        print(json.dumps(asdict(taken), indent=2) if as_json else taken)
        if not taken.good:
            raise typer.Exit(1)


def compact(
    site: SiteOption = DEMO_SITE, out: Out = Path("outputs"), as_json: AsJson = False, debug: Debug = False
) -> None:
    """Merge the history's small files, month by month."""
    with caught(debug):
        from pdmlib.storage import history

        gone = history.compact(history_folder(load_site(site, offline=True), out))
        print(json.dumps({"merged_away": gone}) if as_json else f"{gone} files merged away")
