"""Which bytes of which log files are new: files found, recognised by content, cut at whole lines."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import shutil
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

import duckdb

from pdmlib.errors import CallError, SourceError
from pdmlib.phases.window import now
from pdmlib.site.tables import Requests
from pdmlib.storage import engine
from pdmlib.storage.request_logs import mending, remote
from pdmlib.storage.request_logs.addresses import REMOTE, SOURCE, WILD
from pdmlib.storage.request_logs.fingerprints import (
    HEAD_BYTES,
    SAMPLE_BYTES,
    Known,
    Listed,
    Register,
    head_of,
    identity_of,
    stamp_of,
)
from pdmlib.storage.request_logs.formats import NESTED, OBJECTS, Form, layout_of, lines

NAMED_WITHIN = 2000  # characters: a drain names its kind in its first entry
PACKED = (".gz", ".zst")
# A name of a log: its ending, `log` as a word (access_log), or a packed file of a day (CloudFront).
LOG = re.compile(r"\.(json|ndjson|jsonl|txt|csv|tsv|parquet|pb|otlp)$|(^|[^a-z])logs?([^a-z]|$)")
ROTATED = re.compile(r"([._-](\d[\dTZ_.-]*|old|bak))+$", re.IGNORECASE)
OF_A_DAY = re.compile(r"[._-]20\d\d-?[01]\d-?[0-3]\d[._-]")
SETTLED_S = 3.0  # a file that changed later may still be written to
CSV = Form("csv", "lines")  # each file has its own columns
BOM = b"\xef\xbb\xbf"
COPY_BYTES = 8 << 20  # bytes held in memory at once
TOO_LARGE = "is protobuf, or packed without being called .gz, and above 1 GiB: keep it in smaller objects"


@dataclass(frozen=True)
class Piece:
    """Bytes to read: a whole file, or the lines that a known file has grown by.

    Attributes:
        path: what is read; a copy of the bytes where the file itself may still grow.
        key: what requests without an id are told apart by.
        again: whether these bytes may be read once more, as part of a file that grew.
        asked: the path of the file, of which `path` may be a copy.
    """

    path: str
    name: str
    size: int
    form: Form
    key: str
    known: Known
    again: bool = True
    asked: str = ""

    @property
    def begins(self) -> bool:
        """Whether this is a file from its first byte on."""
        return self.key.endswith("#0")


def found(paths: Iterable[str | Path], may_lack: bool = False) -> tuple[list[str], list[str]]:
    """Log files under paths (files, folders, patterns, s3://) and files in folders that are no logs.

    A folder that cannot be looked into is among the logs: reading it says why not.

    Args:
        may_lack: whether a path that names nothing is among them too, instead of an error.

    Raises:
        CallError: a path names nothing.
    """
    each: list[tuple[list[str], list[str]]] = []
    for path in map(str, paths):
        try:
            each.append(_remote(path) if path.startswith(REMOTE) else _local(path))
        except CallError:
            if not may_lack:
                raise
            each.append(([path], []))
    return list(dict.fromkeys(p for logs, _ in each for p in logs)), [p for _, others in each for p in others]


def _local(path: str) -> tuple[list[str], list[str]]:
    place = Path(path)
    if _is_file(place):
        return [path], []
    if place.is_dir():
        every = [place, *(p for p in place.rglob("*") if not _hidden(p, place))]
        inside = sorted(str(p) for p in every if _is_file(p))
        return [*_closed(every), *filter(_is_log, inside)], [p for p in inside if not _is_log(p)]
    root, pattern = Path(place.anchor or "."), Path(_relative(place))
    matched = sorted(str(p) for p in root.glob(str(pattern)) if _is_file(p))
    closed = _closed(folder for above in pattern.parents[:-1] for folder in root.glob(str(above)))
    if not matched and not closed:
        raise CallError(f"{path}: no such file or folder")
    return [*closed, *matched], []


def _is_file(place: Path) -> bool:
    """Whether there is a file, or may be one where nobody may look."""
    try:
        return place.is_file()
    except OSError:
        return True


def _closed(places: Iterable[Path]) -> list[str]:
    """The folders of which it cannot be told what lies in them."""
    return sorted({str(place) for place in places if _is_closed(place)})


def _is_closed(place: Path) -> bool:
    try:
        return place.is_dir() and not os.access(place, os.R_OK)
    except OSError:  # of a folder that lists names and no more: each of them is a file that cannot be read
        return False


def is_empty(path: str) -> bool:
    """Whether a file or an object has no bytes."""
    return not (path.size if isinstance(path, Listed) else Path(path).stat().st_size)


def _hidden(path: Path, under: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(under).parts)


def _is_log(path: str) -> bool:
    """Whether a file of a folder is called as logs are, rotated and packed ones too."""
    name = path.rsplit("/", 1)[-1].lower()
    bare = name
    for suffix in PACKED:
        bare = bare.removesuffix(suffix)
    return bool(LOG.search(ROTATED.sub("", bare)) or (bare != name and OF_A_DAY.search(name)))


def _relative(place: Path) -> str:
    return str(place.relative_to(place.anchor)) if place.anchor else str(place)


def _remote(path: str) -> tuple[list[str], list[str]]:
    inside: list[Listed] = remote.objects().listed(path)
    if not inside:
        raise CallError(f"{path}: no such object or folder")
    named = inside == [path] or re.search(WILD, path)
    logs = [file for file in inside if named or _is_log(file)]
    return [*logs], [file for file in inside if not named and not _is_log(file)]


def new_pieces(path: str, register: Register, asked: Requests, copies: Path, following: bool) -> list[Piece]:
    """What is to be read of a file; nothing when all of it was ingested.

    A packed log that was known before it was packed is that file; `register` then notes the packed one too.

    Args:
        copies: where bytes of a file that may still grow are copied to.
        following: a last line without its end is left for later.
    """
    if isinstance(path, Listed):
        return _remote_piece(path, register, asked, copies=copies)
    place = Path(path)
    size, stamp = place.stat().st_size, stamp_of(place)
    if not size or register.unchanged(stamp):
        return []
    identity = identity_of(place, size)
    if register.holds(identity):
        return []
    whole = Known(
        place.name, size, identity, head=head_of(place, HEAD_BYTES), key=identity, whole=False, stamp=stamp
    )
    if place.suffix == ".gz" and (plain := _unpacked(place, register, copies)):
        found = new_pieces(plain, register, asked, copies, following=False)
        if not found:
            register.add(whole)
        return [replace(p, name=place.name, known=replace(p.known, name=place.name, stamp="")) for p in found]
    path, made = _readable(str(place), asked, copies)
    form = sniffed(path, asked)
    before = register.grown_from(place, size)
    key = before.key if before else identity
    if made or form.shape != "lines" or place.suffix in PACKED or form.dialect in ("csv", "parquet"):
        length = Path(path).stat().st_size
        return [Piece(path, place.name, length, form, key=f"{key}#0", known=replace(whole, key=key, whole=True))]
    start = before.size if before else 0
    end = _last_line_end(place, start, size)
    pieces = []
    if end > start:
        done = Known(
            place.name,
            end,
            identity_of(place, end),
            head=head_of(place, min(end, HEAD_BYTES)),
            key=key,
            whole=True,
        )
        done = replace(done, stamp=stamp if end == size else "")
        settled = (
            start == 0 and end == size and now().timestamp() - place.stat().st_mtime > SETTLED_S and not following
        )
        source = path if settled else copied(place, start, end, copies)
        piece = Piece(source, place.name, end - start, form, key=f"{key}#{start}", known=done)
        pieces.append(replace(piece, again=register.unfinished(key)))
    if end < size and not following:
        rest = copied(place, end, size, copies)
        pieces.append(Piece(rest, place.name, size - end, form, key=f"{key}#{end}", known=replace(whole, key=key)))
    return pieces


def _readable(path: str, asked: Requests, copies: Path) -> tuple[str, bool]:
    """What the engine reads of a file: itself or a copy, unpacked or laid out line by line; and whether a copy."""
    suffix = Path(path).suffix
    if asked.format == "vercel-traces" and suffix != ".zst" and not _is_text(path):
        place = _at_hand(path, copies)
        target = _free(copies, path).with_suffix(".ndjson")
        if mending.spans(place, target):
            return str(target), True
    if (suffix not in PACKED and _packed(path)) or _marked(path):
        place = _at_hand(path, copies)
        target = _free(copies, path)
        _unpack(place, target)
        return str(target), True
    return path, False


def _marked(path: str) -> bool:
    """Whether a text of objects begins with a byte order mark, which the engine takes for a part of the first."""
    if path.endswith((".zst", ".parquet")):
        return False
    try:
        with opened(path) as file:
            return file.read(len(BOM)) == BOM
    except (OSError, EOFError, zlib.error):
        return False


def _free(copies: Path, path: str) -> Path:
    """A name for a copy that no other has."""
    copies.mkdir(parents=True, exist_ok=True)
    return copies / f"{len(list(copies.iterdir())):05d}-{Path(path).stem}"


def _at_hand(path: str, copies: Path) -> Path:
    """A file of this machine with the content of a file or an object.

    Raises:
        SourceError: the object cannot be read, or is too large to be kept here.
    """
    if not isinstance(path, Listed):
        return Path(path)
    if path.size > mending.LARGEST_BYTES:
        raise SourceError(SOURCE, TOO_LARGE)
    target = _free(copies, path)
    remote.objects().fetched(path, target)
    return target


def _packed(path: str) -> bool:
    """Whether a file is gzip, whatever it is called."""
    with _bytes_of(path) as file:
        return file.read(2) == mending.GZIP


def _is_text(path: str) -> bool:
    try:
        return _beginning(path).lstrip("\ufeff \t\r\n").startswith(("{", "["))
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(SOURCE, f"cannot be read: {error}") from None


def _unpacked(place: Path, register: Register, copies: Path) -> str | None:
    """The path of the content of a packed log that was known before it was packed; None of any other.

    Raises:
        SourceError: it cannot be unpacked.
    """
    try:
        with gzip.open(place) as file:
            if not register.begun(file.read(HEAD_BYTES)):
                return None
        target = _free(copies, str(place))
        _unpack(place, target)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(SOURCE, f"cannot be read: {error}") from None
    return str(target)


def _unpack(place: Path, target: Path) -> None:
    """Writes the content of a file, unpacked and without a byte order mark.

    Raises:
        SourceError: it cannot be unpacked.
    """
    try:
        with opened(str(place)) as file, target.open("wb") as copy:
            copy.write(file.read(len(BOM)).removeprefix(BOM))
            shutil.copyfileobj(file, copy, COPY_BYTES)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(SOURCE, f"cannot be read: {error}") from None


def _remote_piece(path: Listed, register: Register, asked: Requests, copies: Path) -> list[Piece]:
    size = path.size
    identity = hashlib.sha256(f"{path} {size} {path.changed_us}".encode()).hexdigest()[:32]
    if not size or register.holds(identity):
        return []
    name = path.rsplit("/", 1)[-1]
    known = Known(name, size, identity, head="", key=identity, whole=False)
    source, made = _readable(path, asked, copies)
    length = Path(source).stat().st_size if made else size
    return [Piece(str(source), name, length, sniffed(source, asked), key=f"{identity}#0", known=known)]


def _last_line_end(path: Path, start: int, size: int) -> int:
    """The position after the last line end in `[start, size)`; start when there is none."""
    with path.open("rb") as file:
        end = size
        while end > start:
            begin = max(start, end - COPY_BYTES)
            file.seek(begin)
            at = file.read(end - begin).rfind(b"\n")
            if at >= 0:
                return begin + at + 1
            end = begin
    return start


def copied(path: Path, start: int, end: int, copies: Path) -> str:
    """The path of a copy of some bytes of a file, which can no longer grow."""
    copies.mkdir(parents=True, exist_ok=True)
    target = copies / f"{len(list(copies.iterdir())):05d}-{start}{path.suffix or '.log'}"
    with path.open("rb") as source, target.open("wb") as copy:
        source.seek(start)
        for chunk in _chunks(source, end - start):
            copy.write(chunk)
    return str(target)


def _chunks(file: object, length: int) -> Iterator[bytes]:
    while length > 0:
        chunk = file.read(min(length, COPY_BYTES))  # type: ignore[attr-defined]
        if not chunk:
            return
        length -= len(chunk)
        yield chunk


def sniffed(path: str, asked: Requests) -> Form:
    """The form of a file, as the site and the file's own beginning tell.

    A drain of analytics is known by its content, whatever the site says of its other logs.

    Raises:
        SourceError: the file is of another format than the site says.
    """
    if asked.format in ("csv", "parquet") and not asked.log_format:
        return Form(asked.format, "lines")
    try:
        head = _beginning(path)
    except (OSError, EOFError, zlib.error, duckdb.Error) as error:
        raise SourceError(SOURCE, f"cannot be read: {error}".splitlines()[0][:200]) from None
    text = head.lstrip("\ufeff \t\r\n")
    shape = "array" if text.startswith("[") else "lines"
    first = text.split("\n", 1)[0].rstrip()
    plain = asked.format == "vercel-logs" and '"proxy"' in head  # of requests: an odd line among them costs no log
    spans = '"resourceSpans"' in head and not plain
    if first == "{" or (spans and shape == "lines" and not first.endswith("}")):
        shape = "object"
    if asked.log_format or asked.format == "combined":
        return _declared(asked, text, shape)
    if plain:
        return Form(asked.format, shape, flat=_flat(head, asked))
    if '"vercel.speed_insights' in head[:NAMED_WITHIN] or '"metricType"' in first:
        raise SourceError(SOURCE, "a drain of Speed Insights holds no requests")
    if '"vercel.analytics' in head or ('"eventType"' in first and asked.format.startswith("vercel")):
        return Form("vercel-analytics", shape)
    if (asked.format == "vercel-logs" and spans) or (asked.format == "vercel-traces" and text and not spans):
        other = "vercel-traces" if spans else "not vercel-traces"
        raise SourceError(SOURCE, f"is {other}; the site says format: {asked.format}")
    return Form(asked.format, shape, flat=_flat(head, asked))


def _declared(asked: Requests, text: str, shape: str) -> Form:
    """The form of a log whose lines the site declares: its own header tells the rest."""
    if text.startswith(("{", "[")) and (layout := layout_of(asked, OBJECTS)).is_json:
        return Form(
            "declared", shape, OBJECTS, _flat(text, asked, *(p.cell.place for p in layout.places.values()))
        )
    software, fields = (re.search(rf"^#{name}.*$", text, re.MULTILINE) for name in ("Software", "Fields"))
    header = "\n".join(found[0].strip() for found in (software, fields) if found)
    form = Form("declared", "lines", header)
    layout_of(asked, form.header)  # says what is wrong with it
    return form


def _flat(head: str, asked: Requests, *more: str) -> tuple[str, ...]:
    """Fields inside objects that a log names with dots: `"proxy.statusCode": 500`."""
    fields = (*asked.columns.values(), *more, *(NESTED if asked.format == "vercel-logs" else ()))
    return tuple(field for field in dict.fromkeys(fields) if "." in field and f'"{field}"' in head)


def _beginning(path: str) -> str:
    """The first 64 KiB of a file, unpacked; of a .zst its first lines."""
    if path.endswith(".zst"):
        with engine.session() as connection:
            remote.reach(connection, [path])
            rows = connection.execute(f"SELECT line FROM {lines([path])} LIMIT 50").fetchall()
        return "\n".join(str(row[0]) for row in rows)
    with opened(path) as file:
        return file.read(SAMPLE_BYTES).decode("utf-8", "replace")


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """A file unpacked, or as much of an object as its beginning takes."""
    with _bytes_of(path) as file:
        packed = file.read(2) == mending.GZIP
        file.seek(0)
        yield cast(BinaryIO, gzip.GzipFile(fileobj=file)) if packed else file


def _bytes_of(path: str) -> BinaryIO:
    if isinstance(path, Listed):
        return BytesIO(_begun(str(path), path.size, path.changed_us))
    return Path(path).open("rb")


@lru_cache(maxsize=1)
def _begun(address: str, size: int, changed_us: int) -> bytes:
    """The beginning of an object as it was listed, which is asked for once however much is looked for in it."""
    found: bytes = remote.objects().beginning(address, min(size, 2 * SAMPLE_BYTES))
    return found


def batches(pieces: Sequence[Piece], most_bytes: int) -> Iterator[list[Piece]]:
    """Pieces that one query can read together, in order, up to a number of bytes at a time."""
    batch: list[Piece] = []
    for piece in pieces:
        alike = not batch or batch[0].form == piece.form != CSV
        if batch and (not alike or sum(p.size for p in batch) + piece.size > most_bytes):
            yield batch
            batch = []
        batch.append(piece)
    if batch:
        yield batch
