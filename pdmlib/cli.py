"""The `pdm` command: options to calls, errors to one line and an exit code."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from pdmlib import asking
from pdmlib.errors import CallError, PdmError, SiteError
from pdmlib.phases import PHASES, phase_named
from pdmlib.site import Site, load_site, read_demo, set_environment
from pdmlib.window import iso, parse_time

if TYPE_CHECKING:
    from pdmlib.phases import Scope
    from pdmlib.run import Written

app = typer.Typer(
    help="Says whether a deployment is safe: collects, judges and reports.",
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
)  # fmt: skip
console = Console(stderr=True, highlight=False)

DEMO_SITE = "params/demo.yaml"
FAIL_ON = {"red": ("RED",), "yellow": ("RED", "YELLOW"), "unknown": ("RED", "YELLOW", "UNKNOWN")}
EXIT_OF = {"RED": 10, "YELLOW": 11, "UNKNOWN": 12}

SiteOption = Annotated[str, typer.Option("--site", help="The site's YAML file.", envvar="SITE")]
AsOf = Annotated[
    str, typer.Option("--as-of", help="ISO time to report as of; default now (the demo: its own clock).")
]
DeployedAt = Annotated[str, typer.Option("--deployed-at", help="ISO time of the deployment; default the site's.")]
Out = Annotated[Path, typer.Option("--out", help="Folder of the outputs.")]
Notify = Annotated[
    bool,
    typer.Option("--notify", help="Post to the site's webhook what gets worse, and alerts that begin or end."),
]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of a failure.")]


@app.command()
def report(
    phase: Annotated[str, typer.Argument(help=", ".join(p.name for p in PHASES))],
    site: SiteOption = DEMO_SITE,
    as_of: AsOf = "",
    deployed_at: DeployedAt = "",
    out: Out = Path("outputs"),
    notes: Annotated[
        str, typer.Option(help="The analyst's notes; default params/notes/<site>-<phase>.yaml.")
    ] = "",
    fail_on: Annotated[
        str, typer.Option(help="red, yellow or unknown: exit 10, 11 or 12 for that status or worse.")
    ] = "",
    notify: Notify = False,
    debug: Debug = False,
) -> None:
    """Write the report of a phase: report.html, report.md, report.json, notebook.ipynb."""
    with _caught(debug):
        if fail_on and fail_on not in FAIL_ON:
            raise CallError(f"--fail-on: {fail_on!r} is not one of {', '.join(FAIL_ON)}")
        phase_named(phase)

        def scope(loaded: Site) -> Scope:
            return asking.scope_for(loaded, phase, as_of, deployed_at)

        _finish(_report(site, as_of, out, notes, scope, notify), fail_on)


@app.command()
def incident(
    start: Annotated[str, typer.Option("--from", help="ISO time at which the incident began.")] = "",
    end: Annotated[str, typer.Option("--to", help="ISO time at which it ended; default now.")] = "",
    alert: Annotated[
        str, typer.Option(help="Id of an alert or incident of the latest reports, instead of --from.")
    ] = "",
    site: SiteOption = DEMO_SITE,
    as_of: AsOf = "",
    deployed_at: DeployedAt = "",
    out: Out = Path("outputs"),
    notes: Annotated[str, typer.Option(help="The notes; default params/notes/<site>-incident.yaml.")] = "",
    fail_on: Annotated[str, typer.Option(help="As for `report`.")] = "",
    debug: Debug = False,
) -> None:
    """Write the report of an incident: timeline, impact, criteria, verification."""
    with _caught(debug):
        if not (start or alert):
            raise CallError(
                "--from: give the ISO time at which the incident began, or --alert with the id of an alert"
            )

        def scope(loaded: Site) -> Scope:
            began, ended = (start, end) if start else asking.span_of(alert, loaded, out)
            return asking.incident_scope_for(loaded, began, ended, as_of, deployed_at)

        _finish(_report(site, as_of, out, notes, scope), fail_on)


def _finish(written: Written, fail_on: str) -> None:
    _announce(written)
    if written.blind:
        raise typer.Exit(3)
    if fail_on and written.status in FAIL_ON[fail_on]:
        raise typer.Exit(EXIT_OF[written.status])


def _report(
    site: str, as_of: str, out: Path, notes: str, scope_of: Callable[[Site], Scope], notify: bool = False
) -> Written:
    from pdmlib.telemetry import watched

    with ThreadPoolExecutor(2) as pool, _production(site, as_of, pool) as production:
        from pdmlib.run import Kernel, write_report

        hidden = _secret_variables(site)
        with ExitStack() as stack, console.status("starting") as status:
            imported = pool.submit(_import_ahead)
            production.ready(lambda text: status.update(f"demo production: {text}"))
            kernel = stack.enter_context(Kernel(hidden))
            loaded = load_site(site)
            webhook = _webhook(loaded) if notify else None
            scope = scope_of(loaded)
            _check_notes(loaded, scope, notes)
            production.keep_history(asking.history_folder(loaded, out))
            production.look_back(scope.asked_at)
            with watched(f"pdm-{loaded.site}-{scope.phase.name}"):
                done: list[str] = []

                def progress(source: str, state: str) -> None:
                    done.append(f"{source} {state}")
                    status.update("collecting: " + ", ".join(done))

                status.update("collecting")
                collection = asking.gather(loaded, scope, out, progress)
                imported.result()
                written = write_report(loaded, scope, out, collection, kernel, notes, status.update)
            if webhook:
                _tell(webhook, written)
            return written


def _check_notes(site: Site, scope: Scope, given: str) -> None:
    """Fails on wrong notes before any source is asked."""
    from pdmlib.notes import load_notes, notes_path

    if given and not Path(given).is_file():
        raise CallError(f"--notes: {given} is not a file")
    load_notes(notes_path(site, scope.phase.name, given))


def _webhook(site: Site) -> str:
    from pdmlib.notify import webhook

    return webhook(site)


def _tell(webhook: str, written: Written) -> None:
    """Notifies of a report; what fails is one line, since the report stands."""
    from pdmlib.memory import previous_report
    from pdmlib.notify import notify

    phase, content = written.folder.parent, written.content
    try:
        notify(webhook, phase.parent, content, previous_report(phase, parse_time(content["as_of"])))
    except (PdmError, OSError) as error:
        console.print(f"pdm: {error}", style="red", markup=False, soft_wrap=True)


def _import_ahead() -> None:
    """Imports what collecting and executing need, in that order, while the demo starts."""
    for name in ("pdmlib.history", "pdmlib.sources", "papermill"):
        import_module(name)


def _secret_variables(site: str) -> tuple[str, ...]:
    from pdmlib.site import variables_of

    return variables_of(site)


class _NoProduction:
    """Stands where a demo would: a site that runs elsewhere."""

    def ready(self, _: Any) -> None:
        """Nothing to wait for."""

    def keep_history(self, _: Path) -> None:
        """The site keeps its own."""

    def look_back(self, _: Any) -> None:
        """The present cannot be turned back."""

    def follow(self, _: Any) -> None:
        """Time goes on by itself."""


class _DemoProduction:
    """The demo production of a site file, starting in the background."""

    def __init__(self, starting: Any) -> None:
        self._starting = starting
        self._messages: list[str] = []

    def ready(self, say: Any) -> None:
        """Waits until it runs, then sets its addresses and keys in the environment."""
        while not self._starting.done():
            if self._messages:
                say(self._messages[-1])
            time.sleep(0.02)
        set_environment(self._starting.result().environ)

    def note(self, text: str) -> None:
        """Takes a progress message."""
        self._messages.append(text)

    def look_back(self, moment: datetime) -> None:
        """Lets the vendors answer as of an earlier moment."""
        if moment < self._starting.result().clock:
            self._starting.result().set_clock(moment)

    def follow(self, moment: datetime) -> None:
        """Lets vendors and database stand at another moment, so that the demo lives while it is watched."""
        if moment != self._starting.result().clock:
            self._starting.result().set_clock(moment, rows=True)

    def keep_history(self, folder: Path) -> None:
        """Puts the history that the demo's own collector kept where the site's history lies."""
        from pdmlib.demo import adopt_history

        adopt_history(self._starting.result(), folder)


@contextmanager
def _production(site: str, as_of: str, pool: ThreadPoolExecutor) -> Iterator[Any]:
    block = read_demo(site)
    # A mistake in the file is told before anything is started.
    load_site(site, offline=True)
    if block is None:
        yield _NoProduction()
        return
    from pdmlib import demo

    clock = max(block.clock, parse_time(as_of)) if as_of else block.clock
    production: _DemoProduction
    starting = pool.submit(
        lambda: demo.start(block.scenario, block.seed, clock, on_progress=lambda text: production.note(text))
    )
    production = _DemoProduction(starting)
    try:
        yield production
    finally:
        if starting.exception() is None:
            starting.result().stop()


def _announce(written: Written) -> None:
    content = written.content
    colour = {"GREEN": "green", "YELLOW": "yellow", "RED": "red"}.get(written.status, "white")
    console.print(f"[bold {colour}]{written.status}[/]  {content['recommendation'].replace('_', ' ')}", end="")
    console.print(f"  ({content['outcome'].lower()})" if content.get("outcome") else "")
    for alert in content["alerts"][:5]:
        console.print(f"  {alert['priority']} {alert['title']}: {alert['action']}", markup=False, soft_wrap=True)
    for row in content["coverage"]:
        if row["status"] != "ok":
            console.print(
                f"  {row['source']} {row['status']}: {row['detail'] or ''}"[:300], markup=False, soft_wrap=True
            )
    for name in ("report.html", "report.md", "report.json", "notebook.ipynb", "slides.html"):
        if (written.folder / name).exists():
            print(written.folder / name)


@app.command()
def demo(
    site: SiteOption = DEMO_SITE,
    scenario: Annotated[str, typer.Option(help="Scenario, or several joined by +.")] = "",
    listed: Annotated[bool, typer.Option("--list", help="List the scenarios.")] = False,
    replay: Annotated[
        bool,
        typer.Option(
            "--replay", help="Live through five weeks in minutes: collect, and write each report when it is due."
        ),
    ] = False,
    days: Annotated[int, typer.Option(min=1, max=35, help="Days since the deployment to replay.")] = 35,
    out: Annotated[Path, typer.Option("--out", help="Folder of a replay's outputs.")] = Path("outputs/replay"),
    debug: Debug = False,
) -> None:
    """Keep the demo production running and print its addresses, until Ctrl-C."""
    with _caught(debug):
        if replay:
            _replay(Path(site), out, timedelta(days=days))
            return
        from pdmlib import demo as demo_package

        if listed:
            for row in demo_package.SCENARIOS:
                print(f"{row.name:22} {row.description}")
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
    from pdmlib import replay
    from pdmlib.run import Kernel

    deployed_at = load_site(site, offline=True).deployed_at
    block = read_demo(site)
    if block is None or deployed_at is None:
        raise SiteError(str(site), "demo", "a replay needs a demo block and deployed_at")
    month = replay.month_site(site, out, deployed_at + length)
    columns = (*Progress.get_default_columns()[:2], MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(TextColumn("{task.fields[at]}"), *columns, console=console)
    try:
        with bar, Kernel(_secret_variables(str(month))) as kernel:
            task = bar.add_task("starting", total=None, at="")
            with demo_package.start(
                block.scenario, block.seed, deployed_at + length, begin=deployed_at,
                on_progress=lambda text: bar.update(task, description=text),
            ) as production:  # fmt: skip
                set_environment(production.environ)
                loaded = load_site(month)
                demo_package.adopt_history(production, asking.history_folder(loaded, out))
                running = replay.Replay(loaded, out, production, kernel, _told)
                for step in bar.track(replay.steps(loaded, deployed_at, length), task_id=task):
                    text = f"writing {', '.join(step.reports)}" if step.reports else "collecting"
                    bar.update(task, at=f"{step.at:%a %Y-%m-%d %H:%M} UTC", description=text)
                    running.run(step)
    except KeyboardInterrupt:
        console.print("stopped; all that was collected and written is kept, and the same call goes on from there")
        raise typer.Exit(130) from None
    console.print(f"{running.kept:,} samples collected in simulated time; the reports are in {out / loaded.site}")


def _told(written: Written) -> None:
    """One line of a report on the way."""
    content = written.content
    console.print(f"{written.status:8}{content['phase']:14}{written.folder / 'report.html'}", soft_wrap=True)


@app.command()
def doctor(site: SiteOption = DEMO_SITE, as_of: AsOf = "", debug: Debug = False) -> None:
    """Check every source of a site: configured, reachable, allowed, how fast."""
    with _caught(debug), _ready(site, as_of) as (loaded, _):
        from rich.table import Table

        from pdmlib import sources

        scope = asking.looking_scope(loaded, as_of)
        with console.status("asking every source"):
            found = sources.collect(loaded, scope)
        shown = Table("Source", "Answered", "Seconds", "Rows", "Detail", title=f"{loaded.title} ({site})")
        for row in found.coverage:
            shown.add_row(row.source, row.status, f"{row.seconds:.2f}", f"{row.rows:,}", row.detail or "")
        Console(highlight=False, markup=False).print(shown)
        if not any(row.status in ("ok", "partial") for row in found.coverage):
            raise typer.Exit(3)
        if any(row.status == "failed" for row in found.coverage):
            raise typer.Exit(1)


@app.command()
def collect(
    site: SiteOption = DEMO_SITE,
    as_of: AsOf = "",
    deployed_at: DeployedAt = "",
    out: Out = Path("outputs"),
    debug: Debug = False,
) -> None:
    """Append one collection to the site's history."""
    with _caught(debug), _ready(site, as_of, out) as (loaded, production):
        from pdmlib import history, sources

        scope = asking.looking_scope(loaded, as_of, deployed_at)
        production.follow(scope.as_of)
        with console.status("collecting"):
            found = sources.collect(loaded, scope)
        folder = asking.history_folder(loaded, out)
        added = history.append(folder, found)
        print(f"{added} samples added to {folder}")
        for row in found.coverage:
            if row.status != "ok":
                console.print(f"  {row.source} {row.status}: {row.detail or ''}", markup=False)


@app.command()
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
    with _caught(debug), _ready(site, as_of, out) as (loaded, production):
        from pdmlib.screen import Screen
        from pdmlib.watch import Watch

        pace = timedelta(seconds=every) if every else None
        with Screen(Console(highlight=False)) as screen:
            webhook = _webhook(loaded) if notify else None
            watched = Watch(
                loaded, out, as_of, deployed_at, webhook, pace, dashboard, screen.say, production.follow
            )
            try:
                watched.run(screen.show, rounds)
            except KeyboardInterrupt:
                lost = watched.waiting()
                kept = f"{lost} samples could not be written" if lost else "every sample collected so far is kept"
                console.print(f"stopped; {kept}")


@app.command()
def status(
    site: SiteOption = DEMO_SITE,
    as_of: AsOf = "",
    deployed_at: DeployedAt = "",
    out: Out = Path("outputs"),
    debug: Debug = False,
) -> None:
    """Say which phase the site is in, which reports are due and when, and what comes next."""
    with _caught(debug):
        from pdmlib import history, status

        loaded = load_site(site, offline=True)
        folder = out / loaded.site
        moment = asking.moment_of(loaded, as_of)
        given = parse_time(deployed_at) if deployed_at else loaded.deployed_at or status.last_deployment(folder)
        deployed = given or asking.scope_for(load_site(site), "daily", iso(moment)).deployed_at
        collected = history.newest(asking.history_folder(loaded, out))
        found = status.standing(deployed, moment, loaded.zone, folder, collected)
        Console(highlight=False, markup=False).print(status.picture(found, loaded.title, loaded.zone))


@app.command()
def ingest(
    paths: Annotated[list[str], typer.Argument(help="Files, folders, patterns with * or s3:// addresses.")],
    site: SiteOption = DEMO_SITE,
    out: Out = Path("outputs"),
    follow: Annotated[bool, typer.Option("--follow", help="Go on as the files grow, until Ctrl-C.")] = False,
    debug: Debug = False,
) -> None:
    """Take raw request logs into the site's store; running again adds only what is new."""
    with _caught(debug):
        from pdmlib import requests

        loaded = load_site(site, offline=True)
        folder = asking.requests_folder(loaded, out)
        with console.status("reading") as status:

            def tell(progress: requests.Progress) -> None:
                status.update(str(progress))

            if follow:
                for taken in requests.follow(loaded, paths, folder, on_progress=tell):
                    print(taken)
                return
            taken = requests.ingest(loaded, paths, folder, on_progress=tell)
        print(taken)
        if taken.failed:
            raise typer.Exit(1)


@app.command()
def compact(site: SiteOption = DEMO_SITE, out: Out = Path("outputs"), debug: Debug = False) -> None:
    """Merge the history's small files, month by month."""
    with _caught(debug):
        from pdmlib import history

        gone = history.compact(asking.history_folder(load_site(site, offline=True), out))
        print(f"{gone} files merged away")


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def lab(
    context: typer.Context,
    site: SiteOption = DEMO_SITE,
    as_of: AsOf = "",
    deployed_at: DeployedAt = "",
    out: Out = Path("outputs"),
    debug: Debug = False,
) -> None:
    """Open JupyterLab on copies of the notebooks, set to the site; its own options (--no-browser) go through."""
    with _caught(debug), _ready(site, as_of, out) as (loaded, _):
        from pdmlib.lab import open_lab, working_copy

        folder = out / loaded.site / "lab"
        paths = {"site": str(Path(site).resolve()), "out": str(out.resolve())}
        working_copy(folder, {**paths, "as_of": as_of, "deployed_at": deployed_at})
        code = open_lab(folder, context.args)
        if code:
            raise typer.Exit(code)


@contextmanager
def _ready(site: str, as_of: str, out: Path | None = None) -> Iterator[tuple[Site, Any]]:
    """The site and its demo production, started, with what that kept in the history under `out`."""
    with ThreadPoolExecutor(1) as pool, _production(site, as_of, pool) as production:
        production.ready(lambda text: console.print(text, style="dim"))
        loaded = load_site(site)
        if out is not None:
            production.keep_history(asking.history_folder(loaded, out))
        yield loaded, production


@contextmanager
def _caught(debug: bool) -> Iterator[None]:
    """Turns expected failures into one line and an exit code."""
    try:
        yield
    except PdmError as error:
        if debug:
            raise
        console.print(f"pdm: {error}", style="red", markup=False, soft_wrap=True)
        raise typer.Exit(2 if isinstance(error, SiteError | CallError) else 1) from None
    except KeyboardInterrupt:
        console.print("stopped; nothing half-written is left")
        raise typer.Exit(130) from None


def main() -> None:
    """Entry point of the `pdm` command."""
    app()
