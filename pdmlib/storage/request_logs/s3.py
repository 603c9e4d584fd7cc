"""Object storage: what lies under an `s3://` address, and its bytes as files of the engine.

Credentials, region and endpoint come from the usual AWS_* variables, which the client reads itself.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import obstore
from fsspec import AbstractFileSystem
from fsspec.spec import AbstractBufferedFile
from fsspec.utils import glob_translate
from obstore.exceptions import BaseError, PermissionDeniedError
from obstore.store import S3Store

from pdmlib.errors import SourceError
from pdmlib.site.environment import environment_value
from pdmlib.storage.request_logs.addresses import REMOTE, SOURCE, WILD
from pdmlib.storage.request_logs.fingerprints import Listed

FIRST_BYTES = 1 << 20
RETRIES, RETRY_WITHIN = 3, timedelta(minutes=1)
ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")


def listed(address: str) -> list[Listed]:
    """The objects of an address: that of this name, else those in this folder or those its wildcards match.

    Raises:
        SourceError: the storage does not answer, or not to us.
    """
    bucket, key = _parts(address)
    with _told(address):
        store = _store(bucket)
        found = _named(store, key) or _under(store, key)
    return sorted(_listed(bucket, meta) for meta in found)


def beginning(address: str, length: int) -> bytes:
    """The first bytes of an object, fewer where it has no more.

    Raises:
        SourceError: it cannot be read.
    """
    bucket, key = _parts(address)
    with _told(address):
        return bytes(obstore.get_range(_store(bucket), key, start=0, end=length))


def fetched(address: str, target: Path) -> None:
    """Writes an object into a file.

    Raises:
        SourceError: it cannot be read.
    """
    bucket, key = _parts(address)
    with _told(address), target.open("wb") as file:
        file.writelines(obstore.get(_store(bucket), key))


class Storage(AbstractFileSystem):  # type: ignore[misc]
    """Objects as files that the engine asks for by name; what it has once seen of one holds for a session."""

    protocol = "s3"
    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self._store, self._head = cache(_store), cache(self._asked)

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return path.removeprefix(REMOTE)

    def glob(self, path: str, **_: Any) -> list[str]:
        """The one name that the engine's pattern stands for."""
        return [re.sub(r"\[(.)\]", r"\1", self._strip_protocol(path))]

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        """Size and name."""
        return {"name": path, "type": "file", "size": self._head(self._strip_protocol(path))["size"]}

    def modified(self, path: str) -> datetime:
        """When it was changed."""
        return self._head(self._strip_protocol(path))["last_modified"]

    def piece(self, path: str, start: int, end: int) -> bytes:
        """Some bytes of an object as it was first seen."""
        bucket, key = _parts(path)
        with _told(path):
            asked: obstore.GetOptions = {"range": (start, end), "if_match": self._head(path)["e_tag"]}
            return bytes(obstore.get(self._store(bucket), key, options=asked).bytes())

    def _open(self, path: str, mode: str = "rb", **_: Any) -> _File:
        return _File(self, path, self._head(path)["size"])

    def _asked(self, path: str) -> obstore.ObjectMeta:
        bucket, key = _parts(path)
        with _told(path):
            return obstore.head(self._store(bucket), key)


class _File(AbstractBufferedFile):  # type: ignore[misc]
    """An open object. Each thread has its own place in it: the engine's threads seek and read one file at once."""

    def __init__(self, storage: Storage, path: str, size: int) -> None:
        self._place = threading.local()
        super().__init__(storage, path, size=size, block_size=FIRST_BYTES, cache_type="first")

    @property
    def loc(self) -> int:
        """Where the calling thread reads next."""
        return getattr(self._place, "at", 0)

    @loc.setter
    def loc(self, at: int) -> None:
        self._place.at = at

    def _fetch_range(self, start: int, end: int) -> bytes:
        found: bytes = self.fs.piece(self.path, start, end)
        return found


def _parts(address: str) -> tuple[str, str]:
    bucket, _, key = address.removeprefix(REMOTE).partition("/")
    return bucket, key


def _listed(bucket: str, meta: obstore.ObjectMeta) -> Listed:
    found = Listed(f"{REMOTE}{bucket}/{meta['path']}")
    found.size, found.changed_us = meta["size"], int(meta["last_modified"].timestamp()) * 1_000_000
    return found


def _store(bucket: str) -> S3Store:
    for name in ENDPOINTS:
        if not re.fullmatch(r"(https?://[\w.:\[\]-]+(/\S*)?)?", environment_value(name) or ""):
            raise SourceError(SOURCE, f"{name} is no http:// or https:// address")
    return S3Store(
        bucket,
        client_options={"allow_http": True},
        retry_config={"max_retries": RETRIES, "retry_timeout": RETRY_WITHIN},
    )


def _named(store: S3Store, key: str) -> list[obstore.ObjectMeta]:
    try:
        return [obstore.head(store, key)] if key.rstrip("/") == key != "" else []
    except (FileNotFoundError, PermissionDeniedError):
        return []


def _under(store: S3Store, key: str) -> list[obstore.ObjectMeta]:
    fixed, *wild = re.split(WILD, key, maxsplit=1)
    pages = obstore.list(store, prefix=fixed.rpartition("/")[0] if wild else key)
    matches = re.compile(glob_translate(key) if wild else "").match
    return [meta for page in pages for meta in page if matches(meta["path"])]


@contextmanager
def _told(address: str) -> Iterator[None]:
    """Turns what the client says into one line."""
    try:
        yield
    except (BaseError, OSError) as error:
        shown = f"{REMOTE}{address.removeprefix(REMOTE)}: {_said(str(error))}"
        raise SourceError(SOURCE, "".join(letter for letter in shown if letter.isprintable())) from None


def _said(text: str) -> str:
    """The storage's own words, else what the client met, without addresses."""
    if "Error performing PUT" in text:  # what asks a machine for its role
        return "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    told = [re.search(f"<{tag}>([^<]*)</{tag}>", text) for tag in ("Code", "Message")]
    words = ": ".join(found[1] for found in told if found) or text.partition("\n")[0].rpartition(" - ")[2]
    return re.sub("^(Generic S3 error|Server returned non-2xx status code): ", "", words).rstrip(": ")[:160]
