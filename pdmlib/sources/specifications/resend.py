"""Resend: what is asked, each field that is read, and the specification it is from."""

from __future__ import annotations

from datetime import datetime

from pdmlib.sources.fields import Answer, moment, number, part, text, word

API = "resend-openapi 1.5.0 of 2026-08"


class Metrics(Answer):
    """Emails of a window; of a refused address counted under `bounced`, of a known bad one under `suppressed`."""

    item, request, specification = "email_metrics", "GET /emails/metrics", API
    sent: float | None = number("sent", "given to the recipients' hosts")
    delivered: float | None = number("delivered", "taken by them")
    bounced: float | None = number("bounced", "refused by them, for whatever reason")
    bounced_permanent: float | None = number("bounced_permanent", "refused for good: there is no such address")
    bounced_transient: float | None = number(
        "bounced_transient", "refused for now: a full box, a host that throttles"
    )
    complained: float | None = number("complained", "marked as spam by the recipient")
    failed: float | None = number("failed", "never sent: quota, domain, address or Resend's own error")
    suppressed: float | None = number("suppressed", "not sent, since the address bounced or complained before")
    delivery_delayed: float | None = number("delivery_delayed", "still tried")


class Period(Metrics):
    """Emails of one hour or day."""

    request = "GET /emails/metrics?dimensions=period"
    period: datetime | None = moment(
        "period", "start of the hour or day, in UTC, as no other time zone is asked for", "UTC"
    )


class Log(Answer):
    """One call that the application made."""

    item, request, specification = "logs", "GET /logs", API
    id: str | None = text("id", "the call")
    created_at: datetime | None = moment("created_at", "when it came in", "UTC")
    endpoint: str | None = text("endpoint", "what was called; ids in it are left out")
    method: str | None = word("method", "how", "GET POST PUT DELETE PATCH OPTIONS")
    response_status: float | None = number(
        "response_status", "what Resend answered", low=100, high=599, unit="HTTP status"
    )
    user_agent: str | None = text("user_agent", "who called", null=True)


class Capabilities(Answer):
    """What a domain is for."""

    item, request, specification = "domains.capabilities", "GET /domains", API
    sending: str | None = word("sending", "whether it sends at all", "enabled disabled", null=True)


class Domain(Answer):
    """One domain that emails are sent from."""

    item, request, specification = "domains", "GET /domains", API
    name: str | None = text("name", "the domain")
    status: str | None = word(
        "status",
        "whether its records are in place",
        "pending verified failed not_started partially_verified partially_failed",
    )
    capabilities: Capabilities | None = part("capabilities", "what it is for", Capabilities, null=True)


class Webhook(Answer):
    """One address that Resend calls."""

    item, request, specification = "webhook_endpoints", "GET /webhooks", API
    id: str | None = text("id", "the webhook: several may share a path on different hosts")
    endpoint: str | None = text("endpoint", "where it leads; of it host and path are kept")
    status: str | None = word("status", "whether it is called; any text to the specification", "enabled disabled")


class Email(Answer):
    """The test e-mail; asked for by `pdm doctor --probe email` alone."""

    item, request, specification = "emails", "GET /emails/{id}", API
    last_event: str | None = word(
        "last_event",
        "what last happened to it",
        "queued scheduled sent delivered delivery_delayed bounced complained opened clicked failed canceled "
        "suppressed",
    )


ASKED = (Metrics, Period, Log, Domain, Capabilities, Webhook, Email)
