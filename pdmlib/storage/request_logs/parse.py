"""Log files to typed rows: pure, one batch of files at a time, here or on a worker elsewhere."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import duckdb

from pdmlib.errors import SourceError
from pdmlib.site.tables import Requests
from pdmlib.storage import engine
from pdmlib.storage.request_logs import formats, remote, routes
from pdmlib.storage.request_logs.addresses import REMOTE, SOURCE
from pdmlib.storage.request_logs.files import Piece
from pdmlib.storage.request_logs.formats import OBJECTS, Form
from pdmlib.storage.request_logs.mending import mended, unreturned
from pdmlib.storage.request_logs.rejects import Hours, hours_of

EXAMPLES = 5  # lines shown of each kind that was not understood
EXAMPLE_LETTERS = 160  # of each, as many as fit a line of the terminal
FIRST_YEAR, LAST_YEAR = 2000, 2100  # a time outside was read in the wrong unit
LONGEST_MS = 1e9  # eleven days: a longer request is a broken field
# What became of a line. OTHER is an object with a time and nothing of a request, as an application writes them
# among its requests. Where no line is a request, it is the site file that calls their fields otherwise.
OTHER, KEPT, EXCLUDED, STRANGE = -1, 0, 1, 2
# A verdict from STRANGE on is why a line was rejected. The last four are of one field alone, which is then not
# known of a request that counts; where that is so of all of a file, the site file is wrong and they are rejected.
NO_PATH = 3
WHY = {
    STRANGE: "not of this format",
    NO_PATH: "no path",
    4: "no time that is understood (one without its zone needs requests.time_zone)",
    5: f"a time outside {FIRST_YEAR} to {LAST_YEAR}",
    6: "a status outside 100 to 599",
    7: "duration {odd_ms} ms",
    8: "a status that is no number (requests.columns.status)",
    9: "a duration that is no number of a unit (requests.columns.duration_ms, requests.duration_unit)",
}
SURELY = 10  # lines of which all are odd: that is no chance, but a field that the site file says wrongly
# What requests without an id are told apart by where there is no text of the line.
ALIKE = ("moment", "path", "status", "ms", "agent", "region", "asked_path")
_KEY = re.compile(r'"[A-Za-z_][A-Za-z0-9_.]*"(?=\s*:)|[A-Za-z]|[0-9]')


class Lines(NamedTuple):
    """Lines read; of no request (build output, revalidations, other environments); not understood.

    `unclear` are requests that count, of which the status or the time is not understood and so not known.
    """

    lines: int = 0
    excluded: int = 0
    rejected: int = 0
    unclear: int = 0


@dataclass(frozen=True)
class Part:
    """What was read of a batch.

    Attributes:
        rows: the table that holds them.
        views: the rows are page views of an analytics drain, not requests.
        read: by path, what became of the file's lines.
        examples: a few rejected lines, `file: line`, their letters and digits masked.
        doubts: of a few requests, `file: what of them is not understood`.
        rejected: by path, the hours that the file's rejected lines were written in.
    """

    rows: str
    views: bool
    read: Mapping[str, Lines]
    examples: tuple[str, ...]
    doubts: tuple[str, ...] = ()
    rejected: Mapping[str, Hours] = field(default_factory=dict)

    @property
    def total(self) -> Lines:
        """What became of all lines."""
        return Lines(*(sum(column) for column in zip(*self.read.values(), strict=True)))


def read(
    connection: duckdb.DuckDBPyConnection,
    batch: Sequence[Piece],
    asked: Requests,
    rows: str,
    spill: Path,
    on_share: Callable[[float], None] | None = None,
) -> Part:
    """Reads a batch of files of one format into one table, its rows in no order.

    Args:
        rows: the name of the table.
        on_share: told now and then, from another thread, which share of the batch is read.

    Raises:
        SourceError: a file cannot be read at all (its packing is broken, its columns are not there).
    """
    first, paths = batch[0], [piece.path for piece in batch]
    views = first.form.dialect == "vercel-analytics"
    with engine.beside(connection, asked.time_zone) as own, _watched(own, on_share):
        try:
            remote.reach(own, paths)
            known = _columns(own, asked, first, paths)
            _one_header(own, first.form.header, paths)
            query = views_sql(asked, paths, first) if views else requests_sql(asked, batch, known)
            own.execute(f"CREATE OR REPLACE TABLE {rows} AS {query}")
            counts = _counted(own, rows, batch)
            aside = _set_aside(own, first)
        except duckdb.Error as error:
            again = _mended(batch, spill / f"{rows}.mended")
            if again is None:
                raise SourceError(SOURCE, engine.reason(error)) from None
            part = read(connection, [again], asked, rows, spill=spill, on_share=on_share)
            Path(again.path).unlink()
            hours = part.rejected.get(again.path)
            named = {first.path: hours} if hours else {}
            return replace(part, read={first.path: part.total}, rejected=named)
        lines = {path: _lines(counts.get(path, Counts()), len(aside.get(path, ()))) for path in paths}
        strange = sum(n for found in counts.values() for (verdict, _), n in found.items() if verdict == STRANGE)
        total = Lines(*map(sum, zip(*lines.values(), strict=True)))
        shown = _examples(own, batch, asked, aside=aside, rows=rows, strange=strange) if total.rejected else ()
        doubts = _told(own, batch, _DOUBTS.format(rows), EXAMPLES) if total.unclear else ()
        each = {path: one.rejected for path, one in lines.items()}
        odd = {} if views or not total.rejected else hours_of(own, batch, asked, aside, rows=rows, rejected=each)
    return Part(rows, views, lines, shown, doubts=tuple(doubts), rejected=odd)


# The first of each kind, then the second.
_DOUBTS = f"""SELECT *, odd AS why FROM {{}} WHERE odd > 0 AND verdict = {KEPT}
    ORDER BY row_number() OVER (PARTITION BY odd), odd"""


Counts = Counter[tuple[int, int]]  # of lines, by their verdict and by what of a request is odd


def _counted(connection: duckdb.DuckDBPyConnection, rows: str, batch: Sequence[Piece]) -> dict[str, Counts]:
    """How many lines of each file have each verdict; a file of which all requests are odd is rejected."""
    query = f"SELECT coalesce(file, $only), verdict, odd, count(*) FROM {rows} GROUP BY ALL"
    only, found = batch[0].path, dict[str, Counts]()
    for path, verdict, odd, count in connection.execute(query, {"only": only}).fetchall():
        found.setdefault(path, Counts())[verdict, odd] = count
    begun = {piece.path: found.get(piece.path, Counts()) for piece in batch if piece.begins}
    wrong = {path for path, counts in begun.items() if _misread(counts)}
    alone = {path for path, counts in begun.items() if counts[OTHER, 0] and not _requests(counts)}
    if not wrong | alone:
        return found
    for change, which, paths in (
        ("verdict = odd, odd = 0", f"odd > 0 AND verdict = {KEPT}", wrong),
        (f"verdict = {NO_PATH}", f"verdict = {OTHER}", alone),
    ):
        if paths:
            query = f"UPDATE {rows} SET {change} WHERE {which} AND list_contains($paths, coalesce(file, $only))"
            connection.execute(query, {"only": only, "paths": sorted(paths)})
    return _counted(connection, rows, batch)


def _requests(counts: Counts) -> int:
    return sum(n for (verdict, _), n in counts.items() if verdict == KEPT)


def _misread(counts: Counts) -> bool:
    """Whether of every request of a file the same fields are not understood: the site file says them wrongly."""
    return counts[KEPT, 0] == 0 and _unclear(counts) >= SURELY


def _unclear(counts: Counts) -> int:
    """Requests that count, of which something is not understood."""
    return sum(n for (verdict, odd), n in counts.items() if verdict == KEPT and odd)


def _lines(counts: Counts, aside: int) -> Lines:
    rejected = aside + sum(n for (verdict, _), n in counts.items() if verdict >= STRANGE)
    excluded = sum(n for (verdict, _), n in counts.items() if verdict in (EXCLUDED, OTHER))
    return Lines(aside + counts.total(), excluded, rejected, _unclear(counts))


def _mended(batch: Sequence[Piece], target: Path) -> Piece | None:
    """A file that the engine does not read, laid out so that it does; None where that is not known to help."""
    first = batch[0]
    if len(batch) > 1 or first.path.startswith(REMOTE):
        return None
    if first.form.shape == "lines":
        made = first.form.dialect in ("declared", "csv") and unreturned(Path(first.path), target)
        return replace(first, path=str(target)) if made else None
    made = mended(Path(first.path), target)
    return replace(first, path=str(target), form=replace(first.form, shape="lines")) if made else None


def requests_sql(asked: Requests, batch: Sequence[Piece], known: Sequence[str]) -> str:
    """The query that gives one row a line: its verdict, and of a request what `days` keeps."""
    first, paths = batch[0], [piece.path for piece in batch]
    source = formats.requests_of(first.form, asked, paths, known)
    return f"""
        SELECT {_verdict(first.form)} AS verdict, {_odd()} AS odd, moment,
          {routes.route("path", asked.route_patterns)} AS route,
          {routes.kind("asked_path", "agent", asked.health_paths, asked.cron_paths)} AS kind,
          CAST(CASE WHEN {_STATUS} THEN status END AS SMALLINT) AS status, CASE WHEN {_MS} THEN ms END AS ms,
          {_identity(batch)} AS id, request IS NOT NULL AS named, region, release,
          CASE WHEN NOT ({_MS}) THEN ms END AS odd_ms, {_file(batch)}
        FROM ({source})"""


def _identity(batch: Sequence[Piece]) -> str:
    """SQL of what a request is known by when it is delivered again.

    Platforms promise an id for each request. Any other id is believed where time, path and status confirm it.
    Requests without one are known by their line, if it may be read again at all: of a text, only what is new is.
    """
    dialect = batch[0].form.dialect
    if dialect.startswith("vercel"):
        named = formats.key("request")
    else:
        named = formats.key("request", "epoch_us(moment)", "asked_path", "status")
    alike = ("whole",) if dialect == "declared" else ()
    unnamed = formats.key(*(alike or ALIKE), _file_key(batch)) if any(piece.again for piece in batch) else "NULL"
    return f"CASE WHEN request IS NOT NULL THEN {named} ELSE {unnamed} END"


def views_sql(asked: Requests, paths: Sequence[str], first: Piece) -> str:
    """The query that gives one row a page view or event: its verdict, and of a view what `days` keeps."""
    return f"""
        SELECT CASE WHEN excluded THEN {EXCLUDED} WHEN broken THEN {STRANGE} WHEN moment IS NULL THEN 4
            ELSE {KEPT} END AS verdict, 0 AS odd, moment,
          CASE WHEN session IS NOT NULL THEN session_hash END AS session,
          CASE WHEN device IS NOT NULL THEN {formats.key("device")} END AS device, is_view, seen AS id,
          true AS named, {_file([first] * len(paths))}
        FROM ({formats.views_of(asked, paths, first.form)})"""


def _verdict(form: Form) -> str:
    span = f"moment >= TIMESTAMP '{FIRST_YEAR}-01-01' AND moment < TIMESTAMP '{LAST_YEAR}-01-01'"
    nothing = "coalesce(path, CAST(status AS VARCHAR), CAST(ms AS VARCHAR)) IS NULL AND unreadable = 0"
    other = f"WHEN moment IS NOT NULL AND {nothing} THEN {OTHER}" if form.dialect == "json" else ""
    return f"""CASE WHEN broken THEN {STRANGE} WHEN excluded THEN {EXCLUDED} {other}
        WHEN path IS NULL THEN {NO_PATH} WHEN moment IS NULL THEN 4 WHEN NOT ({span}) THEN 5 ELSE {KEPT} END"""


_STATUS = "(status = -1 OR status BETWEEN 100 AND 599)"
_MS = f"(ms >= 0 AND ms <= {LONGEST_MS})"  # false of NaN, which the engine takes for the greatest number


def _odd() -> str:
    """SQL of what of a request is not understood; 0 where all is, or nothing is said."""
    return f"""CASE WHEN NOT {_STATUS} THEN 6 WHEN unreadable = 1 THEN 8 WHEN NOT {_MS} THEN 7
        WHEN unreadable = 2 THEN 9 ELSE 0 END"""


def _file(batch: Sequence[Piece]) -> str:
    return ("filename" if len(batch) > 1 else "CAST(NULL AS VARCHAR)") + " AS file"


def _file_key(batch: Sequence[Piece]) -> str:
    if len(batch) == 1:
        return engine.literal(batch[0].key)
    pairs = ", ".join(f"{engine.literal(p.path)}: {engine.literal(p.key)}" for p in batch)
    return f"(MAP {{{pairs}}})[filename]"


def _columns(
    connection: duckdb.DuckDBPyConnection, asked: Requests, first: Piece, paths: Sequence[str]
) -> list[str]:
    if first.form.dialect not in ("csv", "parquet"):
        return []
    table = formats.csv(paths) if first.form.dialect == "csv" else formats.parquet(paths)
    found = [str(row[0]) for row in connection.execute(f"DESCRIBE SELECT * FROM {table}").fetchall()]
    for name in ("time", "path"):
        field = asked.columns.get(name, name)
        if field not in found:
            raise SourceError(SOURCE, f"no column {field} for requests.columns.{name}; it has {found}")
    return found


def _one_header(connection: duckdb.DuckDBPyConnection, header: str, paths: Sequence[str]) -> None:
    """Checks that a log with a header keeps to it: lines below another one would be read as what they are not."""
    fields = header[header.find("#Fields") :].strip()
    if not header.startswith("#"):
        return
    other = f"starts_with(line, '#Fields') AND trim(line) <> {engine.literal(fields)}"
    if connection.execute(f"SELECT 1 FROM {formats.lines(paths)} WHERE {other} LIMIT 1").fetchone():
        raise SourceError(SOURCE, "its #Fields change on the way; cut it there")


def _set_aside(connection: duckdb.DuckDBPyConnection, first: Piece) -> dict[str, list[str]]:
    """Lines that the reader itself could not split or decode, by file."""
    if first.form.dialect not in ("csv", "declared") or first.form.header == OBJECTS:
        return {}
    rows = connection.execute(
        "SELECT file_path, line, any_value(csv_line) FROM reject_errors "
        "JOIN reject_scans USING (scan_id, file_id) GROUP BY ALL"
    )
    found: dict[str, list[str]] = {}
    for path, _, line in rows.fetchall():
        found.setdefault(path, []).append(str(line))
    return found


def _examples(
    connection: duckdb.DuckDBPyConnection,
    batch: Sequence[Piece],
    asked: Requests,
    aside: Mapping[str, Sequence[str]],
    rows: str,
    strange: int,
) -> tuple[str, ...]:
    """Lines that were rejected, masked; of those that were understood in part, why."""
    names = {piece.path: piece.name for piece in batch}
    found = [f"{names[path]}: {masked(line)}" for path, lines in aside.items() for line in lines][:EXAMPLES]
    lines: list[str] = []
    if batch[0].form.dialect not in ("csv", "parquet") and batch[0].form.shape == "lines":
        lines = _strange(
            connection, formats.suspect(asked, batch[0].form), names, min(EXAMPLES - len(found), strange)
        )
    found += lines
    seen = STRANGE if lines else STRANGE - 1
    query = f"SELECT *, verdict AS why FROM {rows} WHERE verdict > {seen}"
    return (*found, *_told(connection, batch, query, EXAMPLES - len(found)))


def _told(connection: duckdb.DuckDBPyConnection, batch: Sequence[Piece], query: str, most: int) -> list[str]:
    """Of some rows, file and route and why they are not understood."""
    names = {piece.path: piece.name for piece in batch}
    told = connection.execute(f"{query} LIMIT {most}")
    columns = [column[0] for column in told.description]
    found = []
    for values in told.fetchall():
        row = dict(zip(columns, values, strict=True))
        where = f" ({row['route']})" if row.get("route") else ""
        found.append(f"{names.get(row['file'], batch[0].name)}: {WHY[row['why']].format(**row)}{where}")
    return found


def _strange(
    connection: duckdb.DuckDBPyConnection, suspect: str, names: Mapping[str, str], most: int
) -> list[str]:
    """Lines that are not of their format, masked."""
    found: list[str] = []
    for path, name in names.items():
        if len(found) >= most:
            break
        query = f"SELECT line FROM {formats.lines([path])} WHERE {suspect} LIMIT {most - len(found)}"
        try:
            found += [f"{name}: {masked(str(row[0]))}" for row in connection.execute(query).fetchall()]
        except duckdb.Error:
            continue
    return found


def masked(line: str) -> str:
    """A line whose form can be seen and nothing else: letters x, digits 9; the keys of an object stay."""
    shape = _KEY.sub(
        lambda m: m[0] if m[0][0] == '"' else "9" if m[0].isdigit() else "x", line[: 4 * EXAMPLE_LETTERS]
    )
    shape = "".join(letter if letter.isprintable() and letter.isascii() else "?" for letter in shape)
    return shape if len(shape) <= EXAMPLE_LETTERS else shape[: EXAMPLE_LETTERS - 1] + "…"


@contextmanager
def _watched(
    connection: duckdb.DuckDBPyConnection, on_share: Callable[[float], None] | None, every_s: float = 0.5
) -> Iterator[None]:
    if on_share is None:
        yield
        return
    connection.execute("SET enable_progress_bar = true")
    connection.execute("SET enable_progress_bar_print = false")
    over = threading.Event()

    def watch() -> None:
        while not over.wait(every_s):
            share = connection.query_progress()
            if share > 0:
                on_share(min(1.0, share / 100))

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
