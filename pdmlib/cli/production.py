"""The production behind a site: a demo that is started, or one that runs elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from pdmlib.phases.window import parse_time
from pdmlib.site.environment import set_environment
from pdmlib.site.load import load_site, read_demo


class _NoProduction:
    """Stands where a demo would: a site that runs elsewhere."""

    def ready(self, _: Any) -> None:
        """Nothing to wait for."""

    def keep_history(self, _: Path) -> None:
        """The site keeps its own."""

    def stand_at(self, _: Any) -> None:
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
        told = ""
        while not self._starting.done():
            if self._messages and self._messages[-1] != told:
                told = self._messages[-1]
                say(told)
            time.sleep(0.01)
        set_environment(self._starting.result().environ)

    def note(self, text: str) -> None:
        """Takes a progress message."""
        self._messages.append(text)

    def stand_at(self, moment: datetime) -> None:
        """Lets the vendors answer as of another moment."""
        if moment != self._starting.result().clock:
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
def production_of(site: str, as_of: str) -> Iterator[Any]:
    """The production of a site: its demo, starting meanwhile and stopped at the end, or a stand-in for none."""
    block = read_demo(site)
    # A mistake in the file is told before anything is started.
    load_site(site, offline=True)
    if block is None:
        yield _NoProduction()
        return
    from pdmlib import demo

    clock = max(block.clock, parse_time(as_of)) if as_of else block.clock
    production: _DemoProduction
    with ThreadPoolExecutor(1) as pool:
        starting = pool.submit(
            lambda: demo.start(block.scenario, block.seed, clock, on_progress=lambda text: production.note(text))
        )
        production = _DemoProduction(starting)
        try:
            yield production
        finally:
            if starting.exception() is None:
                starting.result().stop()
