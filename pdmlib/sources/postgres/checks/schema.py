"""Checks of the schema: indexes, constraints, keys, policies, sequences."""

from __future__ import annotations

from typing import Any

from pdmlib.frames.readings import Status, significant
from pdmlib.sources.postgres.checks.result import FAIL, INFO, UNKNOWN, WARN, Look, Result, graded, unknown

OBSERVED_DAYS = 14
AT_ONCE = 200
_SINCE = "since the statistics began"


def invalid_objects(look: Look) -> list[Result]:
    """Indexes left invalid by a failed build, and constraints never validated."""
    return [
        Result("invalid_objects", r["object"], WARN, evidence=r["evidence"], threshold="none", action=r["action"])
        for r in look.rows("invalid_objects")
    ]


def table_hygiene(look: Look) -> list[Result]:
    """Tables without a primary key, foreign keys without an index, exposed tables without row-level security."""
    return [
        Result(
            "table_hygiene",
            r["object"],
            FAIL if r["exposed"] else INFO,
            evidence=r["evidence"],
            threshold="none",
            action=r["action"],
        )
        for r in look.rows("table_hygiene")
    ]


def policies(look: Look) -> list[Result]:
    """Row-level security that does not do what it seems to, and functions that run as their owner."""
    return [
        Result("policies", r["object"], Status(r["severity"]), evidence=r["evidence"], action=r["action"])
        for r in look.rows("policies")
    ]


def policy_cost(look: Look) -> list[Result]:
    """Policies that call a function of the request for every row instead of once."""
    return [
        Result(
            "policy_cost",
            r["object"],
            INFO,
            evidence=f"calls {r['calls']} for each row of {r['estimate']:.0f}",
            action="Wrap the call in the policy as (SELECT f())",
        )
        for r in look.rows("policy_cost")
    ]


def missing_index(look: Look) -> list[Result]:
    """Tables read whole again and again, those without any index among them; lifetime figures are only a note."""
    return [
        Result(
            "missing_index",
            r["object"],
            INFO,
            value=r["rows_per_scan"],
            unit="rows per scan",
            threshold="< 10000",
            window=_SINCE,
            evidence=f"{r['scans']:,.0f} scans of the whole table read {r['rows_read']:,.0f} rows; "
            f"{r['index_scans']:.0f} scans by an index",
            action="See which statements in `queries` read it, and index what they filter by",
        )
        for r in look.rows("missing_index")
    ]


def redundant_indexes(look: Look) -> list[Result]:
    """Plain indexes whose columns are the first ones of another of the same kind."""
    return [
        Result(
            "redundant_index",
            r["object"],
            INFO,
            value=r["bytes"],
            unit="bytes",
            evidence=f"its columns begin {r['covered_by']}",
            action=r["action"],
        )
        for r in look.rows("redundant_indexes")
    ]


def unused_indexes(look: Look) -> list[Result]:
    """Indexes never scanned, told only after fourteen days of unbroken statistics."""
    rows = look.rows("unused_indexes")
    days = rows[0]["days"] if rows else None
    if rows and (days is None or days < OBSERVED_DAYS):
        seen = "for an unknown time" if days is None else f"for {significant(days, 2)} days only"
        return [unknown("unused_index", f"the statistics were gathered {seen}; it takes {OBSERVED_DAYS}")]
    return [
        Result(
            "unused_index",
            r["object"],
            INFO,
            value=r["bytes"],
            unit="bytes",
            threshold=None,
            window=f"{days:.0f} days",
            evidence="no scan of it was counted; it backs no constraint",
            action="Check the replicas, then DROP INDEX CONCURRENTLY and keep its definition",
        )
        for r in rows
    ]


def sequences(look: Look) -> list[Result]:
    """Sequences near the end of their column's type: 70 % warns, 90 % fails; unreadable ones are unknown."""
    rows = look.rows("sequences")
    used = _last_values(look, [row["id"] for row in rows if row["readable"]])
    hidden = [_unreadable(look, row["object"], row["quoted"]) for row in rows if not row["readable"]]
    near = [
        _near_its_end(last, row) for row in rows if (last := used.get(row["id"])) and last >= 0.7 * row["most"]
    ]
    return sorted(near, key=lambda result: -(result.value or 0)) + hidden


def _last_values(look: Look, ids: list[str]) -> dict[str, float | None]:
    """Last values by id, few at a time: each sequence read is locked until its transaction ends."""
    found: dict[str, float | None] = {}
    for start in range(0, len(ids), AT_ONCE):
        rows = look.rows("sequence_values", ids=ids[start : start + AT_ONCE])
        found |= {row["id"]: row["last"] for row in rows}
    return found


def _unreadable(look: Look, sequence: str, quoted: str) -> Result:
    grant = f"GRANT SELECT ON SEQUENCE {quoted} TO {look.session.can.grantee};"
    reason = "no right to read it"
    return Result("sequences", sequence, UNKNOWN, window=None, action=grant, unknown_reason=reason)


def _near_its_end(last: float, row: dict[str, Any]) -> Result:
    pct = 100 * last / row["most"]
    evidence = f"at {last:.0f} of {row['most']:.0f} ({row['type']})"
    severity = graded(pct, 70, 90)
    return Result(
        "sequences",
        row["object"],
        severity,
        value=pct,
        unit="%",
        threshold="< 70 %",
        window="now",
        evidence=evidence,
        action=row["action"],
    )
