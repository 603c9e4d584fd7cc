"""Checks of the server as a whole: what we see of it, its statistics, its mode."""

from __future__ import annotations

from pdmlib.frames.readings import Status
from pdmlib.sources.postgres.checks.result import FAIL, INFO, UNKNOWN, Look, Result, unknown


def visibility(look: Look) -> list[Result]:
    """What the role is, and each table that it does not see whole with the grant that would mend it."""
    can = look.session.can
    see = {True: "sees", False: "does not see"}
    statements = (
        f"pg_stat_statements {can.statements_version}" if can.statements_schema else "no pg_stat_statements"
    )
    evidence = (
        f"PostgreSQL {can.version // 10000}.{can.version % 10000}, {statements}; role {can.role} "
        f"{see[can.monitors]} the statistics of other roles and {see[can.bypasses_rls]} past row-level security; "
        f"TLS {'on' if can.tls else 'off'}; {'a pooler' if can.pooled else 'a session of its own'}"
    )
    found = [Result("visibility", "role", INFO, evidence=evidence)]
    if not can.monitors:
        reason = f"role {can.role} sees only its own statements and sessions"
        found.append(
            Result(
                "visibility",
                "statistics",
                UNKNOWN,
                action=f"GRANT pg_monitor TO {can.grantee};",
                unknown_reason=reason,
            )
        )
    for sight in look.ledger.sights.values():
        if not sight.whole:
            found.append(
                Result(
                    "visibility",
                    sight.table,
                    UNKNOWN,
                    window=None,
                    action=sight.grant,
                    unknown_reason=sight.reason,
                )
            )
    return found


def host(look: Look) -> list[Result]:
    """CPU, memory and disk cannot be read by SQL; they come from the platform's metrics or are unknown."""
    if look.site.source("supabase"):
        return [Result("host", None, INFO, evidence="read from the platform's metrics, not by SQL")]
    return [unknown("host", "no host metrics are configured, and SQL cannot read them")]


def statistics(look: Look) -> list[Result]:
    """Whether pg_stat_statements can be trusted: installed, not full, current, tracking."""
    can = look.session.can
    if can.statements_schema is None:
        action = "Load pg_stat_statements and CREATE EXTENSION pg_stat_statements"
        return [Result("statistics", "pg_stat_statements", UNKNOWN, action=action, unknown_reason="not installed")]
    found = []
    for row in look.rows("tracking"):
        if row["bad"]:
            found.append(
                Result(
                    "statistics",
                    row["object"],
                    Status(row["severity"]),
                    evidence=row["evidence"],
                    action=row["action"],
                )
            )
    return found


def read_only(look: Look) -> list[Result]:
    """A database that takes no writes: in recovery, or made read-only by its platform, fails."""
    return [
        Result(
            "read_only",
            row["object"],
            FAIL,
            evidence=row["evidence"],
            threshold="writes are taken",
            action="Check the disk's room and the platform's status before anything else",
        )
        for row in look.rows("read_only")
    ]
