"""A site: one YAML file that says what an application is made of and where it is measured.

The only module that reads the environment. A value may name environment variables as
`${NAME}`; secrets are never written in the file, only the names of their variables.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, available_timezones

import yaml
from cronsim import CronSim, CronSimError
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)

from pdmlib.errors import SiteError
from pdmlib.window import parse_time

SOURCE_NAMES = ("app", "sentry", "vercel", "supabase", "postgres", "stripe", "twilio", "resend")
LOG_FIELDS = (
    "time", "path", "status", "duration_ms", "request_id", "region", "release", "user_agent", "environment",
)  # fmt: skip
UNSET = "https://unset.invalid"
LOOPBACK = ("127.0.0.1", "::1", "localhost")
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


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


def _log_fields(columns: Mapping[str, str]) -> Mapping[str, str]:
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


class Source(Part):
    """What every source has: a switch."""

    enabled: bool = True


class App(Source):
    """The application's own endpoints, probed from here."""

    base_url: Url
    page: str = "/"
    health: str = "/api/health"
    detailed: str | None = "/api/health/detailed"
    probes: Annotated[int, Field(ge=1, le=20)] = 3


class Sentry(Source):
    """Sentry's web API; `trace_sample_rate` is what the application's SDKs are set to."""

    base_url: Url = "https://us.sentry.io"
    organization: str
    project: str
    environment: str = "production"
    token_env: EnvName = "SENTRY_AUTH_TOKEN"
    trace_sample_rate: Annotated[float, Field(gt=0, le=1)] | None = None
    span_query: str = "is_transaction:true span.op:http.server"
    error_query: str = "level:[error,fatal]"
    security_words: tuple[str, ...] = (
        "unauthorized",
        "forbidden",
        "csrf",
        "xss",
        "sql injection",
        "injection",
        "permission denied",
        "jwt",
        "token leak",
        "signature",
        "security",
    )


class Vercel(Source):
    """Vercel's REST API."""

    base_url: Url = "https://api.vercel.com"
    team: str | None = None
    project: str
    token_env: EnvName = "VERCEL_TOKEN"
    environment: str = "production"


class Supabase(Source):
    """Supabase's metrics endpoint and management API."""

    metrics_url: Url
    metrics_user: str = "service_role"
    metrics_key_env: EnvName = "SUPABASE_METRICS_KEY"
    management_url: Url = "https://api.supabase.com"
    project_ref: str
    management_token_env: EnvName = "SUPABASE_ACCESS_TOKEN"


class Postgres(Source):
    """A read-only role on the application's database."""

    url_env: EnvName = "DATABASE_URL"
    sslmode: Literal["disable", "require", "verify-ca", "verify-full"] = "verify-full"
    ca_file: str | None = None
    application_role: Identifier | None = None
    application_claims: Mapping[str, str] = {}
    allow_superuser: bool = False


class Stripe(Source):
    """Stripe's API with a restricted, read-only key."""

    base_url: Url = "https://api.stripe.com"
    key_env: EnvName = "STRIPE_API_KEY"
    api_version: str = "2026-06-24.dahlia"


class Twilio(Source):
    """Twilio's messaging and monitor APIs."""

    base_url: Url = "https://api.twilio.com"
    monitor_url: Url = "https://monitor.twilio.com"
    account_sid: str
    user_env: EnvName = "TWILIO_API_KEY"
    password_env: EnvName = "TWILIO_API_SECRET"


class Resend(Source):
    """Resend's API with a full-access key."""

    base_url: Url = "https://api.resend.com"
    key_env: EnvName = "RESEND_API_KEY"


class Sources(Part):
    """The blocks of the sources; a source left out is reported as not configured."""

    app: App | None = None
    sentry: Sentry | None = None
    vercel: Vercel | None = None
    supabase: Supabase | None = None
    postgres: Postgres | None = None
    stripe: Stripe | None = None
    twilio: Twilio | None = None
    resend: Resend | None = None


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


class Step(Part):
    """One step of a ladder that overrides a metric's own."""

    op: Literal[">", ">=", "<", "<=", "==", "!="]
    edge: float | bool | str
    status: Literal["warn", "fail"]
    priority: Literal["P0", "P1", "P2"] | None = None
    action: str = ""
    critical: bool = False
    rollback: bool = False


class Cost(Part):
    """A cost that no vendor's API tells."""

    name: Slug
    title: str
    amount: float
    currency: str = "USD"
    per: Literal["day", "week", "month"] = "month"


class Capacity(Part):
    """Limits of the plan that the site runs on, for capacity planning; absent: not judged."""

    storage_gb: float | None = None
    connections: int | None = None
    requests_per_min: float | None = None
    monthly_cost: float | None = None


class People(Part):
    """Who prepares reports and who owns what: area -> name."""

    prepared_by: str | None = None
    owners: Mapping[str, str] = {}


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
    columns: Annotated[Mapping[str, str], AfterValidator(_log_fields)] = {}
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


class Demo(Part):
    """The embedded production behind the demo site."""

    scenario: str = "rough"
    seed: int = 20250303
    clock: Moment


class Site(Part):
    """Everything known of one application.

    Attributes:
        deployed_at: the deployment to judge; absent: the newest production deployment of the platform.
        unused: sources that this site does without, so that their absence is not a gap.
        limits: metric id -> its ladder, replacing the built-in one.
        targets: metric id -> phase -> target value, for uptime, error rate and response time.
        notify_env: variable with the address of a Slack-compatible webhook; needed by `--notify` alone.
        practical_pct: metric id -> smallest change in percent worth an arrow; 10 where not given.
    """

    site: Slug
    title: str
    time_zone: Zone
    url: Url | None = None
    deployed_at: Moment | None = None
    unused: tuple[
        Literal["app", "sentry", "vercel", "supabase", "postgres", "stripe", "twilio", "resend"], ...
    ] = ()
    holidays: tuple[date, ...] = ()
    incident_days: tuple[date, ...] = ()
    sources: Sources
    uptime: Uptime | None = None
    cron: Cron | None = None
    features: tuple[Feature, ...] = ()
    queries: tuple[Query, ...] = ()
    tickets: Tickets | None = None
    activity: Activity | None = None
    tables: Tables = Tables()
    requests: Requests | None = None
    limits: Mapping[str, tuple[Step, ...]] = {}
    targets: Mapping[str, Mapping[str, float]] = {}
    practical_pct: Mapping[str, float] = {}
    costs: tuple[Cost, ...] = ()
    capacity: Capacity = Capacity()
    people: People = People()
    links: Mapping[str, Url] = {}
    history: str | None = None
    notify_env: EnvName | None = None
    demo: Demo | None = None
    secrets: Mapping[str, SecretStr] = Field(default={}, exclude=True)
    file: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _names_meet(self) -> Site:
        names = [f.name for f in self.features]
        for twice in {n for n in names if names.count(n) > 1}:
            raise ValueError(f"features: {twice} is there twice")
        jobs = [j.name for j in self.cron.jobs] if self.cron else []
        for twice in {n for n in jobs if jobs.count(n) > 1}:
            raise ValueError(f"cron: jobs: {twice} is there twice")
        for feature in self.features:
            if feature.attempts and feature.attempts not in names:
                raise ValueError(f"features: {feature.name}: attempts: no feature is called {feature.attempts}")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def stand_in(self) -> bool:
        """Whether the vendors are stand-ins, which answer for the time that they are asked about.

        So is the demo, and any site whose vendors and application all have addresses on loopback.
        """
        blocks = [block for name in SOURCE_NAMES if (block := self.source(name))]
        addresses = [getattr(b, "base_url", None) or getattr(b, "metrics_url", None) for b in blocks]
        hosts = [urlsplit(address).hostname for address in addresses if address]
        return self.demo is not None or (bool(hosts) and all(host in LOOPBACK for host in hosts))

    def source(self, name: str) -> Source | None:
        """The block of a source, None when it is absent or switched off."""
        block: Source | None = getattr(self.sources, name)
        return block if block is not None and block.enabled else None

    def secret(self, variable: str) -> str:
        """The value of a secret's environment variable."""
        return self.secrets[variable].get_secret_value()


def load_site(path: str | Path, environ: Mapping[str, str] | None = None, offline: bool = False) -> Site:
    """The site of a YAML file, with its secrets from the environment.

    Args:
        offline: the site is only looked at, never asked: variables that are not set do not matter.

    Raises:
        SiteError: the file is missing or not YAML, a key is unknown, a value is of the wrong kind,
            or an environment variable that the file names is not set.
    """
    environ = os.environ if environ is None else environ
    file = str(path)
    tree = _read_yaml(file)
    needed = [name for name in dict.fromkeys(_variables(tree)) if name != tree.get("notify_env")]
    absent = [name for name in needed if not environ.get(name)]
    if offline:
        environ = {**dict.fromkeys(absent, UNSET), **environ}
    elif absent:
        raise SiteError(file, "sources", f"set the environment variables {', '.join(absent)} (or enabled: false)")
    tree = _substituted(tree, environ)
    try:
        site = Site.model_validate(tree)
    except ValidationError as error:
        first = min(error.errors(), key=lambda one: one["type"] != "extra_forbidden")
        key = ".".join(str(part) for part in first["loc"]) or "file"
        raise SiteError(file, key, _allowed(first)) from None
    wanted = _secret_names(site)
    absent = [name for name in wanted if not environ.get(name)]
    if absent:
        raise SiteError(
            file,
            "sources",
            f"set the environment variables {', '.join(absent)} (or enabled: false for their source)",
        )
    secrets = {name: SecretStr(environ[name]) for name in wanted}
    return site.model_copy(update={"secrets": secrets, "file": file})


def variables_of(path: str | Path) -> tuple[str, ...]:
    """The environment variables that a site file names."""
    return tuple(dict.fromkeys(_variables(_read_yaml(str(path)))))


def set_environment(values: Mapping[str, str]) -> None:
    """Sets environment variables of this process, for the demo's addresses and keys."""
    os.environ.update(values)


def environment_value(name: str) -> str | None:
    """An environment variable, None when it is not set or empty."""
    return os.environ.get(name) or None


def environment_without(names: Iterable[str]) -> dict[str, str]:
    """This process's environment less the named variables, for a child that must not hold secrets."""
    hidden = set(names)
    return {name: value for name, value in os.environ.items() if name not in hidden}


def read_demo(path: str | Path) -> Demo | None:
    """The `demo` block of a site file, read before the variables it serves exist.

    Raises:
        SiteError: as `load_site`.
    """
    file = str(path)
    block = _read_yaml(file).get("demo")
    if block is None:
        return None
    try:
        return Demo.model_validate(block)
    except ValidationError as error:
        first = error.errors()[0]
        raise SiteError(file, ".".join(["demo", *map(str, first["loc"])]), _allowed(first)) from None


def _read_yaml(file: str) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise SiteError(file, "file", error.strerror or "cannot be read") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}" if mark else "file"
        raise SiteError(file, where, f"not YAML: {getattr(error, 'problem', None) or 'not text'}") from None
    if not isinstance(tree, dict):
        raise SiteError(file, "file", "must be a mapping of keys such as site, title, time_zone, sources")
    return tree


def _variables(tree: Any) -> Iterator[str]:
    """The environment variables that a file names, those of switched-off blocks left out."""
    if isinstance(tree, dict):
        if tree.get("enabled") is False:
            return
        for key, value in tree.items():
            if str(key).endswith("_env") and isinstance(value, str):
                yield value
            yield from _variables(value)
    elif isinstance(tree, list):
        for value in tree:
            yield from _variables(value)
    elif isinstance(tree, str):
        yield from _VARIABLE.findall(tree)


def _substituted(tree: Any, environ: Mapping[str, str]) -> Any:
    if isinstance(tree, dict):
        return {key: _substituted(value, environ) for key, value in tree.items()}
    if isinstance(tree, list):
        return [_substituted(value, environ) for value in tree]
    if isinstance(tree, str):
        return _VARIABLE.sub(lambda found: environ.get(found[1], found[0]), tree)
    return tree


def _secret_names(site: Site) -> list[str]:
    names = []
    for source in SOURCE_NAMES:
        block = site.source(source)
        if block is not None:
            names += [getattr(block, field) for field in type(block).model_fields if field.endswith("_env")]
    return list(dict.fromkeys(names))


def _keys_at(path: Iterable[str | int]) -> list[str]:
    """The keys that the block at a path of the site file may have."""
    block: type[BaseModel] = Site
    for key in path:
        if isinstance(key, str) and key in block.model_fields:
            block = next(_models(block.model_fields[key].annotation), block)
    return [name for name in block.model_fields if block is not Site or name not in ("file", "secrets")]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models inside an annotation such as `Sentry | None` or `tuple[Feature, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _allowed(error: Any) -> str:
    kind, context = error["type"], error.get("ctx", {})
    if kind == "extra_forbidden":
        return f"unknown key; allowed are {', '.join(_keys_at(error['loc'][:-1]))}"
    if kind == "missing":
        return "is required"
    if kind == "value_error":
        return str(context.get("error", error["msg"]))
    return str(error["msg"])
