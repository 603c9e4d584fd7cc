"""The hours of single routes, by which a change of one route is dated."""

from __future__ import annotations

import pandas as pd

from pdmlib.frames.frame import frame
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window
from pdmlib.storage.request_logs import days
from pdmlib.storage.request_logs.addresses import SOURCE
from pdmlib.storage.request_logs.reader import IN_HOURS, Held, hours_and_edges

MOST = 50  # routes with most failures, and as many with most requests
_FAILED = f"coalesce(sum(n) FILTER (WHERE {days.FAILED}), 0)"
_KNOWN = "coalesce(sum(n) FILTER (WHERE status IS NOT NULL), 0)"


def route_hours(held: Held, scope: Scope) -> dict[str, pd.DataFrame]:
    """Frame `route_hours`: the whole hours from the week before the deployment on, of the routes that matter."""
    span = Window(min(scope.before.start, scope.window.start), scope.known.end)
    inner, _ = hours_and_edges(span)
    if not inner.seconds:
        return {}
    rows = held.rows(
        f"""WITH counted AS (FROM {{source}} WHERE {held.counted} AND {IN_HOURS}),
            ranked AS (SELECT route, row_number() OVER (ORDER BY sum(n) DESC, route) AS busy,
                row_number() OVER (ORDER BY {_FAILED} DESC, route) AS bad FROM counted GROUP BY route)
            SELECT route, hour, sum(n), {days.failures(_FAILED, _KNOWN, "sum(n)")}, sum(timed),
              sum(sum_us) / nullif(sum(timed), 0) / 1000
            FROM counted SEMI JOIN (FROM ranked WHERE least(busy, bad) <= {MOST}) USING (route)
            GROUP BY route, hour ORDER BY route, hour""",
        "totals",
        inner,
    )
    table = pd.DataFrame(rows, columns=["route", "at", "requests", "failures", "timed", "avg_ms"])
    rate = held.asked.sample_rate
    table[["requests", "failures"]] = table[["requests", "failures"]].astype("float64") / rate
    return {"route_hours": frame("route_hours", table.assign(source=SOURCE, sample_rate=rate))} if rows else {}
