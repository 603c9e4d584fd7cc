"""The demo production: a real PostgreSQL and the vendors' APIs on loopback, with things going wrong on purpose.

`start` launches one process that holds everything and goes away with its parent. What it shows follows from
scenario, seed and clock alone; only ports and secrets differ from run to run.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, Any
from urllib.parse import urlsplit

from pdmlib.demo.scenarios import SCENARIOS, Scenario, plan_of
from pdmlib.errors import PdmError

__all__ = ["SCENARIOS", "Production", "Scenario", "adopt_history", "start"]


@dataclass
class Production:
    """A running demo; a context manager that stops it.

    Attributes:
        environ: the address of the vendors, of the database (monitoring role, and owner for tests), and
            every secret that `params/demo.yaml` names.
        clock: the moment as of which the vendors answer.
    """

    environ: dict[str, str]
    clock: datetime
    _process: subprocess.Popen[str] = field(repr=False)
    _token: str = field(repr=False)
    _history: Path | None = field(default=None, repr=False)

    def set_clock(self, moment: datetime, rows: bool = False) -> None:
        """Let the vendors answer as of another moment.

        Args:
            rows: the database too holds what was stored by then, not what was stored at the start; it
                takes seconds.

        Raises:
            PdmError: the production did not take it.
        """
        connection = HTTPConnection(urlsplit(self.environ["PDM_DEMO_URL"]).netloc, timeout=60)
        with contextlib.closing(connection):
            body = json.dumps({"clock": moment.astimezone(UTC).isoformat(), "rows": rows})
            connection.request("PUT", "/_demo/clock", body, {"Authorization": f"Bearer {self._token}"})
            answer = connection.getresponse()
            if answer.status != 200:
                raise PdmError(f"the demo production did not take the clock: {answer.status}")
        self.clock = moment

    def stop(self) -> None:
        """Stop everything and wait until it is gone; again is harmless."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def __enter__(self) -> Production:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def adopt_history(production: Production, folder: Path) -> None:
    """Add what the production's own collector had kept before its clock to a history that lacks it.

    Raises:
        ReportError: the history could not be written.
    """
    from pdmlib.demo.history import adopt

    if production._history:
        adopt(production._history, folder)


def _quiet(step: str) -> None:
    """Report nothing."""


def start(
    scenario: str = "rough",
    seed: int = 20250303,
    clock: datetime = datetime(2025, 3, 10, 15, tzinfo=UTC),
    cache: Path | None = None,
    on_progress: Callable[[str], None] = _quiet,
    begin: datetime | None = None,
) -> Production:
    """Start a production and wait until it answers.

    Args:
        scenario: a name of SCENARIOS, or several joined with `+`.
        clock: the moment from which the scenario is told, where rows and answers end.
        cache: where prepared databases are kept; the user's cache directory when None.
        on_progress: told in words what is being done.
        begin: where rows and answers end at first, before `set_clock` moves them; the clock when None.

    Raises:
        CallError: an unknown scenario.
        PdmError: it did not start; the text says why.
    """
    clock = clock.astimezone(UTC)
    begin = begin.astimezone(UTC) if begin else clock
    plan_of(scenario, clock)
    with TemporaryFile("w+") as errors:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "pdmlib.demo",
                scenario,
                str(seed),
                clock.isoformat(),
                begin.isoformat(),
                str(cache.resolve()) if cache else "",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            start_new_session=True,
            cwd=Path(__file__).parents[2],
        )
        try:
            ready = _until_ready(process, errors, on_progress)
        except BaseException:
            Production({}, clock, process, "").stop()
            raise
    return Production(
        ready["environ"], begin, process, _token=ready["clock_token"], _history=Path(ready["history"])
    )


def _until_ready(process: subprocess.Popen[str], errors: IO[str], on_progress: Callable[[str], None]) -> Any:
    for line in process.stdout or ():
        message = json.loads(line)
        if "ready" in message:
            return message["ready"]
        if "failed" in message:
            raise PdmError(f"the demo production did not start: {message['failed']}")
        on_progress(message["progress"])
    errors.seek(0)
    raise PdmError(f"the demo production did not start: {errors.read()[-800:] or 'no reason given'}")
