"""Two looks at the gauges of a database, and what its counters grew by between them."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from pdmlib.analysis.database import statements
from pdmlib.analysis.database.statements import Looks
from pdmlib.frames.case import Case, once
from pdmlib.phases.window import iso


@dataclass(frozen=True)
class Between:
    """Two looks at the gauges: S1 and S2, with S0 to compare the pace."""

    case: Case
    found: Looks

    @property
    def window(self) -> str:
        """The stretch in words."""
        return f"{iso(self.found.before)} to {iso(self.found.after)}" if self.found.before is not None else "now"

    @property
    def hours(self) -> float:
        """Its length."""
        return self.found.seconds / 3600

    @property
    def traffic(self) -> float:
        """How many times as often as in the window before statements were called; 1 where none tells."""
        found = statements.looks(self.case)
        return 1.0 if found is None or found.before is None else statements.traffic(self.case, found)

    def value(self, metric: str) -> float | None:
        """A number at the newest look."""
        return statements.gauge(self.case, metric, self.found.after)

    def grown(self, metric: str) -> float | None:
        """What a counter grew by; None when a look lacks it or it fell."""
        return self.step(metric, self.found.before, self.found.after)

    @property
    def windows(self) -> tuple[tuple[pd.Timestamp | None, pd.Timestamp | None], ...]:
        """The looks at the ends of the window after and of that before; None for one that was not taken."""
        return (self.found.before, self.found.after), (self.found.first, self.found.before)

    def pace(self, metric: str) -> float | None:
        """What a counter grew by per second in the window before; None without one."""
        first, last = self.found.first, self.found.before
        if first is None or last is None:
            return None
        step = self.step(metric, first, last)
        return None if step is None else step / float((last - first).total_seconds())

    def objects(self, metric: str) -> pd.DataFrame:
        """A metric of each object at both looks: object, `value` and `value_before`, `detail` likewise."""
        none, found = _objects(self.case.at(self.case.scope.window), self.found)
        return found.get(metric, none)

    def step(self, metric: str, start: pd.Timestamp | None, end: pd.Timestamp | None) -> float | None:
        """What a counter grew by between two looks; None when one lacks it or it fell."""
        old, new = (statements.gauge(self.case, metric, at) for at in (start, end))
        return None if old is None or new is None or new < old else new - old


@once
def _objects(case: Case, found: Looks) -> tuple[pd.DataFrame, dict[str, pd.DataFrame]]:
    """The gauges of single objects at both looks, by metric, after what there is of any other metric."""
    table, columns = case["database_gauges"], ["metric", "object", "value", "detail"]
    table = table[table["object"].notna()]
    now, before = (table.loc[table["at"] == at, columns] for at in (found.after, found.before))
    both = now.merge(before, on=columns[:2], how="outer", suffixes=("", "_before"), indicator="there")
    groups = both.drop(columns="metric").groupby(both["metric"])
    return both.iloc[:0, 1:], {str(name): rows.reset_index(drop=True) for name, rows in groups}
