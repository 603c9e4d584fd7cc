"""The kinds of values that a site file holds: zones, schedules, addresses, names and times."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from cronsim import CronSim, CronSimError
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from pdmlib.errors import nearest, no_attribute, one_of, shown
from pdmlib.phases.phase import EXTRAS, PHASES
from pdmlib.site.terms import word

# Our name of a field of a request log -> the other name that a site file may use for it.
LOG_FIELDS = {
    "time": None,
    "path": None,
    "status": None,
    "duration_ms": None,
    "request_id": "id",
    "region": None,
    "release": None,
    "user_agent": "agent",
    "environment": None,
}
PHASE_NAMES = tuple(phase.name for phase in (*PHASES, *EXTRAS))

_zones = cache(available_timezones)


class MisplacedError(ValueError):
    """A wrong value whose place lies below the one that is being checked.

    Attributes:
        path: keys and positions from there to the value.
    """

    def __init__(self, path: tuple[str | int, ...], text: str) -> None:
        super().__init__(text)
        self.path = path


def unique(name: str, rows: Iterable[str]) -> None:
    """Fails where a name is there twice.

    Raises:
        MisplacedError: at the second one's place.
    """
    seen: set[str] = set()
    for position, row in enumerate(rows):
        if row in seen:
            raise MisplacedError((name, position), f"{shown(row)} is there twice")
        seen.add(row)


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError(
            f"{nearest(name, _zones())}not an IANA time zone such as America/Chicago or UTC: {shown(name)}"
        )
    return name


def _schedule(text: str) -> str:
    # The parser would take a sixth field as seconds, which no scheduler of a platform here has.
    if len(fields := text.split()) != 5:
        raise ValueError(f"has {len(fields)} fields; not a five-field cron expression such as */15 * * * *")
    try:
        CronSim(text, datetime(2025, 1, 1))
    except CronSimError as error:
        reason = str(error)[:1].lower() + str(error)[1:]
        raise ValueError(f"{reason}; not a five-field cron expression such as */15 * * * *") from None
    return text


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        host = parts.hostname if parts.scheme in ("http", "https") else None
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"not an http:// or https:// address: {error}") from None
    if not host or not text.isprintable() or " " in text:
        raise ValueError("not an http:// or https:// address")
    if parts.username or parts.password:
        raise ValueError("an address must not carry a user or a password; name an environment variable instead")
    return text.rstrip("/")


def _identifier(text: str) -> str:
    if not re.fullmatch(r"[^\W\d][\w$]*(\.[^\W\d][\w$]*)?", text) or len(text) > 127:
        raise ValueError(
            "not a table or column name, written plain or as schema.name; "
            "for a name with spaces or other signs make a view with a plain one"
        )
    return text


def _slug(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", text):
        raise ValueError("not a name of small letters, digits, - and _")
    return text


def _phase(name: str) -> str:
    if name not in PHASE_NAMES:
        raise ValueError(one_of(name, PHASE_NAMES, "a phase"))
    return name


def _path(text: str) -> str:
    if not re.fullmatch(r"/[^\s#]*", text) or not text.isprintable():
        raise ValueError("not a path such as /api/health")
    return text


def log_fields(columns: Mapping[str, str]) -> Mapping[str, str]:
    """The fields of a log by our names, each checked."""
    ours = {other: name for name, other in LOG_FIELDS.items() if other}
    for name, field in columns.items():
        if ours.get(name, name) not in LOG_FIELDS:
            raise MisplacedError((name,), one_of(name, (*LOG_FIELDS, *ours), "a field of a log that is read"))
        if not field:
            raise MisplacedError((name,), "is empty; write the name of a field of the log")
        if name in ours and ours[name] in columns:
            raise MisplacedError((name,), f"is the same as {ours[name]}, which is there too")
    return {ours.get(name, name): field for name, field in columns.items()}


def _moment(value: Any) -> Any:
    """A time with its zone: nothing is taken for UTC in silence."""
    example = "write a time with its zone such as 2025-03-10T15:00:00Z or 2025-03-10T09:00:00-06:00"
    if isinstance(value, datetime):
        moment = value
    elif not isinstance(value, str):
        raise ValueError(f"is not a time; {example}")
    else:
        try:
            moment = datetime.fromisoformat(value.strip())
        except ValueError as error:
            why = "" if "isoformat" in str(error) else f" ({error})"
            raise ValueError(f"{shown(value)} is not a time{why}; {example}") from None
    if moment.tzinfo is None:
        raise ValueError(f"{shown(value)} has no zone; {example}")
    try:
        # A day on either side leaves room for every zone in which it may be shown.
        (moment - timedelta(days=1)).astimezone(UTC), (moment + timedelta(days=1)).astimezone(UTC)
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{shown(value)} is out of the calendar; {example}") from None


def _day(value: Any) -> Any:
    """A day of the calendar; pydantic alone would take a number for seconds since 1970."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        if isinstance(value, str) and re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            return date.fromisoformat(value)
    except ValueError as error:
        raise ValueError(f"{value} is not in the calendar ({error}); write a day such as 2025-02-28") from None
    raise ValueError(f"{shown(value)} is not a day; write a day such as 2025-02-28")


def listed(value: Any) -> Any:
    """A single value as a list of one."""
    return value if isinstance(value, list | tuple) else [value]


def _word(value: Any) -> str:
    if not isinstance(value, str | bool | int | float):
        raise ValueError("not a word, a number, true or false")
    return str(word(value))


def _header(name: str) -> str:
    # RFC 9110, 5.6.2: a token.
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+", name):
        raise ValueError("not the name of a request header such as X-Health-Token")
    return name


Zone = Annotated[str, AfterValidator(_zone)]
Schedule = Annotated[str, AfterValidator(_schedule)]
Url = Annotated[str, AfterValidator(_url)]
Identifier = Annotated[str, AfterValidator(_identifier)]
Slug = Annotated[str, AfterValidator(_slug)]
PhaseName = Annotated[str, AfterValidator(_phase), WithJsonSchema({"type": "string", "enum": list(PHASE_NAMES)})]
UrlPath = Annotated[str, AfterValidator(_path)]
HeaderName = Annotated[str, AfterValidator(_header)]
Moment = Annotated[datetime, BeforeValidator(_moment), WithJsonSchema({"type": "string", "format": "date-time"})]
Day = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
TheirWord = Annotated[str, BeforeValidator(_word), WithJsonSchema({"type": ["string", "number", "boolean"]})]
Words = Annotated[
    tuple[TheirWord, ...],
    BeforeValidator(listed),
    Field(json_schema_extra={"type": ["array", "string", "number", "boolean"]}),
]


class Part(BaseModel):
    """Base of every block: frozen, and an unknown key is an error."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        allow_inf_nan=False,
        defer_build=True,  # a block alone is seldom read: the site, which is built once, holds them all
    )

    def __dir__(self) -> list[str]:
        """What a person may ask of it, without what pydantic brings."""
        return [name for name in super().__dir__() if name.startswith("_") or not hasattr(BaseModel, name)]

    if not TYPE_CHECKING:  # a type checker shall go on to know the fields

        def __getattr__(self, name: str) -> Any:
            """What is not there; pydantic keeps some of its own names where this is asked for them."""
            try:
                return super().__getattr__(name)
            except AttributeError:
                if name.startswith("_"):
                    raise
                raise no_attribute(name, dir(self), f"a {type(self).__name__.lower()}") from None
