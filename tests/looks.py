"""A deployment between looks at a real database: what the analysis of it finds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pandas as pd

from pdmlib.analysis.database import counters, health, statements
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.frame import merge
from pdmlib.frames.readings import Answer, Finding
from pdmlib.phases.phase import phase_named
from pdmlib.phases.scope import scope_of
from pdmlib.phases.window import now
from pdmlib.site.site import Site
from pdmlib.sources.postgres import source
from tests.servers import Database

KEPT = ("statements", "database_gauges", "query_plans", "statement_plans", "waits")


@dataclass
class Story:
    """Looks at a database in turn, as `pdm collect` takes them, and the deployment between two of them."""

    database: Database
    site: Site
    looks: list[dict[str, pd.DataFrame]] = field(default_factory=list)
    deployed_at: datetime | None = None

    def look(self) -> dict[str, pd.DataFrame]:
        """Takes a look, in a second of its own."""
        self._later()
        found = source.collect(self.site, self.database.scope(self.site))
        self.looks.append(found)
        return found

    def deploy(self) -> None:
        """The deployment happens now."""
        self._later()
        self.deployed_at = now()

    def _later(self) -> None:
        begun = now()
        while now() == begun:
            time.sleep(0.02)

    @property
    def case(self) -> Case:
        """All looks, those before the newest as the history keeps them."""
        assert self.deployed_at is not None
        older = [{name: look[name] for name in KEPT if name in look} for look in self.looks[:-1]]
        frames = merge([*older, self.looks[-1]])
        scope = scope_of(self.site.zone, phase_named("hour1"), self.deployed_at, now())
        answer = Coverage("postgres", Answer.OK, 1, 1.0)
        return Case(self.site, scope, Collection(frames, (answer,)), scope.window)

    def verdicts(self, text: str = "") -> dict[str, dict[str, Any]]:
        """Rows of `queries` whose statement holds a text, by their verdict."""
        return {row["verdict"]: row for row in statements.compare(self.case) if text in row["query"]}

    def findings(self) -> list[Finding]:
        """What a report of the database finds."""
        return health.findings(self.case)

    def check(self, name: str) -> list[dict[str, Any]]:
        """The results of one check of two looks."""
        table = counters.checks(self.case)
        return [{str(k): v for k, v in row.items()} for row in table[table["check"] == name].to_dict("records")]


def a_story(database: Database, **changes: Any) -> Story:
    """A story that nothing was told of yet."""
    return Story(database, database.site(**changes))
