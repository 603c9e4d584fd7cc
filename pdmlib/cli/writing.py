"""Writes reports of one moment: one production, each source asked once, two reports at a time."""

from __future__ import annotations

import os
import signal
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

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
# Kernels that write reports of one moment side by side. A third waits for what all of them share: the sources are
# asked for one report after the other, and this process makes every page.
KERNELS = 2
# Seconds that a report gets to end once its kernel was killed: nbclient looks every second whether it lives.
ENDING_S = 5
T = TypeVar("T")


def write(order: Order, asks: Sequence[Ask], production: Any, done: Callable[[Outcome], None]) -> list[Written]:
    """Writes the reports, two at a time, each told of in its turn; returns those that were written.

    Of several one that fails costs the others nothing, and what was written before a Ctrl-C stays.

    Args:
        production: what `production_of` gives; it may be starting still.

    Raises:
        PdmError: the site file or an option is wrong, or the only report could not be written.
    """
    hidden = (*secret_variables(order.site), *OURS)
    count = min(KERNELS, len(asks), os.cpu_count() or 1)
    with ExitStack() as stack, ThreadPoolExecutor(1) as pool, steps("starting") as step:
        kernels = [stack.enter_context(Kernel(hidden)) for _ in range(count)]
        imported = pool.submit(_import_ahead)
        production.ready(lambda text: step(f"demo production: {text}", None))
        site = open_site(order.site)
        order = replace(order, as_of=iso(moment_of(site, order.as_of)))
        webhook = webhook_of(site) if order.notify else None
        production.keep_history(history_folder(site, order.out))
        run = _Run(order, site, production, kernels=kernels, webhook=webhook, step=step, count=len(asks))
        run.all(asks, imported, done)
        return run.written


Gathered = tuple[Scope, str, Any]  # the scope, the path of the notes, the collection


class _Later(Generic[T]):
    """A call on a thread that dies with the process, so that Ctrl-C waits for no vendor."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._found: SimpleQueue[T | Exception] = SimpleQueue()
        self._thread = Thread(target=self._run, args=(call,), daemon=True)
        self._thread.start()

    def _run(self, call: Callable[[], T]) -> None:
        found: T | Exception = RuntimeError("it was ended from within")
        with suppress(BaseException):  # an exit ends the thread alone, and whoever waits has to know
            found = attempt(call)
        self._found.put(found)

    @property
    def over(self) -> bool:
        """Whether the call has ended."""
        return not self._thread.is_alive()

    def outcome(self) -> T | Exception:
        """What the call gave, or its error."""
        return self._found.get()

    def end(self) -> None:
        """Waits for a call that has nothing left to do."""
        self._thread.join(ENDING_S)


@dataclass
class _Run:
    """Reports on the way: what they share, and what was written so far."""

    order: Order
    site: Site
    production: Any
    kernels: Sequence[Any]
    webhook: str | None
    step: Step
    count: int
    written: list[Written] = field(default_factory=list)
    memories: dict[datetime, Memory] = field(default_factory=dict)
    shares: dict[str, float] = field(default_factory=dict)
    idle: SimpleQueue[Any] = field(default_factory=SimpleQueue)
    writing: deque[tuple[str, _Later[Written | None]]] = field(default_factory=deque)

    def all(self, asks: Sequence[Ask], imported: Any, done: Callable[[Outcome], None]) -> None:
        """Writes the reports; while notebooks run in the kernels the sources are asked for the next one."""
        for kernel in self.kernels:
            self.idle.put(kernel)
        try:
            for ask in asks:
                if ask[0] == INCIDENT.name:  # which is the newest is known once the others are written
                    self._ended(len(self.writing), done)
                found = _Later(partial(self._gathered, ask)).outcome()
                imported.result()
                self.writing.append((ask[0], _Later(partial(self._one, ask[0], found, self.idle.get()))))
                self._ended(sum(1 for _ in takewhile(lambda one: one[1].over, self.writing)), done)
            self._ended(len(self.writing), done)
        finally:
            if self.writing:
                self._stop()

    def _ended(self, count: int, done: Callable[[Outcome], None]) -> None:
        """Tells of the first so many reports, each once it ended; of several one that fails ends only itself."""
        for _ in range(count):
            name, later = self.writing[0]
            found = later.outcome()
            self.writing.popleft()
            if isinstance(found, Exception):
                if self.count == 1:
                    raise found
                done(Outcome(name, None, str(found) if isinstance(found, PdmError) else reason_of(found)))
            elif found is not None:
                self.written.append(found)
                done(Outcome(name, found))

    def _stop(self) -> None:
        """Lets no notebook run on, and what was being written be removed."""
        for kernel in self.kernels:
            if kernel.has_kernel:
                kernel.signal_kernel(signal.SIGKILL)
        for _, later in self.writing:
            later.end()

    def _one(self, name: str, found: Gathered | Exception | None, kernel: Any) -> Written | None:
        """Writes one report in a kernel, which is idle then; None where there is nothing to report."""
        try:
            with telemetry.watched(f"pdm-{self.site.site}-{name}"):
                if isinstance(found, Exception):
                    raise found
                if found is None:
                    return None
                if not kernel.is_alive():  # it died in the report before
                    kernel.revive()
                return self._report(*found, kernel=kernel)
        finally:
            self.idle.put(kernel)

    def _gathered(self, ask: Ask) -> Gathered | None:
        """What a report's sources say; None where there is nothing to report."""
        scope = ask[1](self.order, self.site, self.written)
        if scope is None:
            return None
        notes = _notes_of(self.site, scope, self.order.notes, quiet=self.count > 1)
        self.production.stand_at(scope.asked_at)
        asked = sum(self.site.source(name) is not None for name in SOURCE_NAMES)
        told = of_sources(partial(self._say, ask[0]), asked, COLLECTED) if self.count == 1 else None
        with self.memories.setdefault(scope.asked_at, Memory()).used():
            return scope, notes, gather(self.site, scope, self.order.out, told)

    def _report(self, scope: Scope, notes: str, collection: Any, kernel: Any) -> Written:
        named = f"{scope.phase.name}: " if self.count > 1 else ""
        written = write_report(
            self.site,
            scope,
            self.order.out,
            collection=collection,
            kernel=kernel,
            notes=notes,
            say=lambda text, share: self._say(scope.phase.name, named + text, COLLECTED + (1 - COLLECTED) * share),
        )
        telemetry.report_broken(written.content)
        if self.webhook:
            _tell(self.webhook, written)
        return written

    def _say(self, name: str, text: str, share: float | None) -> None:
        self.shares[name] = share or 0.0
        self.step(text, sum(list(self.shares.values())) / self.count)


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
