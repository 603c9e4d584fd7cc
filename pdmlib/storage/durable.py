"""Files that survive: whole or not at all, on the disk before anybody relies on them, set aside when damaged."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_AT_FDCWD, _EXCHANGE = -100, 2  # of renameat2 (linux/fcntl.h, linux/fs.h)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A file beside a path to write to; it takes the path's place once it is whole and on the disk."""
    beside = path.with_name(f".{path.name.removeprefix('.')}.{os.getpid()}.part")
    try:
        yield beside
        sync(beside)
        beside.replace(path)
        sync_names(path)
    finally:
        with suppress(OSError):
            beside.unlink()


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Holds a lock that goes away with its process, so that two of them do not do the same at once."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_names(path: Path) -> None:
    """Waits until a path is known on the disk, with the folders that may have been made for it."""
    for folder in (path.parent, *path.parent.parents[:2]):
        with suppress(PermissionError):
            sync(folder)


def sync_all(folder: Path) -> None:
    """Waits until a folder and everything in it is on the disk."""
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            sync(path)


def exchange(new: Path, old: Path) -> None:
    """Gives a folder the place of another in one step, so that at no moment neither is there.

    Where the system cannot exchange names it takes two steps, and what a kill between them leaves ends in `.old`.
    """
    if not old.exists():
        new.rename(old)
    elif not _exchanged(new, old):
        aside = new.with_suffix(".old")
        old.rename(aside)
        new.rename(old)
        aside.rename(new)
    sync_names(old)


def _exchanged(new: Path, old: Path) -> bool:
    import ctypes

    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and rename(_AT_FDCWD, bytes(new), _AT_FDCWD, bytes(old), _EXCHANGE) == 0


def set_aside(path: Path) -> Path:
    """Takes a damaged file out of the way, beside its place, so that nothing is lost and the work goes on."""
    aside = path.with_name(f"{path.name}.damaged")
    with suppress(OSError):
        path.replace(aside)
    return aside
