"""How a log is understood: a few of its lines beside what was read of them, what is not read, what would fit."""

from __future__ import annotations

import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, time
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo

from pdmlib.errors import CallError, SourceError
from pdmlib.frames.understanding import CLASSES, Kind, Said, Understood, Used
from pdmlib.phases.window import Window
from pdmlib.site.log_formats import HOW_TO_TIME, PRESETS, UNNAMED, W3C
from pdmlib.site.masking import masked
from pdmlib.site.site import Site
from pdmlib.site.tables import Requests
from pdmlib.storage import engine
from pdmlib.storage.request_logs import files, formats, manifests, parse
from pdmlib.storage.request_logs.addresses import SOURCE
from pdmlib.storage.request_logs.fingerprints import Register
from pdmlib.storage.request_logs.ingest import asked_of, store_of
from pdmlib.storage.request_logs.reader import DAY, IN, IN_HOURS, Held

SHOWN = 3  # lines beside what was read of them
LOOKED_AT = 1000  # lines of the beginning: enough to see every kind of line, read in a moment
MOST = 0.9  # of the lines: a log that is understood has few others
NAMED = 12  # values that are not read, or fields of an object, by name
# Columns of a request that is held: our name of the field, what it holds, what it says.
HELD = {
    "moment": ("time", Kind.TIME, "when the request came in; stored in UTC"),
    "route": ("path", Kind.TEXT, "what was asked for, numbers and ids of it left out"),
    "status": ("status", Kind.NUMBER, "the HTTP status of the answer"),
    "ms": ("duration_ms", Kind.NUMBER, "how long the answer took, in milliseconds"),
    "region": ("region", Kind.TEXT, "where it was answered"),
    "release": ("release", Kind.TEXT, "by which release"),
    "kind": ("kind", Kind.WORD, "whose it is, by its path and agent: user, bot, health or cron"),
}
# Formats of a site file beside those of `log_format`.
OTHERS = ("vercel-logs", "vercel-traces", "json")


def explain(site: Site, path: str) -> Iterator[str]:
    """Lines of text: how the beginning of a log is understood as the site declares it, and what fits better.

    Raises:
        SiteError: the site file has no `requests` block.
        CallError: there is no such file.
    """
    asked = asked_of(site)
    if not Path(path).is_file():
        raise CallError(f"{path}: no such file")
    with tempfile.TemporaryDirectory(prefix="pdm-") as name:
        folder = Path(name)
        yield f"{Path(path).name}, read as requests.{_called(asked)}"
        sample = _sample(asked, path, folder)
        try:
            piece = _piece(sample, asked, folder)
            rows, lines = _rows([piece], asked, folder)
        except SourceError as error:
            yield f"  not read: {error.reason}"
            lines = parse.Lines()
        else:
            yield from _shown(piece, rows, asked, folder=folder)
            kept = lines.lines - lines.excluded - lines.rejected
            counts = f"{kept:,} requests, {lines.excluded:,} of no request, {lines.rejected:,} rejected"
            yield f"  {lines.lines:,} lines: {counts}{_in_part(lines)}"
            yield from _said(piece, asked)
            yield from _lacking(rows)
        if lines.rejected or lines.unclear or not lines.lines or not any(row["ms"] is not None for row in rows):
            yield from _fitting(sample, asked, folder, lines)


def held(site: Site, folder: Path) -> Iterator[Understood]:
    """The newest request that the store holds as it was understood, and those of its day by kind and status.

    Raises:
        SourceError: the store is damaged.
    """
    asked, store = asked_of(site), store_of(site, folder)
    manifest = manifests.load(store)
    if not manifest.requests:
        return
    start = datetime.combine(date.fromisoformat(max(manifest.requests)), time.min, UTC)
    day = Window(start, start + DAY)
    with engine.session(asked.memory_limit) as connection:
        found = Held(connection, store, manifest, asked)
        columns = ", ".join(HELD)
        newest = f"SELECT {columns} FROM {{source}} WHERE {IN} ORDER BY moment DESC LIMIT 1"
        (row,) = found.rows(newest, "requests", day)
        sums = f"SELECT kind, status, sum(n) FROM {{source}} WHERE {IN_HOURS} GROUP BY ALL ORDER BY ALL"
        counts = found.rows(sums, "totals", day)
    names = formats.names_of(asked)
    said = tuple(_field(c, v, names, site.zone) for c, v in zip(HELD, row, strict=True))
    yield Understood("requests", f"request logs, of {start:%Y-%m-%d} UTC", said, tuple(_used(counts, asked)))


def _field(column: str, value: object, names: Mapping[str, str], zone: ZoneInfo) -> Said:
    ours, kind, means = HELD[column]
    taken = "null" if value is None else str(value)
    if isinstance(value, datetime):
        taken = f"{value.replace(tzinfo=UTC).astimezone(zone):%a %d %b %Y %H:%M:%S %Z}"
    shown = None if value is None else masked(value) if kind is Kind.TEXT else str(value)
    return Said(ours, names.get(ours), shown, taken_for=taken, kind=kind, means=means)


def _used(counts: Iterable[tuple[str, int | None, int]], asked: Requests) -> Iterator[Used]:
    """Requests of a day by whose they are, and by the class of their status."""
    kinds, classes = Counter[str](), Counter[str]()
    for kind, status, requests in counts:
        kinds[kind] += requests
        classes["none" if status is None else "-1" if status < 0 else f"{status // 100}xx"] += requests
    for kind, requests in kinds.most_common():
        yield Used("kind", kind, requests, "counted" if kind in asked.counted else "kept apart")
    for name, requests in classes.most_common():
        yield Used("status", name, requests, "no answer" if name in ("none", "-1") else CLASSES.get(name[0]))


def _in_part(lines: parse.Lines) -> str:
    return f"; of {lines.unclear:,} requests the status or the time is not known" if lines.unclear else ""


def _good(lines: parse.Lines) -> int:
    """Lines that are requests of which all that they say is understood."""
    return lines.lines - lines.excluded - lines.rejected - lines.unclear


def _called(asked: Requests) -> str:
    return f"log_format: {asked.log_format}" if asked.log_format else f"format: {asked.format}"


def _sample(asked: Requests, path: str, folder: Path) -> str:
    """The first lines of a text in a file of their own; any other file itself."""
    if asked.format == "parquet" or Path(path).suffix == ".zst":
        return path
    with files.opened(path) as file:
        head = list(islice(file, LOOKED_AT))
    if not head or any(b"\0" in line for line in head) or head[0][:1] in (b"[",) or head[0].strip() == b"{":
        return path
    sample = folder / Path(path).name.removesuffix(".gz")
    sample.write_bytes(b"".join(head))
    return str(sample)


def _piece(path: str, asked: Requests, folder: Path) -> files.Piece:
    pieces = files.new_pieces(path, Register(()), asked, copies=folder / "copies", following=False)
    if not pieces:
        raise SourceError(SOURCE, "is empty")
    return pieces[0]


def _rows(
    batch: Sequence[files.Piece], asked: Requests, folder: Path
) -> tuple[list[dict[str, object]], parse.Lines]:
    """What was read of a few requests, and what became of all lines."""
    with engine.session(asked.memory_limit, folder) as connection:
        part = parse.read(connection, batch, asked, "explained", spill=folder)
        told = connection.execute(f"FROM {part.rows} ORDER BY verdict, moment LIMIT 100")
        names = [column[0] for column in told.description]
        return [dict(zip(names, row, strict=True)) for row in told.fetchall()], part.total


def _shown(piece: files.Piece, rows: Sequence[dict[str, object]], asked: Requests, folder: Path) -> Iterator[str]:
    """Lines, masked, each above what was read of it."""
    if piece.form.shape != "lines" or piece.form.dialect in ("csv", "parquet"):
        yield from (f"  {_understood(row)}" for row in rows[:SHOWN])
        return
    lines = (line for line in Path(piece.path).read_bytes().split(b"\n") if line.strip() and line[:1] != b"#")
    for line in islice(lines, SHOWN):
        alone = folder / "line"
        alone.write_bytes(line + b"\n")
        yield f"  {parse.masked(line.decode('utf-8', 'replace'))}"
        # As a line of a file, and not as a whole one.
        for row in _rows([replace(piece, path=str(alone), key="#1")], asked, folder)[0]:
            yield f"    = {_understood(row)}"


def _understood(row: dict[str, object]) -> str:
    verdict = row["verdict"]
    if verdict == parse.EXCLUDED:
        return "no request"
    if verdict == parse.OTHER:
        return "no request: it has no path, no status and no response time"
    if verdict != parse.KEPT:
        assert isinstance(verdict, int)
        return f"rejected: {parse.WHY[verdict].format(**row)}"
    took = "no response time" if row["ms"] is None else f"{row['ms']:g} ms"
    status = "no status" if row["status"] is None else f"status {row['status']}"
    known = "its own id" if row["named"] else "no id"
    if row["odd"]:
        assert isinstance(row["odd"], int)
        known += f"; not understood: {parse.WHY[row['odd']].format(**row)}"
    return f"{row['moment']:%Y-%m-%d %H:%M:%S} UTC, {row['route']}, {status}, {took}, {row['kind']}, {known}"


def _said(piece: files.Piece, asked: Requests) -> Iterator[str]:
    """Which value of a declared line is which of ours, and which are not read."""
    if piece.form.dialect != "declared":
        return
    layout = formats.layout_of(asked, piece.form.header)
    yield "  read: " + ", ".join(
        ours if place.value.name == ours else f"{ours} from {place.value.name}"
        for ours, place in layout.places.items()
    )
    rest = _after(piece, layout.cells[0].pattern)
    if rest:
        yield f"  not read, since {_called(asked)} does not name it: {rest}"
    used = {place.value.name for place in layout.places.values()}
    others = list(dict.fromkeys(value.name for value in layout.values if value.known and value.name not in used))
    unknown = list(dict.fromkeys(value.name for value in layout.values if not value.known))
    if others:
        yield f"  not read: {_listed(others)}"
    if unknown:
        yield f"  not understood: {_listed(unknown)}, which the server's documentation does not have"


def _after(piece: files.Piece, pattern: str) -> str:
    """What the first line has after all that its format names, masked."""
    with Path(piece.path).open("rb") as file:
        first = file.readline(1 << 20).decode("utf-8", "replace").rstrip()
    found = re.match(pattern.removesuffix(UNNAMED), first) if pattern.endswith(UNNAMED) else None
    return parse.masked(first[found.end() :].strip()) if found else ""


def _lacking(rows: Sequence[dict[str, object]]) -> Iterator[str]:
    kept = [row for row in rows if row["verdict"] == parse.KEPT]
    if kept and all(row["ms"] is None for row in kept):
        yield f"  no response times: {HOW_TO_TIME}"


def declared(path: str, zone: str) -> str | None:
    """The keys of `requests` by which most of a log's first lines are requests; None where none is known by name.

    Args:
        zone: that of times which are written without one; declared only where nothing fits without it.
    """
    with tempfile.TemporaryDirectory(prefix="pdm-") as name:
        for asked in (Requests(), Requests(time_zone=zone)):
            sample = _sample(asked, path, Path(name))
            good, _, called, lines = max(_fits(sample, asked, Path(name)), default=(0, False, "", 0))
            if good > MOST * lines:
                return called + (f", time_zone: {asked.time_zone}" if asked.time_zone else "")
    return None


def _fitting(sample: str, asked: Requests, folder: Path, now: parse.Lines) -> Iterator[str]:
    """Declarations that understand more of the lines, or the same with their response times."""
    found = [fit for fit in _fits(sample, asked, folder) if fit[0] > _good(now) or fit[1]]
    if found:
        good, _, called, lines = max(found)
        yield f"  fits: `requests: {{{called}}}` understands {good:,} of {lines:,}"
    elif now.rejected or now.unclear or not now.lines:
        yield f"  nothing that is known by name fits{_fields(sample)}"


def _fits(sample: str, asked: Requests, folder: Path) -> Iterator[tuple[int, bool, str, int]]:
    """Lines that are requests by each declaration, whether one has a response time, the declaration, all lines."""
    for other in _candidates(asked):
        try:
            rows, lines = _rows([_piece(sample, other, folder)], other, folder)
        except SourceError:
            continue
        timed = any(row["ms"] is not None for row in rows if row["verdict"] == parse.KEPT)
        if good := _good(lines):
            yield good, timed, _called(other), lines.lines


def _candidates(asked: Requests) -> Iterator[Requests]:
    for name in (*PRESETS, *W3C):
        yield asked.model_copy(update={"log_format": name, "format": "combined", "columns": {}})
    for name in OTHERS:
        yield asked.model_copy(update={"log_format": None, "format": name})


def _fields(sample: str) -> str:
    """What to declare, by what the first line is."""
    with Path(sample).open("rb") as file:
        first = file.readline(1 << 20)
    try:
        tree = json.loads(first)
    except ValueError:
        return "; paste nginx's log_format or Apache's LogFormat as requests.log_format"
    names = _listed(list(tree)) if isinstance(tree, dict) else "none"
    return f"; its fields are {names}: say with format: json and requests.columns which is which"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
