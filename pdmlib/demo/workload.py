"""The application's own queries, run as its users, so that the statistics have something to tell."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psycopg

CLAIMS = {"sub": "00000000-0000-4000-8000-000000000001", "role": "authenticated"}
ROUNDS = 20
SINCE = 48 * ROUNDS  # after the last look before the deployment: enough blocks to tell how many memory held
_QUERIES: tuple[tuple[str, bool], ...] = (
    ("SELECT * FROM public.customers WHERE id = %s::uuid", True),
    ("SELECT * FROM public.missed_opportunities WHERE status = 'pending' LIMIT 20", False),
    ("SELECT * FROM public.missed_opportunities WHERE customer_id = %s::uuid ORDER BY created_at DESC", True),
    (
        "SELECT count(*), status FROM public.missed_opportunities "
        "WHERE created_at > now() - interval '30 days' GROUP BY status",
        False,
    ),
    ("SELECT sum(points_earned) FROM public.loyalty_transactions WHERE customer_id = %s::uuid", True),
    ("SELECT * FROM public.review_requests ORDER BY requested_at DESC LIMIT 20", False),
    ("SELECT * FROM public.portal_sessions WHERE customer_id = %s::uuid ORDER BY created_at LIMIT 1", True),
)


def run(connection: psycopg.Connection, *, index_dropped: bool, looks: Sequence[Callable[[], None]]) -> None:
    """Run every query many times, looking at the counters twice before the deployment.

    An index of `missed_opportunities` goes after the second look when it is to be lost.
    """
    connection.execute("SELECT extensions.pg_stat_statements_reset()")
    for first, look in zip((0, ROUNDS), looks, strict=False):
        _rounds(connection, first, ROUNDS)
        look()
    if index_dropped:
        connection.execute("DROP INDEX public.missed_opportunities_status_idx")
    _rounds(connection, 2 * ROUNDS, SINCE)


def query(connection: psycopg.Connection) -> None:
    """Run every query some more times."""
    _rounds(connection, 0, ROUNDS)


def _rounds(connection: psycopg.Connection, first: int, count: int) -> None:
    with connection.transaction():
        connection.execute("SET LOCAL ROLE authenticated")
        connection.execute("SELECT set_config('request.jwt.claims', %s, true)", [json.dumps(CLAIMS)])
        for number in range(first, first + count):
            customer = f"c0000000-0000-4000-8000-{number * 17:012x}"
            for query, of_customer in _QUERIES:
                connection.execute(query.encode(), [customer] if of_customer else None)
