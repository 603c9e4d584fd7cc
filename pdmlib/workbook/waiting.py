"""What a cell of a notebook says while it takes long: which sources have not answered, or that they have."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from threading import Event, Thread
from time import monotonic
from types import TracebackType
from typing import Any
from uuid import uuid4

AFTER_S = 2.0  # up to here a person waits without wondering
EVERY_S = 1.0


class Waiting:
    """A line below the cell that runs, from its third second on; a context manager.

    It says at last how long it took. Where nobody sits before a notebook there is none.
    """

    def __init__(self, sources: Iterable[str]) -> None:
        self._waited = dict.fromkeys(sources)
        self._asked = len(self._waited)
        self._began = monotonic()
        self._over = Event()
        self._line: str | None = None
        self._shell = _shell()
        self._thread = Thread(target=self._tell, daemon=True)

    def __enter__(self) -> Waiting:
        if self._shell is not None:
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        self._over.set()
        if self._shell is not None:
            self._thread.join()
        if self._line is not None:
            self._show(f"{'Stopped' if kind else 'Read and judged'} after {self._seconds} s.")

    def answered(self, name: str, _: str) -> None:
        """Notes that a source has answered, or that it will not."""
        self._waited.pop(name, None)

    @property
    def _seconds(self) -> int:
        return round(monotonic() - self._began)

    def _tell(self) -> None:
        wait = AFTER_S
        while not self._over.wait(wait):
            wait = EVERY_S
            done = self._asked - len(self._waited)
            doing = f"{done} of {self._asked} sources have answered; waiting for {', '.join(self._waited)}"
            self._show(f"{doing if self._waited else 'Reading and judging what is known'} ({self._seconds} s) ..")

    def _show(self, text: str) -> None:
        again, self._line = self._line is not None, self._line or uuid4().hex
        self._shell.display_pub.publish({"text/plain": text}, transient={"display_id": self._line}, update=again)


def _shell() -> Any:
    """The shell of a notebook that a person runs, who could be asked something; None as in papermill."""
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    shell: Any = get_ipython()
    if not hasattr(shell, "kernel") or not shell.get_parent().get("content", {}).get("allow_stdin"):
        return None
    return shell
