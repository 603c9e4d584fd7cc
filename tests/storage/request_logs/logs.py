"""Small logs for tests, and the same figures worked out line by line without the engine."""

from __future__ import annotations

import gzip
import json
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from pdmlib.site.site import Site
from pdmlib.storage.request_logs.manifests import file_of, load

START = datetime(2026, 3, 9, 22, 0, tzinfo=UTC)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
CRAWLER = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"


def site_of(**requests: Any) -> Site:
    """A site with nothing but a requests block; durations are in `durationMs` unless said otherwise."""
    block = {"columns": {"duration_ms": "durationMs"}, **requests}
    return Site.model_validate(
        {"site": "shop", "title": "Shop", "time_zone": "UTC", "sources": {}, "requests": block}
    )


def line(
    request: str,
    at: datetime = START,
    path: str = "/portal",
    status: int = 200,
    ms: float | None = 100.0,
    agent: str = BROWSER,
    proxied: Mapping[str, Any] | None = None,
    **more: Any,
) -> dict[str, Any]:
    """One line of a log drain."""
    moment = round(at.timestamp() * 1000)
    row: dict[str, Any] = {
        "id": f"{moment}{request}",
        "source": "lambda",
        "timestamp": moment + 5,
        "deploymentId": "dpl_1",
        "level": "info",
        "message": "hello anna@example.com",
        "requestId": request,
        "statusCode": status,
        "environment": "production",
        "path": path,
        "executionRegion": "iad1",
        "proxy": {
            "timestamp": moment,
            "method": "GET",
            "path": path,
            "userAgent": [agent],
            "statusCode": status,
            "clientIp": "203.0.113.77",
            **(proxied or {}),
        },
    }
    if ms is not None:
        row["durationMs"] = ms
    return {**row, **more}


def write(path: Path, rows: Iterable[Mapping[str, Any] | str]) -> Path:
    """Lines as a file, packed when its name ends in .gz."""
    text = "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def traffic(count: int, seed: int = 7, hours: float = 5.0) -> list[dict[str, Any]]:
    """Requests over some hours that cross midnight, a few of them failing, crawling or of several lines."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        at = START + timedelta(milliseconds=int(hours * 3_600_000 * number / count))
        path = rng.choice(
            ("/", "/portal", "/api/jobs/[id]", f"/api/customers/{rng.randrange(10**6, 10**7)}?page=2")
        )
        status = rng.choices((200, 304, 404, 500, 504), (80, 10, 6, 3, 1))[0]
        took = round(rng.lognormvariate(4.5, 0.8), 2)
        row = line(
            f"r{seed}-{number}", at, path, status=status, ms=took, agent=rng.choice((BROWSER, BROWSER, CRAWLER))
        )
        rows += [row] * rng.choice((1, 1, 1, 2, 3))
    return rows


class Oracle:
    """The figures of log lines, by a plain loop over them."""

    def __init__(self, rows: Iterable[Mapping[str, Any]]) -> None:
        self.requests: dict[str, tuple[datetime, str, int, float]] = {}
        for row in rows:
            proxy = row.get("proxy")
            if row["source"] == "build" or proxy is None or proxy["statusCode"] == -1:
                continue
            if "Googlebot" in proxy["userAgent"][0]:
                continue
            status = -1 if row["statusCode"] == -1 and proxy["statusCode"] < 500 else proxy["statusCode"]
            at = datetime.fromtimestamp(proxy["timestamp"] / 1000, UTC)
            path = row["path"].split("?")[0]
            route = "/api/customers/[id]" if path.startswith("/api/customers/") else path
            self.requests[row["requestId"]] = (at, route, status, row["durationMs"])

    def inside(self, start: datetime, end: datetime, route: str | None = None) -> list[tuple[str, int, float]]:
        """Route, status and time of the requests of a window."""
        return [
            (r, status, ms)
            for at, r, status, ms in self.requests.values()
            if start <= at < end and route in (None, r)
        ]

    def by_hour(self) -> Counter[tuple[datetime, int]]:
        """Requests by hour and status."""
        rows = self.requests.values()
        return Counter((at.replace(minute=0, second=0, microsecond=0), status) for at, _, status, _ in rows)

    def by_route(self, start: datetime, end: datetime) -> Counter[tuple[str, int]]:
        """Requests of a window by route and status."""
        return Counter((route, status) for route, status, _ in self.inside(start, end))


def failures(rows: Iterable[tuple[str, int, float]]) -> int:
    """How many of some requests failed."""
    return sum(status >= 500 or status == -1 for _, status, _ in rows)


def between(times: Iterable[float], quantile: float) -> float:
    """A quantile with linear interpolation between its two neighbours."""
    ordered = sorted(times)
    place = quantile * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def rank(times: Iterable[float], quantile: float) -> float:
    """The smallest time that at least this share of them does not exceed."""
    ordered = sorted(times)
    return ordered[max(0, math.ceil(quantile * len(ordered)) - 1)]


def table_of(store: Path) -> list[tuple[Any, ...]]:
    """All rows of a store's requests, in a fixed order, without their ids."""
    days = load(store).requests
    files = [str(file_of(store, "requests", day, row.token)) for day, row in days.items()]
    if not files:
        return []
    with duckdb.connect() as connection:
        query = "SELECT moment, route, kind, status, ms, region, release FROM read_parquet(?) ORDER BY ALL"
        return connection.execute(query, [files]).fetchall()


def grouped(rows: Iterable[tuple[Any, ...]], column: int) -> dict[Any, int]:
    """How many rows have each value of a column."""
    found: dict[Any, int] = defaultdict(int)
    for row in rows:
        found[row[column]] += 1
    return dict(found)
