"""The application's database: its own records, its counters, the timing of its queries, its checks.

Everything goes through one read-only session. What the role cannot see whole is a gap with the reason
and the grant that would mend it, never a number.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial

import pandas as pd

from pdmlib.frames.frame import frame, merge
from pdmlib.frames.understanding import Unclear
from pdmlib.phases.scope import Scope
from pdmlib.site.site import TABLE_BLOCKS, Site
from pdmlib.sources.live import PAST, is_live
from pdmlib.sources.once import once
from pdmlib.sources.postgres import checks
from pdmlib.sources.postgres import tables as application
from pdmlib.sources.postgres.mapping import Reader
from pdmlib.sources.postgres.session import SOURCE, Row, Session, session
from pdmlib.sources.postgres.snapshot import entries, gauges, own_cost, statements, taken_at, total_ms
from pdmlib.sources.postgres.statement_plans import chosen, statement_plans
from pdmlib.sources.postgres.timings import query_plans, query_timings
from pdmlib.sources.postgres.visibility import Ledger, ledger
from pdmlib.sources.threads import reason_of

Frames = dict[str, pd.DataFrame]


def collect(site: Site, scope: Scope) -> Frames:
    """Everything that the database tells of a scope; what could not be read is a row of `gaps`.

    Raises:
        SourceError: cannot connect, or not as this role.
    """
    with session(site) as opened:
        return _Pass(site, scope, opened).frames()


class _Pass:
    """One pass over a database: frames and gaps as they come."""

    def __init__(self, site: Site, scope: Scope, opened: Session) -> None:
        self.site, self.scope, self.session = site, scope, opened
        self.gaps: list[Row] = []
        self.unclear = Unclear(SOURCE)
        self.found: list[Frames] = []

    def say(self, item: str, state: str, reason: str) -> None:
        """Adds a gap."""
        self.gaps.append({"source": SOURCE, "item": item, "state": state, "reason": reason})

    def frames(self) -> Frames:
        """All frames, in the order of their worth to a report."""
        at = taken_at(self.site, self.scope)
        seen = ledger(self.session, self.site)
        self._seen(seen)
        self._tables(Reader(self.session, self.site, self.scope, ledger=seen, say=self.say, unclear=self.unclear))
        if is_live(self.site, self.scope):
            said, found = once((SOURCE, self.site.file, self.scope.seen_at), partial(self._looked, at, seen))
            self.gaps += said
            self.found += found
        else:
            for item in ("statements", "database_gauges", "query_timings", "database_findings"):
                self.say(item, "no_data", PAST)
            for query in self.site.queries:
                self.say(f"query:{query.name}", "no_data", PAST)
        self.found += [{"gaps": frame("gaps", self.gaps)}, self.unclear.frames()]
        return merge(self.found)

    def _looked(self, at: datetime, seen: Ledger) -> tuple[list[Row], list[Frames]]:
        """The gaps and frames of what is seen live, which is the same for every report of a moment."""
        alone = _Pass(self.site, self.scope, self.session)
        alone._live(at, seen)
        return alone.gaps, alone.found

    def _live(self, at: datetime, seen: Ledger) -> None:
        known: list[Row] = []
        self._add("statements", "statements", lambda: statements(self._entries(known), at))
        self._add("database_gauges", "database_gauges", lambda: gauges(self.session, at, self.say))
        timed = self._add(
            "query_timings",
            "query_timings",
            lambda: query_timings(self.session, self.site, self.scope, ledger=seen, say=self.say),
        )
        self._add("query_plans", "query_timings", lambda: query_plans(timed, at))
        self._add(
            "database_findings",
            "database_findings",
            lambda: checks.run_all(self.session, self.site, self.scope, ledger=seen, timings=timed),
        )
        self._add("statement_plans", "statement_plans", lambda: self._plans(at, known))
        self.found.append({"database_gauges": own_cost(self.session, at)})

    def _entries(self, known: list[Row]) -> list[Row]:
        """The entries of pg_stat_statements, kept in `known` with the texts that go no further."""
        known += entries(self.session, self.say)
        return known

    def _plans(self, at: datetime, known: list[Row]) -> pd.DataFrame:
        wanted = chosen(known, total_ms(self.session)) if known else []
        return statement_plans(self.session, at, wanted)

    def _seen(self, seen: Ledger) -> None:
        self.found.append({"visibility": frame("visibility", seen.rows())})
        for sight in seen.sights.values():
            if not sight.whole:
                self.say(f"table:{sight.table}", "error", sight.reason or sight.state)

    def _tables(self, reader: Reader) -> None:
        cron = reader.site.cron
        tables = {name: block.table for name in TABLE_BLOCKS if (block := reader.site.block(name))}
        for name, table, read in (
            ("feature_counts", None, application.feature_counts),
            ("probes", tables.get("uptime"), application.probes),
            ("cron_logs", tables.get("cron"), application.cron_logs),
            ("cron_settings", cron and cron.settings_table, application.cron_settings),
            ("tickets", tables.get("tickets"), application.tickets),
            ("payments", tables.get("payments"), application.payments),
            ("activity", tables.get("activity"), application.activity),
            ("app_alerts", tables.get("app_alerts"), application.app_alerts),
            ("integration_checks", tables.get("integration_checks"), application.integration_checks),
        ):
            self._add(name, f"table:{table}", partial(read, reader))

    def _add(self, name: str, item: str, read: Callable[[], pd.DataFrame]) -> pd.DataFrame:
        """Adds a frame; whatever goes wrong with it is its own gap and costs nothing else."""
        try:
            table = read()
        except Exception as error:
            self.say(item, "error", reason_of(error))
            return frame(name)
        self.found.append({name: table})
        return table
