"""The blocks of the application's own tables: features, cron, uptime, queries, tickets, activity, requests."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from pdmlib.site.types import Identifier, Part, Schedule, Slug, Zone, log_fields


class FeatureKind(StrEnum):
    """What a feature's count is: rows made, rows converted, a sum of a column, or log-ins."""

    CREATE = "create"
    CONVERT = "convert"
    SUM = "sum"
    LOGIN = "login"


class Feature(Part):
    """One feature, counted from a table (or `sql` returning `at`, `amount`).

    Attributes:
        group: features of one group share a row of the guide's day grid by the group's first one.
        attempts: a feature whose amounts are the attempts of this one (conversions against creations).
        targets: phase name -> count to reach in that phase.
        rate_targets: phase name -> percentage of `attempts` to reach.
    """

    name: Slug
    title: str
    kind: FeatureKind
    table: Identifier | None = None
    time_column: Identifier | None = None
    time_columns: tuple[Identifier, ...] = ()
    time_zone: Zone | None = None
    where: str | None = None
    value_column: Identifier | None = None
    first_per: Identifier | None = None
    sql: str | None = None
    group: Slug | None = None
    grid: bool = False
    attempts: Slug | None = None
    targets: Mapping[str, float] = {}
    rate_targets: Mapping[str, float] = {}
    owner: str | None = None

    @model_validator(mode="after")
    def _one_way_to_count(self) -> Feature:
        if (self.sql is None) == (self.table is None):
            raise ValueError("give either table and time_column, or sql")
        if self.table and not (self.time_column or self.time_columns):
            raise ValueError("a table needs time_column (or time_columns)")
        if self.kind is FeatureKind.SUM and self.table and not self.value_column:
            raise ValueError("kind sum needs value_column")
        return self


class Job(Part):
    """One cron job as the team expects it."""

    name: str
    schedule: Schedule
    time_zone: Zone = "UTC"
    timeout_s: Annotated[float, Field(gt=0)] = 300
    retries: int = 0
    group: str | None = None
    aliases: tuple[str, ...] = ()


class Cron(Part):
    """The cron log and the jobs expected in it."""

    table: Identifier = "public.cron_job_logs"
    settings_table: Identifier | None = None
    early_s: float = 60
    start_grace_s: float = 300
    jobs: tuple[Job, ...] = ()


class Uptime(Part):
    """The application's own probe log."""

    table: Identifier = "public.uptime_logs"
    interval_s: Annotated[float, Field(gt=0)] = 300


class Query(Part):
    """A critical query, timed with parameters taken from real rows.

    Attributes:
        parameters: parameter name -> SQL that returns one value; in `sql` written `%(name)s`.
    """

    name: Slug
    title: str
    sql: str
    parameters: Mapping[str, str] = {}
    limit_ms: Annotated[float, Field(gt=0)]


class Tickets(Part):
    """The support tickets and which tags make which category."""

    table: Identifier = "public.support_tickets"
    categories: Mapping[Slug, tuple[str, ...]] = {
        "bug": ("bug",),
        "question": ("question",),
        "access": ("access",),
        "performance": ("performance",),
        "feature_request": ("feature-request", "feature"),
        "positive": ("positive", "praise", "thanks"),
    }


class Activity(Part):
    """The application's web sessions."""

    sessions_table: Identifier = "public.website_sessions"
    time_zone: Zone | None = "UTC"


class Tables(Part):
    """Tables of the application that stand behind no feature."""

    payments: Identifier | None = None
    app_alerts: Identifier | None = None
    integration_checks: Identifier | None = None


class Requests(Part):
    """Raw request logs: their format, the fields to read, and how routes are recognised.

    Attributes:
        columns: our name (time, path, status, duration_ms, request_id, region, release,
            user_agent, environment) -> field in the log; a dot leads into an object.
        route_patterns: patterns such as /jobs/[id], tried in order before the built-in rules.
        cron_paths: what the path of a call by the scheduler starts with.
        counted: whose requests the figures are of; the others are kept apart.
        duration_unit: unit of the field behind duration_ms; ms, in combined logs s, when not given.
        environment: lines that name another one are left out.
    """

    format: Literal["vercel-logs", "vercel-traces", "vercel-analytics", "json", "csv", "parquet", "combined"] = (
        "vercel-logs"
    )
    columns: Annotated[Mapping[str, str], AfterValidator(log_fields)] = {}
    route_patterns: tuple[Annotated[str, Field(pattern=r"^/")], ...] = ()
    health_paths: tuple[str, ...] = ("/api/health", "/api/health/detailed")
    cron_paths: tuple[str, ...] = ("/api/cron/",)
    counted: tuple[Literal["user", "bot", "health", "cron"], ...] = ("user", "cron")
    time_unit: Literal["s", "ms", "us", "ns", "iso"] | None = None
    duration_unit: Literal["s", "ms", "us", "ns"] | None = None
    environment: str = "production"
    store: str | None = None
    engine: Annotated[str, Field(pattern=r"^(local|dask://[^/]+:[0-9]+)$")] = "local"
    memory_limit: Annotated[str, Field(pattern=r"^[0-9]+ ?[KMGT]i?B$")] = "700MB"
    spill: str | None = None
    sample_rate: Annotated[float, Field(gt=0, le=1)] = 1.0
