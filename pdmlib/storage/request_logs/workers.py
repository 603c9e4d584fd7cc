"""Where files are read: in this process, or on the workers of a Dask cluster.

What is distributed are files. A worker reads its file where it lies and sends back its typed rows,
about a hundredth of the log; this process merges them. A worker that dies is replaced by another.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import duckdb

from pdmlib.errors import PdmError, SourceError
from pdmlib.site.tables import Requests
from pdmlib.storage import engine
from pdmlib.storage.request_logs.addresses import REMOTE, SOURCE
from pdmlib.storage.request_logs.files import Piece, batches, copied
from pdmlib.storage.request_logs.parse import Part, read

Failure = tuple[Piece, str]
Done = Callable[[Sequence[Piece], float], None]
BATCH_BYTES = 1 << 31
RETRIES = 3  # times a piece is tried again where its worker was lost
ANSWER_S = 5  # seconds to wait for the scheduler before it counts as absent


@dataclass(frozen=True)
class Reading:
    """Where files are read to, and who hears of it.

    Attributes:
        connection: whose tables the rows become.
        on_read: told of the pieces being read and the share of them that is.
        failures: the pieces that cannot be read, with the reason.
    """

    connection: duckdb.DuckDBPyConnection
    asked: Requests
    spill: Path
    on_read: Done
    failures: list[Failure] = field(default_factory=list)
    tables: Iterator[str] = field(default_factory=lambda: map("part_{}".format, count()))

    def read(self, batch: Sequence[Piece], on_share: Callable[[float], None] | None = None) -> Part:
        """A batch as a table that no other has been."""
        return read(self.connection, batch, self.asked, next(self.tables), spill=self.spill, on_share=on_share)


def parts(reading: Reading, pieces: Sequence[Piece]) -> Iterator[tuple[list[Piece], Part]]:
    """Reads pieces by the site's engine, some at a time; whoever takes a part drops its table."""
    launcher = _on_cluster if reading.asked.engine.startswith("dask://") else _here
    yield from launcher(reading, pieces)


def _here(reading: Reading, pieces: Sequence[Piece]) -> Iterator[tuple[list[Piece], Part]]:
    for batch in batches(pieces, BATCH_BYTES):
        try:
            part = reading.read(batch, on_share=partial(reading.on_read, batch))
            if any(_grew(piece) for piece in batch):
                batch = [_fixed(piece, reading.spill) for piece in batch]
                reading.connection.execute(f"DROP TABLE {part.rows}")
                part = reading.read(batch)
        except SourceError:
            yield from _one_by_one(reading, batch)
        else:
            reading.on_read(batch, 1.0)
            yield batch, part


def _grew(piece: Piece) -> bool:
    """Whether a file was written to while it was read where it lies."""
    return not piece.path.startswith(REMOTE) and Path(piece.path).stat().st_size != piece.size


def _fixed(piece: Piece, spill: Path) -> Piece:
    return (
        replace(piece, path=copied(Path(piece.path), 0, piece.size, spill / "copies")) if _grew(piece) else piece
    )


def _one_by_one(reading: Reading, batch: Sequence[Piece]) -> Iterator[tuple[list[Piece], Part]]:
    """Each file by itself, after one of them broke the query of all."""
    for piece in batch:
        try:
            part = reading.read([piece])
        except SourceError as error:
            reading.failures.append((piece, error.reason))
        else:
            yield [piece], part


def _on_cluster(reading: Reading, pieces: Sequence[Piece]) -> Iterator[tuple[list[Piece], Part]]:
    with _client(reading.asked.engine) as client:
        from distributed import as_completed

        names = {piece.path: piece for piece in pieces}
        tasks = {
            client.submit(remote_read, piece, reading.asked, retries=RETRIES, pure=False): path
            for path, piece in names.items()
        }
        for task in as_completed(tasks, loop=client.loop):  # type: ignore[no-untyped-call]
            piece = names[tasks[task]]
            try:
                part, rows = task.result()
            except PdmError as error:
                reading.failures.append((piece, getattr(error, "reason", str(error))))
                continue
            task.release()
            reading.on_read([piece], 1.0)
            yield [piece], replace(part, rows=_received(reading, rows))


def _received(reading: Reading, rows: bytes) -> str:
    """The name of the table that holds what a worker sent."""
    sent, table = reading.spill / "sent.parquet", next(reading.tables)
    sent.write_bytes(rows)
    reading.connection.execute(f"CREATE TABLE {table} AS FROM {engine.parquet([sent])}")
    sent.unlink()
    return table


def remote_read(piece: Piece, asked: Requests) -> tuple[Part, bytes]:
    """One file read on a worker: what was read of it and its rows as the bytes of a Parquet file."""
    with tempfile.TemporaryDirectory(prefix="pdm-", dir=asked.spill) as folder:
        target = Path(folder) / "part.parquet"
        with engine.session(asked.memory_limit, Path(folder)) as connection:
            part = read(connection, [piece], asked, "part", spill=Path(folder))
            engine.save(connection, f"FROM {part.rows}", target, options=engine.FLEETING)
        return part, target.read_bytes()


@contextmanager
def _client(address: str) -> Iterator[Any]:
    try:
        from distributed import Client
    except ImportError:
        raise SourceError(
            SOURCE, "requests.engine names a Dask cluster; install it: pip install pdmlib[dask]"
        ) from None
    try:
        client: Any = Client(  # type: ignore[no-untyped-call]
            address.replace("dask://", "tcp://"), timeout=ANSWER_S, set_as_default=False
        )
    except OSError as error:
        raise SourceError(SOURCE, f"{address}: no Dask scheduler answers: {error}"[:200]) from None
    with client:
        yield client
