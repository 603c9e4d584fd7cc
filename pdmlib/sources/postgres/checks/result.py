"""What every check gives: results of one shape."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from pdmlib.frames.readings import Status
from pdmlib.phases.scope import Scope
from pdmlib.site.site import Site
from pdmlib.sources.postgres.session import Session
from pdmlib.sources.postgres.visibility import Ledger

PASS, INFO, WARN, FAIL, UNKNOWN = Status.PASS, Status.INFO, Status.WARN, Status.FAIL, Status.UNKNOWN
MOST = 20
"""Results of one check that are listed; the rest is one line."""


@dataclass(frozen=True)
class Result:
    """One result of one check on one object: a row of the frame `database_findings`.

    Attributes:
        window: what the value is of, e.g. "now" or "since the statistics began".
        unknown_reason: why there is no verdict, for severity unknown.
    """

    check: str
    object: str | None
    severity: Status
    value: float | None = None
    unit: str | None = None
    threshold: str | None = None
    window: str | None = "now"
    evidence: str | None = None
    action: str | None = None
    unknown_reason: str | None = None

    def row(self) -> Mapping[str, Any]:
        """The row of the frame."""
        return asdict(self)


@dataclass(frozen=True)
class Look:
    """What a check may look at."""

    session: Session
    site: Site
    scope: Scope
    ledger: Ledger
    timings: pd.DataFrame

    def rows(self, name: str, **parameters: Any) -> list[dict[str, Any]]:
        """The rows of a query of the catalogue."""
        return self.session.named(name, parameters or None)


@dataclass(frozen=True)
class Check:
    """One check.

    Attributes:
        run: its results; none means that it passes.
        of_others: it looks at sessions of other roles, which a role without pg_read_all_stats sees as nothing.
        grant: what the role needs for it.
    """

    name: str
    title: str
    run: Callable[[Look], list[Result]]
    of_others: bool = False
    grant: str = "GRANT pg_monitor TO {role};"


def graded(value: float | None, warn: float, fail: float) -> Status:
    """The severity of a value that is bad when it is high; unknown when there is none."""
    if value is None:
        return UNKNOWN
    return FAIL if value >= fail else WARN if value >= warn else PASS


def unknown(check: str, reason: str, item: str | None = None) -> Result:
    """A result without a verdict."""
    return Result(check, item, UNKNOWN, window=None, unknown_reason=reason)
