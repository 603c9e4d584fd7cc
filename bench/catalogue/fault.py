"""What a fault is: what the application asks, what is done to the database, and what is true of it then."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from tests.servers import Database

CALLS = 40  # of the watched statement on each side: twice as many as the report asks for


@dataclass(frozen=True)
class Fault:
    """One row of the catalogue.

    Attributes:
        asks: the watched statement; `{c}`, `{o}`, `{n}` and `{k}` are a customer, an order, a number and 0 to 9.
        made: what the world has beside the shop.
        does: what happens at the deployment.
        instead: what the application asks from then on in place of `asks`.
        after: calls of the watched statement after the deployment, as many as before unless said.
        acts: what happens after `does` that is no single statement.
        during: what goes on while the application works and the last look is taken.
        watched: `pdm watch` samples what sessions wait for while the application works.
        found: the line of a check that has to be there; empty: the watched statement has to be a finding.
        cause: what the words of the finding have to hold for the cause to be right; else those of `found`.
        besides: sentences that are true of this fault as well.
        touches: names of what the fault touches; a finding that names none of them is false.
        undone: makes the server as it was.
        nothing: the fault is none, and nothing may be found.
    """

    name: str
    asks: str = ""
    made: tuple[str, ...] = ()
    does: tuple[str, ...] = ()
    instead: str = ""
    after: int = CALLS
    calls: int = CALLS
    acts: Callable[[Database], None] | None = None
    during: Callable[[Database], AbstractContextManager[None]] | None = None
    watched: bool = False
    found: str = ""
    cause: str = ""
    besides: str = ""
    touches: tuple[str, ...] = ()
    undone: tuple[str, ...] = ()
    nothing: bool = False

    @property
    def now(self) -> str:
        """The watched statement after the deployment."""
        return self.instead or self.asks


def begins(statement: str) -> str:
    """How the server's text of a statement begins: up to its first value."""
    return re.split(r"\{|'|\b\d", statement)[0].strip()
