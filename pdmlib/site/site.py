"""A site: everything known of one application, as its YAML file says it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Annotated, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema, model_validator

from pdmlib.errors import one_of, shown
from pdmlib.phases.window import Window
from pdmlib.site.calendar import Deployment, Event, Holidays, Maintenance, days_off
from pdmlib.site.environment import environment_value
from pdmlib.site.tables import (
    Activity,
    AppAlerts,
    Cron,
    Feature,
    IntegrationChecks,
    Payments,
    Query,
    Requests,
    TableBlock,
    Tables,
    Tickets,
    Uptime,
)
from pdmlib.site.types import (
    Day,
    EnvName,
    MisplacedError,
    Moment,
    Part,
    PhaseName,
    Slug,
    Url,
    Zone,
    unique,
)
from pdmlib.site.vendors import Source, Sources

SOURCE_NAMES = tuple(Sources.model_fields)
# The guide's sources: each is a gap of a site file that neither has it nor calls it unused. Any other source is
# waited for only where a file has its block.
GUIDE_SOURCES = ("app", "sentry", "vercel", "supabase", "postgres", "stripe", "twilio", "resend")
# What a site may do without: a source, and what is a block of its own with a section in every report.
OPTIONAL = (*SOURCE_NAMES, "cron", "tickets")
# The blocks that each name one table of the application.
TABLE_BLOCKS = ("uptime", "cron", "tickets", "activity", "payments", "app_alerts", "integration_checks")
LOOPBACK = ("127.0.0.1", "::1", "localhost")
OF_DEMO = "PDM_DEMO_URL"  # names the address that `pdm demo` serves at


# Who can own what: the areas that action items belong to.
AREAS = ("application", "cron", "database", "features", "integrations", "support")


def _area(name: str) -> str:
    if name not in AREAS:
        raise ValueError(one_of(name, AREAS, "an area"))
    return name


def _source_name(name: str) -> str:
    if name not in OPTIONAL:
        raise ValueError(one_of(name, OPTIONAL, "a source, cron or tickets"))
    return name


Area = Annotated[str, AfterValidator(_area), WithJsonSchema({"type": "string", "enum": list(AREAS)})]
SourceName = Annotated[
    str, AfterValidator(_source_name), WithJsonSchema({"type": "string", "enum": list(OPTIONAL)})
]


class Step(Part):
    """One step of a ladder that overrides a metric's own."""

    op: Literal[">", ">=", "<", "<=", "==", "!="] = Field(description="how the value is compared with the edge")
    edge: float | bool | str = Field(description="a number; a word or true and false for readings that are one")
    status: Literal["warn", "fail"] = Field(description="what the reading is where the step holds")
    priority: Literal["P0", "P1", "P2"] | None = Field(
        default=None, description="priority of its alert; absent: no alert"
    )
    action: str = Field(default="", description="what to do then")
    critical: bool = Field(default=False, description="`true` makes the report RED")
    rollback: bool = Field(default=False, description="`true` makes the recommendation a rollback")

    @model_validator(mode="after")
    def _compares_what_has_an_order(self) -> Step:
        if isinstance(self.edge, str | bool) and self.op not in ("==", "!="):
            raise MisplacedError(("edge",), f"{shown(self.edge)} is not a number, which {self.op} needs")
        return self

    def covers(self, other: Step) -> bool:
        """Whether it holds for every value for which another step holds, so that the other is never asked."""
        ordered = self.op[0] == other.op[0] and self.op[0] in "<>"
        if not ordered or isinstance(self.edge, str) or isinstance(other.edge, str):
            return (self.op, self.edge) == (other.op, other.edge)
        beyond = self.edge - other.edge if self.op[0] == "<" else other.edge - self.edge
        return beyond > 0 or (beyond == 0 and len(self.op) >= len(other.op))


class Cost(Part):
    """A cost that no vendor's API tells."""

    name: Slug = Field(description="its reading is cost_<name>")
    title: str = Field(description="how reports call it")
    amount: float = Field(description="how much")
    currency: str = Field(default="USD", description="the currency's three letters")
    per: Literal["day", "week", "month"] = Field(default="month", description="for how long that is")


class Capacity(Part):
    """Limits of the plan that the site runs on, for capacity planning; absent: not judged."""

    storage_gb: float | None = Field(default=None, description="gigabytes of the database's disk")
    connections: int | None = Field(default=None, description="connections that the database takes")
    requests_per_min: float | None = Field(default=None, description="requests that the platform serves")
    monthly_cost: float | None = Field(default=None, description="what a month may cost")


class People(Part):
    """Who prepares reports and who owns what."""

    prepared_by: str | None = Field(default=None, description="who prepares the reports")
    owners: Mapping[Area, str] = Field(
        default={}, description=f"area ({', '.join(AREAS)}) -> whom its action items go to"
    )


class Demo(Part):
    """The embedded production behind the demo site."""

    scenario: str = Field(default="rough", description="what befalls it; `pdm demo --list` names them")
    seed: int = Field(default=20250303, description="of its random numbers")
    clock: Moment = Field(description="what time it is there")


class Site(Part):
    """Everything known of one application."""

    site: Slug = Field(description="its name: that of its folder under outputs/")
    title: str = Field(description="how reports call it")
    time_zone: Zone = Field(description="days and times in reports; any IANA name")
    url: Url | None = Field(default=None, description="where people find it")
    deployed_at: Moment | None = Field(
        default=None,
        description="the deployment to judge; absent: the newest that `deployments` or the platform knows",
    )
    deployments: tuple[Deployment, ...] = Field(
        default=(),
        description="further deployments; a report is about the newest at its time, the others are its rivals",
    )
    unused: tuple[SourceName, ...] = Field(
        default=(),
        description="what the site does without: sources, `cron`, `tickets`; others that are absent are gaps",
    )
    holidays: Annotated[Holidays, BeforeValidator(days_off)] = Field(
        default_factory=lambda: Holidays.model_validate({}),
        description="days off, which no baseline learns from: a list of days, or a block",
    )
    incident_days: tuple[Day, ...] = Field(default=(), description="days that no baseline learns from")
    maintenance: tuple[Maintenance, ...] = Field(
        default=(), description="times that are neither downtime nor usual"
    )
    events: tuple[Event, ...] = Field(
        default=(), description="what else may explain a change: each is named as a rival"
    )
    sources: Sources = Field(description="where the site is measured")
    uptime: Uptime | None = Field(default=None, description="the application's own probe log")
    cron: Cron | None = Field(default=None, description="the cron log and the jobs expected in it")
    features: tuple[Feature, ...] = Field(
        default=(), description="what users do, counted in the application's tables"
    )
    queries: tuple[Query, ...] = Field(default=(), description="critical queries, timed against their limits")
    tickets: Tickets | None = Field(default=None, description="the support tickets")
    activity: Activity | None = Field(default=None, description="the application's web sessions")
    payments: Payments | None = Field(default=None, description="payments as the application stored them")
    integration_checks: IntegrationChecks | None = Field(
        default=None, description="the application's own checks of its integrations"
    )
    app_alerts: AppAlerts | None = Field(default=None, description="alerts that the application raised itself")
    tables: Tables = Field(
        default_factory=lambda: Tables.model_validate({}), description="the last three by the table's name alone"
    )
    requests: Requests | None = Field(default=None, description="raw request logs")
    limits: Mapping[str, tuple[Step, ...]] = Field(
        default={}, description="reading -> its ladder of limits, worst first, in place of the built-in one"
    )
    targets: Mapping[str, Mapping[PhaseName, float]] = Field(
        default={}, description="reading -> phase -> the edge to pass in it"
    )
    practical_pct: Mapping[str, Annotated[float, Field(ge=0)]] = Field(
        default={}, description="reading -> smallest change in per cent that is worth an arrow; 10 where not given"
    )
    costs: tuple[Cost, ...] = Field(default=(), description="costs that no vendor's API tells")
    capacity: Capacity = Field(
        default_factory=lambda: Capacity.model_validate({}), description="limits of the plan that the site runs on"
    )
    people: People = Field(
        default_factory=lambda: People.model_validate({}), description="who prepares reports and who owns what"
    )
    links: Mapping[str, Url] = Field(default={}, description="name -> address of a page that reports link to")
    history: str | None = Field(
        default=None, description="folder of the collected samples; absent: under outputs/"
    )
    notify_env: EnvName | None = Field(
        default=None, description="variable of a Slack-compatible webhook's address, for `--notify`"
    )
    demo: Demo | None = Field(default=None, description="the embedded production; only the demo site has one")
    secrets: Mapping[str, SecretStr] = Field(default={}, exclude=True)
    unset: Mapping[str, tuple[str, ...]] = Field(default={}, exclude=True)
    file: str = Field(default="", exclude=True)

    @model_validator(mode="after")
    def _names_meet(self) -> Site:
        features = [f.name for f in self.features]
        unique("features", features)
        unique("queries", [q.name for q in self.queries])
        unique("costs", [c.name for c in self.costs])
        for position, name in enumerate(self.unused):
            if getattr(self.sources, name, None) is not None or getattr(self, name, None) is not None:
                raise MisplacedError(("unused", position), f"{name} has a block, too: keep one of both")
        for name in ("uptime", "cron"):
            if getattr(getattr(self, name), "in_sentry", False) and self.sources.sentry is None:
                raise MisplacedError((name, "in_sentry"), "there is no block sources.sentry to read it from")
        for position, feature in enumerate(self.features):
            if feature.attempts and feature.attempts not in features:
                text = one_of(feature.attempts, features, "a feature")
                raise MisplacedError(("features", position, "attempts"), text)
        for name in Tables.model_fields:
            if getattr(self.tables, name) and getattr(self, name):
                raise MisplacedError(("tables", name), f"is there twice, also as {name}")
        return self

    @model_validator(mode="after")
    def _ladders_begin_with_the_worst(self) -> Site:
        for reading, steps in self.limits.items():
            for position, (worse, step) in enumerate(pairwise(steps), 1):
                if worse.covers(step):
                    text = "is never reached: the step before it holds for all its values; write the worst first"
                    raise MisplacedError(("limits", reading, position), text)
        return self

    def block(self, name: str) -> TableBlock | None:
        """One of `TABLE_BLOCKS`, wherever the file has it; None where it has none, or names no table."""
        found: TableBlock | None = getattr(self, name) or getattr(self.tables, name, None)
        return None if getattr(found, "in_sentry", False) else found

    def idle(self, block: str) -> str | None:
        """Why no reading rests on a block of a table; None where one does."""
        if block == "payments" and self.source("stripe") is not None:
            return "no reading rests on it: sources.stripe tells of payments"
        return "no reading rests on it: an incident's timeline shows it" if block == "app_alerts" else None

    @property
    def declared(self) -> tuple[Deployment, ...]:
        """The deployments that the file names, `deployed_at` among them, in the order of time."""
        named = {deployment.at: deployment for deployment in self.deployments}
        if self.deployed_at is not None:
            named.setdefault(self.deployed_at, Deployment(at=self.deployed_at, name=None))
        return tuple(named[at] for at in sorted(named))

    def deployment_name(self, at: datetime) -> str | None:
        """What people call the deployment of a moment; None where the file has no name for it."""
        return next((deployment.name for deployment in self.declared if deployment.at == at), None)

    def maintenance_in(self, window: Window) -> tuple[Window, ...]:
        """Declared maintenance that meets a window, in order."""
        found = [span for part in self.maintenance for span in part.within(window, self.zone)]
        return tuple(sorted(found, key=lambda span: (span.start, span.end)))

    @property
    def without(self) -> tuple[str, ...]:
        """What the site does without: what it calls unused, and the sources that only those have who name them."""
        further = (name for name in SOURCE_NAMES if name not in GUIDE_SOURCES)
        return (*self.unused, *(name for name in further if getattr(self.sources, name) is None))

    @property
    def zone(self) -> ZoneInfo:
        """The site's time zone."""
        return ZoneInfo(self.time_zone)

    @property
    def stand_in(self) -> bool:
        """Whether the vendors are stand-ins, which answer for the time that they are asked about.

        So is the demo, and any site whose vendors and application all have addresses on loopback. An application
        without a vendor is one only where it is the demo's: on loopback a real one may run beside the workbook.
        """
        blocks = {name: block for name in SOURCE_NAMES if (block := self.source(name))}
        asked = {
            name: getattr(b, "base_url", None) or getattr(b, "metrics_url", None) for name, b in blocks.items()
        }
        addresses = {name: address for name, address in asked.items() if address}
        ours = bool(addresses) and all(urlsplit(address).hostname in LOOPBACK for address in addresses.values())
        return self.demo is not None or (ours and (set(addresses) != {"app"} or _of_demo(addresses["app"])))

    def __repr__(self) -> str:
        named = [name for name in SOURCE_NAMES if self.source(name) is not None]
        return f"Site({self.site}: {self.title}, {self.time_zone}, {len(named)} sources: {', '.join(named)})"

    def source(self, name: str) -> Source | None:
        """The block of a source, None when it is absent or switched off."""
        block: Source | None = getattr(self.sources, name)
        return block if block is not None and block.enabled else None

    def secret(self, variable: str) -> str:
        """The value of a secret's environment variable; from now on no text that is shown holds it."""
        from pdmlib.site.masking import keep_secret

        value = self.secrets[variable].get_secret_value()
        keep_secret(value)
        return value


def _of_demo(address: str) -> bool:
    served = environment_value(OF_DEMO)
    return served is not None and address.startswith(f"{served}/")
