"""The blocks of the application's own tables: their names, what their columns and words mean, their time zone."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from pdmlib.errors import one_of, shown
from pdmlib.site.terms import (
    APP_ALERTS,
    CRON,
    CRON_SETTINGS,
    INTEGRATION_CHECKS,
    PAYMENTS,
    SESSIONS,
    TICKETS,
    UPTIME,
    Terms,
    known_words,
    word,
)
from pdmlib.site.types import (
    LOG_FIELDS,
    Identifier,
    MisplacedError,
    Part,
    PhaseName,
    Schedule,
    Slug,
    UrlPath,
    Words,
    Zone,
    listed,
    log_fields,
)


class TableBlock(Part):
    """A table of the application: where its columns, words and times differ from ours, the site file says so."""

    terms: ClassVar[Terms]
    table: str

    columns: Mapping[str, Identifier | None] = Field(
        default={}, description="our name -> the table's column; `null`: the table has none"
    )
    words: Mapping[str, Words] = Field(
        default={},
        description="our word -> theirs; compared without case and space; numbers, true and false are words too",
    )
    time_zone: Zone | None = Field(
        default=None, description="zone of times that are stored without one; absent: such a column is a gap"
    )
    where: str | None = Field(
        default=None, description="SQL condition of the rows that count, such as `monitor_id = 3`; absent: all"
    )

    @model_validator(mode="after")
    def _speaks_our_names(self) -> TableBlock:
        _check_columns(self.terms, self.columns)
        _check_words(self.terms, self.words)
        return self

    @property
    def required(self) -> tuple[str, ...]:
        """Our columns that the table must have; in place of one said to be lacking, those that tell the same."""
        lacking = {ours for ours, theirs in self.columns.items() if theirs is None}
        found = (self.terms.column(n).instead if n in lacking else (n,) for n in self.terms.required)
        return tuple(dict.fromkeys(name for names in found for name in names))

    def candidates(self, ours: str) -> tuple[str, ...]:
        """Their columns to look for, in order: the declared one alone; none where it is declared to be lacking."""
        if ours in self.columns:
            theirs = self.columns[ours]
            return (theirs,) if theirs else ()
        return self.terms.column(ours).candidates

    def spoken(self, ours: str) -> Mapping[str, tuple[str, ...]]:
        """Our words of a column of ours -> theirs: the declared ones, and those understood without."""
        return known_words({word.name: (word.name, *word.usual) for word in self.terms.words[ours]}, self.words)


def _is_told_otherwise(terms: Terms, ours: str, columns: Mapping[str, str | None]) -> bool:
    """Whether other columns tell what the table has no column for."""
    instead = terms.column(ours).instead
    return bool(instead) and all(columns.get(name, name) for name in instead)


def _check_columns(terms: Terms, columns: Mapping[str, str | None]) -> None:
    known = [column.name for column in terms.columns]
    for ours, theirs in columns.items():
        if ours not in known:
            raise MisplacedError(("columns", ours), one_of(ours, known, f"a column of {terms.block}"))
        if theirs is None and ours in terms.required and not _is_told_otherwise(terms, ours, columns):
            raise MisplacedError(
                ("columns", ours), f"cannot be null: {terms.block} needs {', '.join(terms.required)}"
            )


def _check_words(terms: Terms, words: Mapping[str, tuple[str, ...]]) -> None:
    known = [word.name for word in terms.every_word()]
    taken: dict[tuple[str, str], str] = {}
    for ours, all_theirs in words.items():
        if ours not in known:
            text = one_of(ours, known, f"a word of {terms.block}") if known else f"{terms.block} has no words"
            raise MisplacedError(("words", ours), text)
        for theirs in all_theirs:
            other = taken.setdefault((terms.column_of(ours), theirs), ours)
            if other != ours:
                raise MisplacedError(("words", ours), f"{shown(theirs)} stands for {other} already")


class Uptime(TableBlock):
    """The application's own probe log."""

    terms: ClassVar[Terms] = UPTIME

    table: Identifier = Field(
        default="public.uptime_logs",
        description="the table of the probes, a row each; of a table of changes, a view that repeats each state",
    )
    interval_s: Annotated[float, Field(gt=0)] | None = Field(
        default=None, description="seconds between two probes; absent: as the probes themselves show"
    )
    in_sentry: bool = Field(
        default=False, description="there is no table: read the checks of Sentry's uptime monitors"
    )


class Job(Part):
    """One cron job as the team expects it; a name may have several entries, each with schedules of its own."""

    name: Annotated[str, Field(min_length=1)] = Field(description="the name in the log")
    schedules: Annotated[
        tuple[Schedule, ...],
        BeforeValidator(listed),
        Field(min_length=1, json_schema_extra={"type": ["string", "array"]}),
    ] = Field(alias="schedule", description="a five-field cron expression, or a list of several")
    path: str | None = Field(
        default=None, description="where the platform calls it, such as /api/cron/send-reminders?batch=a"
    )
    time_zone: Zone = Field(default="UTC", description="the zone that the schedule is read in")
    timeout_s: Annotated[float, Field(gt=0)] = Field(
        default=300, description="seconds after which a run was killed"
    )
    retries: Annotated[int, Field(ge=0)] = Field(default=0, description="how often a failed run is tried again")
    group: str | None = Field(default=None, description="a heading that jobs are listed under")
    aliases: tuple[str, ...] = Field(default=(), description="other names of it in the log")


class Cron(TableBlock):
    """The cron log and the jobs expected in it."""

    terms: ClassVar[Terms] = CRON

    table: Identifier = Field(
        default="public.cron_job_logs", description="the table of the runs: a row a run, or two"
    )
    in_sentry: bool = Field(
        default=False, description="there is no table: read the check-ins of Sentry's cron monitors, by the slug"
    )
    settings_table: Identifier | None = Field(default=None, description="the table of which jobs are switched on")
    settings_columns: Mapping[str, Identifier] = Field(
        default={}, description="our name -> that table's column: job (job_name), enabled"
    )
    early_s: Annotated[float, Field(ge=0)] = Field(
        default=60, description="seconds before its slot that a run may begin"
    )
    start_grace_s: Annotated[float, Field(ge=0)] = Field(
        default=300, description="seconds after its slot until a run is late"
    )
    jobs: tuple[Job, ...] = Field(default=(), description="the jobs that are expected to run")

    @model_validator(mode="after")
    def _every_slot_once(self) -> Cron:
        known = [column.name for column in CRON_SETTINGS.columns]
        for ours in self.settings_columns:
            if ours not in known:
                raise MisplacedError(("settings_columns", ours), one_of(ours, known, "a column of it"))
        seen: set[tuple[str, str, str | None]] = set()
        zones: dict[str, str] = {}
        for position, job in enumerate(self.jobs):
            slots = [(job.name, schedule, job.path) for schedule in job.schedules]
            if seen & set(slots) or len(slots) > len(set(slots)):
                raise MisplacedError(
                    ("jobs", position), f"{shown(job.name)} is there twice with the same schedule"
                )
            if zones.setdefault(job.name, job.time_zone) != job.time_zone:
                raise MisplacedError(
                    ("jobs", position, "time_zone"), f"the entries of {shown(job.name)} must share one zone"
                )
            seen |= set(slots)
        return self

    def job_of(self, theirs: str) -> str | None:
        """The job that the log calls so, compared as words are; None where the file lists none."""
        names = {name: job.name for job in self.jobs for name in (*job.aliases, job.name)}
        return names.get(theirs) or {word(name): ours for name, ours in names.items()}.get(word(theirs))

    @property
    def expected(self) -> tuple[Job, ...]:
        """The jobs as the log knows them: one a name, with the schedules of all its entries."""
        found: dict[str, Job] = {}
        for job in self.jobs:
            first = found.get(job.name)
            found[job.name] = job if first is None else _together(first, job)
        return tuple(found.values())


def _together(first: Job, other: Job) -> Job:
    return first.model_copy(
        update={
            "schedules": tuple(dict.fromkeys((*first.schedules, *other.schedules))),
            "timeout_s": max(first.timeout_s, other.timeout_s),
            "retries": max(first.retries, other.retries),
            "aliases": tuple(dict.fromkeys((*first.aliases, *other.aliases))),
        }
    )


class Tickets(TableBlock):
    """The support tickets."""

    terms: ClassVar[Terms] = TICKETS

    table: Identifier = Field(default="public.support_tickets", description="the table of the tickets")
    categories: Mapping[Slug, tuple[str, ...]] = Field(
        default={
            "bug": ("bug",),
            "question": ("question",),
            "access": ("access",),
            "performance": ("performance",),
            "feature_request": ("feature-request", "feature"),
            "positive": ("positive", "praise", "thanks"),
        },
        description="category of the report -> the values of `category` or the tags that make it",
    )

    @property
    def is_sorted(self) -> bool:
        """Whether tickets are told apart by what they are about: not where the file says that nothing tells it."""
        return bool(self.categories) and any(self.columns.get(name, name) for name in ("category", "tags"))


class Activity(TableBlock):
    """The application's web sessions."""

    terms: ClassVar[Terms] = SESSIONS

    table: Identifier = Field(
        default="public.website_sessions", alias="sessions_table", description="the table of the sessions"
    )


class Payments(TableBlock):
    """Payments as the application stored them."""

    terms: ClassVar[Terms] = PAYMENTS

    table: Identifier = Field(description="the table of the payments")


class IntegrationChecks(TableBlock):
    """The application's own checks of its integrations."""

    terms: ClassVar[Terms] = INTEGRATION_CHECKS

    table: Identifier = Field(description="the table of the checks")


class AppAlerts(TableBlock):
    """Alerts that the application raised itself."""

    terms: ClassVar[Terms] = APP_ALERTS

    table: Identifier = Field(description="the table of the alerts")


def _named(value: Any) -> Any:
    """A table's name alone as a block."""
    return {"table": value} if isinstance(value, str) else value


class Tables(Part):
    """Tables that need no more than their name; each may be a block of its own instead."""

    payments: Annotated[Payments | None, BeforeValidator(_named)] = Field(
        default=None, description="the table's name, or a block as `payments`"
    )
    app_alerts: Annotated[AppAlerts | None, BeforeValidator(_named)] = Field(
        default=None, description="the table's name, or a block as `app_alerts`"
    )
    integration_checks: Annotated[IntegrationChecks | None, BeforeValidator(_named)] = Field(
        default=None, description="the table's name, or a block as `integration_checks`"
    )


class FeatureKind(StrEnum):
    """What a feature's count is: rows made, rows converted, a sum of a column, or log-ins."""

    CREATE = "create"
    CONVERT = "convert"
    SUM = "sum"
    LOGIN = "login"


class Feature(Part):
    """One feature, counted from a table or by a query of your own: a row in the day grid, whatever comes in."""

    name: Slug = Field(description="its reading is feature_<name>")
    title: str = Field(description="how reports call it")
    kind: FeatureKind = Field(
        description="create: rows; convert: rows that reached a goal; sum: of a column; login"
    )
    table: Identifier | None = Field(default=None, description="the table that is counted")
    time_column: Identifier | None = Field(default=None, description="the column that says when")
    time_columns: tuple[Identifier, ...] = Field(default=(), description="several of which the earliest says when")
    time_zone: Zone | None = Field(
        default=None, description="zone of times that are stored without one; absent: such a column is a gap"
    )
    where: str | None = Field(default=None, description="SQL condition of the rows that count")
    value_column: Identifier | None = Field(default=None, description="the column that kind `sum` adds up")
    first_per: Identifier | None = Field(
        default=None, description="only the first row of each value of this column counts"
    )
    sql: str | None = Field(default=None, description="instead of a table: a query that returns `at` and `amount`")
    group: Slug | None = Field(
        default=None, description="features of one group share a row of the guide's day grid"
    )
    grid: bool = Field(default=False, description="whether it stands for its group in the guide's day grid")
    attempts: Slug | None = Field(
        default=None, description="the feature whose amounts are the attempts of this one"
    )
    targets: Mapping[PhaseName, float] = Field(default={}, description="phase -> count to reach in it")
    rate_targets: Mapping[PhaseName, float] = Field(
        default={}, description="phase -> percentage of `attempts` to reach"
    )
    owner: str | None = Field(default=None, description="whom its action items go to")

    @model_validator(mode="after")
    def _one_way_to_count(self) -> Feature:
        if (self.sql is None) == (self.table is None):
            raise ValueError("give either table and time_column, or sql")
        if self.table and not (self.time_column or self.time_columns):
            raise ValueError("a table needs time_column (or time_columns)")
        if self.kind is FeatureKind.SUM and self.table and not self.value_column:
            raise ValueError("kind sum needs value_column")
        return self


class Query(Part):
    """A critical query, timed with parameters taken from real rows."""

    name: Slug = Field(description="its reading is query_<name>_ms")
    title: str = Field(description="how reports call it")
    sql: str = Field(description="the query; parameters are written `%(name)s`")
    parameters: Mapping[str, str] = Field(default={}, description="parameter -> SQL that returns one value")
    limit_ms: Annotated[float, Field(gt=0)] = Field(description="milliseconds that it may take")


class Requests(Part):
    """Raw request logs: their format, the fields to read, and how routes are recognised."""

    format: Literal["vercel-logs", "vercel-traces", "vercel-analytics", "json", "csv", "parquet", "combined"] = (
        Field(default="vercel-logs", description="what the files are")
    )
    log_format: str | None = Field(
        default=None,
        description="the site's own nginx `log_format` or Apache `LogFormat`, pasted as it is, or the name of one",
    )
    columns: Annotated[Mapping[str, str], AfterValidator(log_fields)] = Field(
        default={},
        description=f"our name ({', '.join(LOG_FIELDS)}) -> field of the log; a dot leads into an object",
    )
    route_patterns: tuple[UrlPath, ...] = Field(
        default=(), description="patterns such as /jobs/[id], tried in order before the built-in rules"
    )
    health_paths: tuple[str, ...] = Field(
        default=("/api/health", "/api/health/detailed"),
        description="paths of health checks, besides those of `sources.app`",
    )
    cron_paths: tuple[str, ...] = Field(
        default=("/api/cron/",), description="what the path of a call by the scheduler starts with"
    )
    counted: tuple[Literal["user", "bot", "health", "cron"], ...] = Field(
        default=("user", "cron"),
        min_length=1,
        description="whose requests the figures are of; the others are kept apart",
    )
    time_unit: Literal["s", "ms", "us", "ns", "iso"] | None = Field(
        default=None, description="unit of the field behind time"
    )
    time_zone: Zone | None = Field(
        default=None, description="zone of times that are written without one; absent: such a line is rejected"
    )
    duration_unit: Literal["s", "ms", "us", "ns"] | None = Field(
        default=None,
        description="unit of the field behind duration_ms; absent: as the log_format or the value says, else ms",
    )
    environment: str = Field(default="production", description="lines that name another one are left out")
    store: str | None = Field(default=None, description="folder or s3:// address where ingested requests are kept")
    engine: Annotated[str, Field(pattern=r"^(local|dask://[^/]+:[0-9]+)$")] = Field(
        default="local", description="where they are read: here, or by the workers of a Dask scheduler"
    )
    memory_limit: Annotated[str, Field(pattern=r"^[0-9]+ ?[KMGT]i?B$")] = Field(
        default="700MB", description="memory that reading may take"
    )
    spill: str | None = Field(default=None, description="folder for what does not fit into memory")
    sample_rate: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="the share of requests that is logged"
    )

    @model_validator(mode="after")
    def _declared(self) -> Requests:
        if self.log_format is None:
            return self
        if "format" in self.model_fields_set and self.format not in ("combined", "json"):
            raise MisplacedError(("format",), "leave it out: log_format says what the lines are")
        from pdmlib.site.log_formats import FormatError, check

        try:
            check(self.log_format)
        except FormatError as error:
            raise MisplacedError(("log_format",), str(error)) from None
        return self
