"""The query language of Sentry's events, as far as a monitoring client needs it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, TypeVar
from urllib.parse import urlencode

import numpy as np

from pdmlib.demo.exchange import Call, Stage, parse
from pdmlib.demo.vendors.cells import counts, plain, statistic
from pdmlib.demo.world.grid import DAY, HOUR, MINUTE, Array, Ints, Table
from pdmlib.demo.world.issues import ISSUES
from pdmlib.demo.world.operations import RELEASES
from pdmlib.demo.world.traffic import ROUTES, SAMPLE_RATE

_UNITS = {"s": 1000, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY}
_PAGE = 10
_TOKEN = re.compile(r'(!?)([\w.]+):(\[[^\]]*\]|"(?:[^"\\]|\\.)*"|\S+)')
_HARMLESS = ("is_transaction", "span.op", "environment", "project", "event.type", "trace.status", "is")
Item = TypeVar("Item")


class QueryError(Exception):
    """A query that Sentry would refuse with 400."""


def spans(stage: Stage) -> Table:
    """The stored spans up to the clock; none when the vendor is silent."""
    silent = stage.plan.behaviours.get("sentry") == "empty"
    return stage.world.spans.until(0 if silent else stage.clock)


def everything(stage: Stage) -> Table:
    """Every event of every level up to the clock."""
    silent = stage.plan.behaviours.get("sentry") == "empty"
    return stage.world["events"].until(0 if silent else stage.clock)


def errors(stage: Stage) -> Table:
    """The same, as the dataset `errors` holds them: notes and warnings too."""
    return everything(stage)


def nothing(stage: Stage) -> Table:
    """No rows, of a dataset that this organisation does not use."""
    return stage.world["events"].until(0)


def span(call: Call, stage: Stage) -> tuple[int, int]:
    """The span of time that a call asks for, half-open and never beyond the clock."""
    period = re.fullmatch(r"(\d+)([smhdw])", call.one("statsPeriod"))
    if period:
        return stage.clock - int(period[1]) * _UNITS[period[2]], stage.clock + 1
    if not call.one("start") and not call.one("end"):
        return stage.clock - 14 * DAY, stage.clock + 1
    start, end = (parse(re.sub(r"(Z|[+-]\d\d:\d\d)$", "", call.one(name))) for name in ("start", "end"))
    if start is None or end is None or end <= start:
        raise QueryError("start and end must be ISO times in order")
    return start, stage.past(end)


def interval(text: str, length: int) -> int:
    """The size of a bucket; one of the server's own choice when the text cannot be read."""
    found = re.fullmatch(r"(\d+)([smhdw]?)", text)
    if not found:
        return HOUR if length > DAY else 5 * MINUTE
    step = int(found[1]) * _UNITS[found[2] or "s"]
    if step == 0 or length / step > 10_000:
        raise QueryError("Your interval and date range would create too many results.")
    return step


def column(table: Table, name: str, dataset: str) -> Array:
    """The values of one field for each event."""
    if dataset == "spans":
        if name in ("transaction", "span.description"):
            return np.array([r.transaction for r in ROUTES])[table["route"]]
        if name == "http.status_code" or name == "span.status_code":
            return table["status"].astype(str)
    elif name in ("issue", "title", "level", "culprit", "transaction", "issue.id"):
        return np.array([_of_issue(n, name) for n in range(len(ISSUES))])[table["issue"].astype(np.int64)]
    if name == "release":
        return np.array(RELEASES)[table["release"]]
    if name in ("user", "user.id"):
        return table["user"].astype(str)
    raise QueryError(f"Unknown field {name}")


def _of_issue(number: int, name: str) -> str:
    issue = ISSUES[number]
    if name == "issue":
        return f"DIRT-FREE-CRM-{issue.number}"
    if name == "issue.id":
        return str(5_200_000 + issue.number)
    return {"title": issue.title, "level": issue.level, "culprit": issue.culprit}.get(name, issue.culprit)


def conditions(text: str) -> list[tuple[bool, str, list[str]]]:
    """The conditions of a query: negated, field, values of which one must hold."""
    found = []
    for negated, name, value in _TOKEN.findall(text):
        inner = value[1:-1].split(",") if value.startswith("[") else [value]
        values = [v.strip().strip('"').replace('\\"', '"') for v in inner]
        found.append((negated == "!", name, values))
    return found


def matching(table: Table, text: str, dataset: str) -> Table:
    """Events that meet every condition of a query."""
    for negated, name, values in conditions(text):
        if name in _HARMLESS:
            continue
        cells = column(table, name, dataset)
        meets = np.logical_or.reduce([_like(cells, value) for value in values])
        table = table.where(meets ^ negated)
    return table


def _like(cells: Array, pattern: str) -> Array:
    if "*" not in pattern:
        return np.asarray(cells == pattern)
    compiled = re.compile(".*".join(re.escape(p) for p in pattern.split("*")), re.DOTALL)
    known = {c: bool(compiled.fullmatch(c)) for c in set(cells.tolist())}
    return np.array([known[c] for c in cells.tolist()], dtype=bool)


_UNIQUE = re.compile(r"count_unique\(([\w.]+)\)")
_DURATION = re.compile(r"(p50|p95|p99|avg)\(span\.duration\)")
_RATE = re.compile(r"http_response_rate\(([1-5])\)")


def kind(field: str) -> tuple[str, str | None]:
    """Type and unit of a field, as `meta` tells them."""
    if _DURATION.fullmatch(field):
        return "duration", "millisecond"
    if _RATE.fullmatch(field):
        return "percentage", None
    return "integer" if "(" in field else "string", None


def aggregate(table: Table, fields: Sequence[str], dataset: str) -> list[dict[str, Any]]:
    """Rows of a table of events: one a group of the fields that are no functions."""
    if not fields:
        raise QueryError("No columns selected")
    by = [f for f in fields if "(" not in f]
    functions = [f for f in fields if "(" in f]
    if not by:
        return [{f: _apply(table, f, dataset) for f in functions}]
    cells = [column(table, name, dataset) for name in by]
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, key in enumerate(zip(*(c.tolist() for c in cells), strict=True)):
        groups.setdefault(key, []).append(number)
    return [
        dict(zip(by, key, strict=True)) | {f: _apply(table.where(np.array(rows)), f, dataset) for f in functions}
        for key, rows in groups.items()
    ]


def by_cell(table: Table, function: str, dataset: str, cell: Ints, cells: int) -> list[Any]:
    """The value of one function in every numbered cell of a table in order of time; 0 where it has no value."""
    weight = round(1 / SAMPLE_RATE) if dataset == "spans" else 1
    duration, rate, number = _DURATION.fullmatch(function), _RATE.fullmatch(function), counts(cell, cells)
    if duration and dataset == "spans":
        return [plain(v) or 0 for v in statistic(table["duration_ms"], cell, cells, duration[1]).tolist()]
    if function == "count()":
        return list((weight * number).tolist())
    if rate and dataset == "spans":
        hits = counts(cell[table["status"] // 100 == int(rate[1])], cells)
        return list((hits / np.maximum(number, 1)).tolist())
    bounds = np.searchsorted(cell, np.arange(cells + 1)).tolist()
    parts = (table.slice(*pair) for pair in pairwise(bounds))
    return [_apply(part, function, dataset) for part in parts]


def _apply(table: Table, function: str, dataset: str) -> Any:
    weight = round(1 / SAMPLE_RATE) if dataset == "spans" else 1
    unique, duration, rate = (kind.fullmatch(function) for kind in (_UNIQUE, _DURATION, _RATE))
    if unique:
        values = column(table, unique[1], dataset)
        return len(np.unique(values[values != "-1"]))
    if duration and dataset == "spans":
        return _statistic(table["duration_ms"].astype(np.float64), duration[1])
    if function == "count()":
        return weight * len(table)
    if rate and dataset == "spans":
        return float((table["status"] // 100 == int(rate[1])).mean()) if len(table) else 0
    raise QueryError(f"Unknown function {function.partition('(')[0]}")


def _statistic(values: Array, name: str) -> float:
    """A statistic of durations; the server writes 0 for one of nothing."""
    if not len(values):
        return 0
    return round(float(np.mean(values) if name == "avg" else np.quantile(values, int(name[1:]) / 100)), 3)


def ordered(rows: list[dict[str, Any]], sort: str, fields: Sequence[str]) -> list[dict[str, Any]]:
    """Rows in the order that was asked for, such as `-count()`; by the first function otherwise."""
    known = {f: f for f in fields} | {re.sub(r"\W+", "_", f).strip("_"): f for f in fields}
    name = sort.lstrip("-")
    if name and name not in known:
        raise QueryError(f"Cannot sort by a field that is not selected: {name}")
    by = known.get(name) or next((f for f in fields if "(" in f), fields[0])
    falling = sort.startswith("-") or not sort
    return sorted(rows, key=lambda row: _comparable(row[by]), reverse=falling)


def _comparable(value: Any) -> tuple[float, str]:
    return (value, "") if isinstance(value, int | float) else (-math.inf, str(value or ""))


def page(call: Call, items: Sequence[Item], limit: int) -> tuple[list[Item], dict[str, str]]:
    """One page of a list, and the Link header that leads to the next."""
    size = min(max(limit, 1), _PAGE)
    cursor = re.fullmatch(r"0:(\d+):[01]", call.one("cursor"))
    first = int(cursor[1]) if cursor else 0
    asked = [(k, v) for k, values in call.query.items() if k != "cursor" for v in values]

    def link(at: int, rel: str, results: bool) -> str:
        there = f"0:{at}:{int(rel == 'previous')}"
        address = f"{call.origin}/sentry{call.path}?{urlencode([*asked, ('cursor', there)])}"
        return f'<{address}>; rel="{rel}"; results="{str(results).lower()}"; cursor="{there}"'

    links = (
        link(max(first - size, 0), "previous", first > 0),
        link(first + size, "next", first + size < len(items)),
    )
    return list(items[first : first + size]), {"Link": ", ".join(links)}
