"""The kinds of values that a site file holds: zones, schedules, addresses, names and times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from pdmlib.phases.window import parse_time

LOG_FIELDS = (
    "time", "path", "status", "duration_ms", "request_id", "region", "release", "user_agent", "environment",
)  # fmt: skip

_zones = cache(available_timezones)


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("not an IANA time zone such as America/Chicago or UTC")
    return name


def _schedule(text: str) -> str:
    try:
        CronSim(text, datetime(2025, 1, 1))
    except CronSimError:
        raise ValueError("not a five-field cron expression such as */15 * * * *") from None
    return text


def _url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("not an http:// or https:// address")
    if parts.username or parts.password:
        raise ValueError("an address must not carry a user or a password; name an environment variable instead")
    return text.rstrip("/")


def _identifier(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)?", text):
        raise ValueError("not a table or column name, written plain or as schema.name")
    return text


def _slug(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", text):
        raise ValueError("not a name of small letters, digits, - and _")
    return text


def log_fields(columns: Mapping[str, str]) -> Mapping[str, str]:
    """The fields of a log by our names, each checked."""
    for name, field in columns.items():
        if name not in LOG_FIELDS or not field:
            raise ValueError(
                f"{name}: not one of {', '.join(LOG_FIELDS)}, each with the name of a field of the log"
            )
    return columns


def _moment(value: Any) -> Any:
    if isinstance(value, datetime):
        return parse_time(value.isoformat())
    return parse_time(value) if isinstance(value, str) else value


Zone = Annotated[str, AfterValidator(_zone)]
Schedule = Annotated[str, AfterValidator(_schedule)]
Url = Annotated[str, AfterValidator(_url)]
Identifier = Annotated[str, AfterValidator(_identifier)]
Slug = Annotated[str, AfterValidator(_slug)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Part(BaseModel):
    """Base of every block: frozen, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)
