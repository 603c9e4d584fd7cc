"""A seeded generator of request logs in the shape of a log drain: NDJSON, one object a line.

The same arguments give the same bytes. A line is about 900 bytes; a share of lines belongs to no
request (build output), some requests write several lines, some lines are delivered twice.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

PAGES = ("/", "/login", "/pricing", "/portal", "/portal/invoices", "/dashboard", "/dashboard/calendar")
RESOURCES = ("customers", "jobs", "quotes", "invoices", "reviews", "rewards", "messages", "offers")
ACTIONS = ("", "/[id]", "/[id]/history", "/[id]/send")
ROUTES = (
    *PAGES,
    *(f"/api/{resource}{action}" for resource in RESOURCES for action in ACTIONS),
    "/api/health",
)
AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 "
    "Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 "
    "Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Safari/605",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
)
REGIONS = ("iad1", "sfo1", "cle1")
BLOCK = 100_000
PADDING = "rendered in 3 segments; cache tags customers,offers; " * 5


@dataclass(frozen=True)
class Drain:
    """What to generate.

    Attributes:
        broken: every so many lines one is cut in the middle; 0: none.
        again: every so many lines one is delivered a second time; 0: none.
    """

    lines: int
    days: float = 7
    start: str = "2026-01-05"
    seed: int = 1
    broken: int = 0
    again: int = 0


def lines_of(drain: Drain) -> Iterator[str]:
    """Its lines, in the order of time, without their line ends."""
    rng = np.random.default_rng(drain.seed)
    site = np.random.default_rng(20250303)
    weights = 1 / np.arange(1, len(ROUTES) + 1)
    medians = site.uniform(15, 380, len(ROUTES))
    begin = datetime.fromisoformat(drain.start).replace(tzinfo=UTC).timestamp() * 1000
    number = 0
    for first in range(0, drain.lines, BLOCK):
        count = min(BLOCK, drain.lines - first)
        at = begin + drain.days * 86_400_000 * (first + np.arange(count)) / drain.lines
        route = rng.choice(len(ROUTES), count, p=weights / weights.sum())
        took = medians[route] * np.exp(0.7 * rng.standard_normal(count))
        took = np.where(rng.random(count) < 0.01, took * 12, took).clip(0.5, 60_000)
        status = rng.choice([200, 304, 404, 401, 500, 504], count, p=[0.88, 0.07, 0.03, 0.014, 0.005, 0.001])
        agent = rng.choice(len(AGENTS), count, p=[0.5, 0.3, 0.15, 0.05])
        rows = zip(at.tolist(), route.tolist(), took.tolist(), status.tolist(), agent.tolist(), strict=True)
        words = rng.integers(0, 2**32, (count, 4)).tolist()
        for row, word in zip(rows, words, strict=True):
            number += 1
            line = _line(number, *row, *word)
            if drain.broken and number % drain.broken == 0:
                line = line[: len(line) // 2]
            yield line
            if drain.again and number % drain.again == 0:
                yield line


def _line(
    number: int, at: float, route: int, took: float, status: int, agent: int, a: int, b: int, c: int, d: int
) -> str:
    moment, name, region = int(at), ROUTES[route], REGIONS[a % 3]
    if number % 50 == 0:
        return (
            f'{{"id":"{moment}{a:08x}","deploymentId":"dpl_bench","source":"build","host":"app.example.com",'
            f'"timestamp":{moment},"projectId":"prj_bench","level":"info","message":"compiled {b % 900} modules"}}'
        )
    path = name.replace("[id]", f"{a:08x}-{b & 65535:04x}-4{c & 4095:03x}-8{d & 4095:03x}-{a:08x}{c & 65535:04x}")
    query = f"?page={d % 40}&limit=20" if b % 8 == 0 else ""
    return (
        f'{{"id":"{moment}{a:08x}{b:08x}","deploymentId":"dpl_bench","source":"lambda","host":"app.example.com",'
        f'"timestamp":{moment + 4},"projectId":"prj_bench","projectName":"bench","level":"info",'
        f'"message":"{PADDING[: 40 + b % 180]}","type":"stdout","entrypoint":"index.js","path":"{name}",'
        f'"statusCode":{status},"requestId":"{region}::{c:08x}{d:08x}{b:08x}","environment":"production",'
        f'"branch":"main","executionRegion":"{region}","traceId":"{a:08x}{b:08x}{c:08x}{d:08x}",'
        f'"durationMs":{took:.2f},"proxy":{{"timestamp":{moment},"method":"GET","host":"app.example.com",'
        f'"path":"{path}{query}","userAgent":["{AGENTS[agent]}"],"region":"{region}","statusCode":{status},'
        f'"clientIp":"203.0.113.{a % 250}","scheme":"https","responseByteSize":{b % 65000},'
        f'"referer":"https://app.example.com/dashboard","pathType":"func","vercelCache":"MISS",'
        f'"vercelId":"{region}::{region}::{d:08x}-{moment}-{c:08x}","lambdaRegion":"{region}"}}}}'
    )


def write(path: Path, drain: Drain) -> None:
    """Writes a drain; the file appears whole."""
    beside = path.with_name(path.name + ".part")
    with beside.open("w", encoding="utf-8", buffering=1 << 22) as file:
        file.writelines(line + "\n" for line in lines_of(drain))
    beside.replace(path)


def request_ids(path: Path) -> set[str]:
    """The request ids of a drain's whole lines, read one by one."""
    found = set()
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.add(str(json.loads(line).get("requestId")))
        except ValueError:
            continue
    return found - {"None"}


def main() -> None:
    """`python -m bench.drains FILE --lines N [--days D] [--seed S]`."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--lines", type=int, required=True)
    parser.add_argument("--days", type=float, default=7)
    parser.add_argument("--start", default="2026-01-05")
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args(sys.argv[1:])
    write(asked.file, Drain(asked.lines, asked.days, asked.start, asked.seed))


if __name__ == "__main__":
    main()
