"""A site: everything known of one application, as its YAML file says it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import Field, SecretStr, model_validator

from pdmlib.site.tables import Activity, Cron, Feature, Query, Requests, Tables, Tickets, Uptime
from pdmlib.site.types import EnvName, Moment, Part, Slug, Url, Zone
from pdmlib.site.vendors import Source, Sources

SOURCE_NAMES = ("app", "sentry", "vercel", "supabase", "postgres", "stripe", "twilio", "resend")
LOOPBACK = ("127.0.0.1", "::1", "localhost")


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
