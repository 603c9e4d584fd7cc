"""Writes one report or several from one collection: one production, one kernel, each source asked once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from pdmlib.cli.options import in_one_line, secret_variables
from pdmlib.cli.orders import Order, Outcome
from pdmlib.cli.steps import Step, of_sources, steps
from pdmlib.cli.terminal import console
from pdmlib.errors import CallError, PdmError
from pdmlib.phases.phase import INCIDENT
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import iso, parse_time
from pdmlib.site.site import SOURCE_NAMES, Site
from pdmlib.sources.once import Memory
from pdmlib.sources.threads import attempt, reason_of
from pdmlib.workbook import telemetry
from pdmlib.workbook.execute import Written, write_report
from pdmlib.workbook.gather import gather, history_folder
from pdmlib.workbook.kernel import Kernel
from pdmlib.workbook.opening import open_site
from pdmlib.workbook.scope import moment_of

if TYPE_CHECKING:
    from pdmlib.cli.orders import Ask

COLLECTED = 0.4  # of the work of a report, once its sources have answered; the rest is its notebook and pages
# What a kernel may not see beside the variables that the site file names.
OURS = ("SMTP_PASSWORD", "GITHUB_TOKEN")


def write(order: Order, asks: Sequence[Ask], production: Any, done: Callable[[Outcome], None]) -> list[Written]:
    """Writes the reports, one after the other, each told of as it is done; returns those that were written.

    Of several one that fails costs the others nothing, and what was written before a Ctrl-C stays.

    Args:
        production: what `production_of` gives; it may be starting still.

    Raises:
        PdmError: the site file or an option is wrong, or the only report could not be written.
    """
    hidden = (*secret_variables(order.site), *OURS)
    with Kernel(hidden) as kernel, ThreadPoolExecutor(1) as pool, steps("starting") as step:
        imported = pool.submit(_import_ahead)
        production.ready(lambda text: step(f"demo production: {text}", None))
        site = open_site(order.site)
        order = replace(order, as_of=iso(moment_of(site, order.as_of)))
        webhook = webhook_of(site) if order.notify else None
        production.keep_history(history_folder(site, order.out))
        run = _Run(order, site, production, kernel=kernel, webhook=webhook, step=step, count=len(asks))
        run.all(asks, imported, done)
        return run.written


Gathered = tuple[Scope, str, Any]  # the scope, the path of the notes, the collection


class _Later:
    """A call on a thread that dies with the process, so that Ctrl-C waits for no vendor."""

    def __init__(self, call: Callable[[], Gathered | None]) -> None:
        self._found: SimpleQueue[Gathered | Exception | None] = SimpleQueue()
        Thread(target=lambda: self._found.put(attempt(call)), daemon=True).start()

    def outcome(self) -> Gathered | Exception | None:
        """What the call gave, or its error."""
        return self._found.get()


@dataclass
class _Run:
    """Reports on the way: what they share, and what was written so far."""

    order: Order
    site: Site
    production: Any
    kernel: Any
    webhook: str | None
    step: Step
    count: int
    written: list[Written] = field(default_factory=list)
    memories: dict[datetime, Memory] = field(default_factory=dict)
    begun: int = 0

    def all(self, asks: Sequence[Ask], imported: Any, done: Callable[[Outcome], None]) -> None:
        """Writes the reports; while one's notebook runs in the kernel the next one's sources are asked."""
        coming: _Later | None = None
        for ask, following in zip(asks, [*asks[1:], None], strict=True):
            found = (coming or _Later(partial(self._gathered, ask))).outcome()
            # Which incident is the newest is known once the reports before are written.
            if following is None or following[0] == INCIDENT.name:
                coming = None
            else:
                coming = _Later(partial(self._gathered, following))
            self._one(ask[0], found, imported, done)
            self.begun += 1

    def _one(
        self, name: str, found: Gathered | Exception | None, imported: Any, done: Callable[[Outcome], None]
    ) -> None:
        """Writes one report; of several, one that fails is told of and no more."""
        try:
            with telemetry.watched(f"pdm-{self.site.site}-{name}"):
                imported.result()
                if isinstance(found, Exception):
                    raise found
                if found is None:
                    return
                self.written.append(self._report(*found))
            done(Outcome(name, self.written[-1]))
        except Exception as error:
            if self.count == 1:
                raise
            done(Outcome(name, None, str(error) if isinstance(error, PdmError) else reason_of(error)))
            if not self.kernel.is_alive():
                self.kernel.restart_kernel(now=True)

    def _gathered(self, ask: Ask) -> Gathered | None:
        """What a report's sources say; None where there is nothing to report."""
        scope = ask[1](self.order, self.site, self.written)
        if scope is None:
            return None
        notes = _notes_of(self.site, scope, self.order.notes, quiet=self.count > 1)
        self.production.stand_at(scope.asked_at)
        asked = sum(self.site.source(name) is not None for name in SOURCE_NAMES)
        told = of_sources(self._say, asked, COLLECTED) if self.count == 1 else None
        with self.memories.setdefault(scope.asked_at, Memory()).used():
            return scope, notes, gather(self.site, scope, self.order.out, told)

    def _report(self, scope: Scope, notes: str, collection: Any) -> Written:
        named = f"{scope.phase.name}: " if self.count > 1 else ""
        written = write_report(
            self.site,
            scope,
            self.order.out,
            collection=collection,
            kernel=self.kernel,
            notes=notes,
            say=lambda text, share: self._say(named + text, COLLECTED + (1 - COLLECTED) * share),
        )
        telemetry.report_broken(written.content)
        if self.webhook:
            _tell(self.webhook, written)
        return written

    def _say(self, text: str, share: float | None) -> None:
        self.step(text, (self.begun + (share or 0)) / self.count)


def _notes_of(site: Site, scope: Scope, given: str, quiet: bool) -> str:
    """The path of the notes, empty where there are none; fails on wrong ones before any source is asked."""
    from pdmlib.site.notes import load_notes, notes_path, notes_places

    if given and not Path(given).is_file():
        raise CallError(f"--notes: {given} is not a file")
    path = notes_path(site, scope.phase.name, given)
    load_notes(path)
    if path.exists():
        return str(path.resolve())
    if not quiet:
        places = " and ".join(map(str, notes_places(site, scope.phase.name)))
        console.print(f"no notes of an analyst in {places}", style="dim", markup=False, soft_wrap=True)
    return ""


def webhook_of(site: Site) -> str:
    """The address that news of a site goes to; fails where none is set."""
    from pdmlib.workbook.notify import webhook

    return webhook(site)


def _tell(webhook: str, written: Written) -> None:
    """Notifies of a report; what fails is one line, since the report stands."""
    from pdmlib.storage.reports import previous_report
    from pdmlib.workbook.notify import notify

    folder, content = written.folder.parent, written.content
    last = previous_report(folder, parse_time(content["as_of"]))
    in_one_line(lambda: notify(webhook, folder.parent, content, last))


def _import_ahead() -> None:
    """Imports what collecting and executing need, in that order, while the demo starts."""
    for name in ("pdmlib.storage.history", "pdmlib.sources.catalogue", "papermill"):
        import_module(name)
