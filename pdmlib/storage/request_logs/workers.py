"""Where files are read: in this process, or on the workers of a Dask cluster.

What is distributed are files. A worker reads its file where it lies and sends back its typed rows,
about a hundredth of the log; this process merges them. A worker that dies is replaced by another.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pdmlib.errors import PdmError, SourceError
from pdmlib.site.tables import Requests
from pdmlib.storage.request_logs.addresses import REMOTE, SOURCE
from pdmlib.storage.request_logs.files import Piece, batches, copied
from pdmlib.storage.request_logs.parse import Part, read

Failure = tuple[Piece, str]
Done = Callable[[Sequence[Piece], float], None]
BATCH_BYTES = 1 << 31
RETRIES = 3  # times a piece is tried again where its worker was lost
ANSWER_S = 5  # seconds to wait for the scheduler before it counts as absent


def parts(
    pieces: Sequence[Piece], asked: Requests, spill: Path, on_read: Done, failures: list[Failure]
) -> Iterator[tuple[list[Piece], Part]]:
    """Reads pieces by the site's engine, some at a time; those that cannot be read go to `failures`.

    Args:
        on_read: told of the pieces being read and the share of them that is.
    """
    launcher = _on_cluster if asked.engine.startswith("dask://") else _here
    yield from launcher(pieces, asked, spill, on_read, failures)


def _here(
    pieces: Sequence[Piece], asked: Requests, spill: Path, on_read: Done, failures: list[Failure]
) -> Iterator[tuple[list[Piece], Part]]:
    for number, batch in enumerate(batches(pieces, BATCH_BYTES)):
        target = spill / f"part-{number:05d}.parquet"
        try:
            part = read(batch, asked, target, spill, on_share=partial(on_read, batch))
            if any(_grew(piece) for piece in batch):
                batch = [_fixed(piece, spill) for piece in batch]
                part = read(batch, asked, target, spill)
        except SourceError:
            yield from _one_by_one(batch, asked, spill, failures)
        else:
            on_read(batch, 1.0)
            yield batch, part
            target.unlink(missing_ok=True)


def _grew(piece: Piece) -> bool:
    """Whether a file was written to while it was read where it lies."""
    return not piece.path.startswith(REMOTE) and Path(piece.path).stat().st_size != piece.size


def _fixed(piece: Piece, spill: Path) -> Piece:
    return (
        replace(piece, path=copied(Path(piece.path), 0, piece.size, spill / "copies")) if _grew(piece) else piece
    )


def _one_by_one(
    batch: Sequence[Piece], asked: Requests, spill: Path, failures: list[Failure]
) -> Iterator[tuple[list[Piece], Part]]:
    """Each file by itself, after one of them broke the query of all."""
    target = spill / "part-single.parquet"
    for piece in batch:
        try:
            yield [piece], read([piece], asked, target, spill)
        except SourceError as error:
            failures.append((piece, error.reason))
        target.unlink(missing_ok=True)


def _on_cluster(
    pieces: Sequence[Piece], asked: Requests, spill: Path, on_read: Done, failures: list[Failure]
) -> Iterator[tuple[list[Piece], Part]]:
    with _client(asked.engine) as client:
        from distributed import as_completed

        names = {piece.path: piece for piece in pieces}
        tasks = {
            client.submit(remote_read, piece, asked, retries=RETRIES, pure=False): path
            for path, piece in names.items()
        }
        for task in as_completed(tasks, loop=client.loop):  # type: ignore[no-untyped-call]
            piece = names[tasks[task]]
            try:
                part, rows = task.result()
            except PdmError as error:
                failures.append((piece, getattr(error, "reason", str(error))))
                continue
            target = spill / f"part-{len(list(spill.iterdir())):05d}.parquet"
            target.write_bytes(rows)
            task.release()
            on_read([piece], 1.0)
            yield [piece], replace(part, path=target)
            target.unlink(missing_ok=True)


def remote_read(piece: Piece, asked: Requests) -> tuple[Part, bytes]:
    """One file read on a worker: what was read of it and its rows as the bytes of a Parquet file."""
    with tempfile.TemporaryDirectory(prefix="pdm-", dir=asked.spill) as folder:
        target = Path(folder) / "part.parquet"
        part = read([piece], asked, target, Path(folder))
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
