"""Vercel: what is asked, each field that is read, and the specification it is from.

The specification is the published OpenAPI as Vercel's own SDK restates it; where it types an answer as free (the
metrics query, the charges), what the official command line and the documentation say.
"""

from __future__ import annotations

from datetime import datetime

from pdmlib.sources.fields import LONGEST_MS, Answer, flag, moment, number, part, text, word

API = "vercel/sdk 1.28.35 of 2026-09-20"
QUERY = "typed as free; vercel/vercel CLI of 2026-08"
STATES = "BLOCKED BUILDING CANCELED DELETED ERROR INITIALIZING QUEUED READY"
# Enough for a project's day of events; which of them move traffic is told by their type.
MOVES = {
    "manual-deployment-promotion-created": "promotion",
    "instant-rollback-created": "rollback",
    "project-rolling-release-started": "rolling",
    "project-rolling-release-aborted": "aborted",
}


class Deployment(Answer):
    """One deployment of a project."""

    item, request, specification = "deployments", "GET /v7/deployments", API
    uid: str | None = text("uid", "its id")
    created: datetime | None = moment("createdAt", "when it was asked for", "ms")
    ready: datetime | None = moment("ready", "when it was built", "ms", null=True)
    state: str | None = word("readyState", "READY is built, ERROR failed to build", STATES)
    substate: str | None = word(
        "readySubstate",
        "of a READY one: STAGED never saw users' traffic, ROLLING sees a part of it, PROMOTED saw it",
        "PROMOTED ROLLING STAGED",
        null=True,
    )
    target: str | None = word("target", "null is a preview", "production staging", null=True)
    error_code: str | None = text("errorCode", "why it failed", null=True)
    error_message: str | None = text("errorMessage", "the same in words", null=True)
    out_of_memory: str | None = word("oomReport", "its build ran out of memory", "out-of-memory", null=True)
    candidate: bool | None = flag("isRollbackCandidate", "users' traffic can be sent back to it", null=True)


class AssignedAt(Answer):
    """When a deployment's production addresses were assigned to it."""

    item, request, specification = "deployments", "GET /v7/deployments", API
    at: datetime | None = moment(
        "aliasAssigned", "true: at a time not told; false or null: not assigned", "ms", True
    )


class Commit(Answer):
    """What a deployment was built from."""

    item, request, specification = "deployments.meta", "GET /v7/deployments", f"{API}; keys by convention"
    sha: str | None = text("githubCommitSha", "the commit", null=True)


class Page(Answer):
    """How a list goes on."""

    item, request, specification = "deployments.pagination", "GET /v7/deployments", API
    following: float | None = number("next", "`until` of the next page; null on the last", unit="ms", null=True)


class Schedule(Answer):
    """One schedule of the platform."""

    item, request, specification = "crons.definitions", "GET /v9/projects/{idOrName}", API
    path: str | None = text("path", "what is called")
    schedule: str | None = text("schedule", "cron expression, UTC")


class Crons(Answer):
    """Whether the platform runs its schedules."""

    item, request, specification = "crons", "GET /v9/projects/{idOrName}", API
    enabled: datetime | None = moment("enabledAt", "when they were switched on", "ms")
    disabled: datetime | None = moment("disabledAt", "when they were switched off", "ms", null=True)


class AliasRequest(Answer):
    """The last promotion or rollback that a person asked for."""

    item, request, specification = "project.lastAliasRequest", "GET /v9/projects/{idOrName}", API
    to: str | None = text("toDeploymentId", "where traffic went")
    status: str | None = word(
        "jobStatus", "only succeeded moved traffic", "failed in-progress pending skipped succeeded"
    )
    at: datetime | None = moment("requestedAt", "when it was asked for", "ms")
    type: str | None = word("type", "which of the two", "promote rollback")


class Project(Answer):
    """The project itself."""

    item, request, specification = "project", "GET /v9/projects/{idOrName}", API
    id: str | None = text("id", "its id")
    owner: str | None = text("accountId", "the team or user that it belongs to")
    crons: Crons | None = part("crons", "the schedules of its production deployment", Crons, null=True)
    moved: AliasRequest | None = part(
        "lastAliasRequest", "the last promotion or rollback", AliasRequest, null=True
    )


class Stage(Answer):
    """The stage that a rolling release has come to."""

    item, request, specification = "rolling.activeStage", "GET /v1/projects/{idOrName}/rolling-release", API
    percentage: float | None = number("targetPercentage", "share of the traffic", 100, unit="%")


class Named(Answer):
    """A deployment that a rolling release names."""

    item, request, specification = "rolling.deployment", "GET /v1/projects/{idOrName}/rolling-release", API
    id: str | None = text("id", "its id")


class Rolling(Answer):
    """A rolling release: traffic moves to a deployment bit by bit."""

    item, request, specification = "rolling", "GET /v1/projects/{idOrName}/rolling-release", API
    state: str | None = word("state", "ABORTED: traffic went back", "ABORTED ACTIVE COMPLETE")
    started: datetime | None = moment("startedAt", "when the first of the traffic moved", "ms")
    updated: datetime | None = moment("updatedAt", "when it last changed", "ms")
    current: Named | None = part("currentDeployment", "what served before", Named, null=True)
    canary: Named | None = part("canaryDeployment", "what traffic moves to", Named, null=True)
    stage: Stage | None = part("activeStage", "null when it is aborted", Stage, null=True)
    percentage: float | None = number(
        "currentCanaryPercentage", "share of the traffic now", 100, unit="%", null=True
    )


class Payload(Answer):
    """What an event of the project is about."""

    item, request, specification = "events.payload", "GET /v3/events?withPayload=true", API
    to: str | None = text("toDeploymentId", "of a promotion or rollback: where traffic went", null=True)
    target: str | None = text("targetDeploymentId", "of a rolling release: where traffic goes", null=True)


class Event(Answer):
    """Something that happened to the project, of the types that move traffic."""

    item, request, specification = "events", "GET /v3/events?withPayload=true", API
    type: str | None = word("type", "how traffic moved", " ".join(MOVES))
    at: datetime | None = moment("createdAt", "when", "ms")
    payload: Payload | None = part("payload", "to where", Payload, null=True)


class BuildLine(Answer):
    """One line of a build's log; it may stand in the event itself or in its payload."""

    item, request, specification = "build_logs", "GET /v3/deployments/{idOrUrl}/events", API
    at: datetime | None = moment("date", "when it was written", "ms", null=True)


class Metric(Answer):
    """One metric that can be asked for."""

    item, request, specification = "metrics", "GET /v2/observability/schema", API
    id: str | None = text("id", "its name")


class Requests(Answer):
    """Requests of one status in one bucket, or in all; the value's name is the metric's and what is made of it."""

    item, request, specification = "requests", "POST /v2/observability/query", QUERY
    at: datetime | None = moment("timestamp", "start of the bucket; not in the summary", null=True)
    status: float | None = number("http_status", "as text; -1: the function crashed", 599, low=-1, unit="status")
    route: str | None = text("route", "asked for where routes are told", null=True)
    value: float | None = number("value", "requests, counted whole")


class Times(Answer):
    """A figure of the functions' response times, or how many there were."""

    item, request, specification = "requests.durations", "POST /v2/observability/query", QUERY
    route: str | None = text("route", "asked for where routes are told", null=True)
    value: float | None = number(
        "value", "percentile or mean; null where nothing ran", LONGEST_MS, unit="ms", null=True
    )


class Memory(Answer):
    """The most memory that the invocations of one route took, or were given."""

    item, request, specification = "requests.memory", "POST /v2/observability/query", QUERY
    route: str | None = text("route", "the route of the function", null=True)
    value: float | None = number(
        "value", "the most of any invocation; null where nothing ran", unit="MB", null=True
    )


class Ran(Answer):
    """How many functions ran."""

    item, request, specification = "requests.invocations", "POST /v2/observability/query", QUERY
    value: float | None = number("value", "invocations", null=True)


class Visits(Answer):
    """Visits of one interval; `until` is inclusive."""

    item, request, specification = "visits", "GET /v1/query/web-analytics/visits/count", API
    visitors: float | None = number("visitors", "different visitors; a visitor is known for one day")
    pageviews: float | None = number("pageviews", "pages they saw")


class Tags(Answer):
    """What a charge is for."""

    item, request, specification = "charges.Tags", "GET /v1/billing/charges", "FOCUS 1.3 by Vercel's documentation"
    id: str | None = text("ProjectId", "the project", null=True)
    name: str | None = text("ProjectName", "its name", null=True)


class Charge(Answer):
    """One line of the bill: one service on one day."""

    item, request, specification = "charges", "GET /v1/billing/charges", "FOCUS 1.3 by Vercel's documentation"
    start: datetime | None = moment("ChargePeriodStart", "the day's beginning")
    end: datetime | None = moment("ChargePeriodEnd", "the day's end")
    service: str | None = text("ServiceName", "what was used")
    currency: str | None = text("BillingCurrency", "ISO 4217")
    cost: float | None = number("BilledCost", "negative for a credit", 1e9, low=-1e9, unit="of the currency")
    tags: Tags | None = part("Tags", "whose charge it is; none: the whole team's", Tags, null=True)


ASKED: tuple[type[Answer], ...] = (
    Deployment,
    AssignedAt,
    Commit,
    Page,
    Project,
    Crons,
    Schedule,
    AliasRequest,
    Rolling,
    Named,
    Stage,
    Event,
    Payload,
    BuildLine,
    Metric,
    Requests,
    Times,
    Memory,
    Ran,
    Visits,
    Charge,
    Tags,
)
