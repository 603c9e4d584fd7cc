"""Checks of the sessions at this moment: connections, locks, old transactions, slow queries."""

from __future__ import annotations

from pdmlib.frames.statement_text import redacted
from pdmlib.sources.postgres.checks.result import FAIL, INFO, PASS, UNKNOWN, WARN, Look, Result, graded

_SEEN_ONCE = "now, looked at once"


def connections(look: Look) -> list[Result]:
    """Client connections in percent of the slots that are not reserved; the analysis grades them by its ladder."""
    row = look.rows("connections")[0]
    if row["hidden"]:
        reason = (
            f"{row['hidden']} sessions of other roles are hidden, {row['backends']:.0f} backends are counted: "
            f"GRANT pg_monitor TO {look.session.can.grantee};"
        )
        return [Result("connections", None, UNKNOWN, value=row["backends"], unit="count", unknown_reason=reason)]
    used = 100 * row["clients"] / row["usable"]
    holders = f"top holder {row['holder']} ({row['holds']})" if row["holder"] else "no client"
    action = "Lower the pool of the top holder before raising max_connections"
    evidence = f"{row['clients']} of {row['usable']} usable slots; {holders}"
    return [
        Result(
            "connections",
            None,
            INFO,
            value=used,
            unit="%",
            threshold=None,
            window=_SEEN_ONCE,
            evidence=evidence,
            action=action,
        )
    ]


def blocking(look: Look) -> list[Result]:
    """Sessions at the root of a queue for locks: blocked over 5 s warns, over 60 s or behind DDL fails."""
    found = []
    for row in look.rows("blocking"):
        severity = FAIL if row["behind_ddl"] else graded(row["wait_s"], 5, 60)
        who = f"pid {row['pid']} ({row['role']}, {row['application'] or 'no application name'}, {row['state']})"
        evidence = f"{who} blocks {row['blocked']} sessions, the longest for {row['wait_s']:.1f} s" + (
            "; DDL waits behind it with a queue of its own" if row["behind_ddl"] else ""
        )
        action = "Finish or end the root session, then run the DDL again with a short lock_timeout"
        found.append(
            Result(
                "blocking",
                f"pid {row['pid']}",
                severity,
                value=row["wait_s"],
                unit="s",
                threshold="< 5 s",
                window=_SEEN_ONCE,
                evidence=evidence,
                action=action,
            )
        )
    return found


def idle_in_transaction(look: Look) -> list[Result]:
    """Transactions open for over 60 s (warns) or 300 s (fails); our own sessions are left out."""
    found = []
    for row in look.rows("transactions"):
        severity = graded(row["age_s"], 60, 300)
        if severity != PASS:
            who = f"{row['role']}, {row['application'] or 'no application name'}, {row['state']}"
            evidence = f"pid {row['pid']} ({who}) holds a transaction open for {row['age_s']:.0f} s"
            action = "End it in the application; set idle_in_transaction_session_timeout for its role"
            name = f"pid {row['pid']}"
            found.append(
                Result(
                    "idle_in_transaction",
                    name,
                    severity,
                    value=row["age_s"],
                    unit="s",
                    threshold="< 60 s",
                    window=_SEEN_ONCE,
                    evidence=evidence,
                    action=action,
                )
            )
    return found


def slow_now(look: Look) -> list[Result]:
    """Statements running for over a second at this moment; what the window's means say is in `queries`."""
    found = []
    for row in look.rows("running"):
        wait = f", waiting for {row['wait']}" if row["wait"] else ""
        evidence = f"{row['role']} runs for {row['age_s']:.1f} s{wait}: {redacted(row['query'], 120)}"
        action = "Look at its plan or its blocker before cancelling it"
        found.append(
            Result(
                "slow_now",
                f"pid {row['pid']}",
                WARN,
                value=row["age_s"],
                unit="s",
                threshold="< 1 s",
                window=_SEEN_ONCE,
                evidence=evidence,
                action=action,
            )
        )
    return found
