"""Logs into the store: what is new of the files given, read, merged by day and committed."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb

from pdmlib.errors import SiteError, SourceError
from pdmlib.phases.window import now
from pdmlib.site.site import Site
from pdmlib.site.tables import Requests
from pdmlib.storage import engine
from pdmlib.storage.request_logs import days, files, manifests, parse, rejects, unread, workers
from pdmlib.storage.request_logs.addresses import SOURCE
from pdmlib.storage.request_logs.files import Piece
from pdmlib.storage.request_logs.fingerprints import Register
from pdmlib.storage.request_logs.manifests import DayFiles, Manifest
from pdmlib.storage.request_logs.progress import FileReport, IngestReport, OnProgress, Progress, Taken

EXAMPLES = 5  # lines shown of each kind that was not understood
NO_NAME = "its name is not one of a log; name the file itself to have it read"
COMMIT_BYTES = 1 << 31
# What the site file says of logs that no line is read by.
OF_NO_LINE = {"counted", "store", "engine", "memory_limit", "spill", "sample_rate"}


@dataclass
class _Run:
    """One ingest under way."""

    asked: Requests
    store: Path
    spill: Path
    manifest: Manifest
    total: int
    on_progress: OnProgress
    began: float = field(default_factory=time.monotonic)
    report: IngestReport = field(default_factory=IngestReport)
    finished: int = 0

    def note_file(self, path: str, found: Mapping[str, Any] | None) -> None:
        """Notes why nothing is held of a file; None where something is."""
        self.manifest = replace(self.manifest, unread=unread.noted(self.manifest.unread, path, found))

    def tell(self, reports: Iterable[FileReport]) -> None:
        """Notes what became of some files."""
        self.report = replace(self.report, each=(*self.report.each, *reports))

    def note(self, batch: Sequence[Piece], share: float) -> None:
        """Tells how far the run is while a batch is read."""
        size = sum(piece.size for piece in batch)
        done = min(self.total, self.finished + round(share * size))
        if share >= 1:
            self.finished = done
        self.on_progress(Progress(done, self.total, self.report.lines, time.monotonic() - self.began))


def ingest(
    site: Site, paths: Iterable[str | Path], store_folder: Path, on_progress: OnProgress | None = None
) -> IngestReport:
    """Takes what is new of log files into a site's store; a second call with the same files adds nothing.

    Args:
        paths: files, folders, patterns with * or s3:// addresses.
        store_folder: where the site's requests are kept; `requests.store` of the site file wins.
        on_progress: told now and then, from another thread, how far it is.

    Raises:
        SiteError: the site file has no `requests` block.
        CallError: a path names nothing.
        SourceError: the cluster or object storage cannot be used, the store is damaged, or another ingest is
            writing to it (`manifests.BusyError`).
    """
    return _ingest(site, paths, store_folder, on_progress or (lambda _: None), following=False)


def follow(
    site: Site,
    paths: Iterable[str | Path],
    store_folder: Path,
    every_s: float = 2.0,
    stop: Callable[[], bool] = lambda: False,
    on_progress: OnProgress | None = None,
) -> Iterator[IngestReport]:
    """Tails growing files and folders: a report for each time that something new was taken in.

    A line without its end waits until it has one, and all while another ingest writes to the store; a file
    that cannot be read is told once and tried again each time, and so is one that went away: a log is so for
    a moment when it is rotated. Ends when `stop` says so.

    Raises:
        CallError: a path names nothing as it begins.
    """
    paths = list(paths)
    failed: tuple[tuple[str, str], ...] = ()
    files.found(paths)
    while True:
        with suppress(manifests.BusyError):
            report = _ingest(site, paths, store_folder, on_progress or (lambda _: None), following=True)
            if report.files or report.failed != failed:
                yield report
            failed = report.failed
        if stop():
            return
        time.sleep(every_s)


def store_of(site: Site, folder: Path) -> Path:
    """Where a site's requests are kept: as the site file says, else the given folder."""
    return Path(site.requests.store) if site.requests and site.requests.store else folder


def asked_of(site: Site) -> Requests:
    """What a site says of its request logs.

    Looks at the health checks that the site file names for our own probes are no requests of users either.

    Raises:
        SiteError: the site file has no `requests` block.
    """
    if site.requests is None:
        raise SiteError(site.file or site.site, "requests", "is required to ingest logs: format, columns ..")
    app = site.sources.app
    probed = [path for path in (app.health, app.detailed) if path] if app else []
    paths = tuple(dict.fromkeys((*site.requests.health_paths, *probed)))
    return site.requests.model_copy(update={"health_paths": paths})


def _ingest(
    site: Site, paths: Iterable[str | Path], folder: Path, on_progress: OnProgress, following: bool
) -> IngestReport:
    asked, target = asked_of(site), store_of(site, folder)
    logs, others = files.found(paths, may_lack=following)
    with _open(asked, target) as run:
        run.on_progress = on_progress
        before = run.manifest.unread
        for opened in unread.opened(before, logs):
            run.note_file(opened, None)
        pieces = _new(run, logs, following)
        run.tell(FileReport(Path(path).name, Taken.SKIPPED, reason=NO_NAME) for path in others)
        run.total = sum(piece.size for piece in pieces)
        _read(run, pieces)
        if run.manifest.unread != before:
            manifests.commit(run.store, run.manifest)
        otherwise = set(run.manifest.read_as) - {_read_as(run.asked)}
        return replace(
            run.report, read_otherwise=str(target) if otherwise else "", seconds=time.monotonic() - run.began
        )


def _read_as(asked: Requests) -> str:
    """A digest of what the site file says of the lines."""
    return hashlib.sha256(asked.model_dump_json(exclude=OF_NO_LINE).encode()).hexdigest()[:12]


@contextmanager
def _open(asked: Requests, target: Path) -> Iterator[_Run]:
    with manifests.locked(target), manifests.spilling(target, asked.spill) as spill:
        run = _Run(asked, target, spill, manifest=manifests.load(target), total=0, on_progress=lambda _: None)
        for table in (*days.TABLES, *days.VIEWS):
            (target / table).mkdir(exist_ok=True)
        if run.manifest.requests and run.manifest.counted != asked.counted:
            _derive_again(run)
        run.manifest = replace(run.manifest, counted=asked.counted)
        yield run


def _read(run: _Run, pieces: Sequence[Piece]) -> None:
    """Reads pieces, and takes what was read of them whenever it is much."""
    with engine.session(run.asked.memory_limit, run.spill) as connection:
        reading = workers.Reading(connection, run.asked, run.spill, on_read=run.note)
        waiting: list[tuple[list[Piece], parse.Part]] = []
        for batch, part in workers.parts(reading, pieces):
            waiting.append((batch, part))
            if sum(piece.size for b, _ in waiting for piece in b) >= COMMIT_BYTES:
                _take(run, connection, waiting)
                waiting = []
        _take(run, connection, waiting)
    run.tell(_failed(run, piece.asked, SourceError(SOURCE, reason)) for piece, reason in reading.failures)


def _new(run: _Run, logs: Sequence[str], following: bool) -> list[Piece]:
    register, copies = run.manifest.register(), run.spill / "copies"
    pieces: dict[str, Piece] = {}
    told: list[FileReport] = []
    for path in logs:
        name = Path(path).name
        try:
            found = files.new_pieces(path, register, run.asked, copies=copies, following=following)
        except (SourceError, OSError) as error:
            told.append(_failed(run, path, error))
            continue
        fresh = {p.known.identity: replace(p, asked=path) for p in found if p.known.identity not in pieces}
        if not found:
            run.note_file(path, None)
        if files.is_empty(path):
            told.append(FileReport(name, Taken.SKIPPED, reason="is empty"))
        elif not fresh:
            told.append(FileReport(name, Taken.KNOWN, reason="nothing new"))
        pieces.update(fresh)
    run.tell(told)
    run.manifest = replace(run.manifest, files=tuple(register.rows()))
    return list(pieces.values())


def _failed(run: _Run, path: str, error: SourceError | OSError) -> FileReport:
    """What becomes of a file that cannot be read."""
    reason = error.reason if isinstance(error, SourceError) else error.strerror or "cannot be read"
    run.note_file(path, unread.unreadable(path, reason))
    return FileReport(Path(path).name, Taken.FAILED, reason=reason)


def _take(
    run: _Run, connection: duckdb.DuckDBPyConnection, waiting: Sequence[tuple[list[Piece], parse.Part]]
) -> None:
    """Merges read parts into their days and commits them together with the names of their files."""
    if not waiting:
        return
    before, report, manifest = run.manifest, run.report, run.manifest
    newest = max(before.requests, default="")
    with _undone(run):
        for table in ("requests", "views"):
            parts = [part.rows for _, part in waiting if part.views == (table == "views")]
            for day in days.days_in(connection, parts) if parts else ():
                manifest, merged = _merge_day(run, connection, manifest, table=table, day=day, parts=parts)
                report = _with(report, table, day, merged=merged, newest=newest)
    register = manifest.register()
    for batch, part in waiting:
        report = _counted(run, report, batch, part=part, register=register)
        manifest = _with_rejected(connection, manifest, batch, part=part, register=register)
        manifest = _with_unread(connection, manifest, batch, part=part, register=register)
        connection.execute(f"DROP TABLE {part.rows}")
    read_as = tuple(dict.fromkeys((*manifest.read_as, _read_as(run.asked))))
    manifest = replace(manifest, files=tuple(register.rows()), read_as=read_as)
    with _undone(run):
        manifests.commit(run.store, manifest)
    run.manifest, run.report = manifest, report
    manifests.sweep(run.store, (*days.TABLES, *days.VIEWS), before, run.manifest)


def _counted(
    run: _Run, report: IngestReport, batch: Sequence[Piece], part: parse.Part, register: Register
) -> IngestReport:
    """The report with what became of a batch; the files that were understood are noted as ingested."""
    each = {(piece.known.key, piece.name): parse.Lines() for piece in batch}
    for piece in batch:
        read, held = part.read[piece.path], (piece.known.key, piece.name)
        each[held] = parse.Lines(*map(sum, zip(each[held], read, strict=True)))
        if not read.lines or read.rejected < read.lines or register.has(piece.known.key):
            register.add(piece.known)
    total = part.total
    return replace(
        report,
        each=(*report.each, *(_of_file(run, name, n, register.has(key)) for (key, name), n in each.items())),
        lines=report.lines + total.lines,
        excluded=report.excluded + total.excluded,
        rejected=report.rejected + total.rejected,
        unclear=report.unclear + total.unclear,
        examples=(*report.examples, *part.examples)[:EXAMPLES],
        doubts=(*report.doubts, *part.doubts)[:EXAMPLES],
    )


def _with_rejected(
    connection: duckdb.DuckDBPyConnection,
    manifest: Manifest,
    batch: Sequence[Piece],
    part: parse.Part,
    register: Register,
) -> Manifest:
    """The manifest with the rejected lines of the files that were understood at all."""
    odd = [(p, part.rejected[p.path]) for p in batch if p.path in part.rejected and register.has(p.known.key)]
    if not odd or not manifest.requests:
        return manifest
    query = f"""SELECT coalesce(file, $only), min(moment), max(moment) FROM {part.rows}
        WHERE verdict = {parse.KEPT} GROUP BY ALL"""
    found = connection.execute(query, {"only": batch[0].path}).fetchall()
    spans = {path: (first.replace(tzinfo=UTC), last.replace(tzinfo=UTC)) for path, first, last in found}
    days = manifest.rejected
    newest = datetime.combine(date.fromisoformat(max(manifest.requests)), datetime.min.time(), UTC)
    lately = (newest, max(newest, now()))  # of what a file grew by, where nothing of that tells a time
    for piece, hours in odd:
        example = _example_of(piece, part) or next(iter(part.examples), "")
        days = rejects.added(days, hours, spans.get(piece.path, lately), example)
    return replace(manifest, rejected=days)


def _example_of(piece: Piece, part: parse.Part) -> str:
    """A rejected line of a file; empty where none of it was kept."""
    return next((line for line in part.examples if line.startswith(f"{piece.name}: ")), "")


def _with_unread(
    connection: duckdb.DuckDBPyConnection,
    manifest: Manifest,
    batch: Sequence[Piece],
    part: parse.Part,
    register: Register,
) -> Manifest:
    """The manifest with the files of which no line is understood, and without those that were taken."""
    files = manifest.unread
    for piece in batch:
        found = None
        if not register.has(piece.known.key):
            hours = part.rejected.get(piece.path, rejects.Hours())
            found = unread.not_understood(connection, piece, hours, _example_of(piece, part) or piece.name)
        files = unread.noted(files, piece.asked, found)
    return replace(manifest, unread=files)


def _of_file(run: _Run, name: str, read: parse.Lines, known: bool) -> FileReport:
    """What became of a file that was read; one of which nothing was ever understood is no log of requests."""
    if known:
        return FileReport(name, Taken.TAKEN, read.lines, read.rejected, unclear=read.unclear)
    told = run.asked.format if run.asked.log_format is None else "the log_format"
    reason = f"none of its {read.lines:,} lines is understood as {told}"
    return FileReport(name, Taken.SKIPPED, read.lines, read.rejected, reason=reason)


@contextmanager
def _undone(run: _Run) -> Iterator[None]:
    """Removes what a change has written when it fails.

    Raises:
        SourceError: the disk is full, or a file of the store is damaged.
    """
    try:
        yield
    except (duckdb.Error, OSError) as error:
        manifests.sweep(run.store, (*days.TABLES, *days.VIEWS), run.manifest)
        reason = engine.reason(error) if isinstance(error, duckdb.Error) else error.strerror
        raise SourceError(SOURCE, f"{run.store}: {reason}") from None


def _merge_day(
    run: _Run,
    connection: duckdb.DuckDBPyConnection,
    manifest: Manifest,
    table: str,
    day: date,
    parts: Sequence[str],
) -> tuple[Manifest, days.Merged]:
    old = manifest.days(table).get(day.isoformat())
    old_path = manifests.file_of(run.store, table, day, old.token) if old else None
    token = manifests.token()
    target = manifests.file_of(run.store, table, day, token)
    merged = days.merge(connection, table, day, parts=parts, old=old_path, target=target)
    if table == "requests":
        _derive(run, connection, merged.source, day=day, token=token)
    return manifest.with_day(table, day, DayFiles(token, merged.rows)), merged


def _derive(run: _Run, connection: duckdb.DuckDBPyConnection, source: str, day: date | str, token: str) -> None:
    targets = {table: manifests.file_of(run.store, table, day, token) for table in days.TABLES}
    days.derive(connection, source, targets, run.asked.counted)


def _derive_again(run: _Run) -> None:
    """Makes the small tables of every day anew, after the site file says otherwise whose requests count."""
    before, manifest = run.manifest, replace(run.manifest, counted=run.asked.counted)
    with _undone(run), engine.session(run.asked.memory_limit, run.spill) as connection:
        for day, row in before.requests.items():
            token = manifests.token()
            source = manifests.file_of(run.store, "requests", day, row.token)
            manifests.file_of(run.store, "requests", day, token).hardlink_to(source)
            _derive(run, connection, engine.parquet([source]), day=day, token=token)
            manifest = manifest.with_day("requests", date.fromisoformat(day), DayFiles(token, row.rows))
    with _undone(run):
        manifests.commit(run.store, manifest)
    run.manifest = manifest
    manifests.sweep(run.store, days.TABLES, before, manifest)


def _with(report: IngestReport, table: str, day: date, merged: days.Merged, newest: str) -> IngestReport:
    name = day.isoformat()
    late = merged.added if table == "requests" and name < newest else 0
    return replace(
        report,
        requests=report.requests + (merged.added if table == "requests" else 0),
        views=report.views + (merged.added if table == "views" else 0),
        duplicates=report.duplicates + merged.duplicates,
        late=report.late + late,
        days=tuple(sorted({*report.days, name})),
    )
