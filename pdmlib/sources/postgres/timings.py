"""The site's critical queries, timed as the monitor and as the application's own role."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pandas as pd

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame
from pdmlib.frames.statement_text import tables_of
from pdmlib.phases.scope import Scope
from pdmlib.site.site import Site
from pdmlib.site.tables import Query
from pdmlib.site.vendors import Postgres
from pdmlib.sources.postgres.plan import fingerprint, kept, shape
from pdmlib.sources.postgres.session import SOURCE, Row, Session, compose, written
from pdmlib.sources.postgres.visibility import Ledger

RUNS = 5
# One run of a critical query may take ten times its limit, but no more than this, or twice a limit beyond it; and
# all runs together stop once they have cost the database so much: what is that slow needs no fifth proof.
BEYOND, RUN_S, COST_S = 10, 8.0, 15.0


def query_timings(
    session: Session, site: Site, scope: Scope, ledger: Ledger, say: Callable[[str, str, str], None]
) -> pd.DataFrame:
    """Five runs of each critical query after one to warm up, as each role; what cannot be timed is a gap."""
    block = site.source(SOURCE)
    roles: list[tuple[str, str | None]] = [("monitor", None)]
    if isinstance(block, Postgres) and block.application_role:
        roles.append(("application", block.application_role))
    found: list[Row] = []
    for query in site.queries:
        failures = []
        before = len(found)
        for label, role in roles:
            try:
                found += _timed(session, site, scope, ledger=ledger, query=query, label=label, role=role)
            except SourceError as error:
                failures.append(f"as {role or session.can.role}: {error.reason}")
        if failures:
            item = f"query:{query.name}" if len(found) == before else f"query:{query.name}:role"
            say(item, "error", "; ".join(failures))
    return frame("query_timings", found)


def query_plans(timings: pd.DataFrame, at: datetime) -> pd.DataFrame:
    """The frame `query_plans` of one look: the plan of the first timed run of each query as each role.

    Without its figures, so that a plan that stays is stored once.
    """
    runs = timings.groupby(["query", "role"])
    found = runs.agg(ms=("ms", "median"), fingerprint=("fingerprint", "first"), plan=("plan", "first"))
    found = found.assign(at=at, plan=found["plan"].map(lambda plan: json.dumps(shape(json.loads(plan)))))
    return frame("query_plans", found.reset_index())


def _timed(
    session: Session, site: Site, scope: Scope, ledger: Ledger, query: Query, label: str, role: str | None
) -> list[Row]:
    policies = ledger.by_policy(tables_of(query.sql))
    parameters = {"as_of": scope.as_of}
    for name, text in query.parameters.items():
        parameters[name] = _parameter(session, query, name, text=text, scope=scope, policies=policies)
    block = site.source(SOURCE)
    claims = json.dumps(dict(block.application_claims)) if isinstance(block, Postgres) and role else None
    explained = compose("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {query}", query=written(query.sql))
    limit_s, before, runs = query.limit_ms / 1000, session.cost.seconds, list[Row]()
    while len(runs) < 2 or (len(runs) <= RUNS and session.cost.seconds - before < COST_S):
        found = session.rows(
            explained,
            parameters,
            timeout_s=min(BEYOND * limit_s, max(RUN_S, 2 * limit_s)),
            row_security=policies,
            role=role,
            claims=claims,
            binary=True,
        )
        runs.append(found[0]["QUERY PLAN"][0])
    return [_run(query, label, number, run) for number, run in enumerate(runs[1:], 1)]


def _parameter(session: Session, query: Query, name: str, text: str, scope: Scope, policies: bool) -> Any:
    chosen = compose("SELECT * FROM ({query}\n) AS chosen LIMIT 1", query=written(text))
    rows = session.rows(chosen, {"as_of": scope.as_of}, row_security=policies)
    if not rows:
        raise SourceError(
            SOURCE, f"no value for parameter {name} of query {query.name}: its own query found no row"
        )
    return next(iter(rows[0].values()))


def _run(query: Query, label: str, number: int, run: Row) -> Row:
    plan = kept(run["Plan"])
    return {
        "query": query.name,
        "role": label,
        "run": number,
        "ms": run["Planning Time"] + run["Execution Time"],
        "rows": round(run["Plan"]["Actual Rows"] * run["Plan"]["Actual Loops"]),
        "plan": json.dumps(plan) if number == 1 else None,
        "fingerprint": fingerprint(plan),
    }
