"""The checks of a database that need no second look: each a function, all of one result shape.

Those that compare two looks at the counters are in `analysis.database.counters`.
"""

from __future__ import annotations

import pandas as pd

from pdmlib.errors import SourceError, where
from pdmlib.frames.frame import frame
from pdmlib.phases.scope import Scope
from pdmlib.site.site import Site
from pdmlib.sources.postgres.checks import application, schema, server, sessions, storage
from pdmlib.sources.postgres.checks.result import MOST, PASS, Check, Look, Result, unknown
from pdmlib.sources.postgres.session import Session
from pdmlib.sources.postgres.visibility import Ledger

BUDGET_S = 30.0

CHECKS: tuple[Check, ...] = (
    Check("visibility", "What the role sees", server.visibility),
    Check("critical_query", "Critical queries", application.critical_queries),
    Check("cron_log", "Cron log", application.cron_log),
    Check("feature_tables", "Feature tables", application.feature_tables),
    Check("slow_now", "Slow queries now", sessions.slow_now, of_others=True),
    Check("connections", "Connections", sessions.connections),
    Check("blocking", "Blocking", sessions.blocking, of_others=True),
    Check("idle_in_transaction", "Old transactions", sessions.idle_in_transaction, of_others=True),
    Check("host", "CPU, memory and disk", server.host),
    Check("invalid_objects", "Invalid indexes and constraints", schema.invalid_objects),
    Check("table_hygiene", "Keys, foreign keys and row-level security", schema.table_hygiene),
    Check("policies", "Policies and functions of the owner", schema.policies),
    Check("policy_cost", "Cost of policies", schema.policy_cost),
    Check("statistics", "Health of the statistics", server.statistics),
    Check("read_only", "Read-only mode and recovery", server.read_only),
    Check("dead_rows", "Dead rows and vacuum", storage.dead_rows),
    Check("unanalysed", "Rows that the planner does not know", storage.unanalysed),
    Check("horizon", "Oldest transaction and wraparound", storage.horizon, of_others=True),
    Check("replication_slots", "Replication slots", storage.replication_slots),
    Check("missing_index", "Tables read whole", schema.missing_index),
    Check("redundant_index", "Redundant indexes", schema.redundant_indexes),
    Check("unused_index", "Unused indexes", schema.unused_indexes),
    Check("bloat", "Bloat", storage.bloat),
    Check("sequences", "Room of sequences", schema.sequences),
)


def run_all(
    session: Session,
    site: Site,
    scope: Scope,
    ledger: Ledger,
    timings: pd.DataFrame,
    budget_s: float = BUDGET_S,
) -> pd.DataFrame:
    """The frame `database_findings` of one pass of all checks, within the budget; what did not fit is unknown."""
    look = Look(session, site, scope, ledger=ledger, timings=timings)
    found: list[Result] = []
    with session.within(budget_s):
        for check in CHECKS:
            found += _run(check, look)
    return frame("database_findings", [result.row() for result in found])


def _run(check: Check, look: Look) -> list[Result]:
    grant = check.grant.format(role=look.session.can.grantee)
    if check.of_others and not look.session.can.monitors:
        return [unknown(check.name, f"the sessions of other roles are hidden: {grant}")]
    try:
        results = check.run(look)
    except SourceError as error:
        reason = f"{error.reason}; it may need {grant}" if "permission denied" in error.reason else error.reason
        return [unknown(check.name, reason)]
    except Exception as error:  # a fault of one check, such as a column that no row has, costs no other check
        return [unknown(check.name, f"internal error ({where(error)})")]
    if not results:
        return [Result(check.name, None, PASS, evidence=f"{check.title}: nothing found")]
    if len(results) <= MOST:
        return results
    rest = Result(check.name, "and others", results[MOST].severity, evidence=f"{len(results) - MOST} more")
    return [*results[:MOST], rest]
