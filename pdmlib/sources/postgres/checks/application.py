"""Checks of the application's own tables and queries, as far as the database sees them."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from pdmlib.frames.index_text import UNTESTED, proposed, quoted
from pdmlib.frames.plan import Plan, nodes
from pdmlib.frames.readings import significant
from pdmlib.frames.statement_text import filters_of
from pdmlib.site.tables import Query
from pdmlib.sources.postgres.checks.result import INFO, PASS, UNKNOWN, WARN, Look, Result, unknown
from pdmlib.sources.postgres.visibility import feature_tables as tables_of_feature
from pdmlib.sources.postgres.visibility import qualified

SLOWER_BY_RLS = 3.0
WHOLE = 1000
_RUNS = "5 runs after one to warm up"


def critical_queries(look: Look) -> list[Result]:
    """Each critical query, timed; the analysis grades it by its budget, and no rows mean nothing."""
    found = []
    for query in look.site.queries:
        runs = look.timings[look.timings["query"] == query.name]
        if runs.empty:
            found.append(unknown("critical_query", "it was not timed; its gap says why", query.name))
            continue
        medians = runs.groupby("role")["ms"].median()
        role = "application" if "application" in medians else "monitor"
        found.append(_judged(query, runs[runs["role"] == role], role, float(medians[role])))
        found += _policies_cost(query, runs, medians) + _seq_scans(look, query, runs[runs["role"] == role])
    return found


def _judged(query: Query, runs: pd.DataFrame, role: str, median: float) -> Result:
    if runs["rows"].max() == 0:
        reason = f"as {role} it returned no row, so its {median:.1f} ms mean nothing"
        return Result("critical_query", query.name, UNKNOWN, value=median, unit="ms", unknown_reason=reason)
    evidence = f"median {significant(median, 2)} ms as {role}, plan {runs['fingerprint'].iloc[-1]}"
    action = "Compare its plan with the one before and index what it reads whole"
    return Result(
        "critical_query",
        query.name,
        INFO,
        value=median,
        unit="ms",
        threshold=None,
        window=_RUNS,
        evidence=evidence,
        action=action,
    )


def _policies_cost(query: Query, runs: pd.DataFrame, medians: pd.Series) -> list[Result]:
    """How much slower the application's own run is, where a policy changed what it does."""
    if set(medians.index) != {"monitor", "application"} or medians["application"] < 5:
        return []
    ratio = float(medians["application"] / medians["monitor"])
    if ratio < SLOWER_BY_RLS or len({_work(plan) for plan in runs["plan"].dropna()}) < 2:
        return []
    evidence = (
        f"{medians['application']:.1f} ms as the application, {medians['monitor']:.1f} ms past row-level security"
    )
    action = "Look at the policies of its tables: wrap their function calls as (SELECT f())"
    name = f"{query.name}: cost of policies"
    return [
        Result(
            "critical_query",
            name,
            WARN,
            value=ratio,
            unit="ratio",
            threshold=f"< {SLOWER_BY_RLS:g}",
            window=_RUNS,
            evidence=evidence,
            action=action,
        )
    ]


def _work(plan: str) -> tuple[tuple[Any, ...], ...]:
    """What a plan does, without figures: each node with what it filters by."""
    return tuple(
        (n["Node Type"], n.get("Relation Name"), n.get("Index Cond"), n.get("Filter"))
        for n in nodes(json.loads(plan))
    )


def _seq_scans(look: Look, query: Query, runs: pd.DataFrame) -> list[Result]:
    """Tables that a critical query reads whole and throws most of away, with the index that would serve."""
    plans = runs["plan"].dropna()
    plan: dict[str, Any] = json.loads(plans.iloc[0]) if len(plans) else {"Node Type": ""}
    found = []
    for node in nodes(plan):
        thrown = node.get("Rows Removed by Filter", 0)
        if node["Node Type"] == "Seq Scan" and thrown >= WHOLE and thrown > 9 * node.get("Actual Rows", 0):
            found.append(_wanted(look, query, node, thrown))
    return found


def _wanted(look: Look, query: Query, node: Plan, thrown: float) -> Result:
    table = next(
        (t for t in look.ledger.sights if t.endswith(f".{node['Relation Name']}")),
        qualified(node["Relation Name"]),
    )
    columns = next((f.columns for f in filters_of(query.sql) if qualified(f.table) == table), ())
    existing = look.rows("indexes_of", table=table)
    serving = [row["definition"] for row in existing if columns and row["first"] == columns[0]]
    evidence = f"it reads {table} whole and throws {thrown:,.0f} rows away; " + (
        f"{serving[0]} exists and is not used" if serving else "no index helps"
    )
    lacks = proposed(table, columns, partitioned=False)
    action = f"{lacks} ({UNTESTED})" if columns and not serving else f"ANALYZE {quoted(table)}; and read its plan"
    return Result(
        "critical_query",
        f"{query.name}: {table}",
        INFO,
        value=thrown,
        unit="rows",
        threshold=None,
        window=_RUNS,
        evidence=evidence,
        action=action,
    )


def cron_log(look: Look) -> list[Result]:
    """Why the cron log says nothing, where it does: hidden, absent, or never written to."""
    cron = look.site.cron
    if cron is None or cron.in_sentry:
        return [Result("cron_log", None, INFO, evidence="the site names no cron log")]
    sight = look.ledger[cron.table]
    if not sight.whole:
        return [unknown("cron_log", sight.reason or sight.state, sight.table)]
    if sight.estimate == 0:
        reason = f"{sight.table} has no row: no job was ever instrumented, scheduled or run"
        return [unknown("cron_log", reason, sight.table)]
    return [Result("cron_log", sight.table, PASS, evidence="readable; the runs are judged in the cron section")]


def feature_tables(look: Look) -> list[Result]:
    """Features whose tables are not seen whole; for those, writes attempted since the statistics began."""
    found = []
    for feature in look.site.features:
        for sight in (look.ledger[t] for t in tables_of_feature(feature)):
            if sight.whole:
                continue
            attempts = look.rows("inserts", table=sight.table)
            evidence = (
                f"{attempts[0]['inserts']:.0f} rows inserted or tried since the statistics began"
                if attempts
                else None
            )
            found.append(
                Result(
                    "feature_tables",
                    feature.name,
                    UNKNOWN,
                    window=None,
                    evidence=evidence,
                    action=sight.grant,
                    unknown_reason=sight.reason,
                )
            )
    return found
