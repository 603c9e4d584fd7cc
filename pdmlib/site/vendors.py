"""The blocks of the sources: one vendor a class, with its addresses and the names of its secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from pdmlib.errors import one_of
from pdmlib.site.types import (
    EnvName,
    HeaderName,
    Identifier,
    MisplacedError,
    Part,
    Url,
    UrlPath,
    Words,
    listed,
)

Status = Annotated[int, Field(ge=100, le=599)]


class Source(Part):
    """What every source has: a switch."""

    enabled: bool = Field(
        default=True, description="`false` switches the source off: it is a gap, and needs no secret"
    )


class Expect(Part):
    """What "up" looks like at one path; what is given must hold, what is absent is not looked at."""

    status: Annotated[
        tuple[Status, ...],
        BeforeValidator(listed),
        Field(json_schema_extra={"type": ["integer", "array"]}),
    ] = Field(default=(), description="one status code or several; absent: any of 200 to 299")
    text: str | None = Field(default=None, description="a text that the answer must hold, compared without case")
    body: Mapping[str, JsonValue] = Field(
        default={},
        alias="json",
        description="keys of the JSON answer and their values; a list names several that will do",
    )


class App(Source):
    """The application's own endpoints, probed from here."""

    base_url: Url = Field(description="the application's address, where the paths below begin")
    page: UrlPath | None = Field(
        default="/", description="a page that users see; `null` where none is to be probed"
    )
    health: UrlPath | None = Field(
        default="/api/health", description="the health check; `null` where there is none"
    )
    detailed: UrlPath | None = Field(
        default="/api/health/detailed",
        description="the health check that names its parts; `null` where there is none",
    )
    probes: Annotated[int, Field(ge=1, le=20)] = Field(
        default=3, description="how often each path is probed in a look"
    )
    expect: Mapping[UrlPath, Expect] = Field(
        default={},
        description="path -> what up looks like; absent: any 2xx, unless a body that is understood says else",
    )
    words: Mapping[Literal["up", "degraded", "down"], Words] = Field(
        default={}, description="our word -> words of its health checks that mean it, beside those usually known"
    )
    headers_env: Mapping[HeaderName, EnvName] = Field(
        default={}, description="request header -> environment variable that holds its secret value"
    )

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that are probed."""
        return tuple(path for path in (self.page, self.health, self.detailed) if path)

    @model_validator(mode="after")
    def _expects_what_it_probes(self) -> App:
        for path in self.expect:
            if path not in self.paths:
                raise MisplacedError(("expect", path), one_of(path, self.paths, "page, health or detailed"))
        return self


class Sentry(Source):
    """Sentry's web API."""

    base_url: Url = Field(default="https://us.sentry.io", description="the region's address, or your own Sentry's")
    organization: str = Field(description="the organization's slug")
    project: str = Field(description="the project's slug or number")
    environment: str = Field(default="production", description="the environment whose events count")
    token_env: EnvName = Field(
        default="SENTRY_AUTH_TOKEN", description="variable of a token with event:read, org:read, project:releases"
    )
    trace_sample_rate: Annotated[float, Field(gt=0, le=1)] | None = Field(
        default=None, description="what the application's SDK samples; absent: rates from spans are unknown"
    )
    span_query: str = Field(
        default="is_transaction:true span.op:http.server",
        description="the spans that are requests, in Sentry's search",
    )
    error_query: str = Field(
        default="level:[error,fatal]", description="the events that are errors, in Sentry's search"
    )
    security_words: tuple[str, ...] = Field(
        default=(
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
        ),
        description="words in a title that make an issue one of security",
    )


class Vercel(Source):
    """Vercel's REST API."""

    base_url: Url = Field(default="https://api.vercel.com", description="Vercel's address")
    team: str | None = Field(default=None, description="the team's id or slug; absent: a personal account")
    project: str = Field(description="the project's id or name")
    token_env: EnvName = Field(default="VERCEL_TOKEN", description="variable of a token of that team")
    environment: str = Field(
        default="production", description="the environment whose deployments and requests count"
    )


class Supabase(Source):
    """Supabase's metrics endpoint and management API."""

    metrics_url: Url = Field(description="https://<project>.supabase.co/customer/v1/privileged/metrics")
    metrics_user: str = Field(default="service_role", description="the user of that endpoint")
    metrics_key_env: EnvName = Field(default="SUPABASE_METRICS_KEY", description="variable of that endpoint's key")
    management_url: Url = Field(default="https://api.supabase.com", description="the management API's address")
    project_ref: str = Field(
        default="", description="the project's reference of 20 letters; absent where you host Supabase yourself"
    )
    management_token_env: EnvName | None = Field(
        default="SUPABASE_ACCESS_TOKEN",
        description="variable of a management token; `null` where you host Supabase yourself, without that API",
    )

    @model_validator(mode="after")
    def _named(self) -> Self:
        if self.management_token_env is not None and not self.project_ref:
            raise ValueError("project_ref is missing, or management_token_env is not null")
        return self


class Postgres(Source):
    """A read-only role on the application's database."""

    url_env: EnvName = Field(
        default="DATABASE_URL", description="variable of postgresql://user:password@host:5432/name"
    )
    sslmode: Literal["disable", "require", "verify-ca", "verify-full"] = Field(
        default="verify-full", description="how the server is proved, as in libpq"
    )
    ca_file: str | None = Field(default=None, description="path of the provider's certificate authority")
    application_role: Identifier | None = Field(
        default=None, description="role of the application; critical queries are timed as this role too"
    )
    application_claims: Mapping[str, str] = Field(
        default={}, description="claims of the token that row-level security sees while they are timed"
    )
    allow_superuser: bool = Field(
        default=False, description="`true` lets a superuser in; a monitoring role is better"
    )


class Stripe(Source):
    """Stripe's API."""

    base_url: Url = Field(default="https://api.stripe.com", description="Stripe's address")
    key_env: EnvName = Field(
        default="STRIPE_API_KEY", description="variable of a restricted key that may only read"
    )
    api_version: str = Field(
        default="2026-06-24.dahlia", description="the version of the API that answers are read by"
    )
    webhook_hosts: tuple[str, ...] = Field(
        default=(),
        description="where the application's own webhook endpoints lie, when not at the site's own host",
    )
    faults: Mapping[Literal["customer", "ours"], tuple[str, ...]] = Field(
        default={},
        description="outcomes and failure codes that are not understood without, by whose fault they are",
    )
    probe_key_env: EnvName | None = Field(
        default=None, description="variable of the test key that makes the test payment; absent: that of `key_env`"
    )
    probe_currency: Literal["aud", "cad", "chf", "eur", "gbp", "jpy", "nzd", "sgd", "usd"] = Field(
        default="usd", description="currency of the test payment, which is of its smallest amount"
    )


class Twilio(Source):
    """Twilio's messaging and monitor APIs."""

    base_url: Url = Field(default="https://api.twilio.com", description="the messaging API's address")
    monitor_url: Url = Field(default="https://monitor.twilio.com", description="the monitor API's address")
    account_sid: str = Field(description="the account's id, AC..")
    user_env: EnvName = Field(default="TWILIO_API_KEY", description="variable of the API key's id, SK..")
    password_env: EnvName = Field(default="TWILIO_API_SECRET", description="variable of the API key's secret")
    webhook_hosts: tuple[str, ...] = Field(
        default=(), description="where the application's own webhooks lie; absent: every host that Twilio calls"
    )
    faults: Mapping[Literal["recipient", "ours"], tuple[int, ...]] = Field(
        default={}, description="error codes of lost messages not understood without, by whose fault they are"
    )
    probe_user_env: EnvName | None = Field(
        default=None,
        description="variable of the id that sends the test message, best of the test credentials (AC..); absent: "
        "that of `user_env`",
    )
    probe_password_env: EnvName | None = Field(
        default=None, description="variable of its secret; absent: that of `password_env`"
    )
    probe_from_env: EnvName | None = Field(
        default=None, description="variable of your number that sends the test message with `--really`"
    )
    probe_to_env: EnvName | None = Field(
        default=None, description="variable of the number that gets the test message with `--really`"
    )


class Resend(Source):
    """Resend's API."""

    base_url: Url = Field(default="https://api.resend.com", description="Resend's address")
    key_env: EnvName = Field(
        default="RESEND_API_KEY", description="variable of a full-access key: a sending key cannot read"
    )
    webhook_hosts: tuple[str, ...] = Field(
        default=(),
        description="where the application's own webhook endpoints lie, when not at the site's own host",
    )
    probe_key_env: EnvName | None = Field(
        default=None, description="variable of the key that sends the test e-mail; absent: that of `key_env`"
    )
    probe_from: str = Field(
        default="onboarding@resend.dev", description="sender of the test e-mail, best of your own domain"
    )
    probe_to_env: EnvName | None = Field(
        default=None, description="variable of the address that gets the test e-mail with `--really`"
    )


class Sources(Part):
    """Where the site is measured; a source left out is reported as not configured unless it is `unused`."""

    app: App | None = Field(default=None, description="the application's own endpoints")
    sentry: Sentry | None = Field(default=None, description="errors, releases and response times")
    vercel: Vercel | None = Field(default=None, description="deployments, builds, requests and scheduled calls")
    supabase: Supabase | None = Field(default=None, description="the database host's processor, memory and disk")
    postgres: Postgres | None = Field(
        default=None, description="the database: its health, queries and the tables below"
    )
    stripe: Stripe | None = Field(default=None, description="payments and webhooks")
    twilio: Twilio | None = Field(default=None, description="text messages")
    resend: Resend | None = Field(default=None, description="e-mail")
