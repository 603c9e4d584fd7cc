"""How comparable two periods are: how much of the load is by the same routes and statements."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import pandas as pd

from pdmlib.analysis.database import statements
from pdmlib.analysis.traffic import routes
from pdmlib.frames.case import Case

ALIKE_PCT = 80.0  # below it another mix of the load may explain a change by itself


def overlap_pct(before: pd.Series, now: pd.Series) -> float | None:
    """What two mixes of a load have in common, in percent: 100 where every part has the same share.

    Source: one minus the total variation distance of the two shares.
    """
    if not (before.sum() > 0 and now.sum() > 0):
        return None
    both = pd.concat([before / before.sum(), now / now.sum()], axis=1).fillna(0.0)
    return float(100 * both.min(axis=1).sum())


def _by_route(case: Case) -> float | None:
    before, now = routes.loads(case)
    return overlap_pct(before, now)


def _by_statement(case: Case) -> float | None:
    found = statements.looks(case)
    if found is None or found.before is None:
        return None
    table = statements.judged(case, found)
    return overlap_pct(table["n_before"].fillna(0.0), table["calls"].fillna(0.0))


# Table -> what its load consists of, and how much of that is the same.
COMPARED: Mapping[str, tuple[str, Callable[[Case], float | None]]] = {
    "routes": ("requests are on the same routes", _by_route),
    "before_after": ("requests are on the same routes", _by_route),
    "queries": ("calls are of the same statements", _by_statement),
}


def comparable(case: Case, table: str) -> str:
    """A sentence to stand above a table that compares two periods; empty for others, and where nothing tells."""
    words, of = COMPARED.get(table, ("", lambda _: None))
    found = of(case)
    if found is None or math.isnan(found):
        return ""
    doubt = "" if found >= ALIKE_PCT else " The mix of the load has changed, which may explain a change by itself."
    return f"How comparable: {found:.0f} % of the {words} in the same shares as before the deployment.{doubt}"
