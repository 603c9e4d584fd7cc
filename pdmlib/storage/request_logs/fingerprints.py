"""Which files were ingested, recognised by their content whatever they are called."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

HEAD_BYTES = 4096
WHOLE_BYTES = 16 << 20
SAMPLES = 16
SAMPLE_BYTES = 64 << 10


@dataclass(frozen=True)
class Known:
    """Bytes of a file that were ingested: the first `size` of it.

    Attributes:
        identity: of those bytes; the name is only told, never compared.
        stamp: path, size and time of change of a file that was taken whole: nobody need read it again.
        key: what requests without an id are told apart by; that of the file when it was first seen.
        whole: whether the bytes end with a line, so that what follows can be read by itself.
    """

    name: str
    size: int
    identity: str
    head: str
    key: str
    whole: bool
    stamp: str = ""


class Listed(str):
    """The address of an object in storage, with what its listing says of it.

    Attributes:
        changed_us: since 1970, in whole seconds: a listing may tell parts of one that the object itself does not.
    """

    size: int
    changed_us: int


class Register:
    """The files that were ingested, looked up by content."""

    def __init__(self, rows: Iterable[Known]) -> None:
        self._rows = list(rows)
        self._identities = {row.identity: row for row in self._rows}
        self._stamps = {row.stamp for row in self._rows if row.stamp}

    def rows(self) -> list[dict[str, object]]:
        """As rows of the manifest."""
        return [asdict(row) for row in self._rows]

    def add(self, row: Known) -> None:
        """Notes a file as ingested."""
        if row.identity not in self._identities:
            self._rows.append(row)
            self._identities[row.identity] = row

    def holds(self, identity: str) -> bool:
        """Whether exactly these bytes were ingested."""
        return identity in self._identities

    def has(self, key: str) -> bool:
        """Whether something of a file was ingested."""
        return any(row.key == key for row in self._rows)

    def unfinished(self, key: str) -> bool:
        """Whether a last line without its end was read of a file, which is read again once it has one."""
        return any(row.key == key and not row.whole for row in self._rows)

    def unchanged(self, stamp: str) -> bool:
        """Whether a file is as it was when it was taken whole."""
        return stamp in self._stamps

    def begun(self, head: bytes) -> bool:
        """Whether a known file begins with these bytes, the first 4096 of a content or all of it."""
        lengths = {min(row.size, HEAD_BYTES) for row in self._rows if row.whole}
        digests = {length: _digest(head[:length]) for length in lengths}
        return any(row.whole and digests[min(row.size, HEAD_BYTES)] == row.head for row in self._rows)

    def grown_from(self, path: Path, size: int) -> Known | None:
        """The longest known beginning of a file."""
        by_length: dict[int, str] = {}
        for row in sorted(self._rows, key=lambda row: -row.size):
            length = min(row.size, HEAD_BYTES)
            if row.size >= size or not row.whole:
                continue
            if length not in by_length:
                by_length[length] = head_of(path, length)
            if by_length[length] == row.head and identity_of(path, row.size) == row.identity:
                return row
        return None


def identity_of(path: Path, size: int) -> str:
    """A hash of a file's first `size` bytes: of all of them, or of 16 samples beyond 16 MiB."""
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        if size <= WHOLE_BYTES:
            digest.update(file.read(size))
        else:
            for number in range(SAMPLES):
                file.seek((size - SAMPLE_BYTES) * number // (SAMPLES - 1))
                digest.update(file.read(SAMPLE_BYTES))
    return digest.hexdigest()[:32]


def stamp_of(path: Path) -> str:
    """A file's path, size and time of change."""
    return f"{path.resolve()} {path.stat().st_size} {path.stat().st_mtime_ns}"


def head_of(path: Path, length: int) -> str:
    """A hash of a file's first bytes."""
    with path.open("rb") as file:
        return _digest(file.read(length))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
