"""The commands of the demo production."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer

from pdmlib.cli.options import AsJson, Debug, SiteOption, caught, secret_variables
from pdmlib.cli.reports import announce_line
from pdmlib.cli.terminal import console
from pdmlib.errors import SiteError
from pdmlib.site.environment import set_environment
from pdmlib.site.load import load_site, read_demo
from pdmlib.workbook.gather import history_folder
from pdmlib.workbook.shipped import DEMO_SITE


def _scenarios(incomplete: str) -> list[tuple[str, str]]:
    """The scenarios that begin so, for a shell that completes."""
    from pdmlib.demo import SCENARIOS

    return [(row.name, row.description) for row in SCENARIOS if row.name.startswith(incomplete)]


def demo(
    site: SiteOption = DEMO_SITE,
    scenario: Annotated[
        str, typer.Option(help="Scenario, or several joined by +.", autocompletion=_scenarios)
    ] = "",
    listed: Annotated[bool, typer.Option("--list", help="List the scenarios.")] = False,
    replay: Annotated[
        bool,
        typer.Option(
            "--replay", help="Live through five weeks in minutes: collect, and write each report when it is due."
        ),
    ] = False,
    days: Annotated[int, typer.Option(min=1, max=35, help="Days since the deployment to replay.")] = 35,
    out: Annotated[Path, typer.Option("--out", help="Folder of a replay's outputs.")] = Path("outputs/replay"),
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Keep the demo production running and print its addresses, until Ctrl-C."""
    with caught(debug):
        if replay:
            _replay(Path(site), out, timedelta(days=days))
            return
        from pdmlib import demo as demo_package

        if listed:
            rows = demo_package.SCENARIOS
            if as_json:
                print(json.dumps([{"name": row.name, "description": row.description} for row in rows], indent=2))
            else:
                print("\n".join(f"{row.name:22} {row.description}" for row in rows))
            return
        block = read_demo(site)
        if block is None:
            raise SiteError(site, "demo", "this site has no demo block, so there is no demo to start")
        with console.status("starting the demo production") as status:
            running = demo_package.start(
                scenario or block.scenario, block.seed, block.clock, on_progress=status.update
            )
        try:
            for name, value in running.environ.items():
                print(f"export {name}='{value}'", flush=True)
            console.print("The demo production runs; Ctrl-C stops it.")
            while True:
                time.sleep(3600)
        except KeyboardInterrupt:
            console.print("stopping")
        finally:
            running.stop()


def _replay(site: Path, out: Path, length: timedelta) -> None:
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from pdmlib import demo as demo_package
    from pdmlib.cli import replay
    from pdmlib.workbook.kernel import Kernel

    deployed_at = load_site(site, offline=True).deployed_at
    block = read_demo(site)
    if block is None or deployed_at is None:
        raise SiteError(str(site), "demo", "a replay needs a demo block and deployed_at")
    month = replay.month_site(site, out, deployed_at + length)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(TextColumn("{task.fields[at]}"), *columns, console=console)
    try:
        with bar, Kernel(secret_variables(str(month))) as kernel:
            task = bar.add_task("starting", total=None, at="")
            with demo_package.start(
                block.scenario,
                block.seed,
                deployed_at + length,
                begin=deployed_at,
                on_progress=lambda text: bar.update(task, description=text),
            ) as production:
                set_environment(production.environ)
                loaded = load_site(month)
                demo_package.adopt_history(production, history_folder(loaded, out))
                running = replay.Replay(loaded, out, production, kernel=kernel, tell=announce_line)
                for step in bar.track(replay.steps(loaded, deployed_at, length), task_id=task):
                    text = f"writing {', '.join(step.reports)}" if step.reports else "collecting"
                    bar.update(task, at=f"{step.at:%a %Y-%m-%d %H:%M} UTC", description=text)
                    running.run(step)
    except KeyboardInterrupt:
        console.print("stopped; all that was collected and written is kept, and the same call goes on from there")
        raise typer.Exit(130) from None
    console.print(f"{running.kept:,} samples collected in simulated time; the reports are in {out / loaded.site}")
