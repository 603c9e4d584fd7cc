"""When the samples of a history were taken, as the names of its files tell: nothing is opened."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from pdmlib.phases.window import parse_time


def sampled(name: str) -> datetime:
    """When the newest sample in a file of that name was taken."""
    return parse_time(name.split("-")[0])


def newest(folder: Path) -> datetime | None:
    """When the newest sample of a history was taken, None when it has none."""
    names = [path.name for path in folder.glob("*/*-*/*.parquet")]
    return sampled(max(names)) if names else None
