"""The platform's pooler: clients that wait, since each of its connections to the database is taken.

No counter of the database tells of them: those connections are open and busy, and none was refused.
"""

from __future__ import annotations

from collections.abc import Iterator

from pdmlib.analysis.database import host
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Finding, Priority
from pdmlib.phases.window import spoken

ACTION = "Look for queries that hold a connection for long, or let the pooler open more of them"


def findings(case: Case) -> Iterator[Finding]:
    """One finding where clients waited at two samples in a row: at one alone a queue of a moment is usual."""
    samples = host.in_window(case, "pooler_waiting")
    queued = samples["value"] > 0
    lasting = queued & queued.shift(fill_value=False)
    if not lasting.any():
        return
    top = samples.loc[samples["value"].idxmax()]
    starts = samples.loc[queued & ~queued.shift(fill_value=False), "at"]
    last = samples.loc[lasting, "at"].iloc[-1]
    yield Finding(
        id="database:pooler",
        title="Clients wait for a connection of the pooler",
        priority=Priority.P2,
        reading="db_connections_pct",
        evidence=(
            f"At {int(queued.sum())} of {len(samples)} samples clients waited, "
            f"at most {top['value']:.0f}, at {spoken(top['at'], case.site.zone)}."
        ),
        action=ACTION,
        becomes_green="no client waits for the pooler at two samples in a row",
        since=starts[starts < last].iloc[-1].to_pydatetime(),
        active=bool(lasting.iloc[-1]),
        value=float(top["value"]),
        threshold="> 0 waiting",
        owner=case.site.people.owners.get("database"),
    )
