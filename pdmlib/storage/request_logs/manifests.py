"""The store: immutable Parquet files by day and one manifest that names those which count.

A change writes new files beside the old ones and then replaces the manifest in one rename. A kill
before the rename leaves everything as it was, after it everything as it shall be; files that no
manifest names are swept at the next change. One change at a time, held by a lock of the system.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from pdmlib.errors import SourceError
from pdmlib.storage.request_logs.addresses import SOURCE
from pdmlib.storage.request_logs.fingerprints import Known, Register

VERSION = 2  # since requests are known by 128 bits
MANIFEST = "manifest.json"


class BusyError(SourceError):
    """Another process is writing to the store."""


@dataclass(frozen=True)
class DayFiles:
    """One held day: the token in its files' names and how many rows it has."""

    token: str
    rows: int


@dataclass(frozen=True)
class Manifest:
    """What a store holds.

    Attributes:
        counted: whose requests the intervals are of.
        requests, views: the held UTC days, by ISO date.
        files: the files that were ingested.
        rejected: lines that were not understood, by UTC day (see `rejects`).
        unread: files of which nothing is held, by path (see `unread`).
        read_as: what the site file said of the lines, a digest of each that something was taken by.
    """

    counted: tuple[str, ...] = ()
    requests: Mapping[str, DayFiles] = field(default_factory=dict)
    views: Mapping[str, DayFiles] = field(default_factory=dict)
    files: tuple[Mapping[str, Any], ...] = ()
    rejected: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    unread: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    read_as: tuple[str, ...] = ()

    def register(self) -> Register:
        """The ingested files, to look others up in."""
        return Register(Known(**row) for row in self.files)

    def days(self, table: str) -> Mapping[str, DayFiles]:
        """The held days of requests (and what is made of them) or of views."""
        return self.views if table == "views" else self.requests

    def with_day(self, table: str, day: date, files: DayFiles) -> Manifest:
        """The manifest in which a day has other files."""
        if table == "views":
            return replace(self, views={**self.views, day.isoformat(): files})
        return replace(self, requests={**self.requests, day.isoformat(): files})


def file_of(store: Path, table: str, day: str | date, token: str) -> Path:
    """Where a table of a day lies."""
    return store / table / f"{day}-{token}.parquet"


def held(store: Path, manifest: Manifest, table: str, start: datetime, end: datetime) -> list[Path]:
    """The files of a table that hold the days of a span of time, in order."""
    first, last = start.date(), (end - timedelta(microseconds=1)).date()
    days = manifest.days(table)
    wanted = [d for d in sorted(days) if first <= date.fromisoformat(d) <= last]
    return [file_of(store, table, d, days[d].token) for d in wanted]


def load(store: Path) -> Manifest:
    """The store's manifest; an empty one where there is no store.

    Raises:
        SourceError: the manifest is damaged or of a newer version.
    """
    path = store / MANIFEST
    if not path.exists():
        return Manifest()
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
        if tree["version"] != VERSION:
            raise SourceError(
                SOURCE,
                f"{path}: is of version {tree['version']}, not {VERSION}; ingest into a new folder",
            )
        requests = {day: DayFiles(**row) for day, row in tree["requests"].items()}
        views = {day: DayFiles(**row) for day, row in tree["views"].items()}
        manifest = Manifest(
            tuple(tree["counted"]),
            requests,
            views,
            tuple(tree["files"]),
            rejected=tree.get("rejected", {}),
            unread=tree.get("unread", {}),
            read_as=tuple(tree.get("read_as", ())),
        )
        manifest.register()
        return manifest
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SourceError(SOURCE, f"{path}: is damaged: {error}") from None


def commit(store: Path, manifest: Manifest) -> None:
    """Makes a manifest the one that counts, in one rename."""
    tree = {
        "version": VERSION,
        "counted": manifest.counted,
        "requests": {day: vars(row) for day, row in sorted(manifest.requests.items())},
        "views": {day: vars(row) for day, row in sorted(manifest.views.items())},
        "files": manifest.files,
        "rejected": manifest.rejected,
        "unread": manifest.unread,
        "read_as": manifest.read_as,
    }
    beside = store / f".{MANIFEST}.part"
    with beside.open("w", encoding="utf-8") as file:
        json.dump(tree, file, indent=0)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(store / MANIFEST)


def sweep(store: Path, tables: Sequence[str], *keep: Manifest) -> None:
    """Removes files of days that none of the manifests names."""
    for table in tables:
        named = {file_of(store, table, day, row.token) for m in keep for day, row in m.days(table).items()}
        for path in (store / table).glob("*.parquet"):
            if path not in named:
                path.unlink(missing_ok=True)


def token() -> str:
    """A name that no other file has."""
    return uuid.uuid4().hex[:12]


@contextmanager
def locked(store: Path) -> Iterator[None]:
    """Holds the store for one writer.

    Raises:
        BusyError: another process is writing.
        SourceError: nobody can write there.
    """
    _make(store)
    with (store / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            again = "run this one again when it is done"
            raise BusyError(SOURCE, f"{store}: another ingest is writing there; {again}") from None
        yield


@contextmanager
def spilling(store: Path, place: str | None) -> Iterator[Path]:
    """A folder for what does not fit in memory, gone afterwards; what a killed run left goes first.

    Raises:
        SourceError: nobody can write there.
    """
    root = Path(place) if place else store
    mark = f".pdm-spill-{uuid.uuid5(uuid.NAMESPACE_URL, str(store.resolve())).hex[:8]}"
    folder = root / mark
    shutil.rmtree(folder, ignore_errors=True)
    _make(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise SourceError(SOURCE, f"{folder}: cannot be written: {error.strerror}") from None
