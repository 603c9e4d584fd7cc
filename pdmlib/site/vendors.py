"""The blocks of the sources: one vendor a class, with its addresses and the names of its secrets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field

from pdmlib.site.types import EnvName, Identifier, Part, Url


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
    """Stripe's API with a restricted, read-only key.

    Attributes:
        webhook_hosts: where the application's own webhook endpoints lie, when not at the site's own host.
        faults: reasons of failed payments that are not understood without, by whose fault they are.
    """

    base_url: Url = "https://api.stripe.com"
    key_env: EnvName = "STRIPE_API_KEY"
    api_version: str = "2026-06-24.dahlia"
    webhook_hosts: tuple[str, ...] = ()
    faults: Mapping[Literal["customer", "ours"], tuple[str, ...]] = {}


class Twilio(Source):
    """Twilio's messaging and monitor APIs.

    Attributes:
        faults: error codes of lost messages that are not understood without, by whose fault they are.
    """

    base_url: Url = "https://api.twilio.com"
    monitor_url: Url = "https://monitor.twilio.com"
    account_sid: str
    user_env: EnvName = "TWILIO_API_KEY"
    password_env: EnvName = "TWILIO_API_SECRET"
    faults: Mapping[Literal["recipient", "ours"], tuple[int, ...]] = {}


class Resend(Source):
    """Resend's API with a full-access key.

    Attributes:
        webhook_hosts: where the application's own webhook endpoints lie, when not at the site's own host.
    """

    base_url: Url = "https://api.resend.com"
    key_env: EnvName = "RESEND_API_KEY"
    webhook_hosts: tuple[str, ...] = ()


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
