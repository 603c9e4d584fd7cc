"""Object storage as files of the engine, where its client is installed."""

from collections.abc import Iterable
from importlib import import_module
from types import ModuleType

import duckdb

from pdmlib.errors import SourceError
from pdmlib.storage.request_logs.addresses import REMOTE, SOURCE


def reach(connection: duckdb.DuckDBPyConnection, paths: Iterable[str]) -> None:
    """Makes object storage readable when one of the paths lies there; the engine keeps none of its bytes.

    What was known of objects before is forgotten, since they may have changed.

    Raises:
        SourceError: its client is not installed here.
    """
    if any(path.startswith(REMOTE) for path in paths):
        connection.execute("SET enable_external_file_cache = false")
        storage = objects().Storage()
        if connection.filesystem_is_registered(storage.protocol):
            connection.unregister_filesystem(storage.protocol)
        connection.register_filesystem(storage)


def objects() -> ModuleType:
    """The module that speaks to object storage.

    Raises:
        SourceError: its client is not installed here.
    """
    try:
        return import_module("pdmlib.storage.request_logs.s3")
    except ImportError:
        raise SourceError(SOURCE, "s3:// needs pip install pdmlib[s3]") from None
