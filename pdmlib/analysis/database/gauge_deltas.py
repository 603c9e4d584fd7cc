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
        table = _by_metric(self.case).get(metric, self.case["database_gauges"][:0])
        columns = ["object", "value", "detail"]
        now, before = (table.loc[table["at"] == at, columns] for at in (self.found.after, self.found.before))
        return now.merge(before, on="object", how="outer", suffixes=("", "_before"), indicator="there")

    def step(self, metric: str, start: pd.Timestamp | None, end: pd.Timestamp | None) -> float | None:
        """What a counter grew by between two looks; None when one lacks it or it fell."""
        old, new = (statements.gauge(self.case, metric, at) for at in (start, end))
        return None if old is None or new is None or new < old else new - old


@once
def _by_metric(case: Case) -> dict[str, pd.DataFrame]:
    """The gauges of single objects."""
    table = case["database_gauges"]
    return {str(metric): rows for metric, rows in table[table["object"].notna()].groupby("metric")}
