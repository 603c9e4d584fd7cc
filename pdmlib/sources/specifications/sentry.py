"""Sentry: what is asked, each field that is read, and the specification it is from.

The specification is the published `sentry-api-schema` and, where it types an answer as free, the server's own
source (`src/sentry/search/eap/spans`, `src/sentry/utils/snuba.py`).
"""

from __future__ import annotations

from datetime import datetime

from pdmlib.sources.fields import LONGEST_MS, Answer, flag, moment, number, part, text, word

API = "sentry-api-schema 0.272.0"
SERVER = f"{API}; cells by the server's source of 2026-08"
SPANS = "GET /organizations/{org}/events/ dataset=spans"
ERRORS = "GET /organizations/{org}/events/ dataset=errors"
SERIES = "GET /organizations/{org}/events-timeseries/"
MS = "ms"
SHARE = "share, 0 to 1"


class Figures(Answer):
    """Figures of the spans of one window, or of one route in it.

    `failure_count()` is not asked for: it counts every span status but ok, cancelled and unknown, so that a 404
    or a 401 is a failure.
    """

    item, request, specification = "spans", SPANS, SERVER
    transaction: str | None = text("transaction", "the route; asked for where routes are told", null=True)
    p50_ms: float | None = number(
        "p50(span.duration)",
        "half of the requests were quicker; of no span at all the server writes 0",
        LONGEST_MS,
        unit=MS,
        null=True,
    )
    p95_ms: float | None = number("p95(span.duration)", "19 of 20 were quicker", LONGEST_MS, unit=MS, null=True)
    p99_ms: float | None = number("p99(span.duration)", "99 of 100 were quicker", LONGEST_MS, unit=MS, null=True)
    avg_ms: float | None = number("avg(span.duration)", "mean", LONGEST_MS, unit=MS, null=True)
    count: float | None = number("count()", "requests, extrapolated from the sampled spans")
    failed: float | None = number(
        "http_response_rate(5)",
        "of the spans with an HTTP status, those of 500 to 511; 0 too where none has one",
        1,
        unit=SHARE,
        null=True,
    )
    refused: float | None = number(
        "http_response_rate(4)", "of the spans with an HTTP status, those of 400 to 451", 1, unit=SHARE, null=True
    )
    statuses: float | None = number(
        "count_unique(span.status_code)", "different HTTP statuses; 0: no span has one", null=True
    )


class ErrorFigures(Answer):
    """Errors of one window, or of one issue in it."""

    item, request, specification = "errors", ERRORS, SERVER
    count: float | None = number("count()", "events, counted whole")
    users: float | None = number("count_unique(user)", "different users, where the SDK names them", null=True)
    issues: float | None = number("count_unique(issue)", "different issues", null=True)
    issue: str | None = text("issue", "its short id; asked for where issues are told", null=True)
    release: str | None = text("release", "the release of the events; asked for by issue", null=True)


class Meta(Answer):
    """What stands beside the rows of a table of events."""

    item, request, specification = "events.meta", SPANS, SERVER
    scanned: str | None = word(
        "dataScanned", "partial: the figures rest on a part of the data", "full partial", True
    )


class Value(Answer):
    """One bucket of a time series."""

    item, request, specification = "events-timeseries", SERIES, API
    at: datetime | None = moment("timestamp", "its start", MS)
    value: float | None = number("value", "0 as well where nothing was sampled")
    incomplete: bool | None = flag("incomplete", "events of it may still come in")
    samples: float | None = number("sampleCount", "spans that were really looked at", null=True)
    rate: float | None = number("sampleRate", "share of the spans that was kept", 1, unit=SHARE, null=True)


class Duration(Value):
    """One bucket of a response time."""

    value: float | None = number(
        "value", "of span.duration; 0 as well where nothing was sampled", LONGEST_MS, unit=MS
    )


class Share(Value):
    """One bucket of a share of the requests."""

    value: float | None = number("value", "0 as well where nothing was sampled", 1, unit=SHARE)


class SeriesMeta(Answer):
    """How one time series is cut."""

    item, request, specification = "events-timeseries.meta", SERIES, API
    interval: float | None = number("interval", "length of a bucket", 8.64e7, low=1, unit=MS)
    scanned: str | None = word("dataScanned", "partial: it rests on a part of the data", "full partial", null=True)


class Line(Answer):
    """One time series of the answer."""

    item, request, specification = "events-timeseries.series", SERIES, API
    axis: str | None = text("yAxis", "what was asked for")
    meta: SeriesMeta | None = part("meta", "how it is cut", SeriesMeta)


class Release(Answer):
    """A release as an issue names it."""

    item, request, specification = "issues.release", "GET /organizations/{org}/issues/", API
    version: str | None = text("version", "the release")


class Assignee(Answer):
    """Whoever an issue is assigned to."""

    item, request, specification = "issues.assignedTo", "GET /organizations/{org}/issues/", API
    name: str | None = text("name", "user or team")


class Issue(Answer):
    """One issue. Its own `count` is not read: of which time it is, is not said."""

    item, request, specification = "issues", "GET /organizations/{org}/issues/", API
    short_id: str | None = text("shortId", "what people call it")
    title: str | None = text("title", "what happened", null=True)
    culprit: str | None = text("culprit", "where in the code", null=True)
    link: str | None = text("permalink", "its page", null=True)
    # The specification's seventh word, `unknown`, tells no severity: such an issue may be of any.
    level: str | None = word(
        "level", "severity; error and fatal are errors", "sample debug info warning error fatal"
    )
    status: str | None = word(
        "status",
        "unresolved is open",
        "resolved ignored pending_deletion pending_merge reprocessing unresolved",
    )
    substatus: str | None = word(
        "substatus",
        "regressed: was resolved and came back",
        "archived_until_escalating archived_until_condition_met archived_forever escalating ongoing regressed new",
        null=True,
    )
    priority: str | None = word("priority", "urgency by Sentry or a person", "low medium high", null=True)
    first_seen: datetime | None = moment("firstSeen", "its first event", null=True, needed=True)
    last_seen: datetime | None = moment("lastSeen", "its newest event", null=True, needed=True)
    users: float | None = number("userCount", "users that met it")
    unhandled: bool | None = flag("isUnhandled", "the error broke what the user did")
    assigned_to: Assignee | None = part("assignedTo", "who works on it", Assignee, null=True)
    last_release: Release | None = part(
        "lastRelease", "release of its newest event; not in every answer", Release, True
    )


class Deploy(Answer):
    """The newest deployment of a release."""

    item, request, specification = "releases.lastDeploy", "GET /organizations/{org}/releases/", API
    environment: str | None = text("environment", "where it went")
    finished: datetime | None = moment("dateFinished", "when it was done")


class InProject(Answer):
    """A project that a release belongs to."""

    item, request, specification = "releases.projects", "GET /organizations/{org}/releases/", API
    id: float | None = number("id", "the number that `stats_v2` asks for")
    slug: str | None = text("slug", "its name in addresses")


class Made(Answer):
    """One release."""

    item, request, specification = "releases", "GET /organizations/{org}/releases/", API
    version: str | None = text("version", "the release")
    created: datetime | None = moment("dateCreated", "when Sentry first heard of it", null=True)
    released: datetime | None = moment("dateReleased", "when a person or a tool released it", null=True)
    deploy: Deploy | None = part("lastDeploy", "its newest deployment, to whatever environment", Deploy, null=True)


class Outcome(Answer):
    """What became of events that were sent."""

    item, request, specification = "stats_v2.by", "GET /organizations/{org}/stats_v2/", API
    outcome: str | None = word(
        "outcome",
        "rate_limited, abuse and cardinality_limited were dropped: counts are too low",
        "accepted filtered rate_limited invalid abuse client_discard cardinality_limited",
    )


class Amount(Answer):
    """How many of them."""

    item, request, specification = "stats_v2.totals", "GET /organizations/{org}/stats_v2/", API
    quantity: float | None = number("sum(quantity)", "error events of the window")


class Quota(Answer):
    """One group of the outcomes."""

    item, request, specification = "stats_v2", "GET /organizations/{org}/stats_v2/", API
    by: Outcome | None = part("by", "what the group is of", Outcome)
    totals: Amount | None = part("totals", "its sums", Amount)


class Monitor(Answer):
    """One cron monitor."""

    item, request, specification = "monitors", "GET /organizations/{org}/monitors/", API
    slug: str | None = text("slug", "its name: that of the job in the site file")
    status: str | None = word("status", "disabled: it takes no check-in, whatever the job does", "active disabled")


class CheckIn(Answer):
    """One run of a job, or one that did not come."""

    item, request = "cron", "GET /organizations/{org}/monitors/{slug}/checkins/"
    specification = f"{API}; words by the server's source of 2026-08"
    environment: str | None = text("environment", "where it ran")
    # The server's `unknown` tells no outcome: such a run ended in a word that is not understood.
    status: str | None = word(
        "status",
        "how it ended; missed: it did not begin, timeout: it did not end in time",
        "ok error in_progress missed timeout",
    )
    duration: float | None = number("duration", "how long it took", 3e9, unit=MS, null=True)
    added: datetime | None = moment("dateAdded", "its first word: the beginning, or the end where that is all")
    began: datetime | None = moment("dateInProgress", "when it said that it began", null=True)


class Check(Answer):
    """One check of an uptime monitor."""

    item, request = "uptime", "GET /organizations/{org}/events/ dataset=uptime_results"
    specification = f"{API}; columns and words by the server's source of 2026-08"
    at: datetime | None = moment("timestamp", "when", "UTC")
    status: str | None = word(
        "check_status",
        "missed_window and disallowed_by_robots are no look at the application",
        "success failure missed_window disallowed_by_robots",
    )
    duration: float | None = number("check_duration_us", "how long it took", 3.6e9, unit="µs", null=True)
    reason: str | None = text("status_reason_type", "why it failed", null=True)


ASKED: tuple[type[Answer], ...] = (
    Figures,
    ErrorFigures,
    Meta,
    Line,
    SeriesMeta,
    Value,
    Duration,
    Share,
    Issue,
    Assignee,
    Release,
    Made,
    Deploy,
    InProject,
    Quota,
    Outcome,
    Amount,
    Monitor,
    CheckIn,
    Check,
)
