"""Checks of storage: dead rows, old transactions, replication slots, bloat."""

from __future__ import annotations

from pdmlib.sources.postgres.checks.result import FAIL, INFO, PASS, WARN, Look, Result, graded

_BILLION = 1e9


def dead_rows(look: Look) -> list[Result]:
    """Dead rows against the table's own trigger of autovacuum: over twice warns, five times fails."""
    found = []
    for row in look.rows("dead_rows"):
        ratio = row["dead"] / row["trigger"]
        severity = FAIL if row["off"] and ratio > 1 else graded(ratio, 2, 5)
        if severity == PASS:
            continue
        last = f"last autovacuum {row['hours']:.0f} h ago" if row["hours"] is not None else "never autovacuumed"
        evidence = f"{row['dead']:.0f} dead rows, trigger {row['trigger']:.0f}; {last}" + (
            "; autovacuum is off for it" if row["off"] else ""
        )
        action = "Switch autovacuum on for it" if row["off"] else "Look for what holds it back: check horizon"
        found.append(
            Result(
                "dead_rows",
                row["object"],
                severity,
                value=ratio,
                unit="times the trigger",
                threshold="< 2",
                window="now",
                evidence=evidence,
                action=action,
            )
        )
    return found


def horizon(look: Look) -> list[Result]:
    """Who holds back vacuum (over 1 h warns, 24 h fails), and how far the counters are from wrapping around."""
    found = []
    for row in look.rows("horizon"):
        if row["kind"] == "wraparound":
            severity = graded(row["value"], 50, 80)
            action = f"VACUUM (FREEZE) the oldest tables of {row['object']} in a quiet hour"
            unit, threshold = "% of 2^31", "< 50 %"
        else:
            severity = graded(row["value"], 3600, 86400)
            action, unit, threshold = "End it; until then no dead row goes away", "s", "< 3600 s"
        if severity != PASS:
            found.append(
                Result(
                    "horizon",
                    row["object"],
                    severity,
                    value=row["value"],
                    unit=unit,
                    threshold=threshold,
                    window="now",
                    evidence=row["evidence"],
                    action=action,
                )
            )
    return found


def replication_slots(look: Look) -> list[Result]:
    """Inactive replication slots, which keep the write-ahead log: any warns, over 1 GB fails."""
    return [
        Result(
            "replication_slots",
            r["object"],
            FAIL if (r["bytes"] or 0) > _BILLION else WARN,
            value=r["bytes"],
            unit="bytes",
            threshold="none",
            window="now",
            evidence=f"inactive, keeps {(r['bytes'] or 0) / _BILLION:.2f} GB of write-ahead log",
            action="Start its consumer or drop the slot",
        )
        for r in look.rows("replication_slots")
    ]


def unanalysed(look: Look) -> list[Result]:
    """Tables most of whose rows changed since the last ANALYZE: the planner guesses, until autovacuum comes by."""
    return [
        Result(
            "unanalysed",
            r["object"],
            INFO,
            value=r["changed"],
            unit="rows",
            threshold="under half of its rows",
            evidence=f"{r['changed']:.0f} of about {r['rows']:.0f} rows changed since the last ANALYZE"
            + (", and none was ever made" if r["never"] else ""),
            action=r["action"],
        )
        for r in look.rows("unanalysed")
    ]


def bloat(look: Look) -> list[Result]:
    """Tables most of whose counted rows are dead, estimated from counters that policies cannot blind."""
    return [
        Result(
            "bloat",
            r["object"],
            WARN,
            value=r["dead_pct"],
            unit="%",
            threshold="< 40 %",
            window="now, estimated",
            evidence=f"{r['dead_pct']:.0f} % of its rows are dead in {r['bytes'] / 1e6:.0f} MB",
            action="Let autovacuum catch up first; measure with pgstattuple_approx before rewriting it",
        )
        for r in look.rows("bloat")
    ]
