"""Whatever a vendor's specification allows is read, and what it does not allow is neither well nor the worst."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pdmlib.analysis import cron, deployment, errors, performance
from pdmlib.analysis.availability import stability
from pdmlib.analysis.database import health
from pdmlib.errors import SourceError
from pdmlib.frames.case import Case
from pdmlib.frames.readings import State
from pdmlib.site.tables import Cron, Uptime
from pdmlib.sources import sentry, supabase
from pdmlib.sources.vercel import source as vercel
from tests.builders import at
from tests.sources.bodies import (
    Answers,
    answering,
    case_of,
    count,
    disturbed,
    finite,
    measured,
    one_of,
    said,
    specified,
    unknown,
)
from tests.sources.loopback import the_scope, the_site

SCOPE = the_scope("hour1")
ORG = "/api/0/organizations/shop"
START = at("2025-03-03T15:00")
MS = START.timestamp() * 1000


def sometime(unit: float = 1000, null: bool = False) -> st.SearchStrategy[Any]:
    """A time of the weeks around the deployment."""
    times = st.integers(-40 * 86400, 86400).map(lambda s: (START.timestamp() + s) * unit)
    return st.none() | times if null else times


def iso_time(null: bool = False) -> st.SearchStrategy[Any]:
    """The same as text."""
    times = sometime(1).map(lambda s: datetime.fromtimestamp(s, UTC).isoformat().replace("+00:00", "Z"))
    return st.none() | times if null else times


# Sentry: sentry-api-schema 0.272.0

SPAN_CELLS = {
    "transaction": "GET /",
    "p50(span.duration)": 10,
    "p95(span.duration)": 20,
    "p99(span.duration)": 30,
    "avg(span.duration)": 15,
    "count()": 100,
    "http_response_rate(5)": 0.1,
    "http_response_rate(4)": 0.1,
    "count_unique(span.status_code)": 3,
    "count_unique(user)": 4,
    "count_unique(issue)": 2,
    "issue": "SHOP-1",
    "release": "shop@1",
    "timestamp": "2025-03-03T15:00:00+00:00",
    "check_status": "success",
    "check_duration_us": 1000,
    "status_reason_type": None,
}
AXES = [*(f"{p}(span.duration)" for p in ("p50", "p95", "p99", "avg")), "count()", "http_response_rate(5)"]
SENTRY: dict[str, Any] = {
    f"{ORG}/events/": {"data": [SPAN_CELLS], "meta": {"fields": {}, "units": {}, "dataScanned": "full"}},
    f"{ORG}/events-timeseries/": {
        "meta": {"dataset": "spans", "start": MS, "end": MS},
        "timeSeries": [
            {
                "yAxis": "count()",
                "values": [
                    {
                        "timestamp": MS,
                        "value": 1,
                        "incomplete": False,
                        "sampleCount": 1,
                        "sampleRate": 1,
                        "confidence": "high",
                    }
                ],
                "meta": {"interval": 3_600_000, "valueType": "integer", "valueUnit": None, "dataScanned": "full"},
            }
        ],
    },
    f"{ORG}/issues/": [
        {
            "id": "1",
            "shortId": "SHOP-1",
            "title": "T",
            "culprit": "c",
            "permalink": "https://x",
            "level": "error",
            "status": "unresolved",
            "substatus": "new",
            "priority": "high",
            "firstSeen": "2025-03-03T15:00:00Z",
            "lastSeen": "2025-03-03T15:10:00Z",
            "userCount": 1,
            "count": "3",
            "isUnhandled": True,
            "assignedTo": {"type": "user", "id": "1", "name": "Dana"},
        }
    ],
    f"{ORG}/releases/": [
        {
            "version": "shop@1",
            "dateCreated": "2025-03-03T14:00:00Z",
            "dateReleased": None,
            "lastDeploy": {
                "id": "1",
                "environment": "production",
                "dateFinished": "2025-03-03T15:00:00Z",
                "name": "x",
            },
            "projects": [{"id": 7, "slug": "web"}],
        }
    ],
    f"{ORG}/monitors/": [{"slug": "job", "name": "x", "config": {"schedule": "0 * * * *"}}],
    f"{ORG}/monitors/job/checkins/": [
        {
            "environment": "production",
            "status": "ok",
            "duration": 5,
            "dateAdded": "2025-03-03T15:05:00Z",
            "dateInProgress": "2025-03-03T15:05:00Z",
        }
    ],
    f"{ORG}/stats_v2/": {
        "groups": [{"by": {"outcome": "accepted"}, "totals": {"sum(quantity)": 3}, "series": {}}]
    },
}
SENTRY_WORDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    f"{ORG}/events/": {
        **{f"data.{name}": count(1e5, null=True) for name in SPAN_CELLS if "span.duration" in name},
        "data.count()": count(),
        "data.count_unique(user)": count(null=True),
        "data.count_unique(issue)": count(null=True),
        "data.http_response_rate(5)": said("sentry", "spans", "http_response_rate(5)"),
        "data.http_response_rate(4)": said("sentry", "spans", "http_response_rate(4)"),
        "data.count_unique(span.status_code)": count(50, null=True),
        "data.transaction": st.sampled_from(["/a", "/b"]),
        "data.issue": st.sampled_from(["SHOP-1", "SHOP-2"]),
        "data.timestamp": iso_time(),
        "data.check_status": said("sentry", "uptime", "check_status"),
        "data.check_duration_us": count(null=True),
        "data.status_reason_type": st.sampled_from(["timeout", None]),
        "meta.dataScanned": said("sentry", "events.meta", "dataScanned"),
    },
    f"{ORG}/events-timeseries/": {
        "timeSeries.yAxis": st.sampled_from(AXES),
        "timeSeries.values.timestamp": sometime(),
        "timeSeries.values.value": count(1),
        "timeSeries.values.incomplete": st.booleans(),
        "timeSeries.values.sampleCount": count(null=True),
        "timeSeries.values.sampleRate": said("sentry", "events-timeseries", "sampleRate"),
        "timeSeries.values.confidence": said("sentry", "events-timeseries", "confidence"),
        "timeSeries.meta.dataScanned": one_of("full", "partial"),
    },
    f"{ORG}/issues/": {
        "level": said("sentry", "issues", "level"),
        "status": said("sentry", "issues", "status"),
        "substatus": said("sentry", "issues", "substatus"),
        "priority": said("sentry", "issues", "priority"),
        "firstSeen": iso_time(),
        "lastSeen": iso_time(),
        "culprit": st.sampled_from(["a", None]),
        "isUnhandled": st.booleans(),
        "userCount": count(),
        "assignedTo": st.sampled_from([None, {"type": "team", "id": "2", "name": "Web"}]),
    },
    f"{ORG}/releases/": {
        "dateCreated": iso_time(null=True),
        "dateReleased": iso_time(null=True),
        "projects": st.just([{"id": 7, "slug": "web"}]),
    },
    f"{ORG}/monitors/job/checkins/": {
        "environment": st.sampled_from(["production", "staging"]),
        "status": said("sentry", "cron", "status"),
        "duration": count(null=True),
        "dateAdded": iso_time(),
        "dateInProgress": iso_time(null=True),
    },
    f"{ORG}/stats_v2/": {
        "groups.by.outcome": said("sentry", "stats_v2.by", "outcome"),
        "groups.totals.sum(quantity)": count(),
    },
}
SENTRY_KEYS = (
    "transaction",
    "issue",
    "yAxis",
    "timestamp",
    "interval",
    "shortId",
    "firstSeen",
    "lastSeen",
    "meta",
    "projects",
    "version",
    "dateCreated",
    "lastDeploy",
    "slug",
    "environment",
)
MONITORED = {
    "uptime": Uptime(in_sentry=True),
    "cron": Cron.model_validate({"in_sentry": True, "jobs": [{"name": "job", "schedule": "0 * * * *"}]}),
}

# Vercel: the SDK of 2026-08-20

ROLLUPS = {
    f"vercel_{name}": 5
    for name in (
        "request_count_sum",
        "function_invocation_count_sum",
        *(f"function_invocation_request_duration_ms_{p}" for p in ("p50", "p95", "p99", "avg")),
        "function_invocation_peak_memory_mb_max",
        "function_invocation_provisioned_memory_mb_max",
    )
}
ROW = {"timestamp": "2025-03-03T15:00:00.000Z", "http_status": "200", "route": "/a", **ROLLUPS}
VERCEL: dict[str, Any] = {
    "/v7/deployments": {
        "deployments": [
            {
                "uid": "dpl_1",
                "createdAt": MS - 6e5,
                "ready": MS,
                "readyState": "READY",
                "readySubstate": "PROMOTED",
                "target": "production",
                "aliasAssigned": MS,
                "isRollbackCandidate": True,
                "errorCode": None,
                "errorMessage": None,
                "meta": {"githubCommitSha": "abcdef0"},
            }
        ],
        "pagination": {"count": 1, "next": None, "prev": None},
    },
    "/v9/projects/prj_x": {
        "id": "prj_x",
        "accountId": "team_a",
        "rollingRelease": {"target": "production"},
        "crons": {"enabledAt": MS, "disabledAt": None, "definitions": [{"path": "/a", "schedule": "0 8 * * *"}]},
        "lastAliasRequest": {
            "toDeploymentId": "dpl_1",
            "fromDeploymentId": None,
            "jobStatus": "succeeded",
            "requestedAt": MS,
            "type": "promote",
        },
    },
    "/v1/projects/prj_x/rolling-release": {
        "rollingRelease": {
            "state": "ACTIVE",
            "startedAt": MS,
            "updatedAt": MS,
            "currentDeployment": {"id": "dpl_1"},
            "canaryDeployment": {"id": "dpl_2"},
            "activeStage": {"targetPercentage": 10},
            "currentCanaryPercentage": 10,
        }
    },
    "/v3/events": {
        "events": [{"type": "instant-rollback-created", "createdAt": MS, "payload": {"toDeploymentId": "dpl_1"}}]
    },
    "/v3/deployments/dpl_1/events": [
        {"type": "stderr", "created": MS, "payload": {"text": "Error: x", "date": MS}}
    ],
    "/v2/observability/schema": {
        "metrics": [
            {"id": "vercel.request.count"},
            {"id": "vercel.function_invocation.count"},
            {"id": "vercel.function_invocation.request_duration_ms"},
            {"id": "vercel.function_invocation.peak_memory_mb"},
            {"id": "vercel.function_invocation.provisioned_memory_mb"},
        ]
    },
    "/v2/observability/query": {"summary": [ROW], "data": [ROW]},
    "/v1/query/web-analytics/visits/count": {"data": {"visitors": 1, "pageviews": 2}},
    "/v1/billing/charges": "",
}
VERCEL_WORDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "/v7/deployments": {
        "deployments.readyState": said("vercel", "deployments", "readyState"),
        "deployments.target": said("vercel", "deployments", "target"),
        "deployments.readySubstate": said("vercel", "deployments", "readySubstate"),
        "deployments.createdAt": sometime(),
        "deployments.ready": sometime(null=True),
        "deployments.aliasAssigned": st.one_of(sometime(null=True), st.booleans()),
        "deployments.isRollbackCandidate": st.sampled_from([True, False, None]),
        "deployments.errorMessage": st.sampled_from(["boom", None]),
        "deployments.meta": st.sampled_from([None, {}, {"githubCommitSha": "abcdef0"}]),
        "deployments.uid": st.sampled_from(["dpl_1", "dpl_2", "dpl_3"]),
        "pagination": st.just({"next": None}),
    },
    "/v9/projects/prj_x": {
        "rollingRelease": st.sampled_from([None, {"target": "production"}]),
        "lastAliasRequest.jobStatus": said("vercel", "project.lastAliasRequest", "jobStatus"),
        "lastAliasRequest.type": said("vercel", "project.lastAliasRequest", "type"),
        "lastAliasRequest.requestedAt": sometime(),
        "crons.disabledAt": sometime(null=True),
        "crons.enabledAt": sometime(),
    },
    "/v1/projects/prj_x/rolling-release": {
        "rollingRelease.state": said("vercel", "rolling", "state"),
        "rollingRelease.activeStage": st.sampled_from([None, {"targetPercentage": 50}]),
        "rollingRelease.currentCanaryPercentage": said("vercel", "rolling", "currentCanaryPercentage"),
        "rollingRelease.startedAt": sometime(),
        "rollingRelease.currentDeployment": st.sampled_from([None, {"id": "dpl_1"}]),
        "rollingRelease.canaryDeployment": st.sampled_from([None, {"id": "dpl_2"}]),
    },
    "/v3/events": {"events.createdAt": sometime()},
    "/v2/observability/query": {
        f"{part}.{name}": values
        for part in ("summary", "data")
        for name, values in {
            "http_status": st.integers(-1, 599).map(str),
            "timestamp": st.sampled_from(["2025-03-03T15:00:00.000Z", "2025-03-03T15:01:00.000Z"]),
            "vercel_request_count_sum": count(),
            **{name: count(null=True) for name in ROLLUPS if name != "vercel_request_count_sum"},
        }.items()
    },
    "/v2/observability/schema": {"metrics": st.just(VERCEL["/v2/observability/schema"]["metrics"])},
    "/v1/query/web-analytics/visits/count": {"data.visitors": count(), "data.pageviews": count()},
}
VERCEL_KEYS = ("id", "accountId", "timestamp", "next", "route", "path", "schedule")

# Supabase: the Management API of 2026-06-01, and Prometheus' text format

PROJECT = "/v1/projects/ref"
SUPABASE: dict[str, Any] = {
    PROJECT: {"id": "ref", "status": "ACTIVE_HEALTHY"},
    f"{PROJECT}/health": [{"name": "db", "healthy": True, "status": "ACTIVE_HEALTHY", "error": None}],
    f"{PROJECT}/config/disk/util": {"timestamp": "x", "metrics": {"fs_size_bytes": 10, "fs_used_bytes": 5}},
    f"{PROJECT}/analytics/endpoints/logs": {"result": [{"id": "1", "timestamp": "2025-03-03T15:20:00.5"}]},
}
SUPABASE_WORDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    PROJECT: {
        "status": said("supabase", "project", "status"),
    },
    f"{PROJECT}/health": {
        "status": said("supabase", "services", "status"),
        "error": st.sampled_from(["refused", None]),
        "name": said("supabase", "services", "name"),
    },
    f"{PROJECT}/config/disk/util": {
        "metrics": st.tuples(count(1e12), count(1e12)).map(
            lambda two: {"fs_size_bytes": max(two), "fs_used_bytes": min(two)}
        )
    },
    f"{PROJECT}/analytics/endpoints/logs": {
        "result.timestamp": sometime(1).map(
            lambda s: datetime.fromtimestamp(s, UTC).replace(tzinfo=None).isoformat()
        )
    },
}
SERIES = (
    'node_cpu_seconds_total{cpu="0",mode="idle"}',
    'node_cpu_seconds_total{cpu="0",mode="user"}',
    "node_memory_MemTotal_bytes",
    "node_memory_MemAvailable_bytes",
    'node_filesystem_size_bytes{mountpoint="/data"}',
    'node_filesystem_avail_bytes{mountpoint="/data"}',
    'pg_up{service_type="postgresql"}',
    'connection_stats_connection_count{username="other"}',
    "pg_stat_statements_total_queries",
    'pg_database_size_bytes{datname="postgres"}',
)
LEGAL = st.sampled_from(["0", "1", "27", "3.5e9", "+Inf", "-Inf", "NaN", "1e400", "-1", "0x10", "1 1741000000000"])
ILLEGAL = st.sampled_from(["+Inf", "-Inf", "1e400", "-1", "one", "", "\x00", "9" * 500])

ANY = st.one_of(LEGAL, ILLEGAL)


def a_scrape(draw: Any, values: st.SearchStrategy[str], most: st.SearchStrategy[str]) -> str:
    """Lines of metrics, some of them twice, among lines that are not read."""
    lines = [f"{name} {draw(values)}" for name in SERIES for _ in range(draw(st.integers(0, 2)))]
    lines.append(f"max_connections_connection_count {draw(most)}")
    return "\n".join([*lines, "# TYPE go_goroutines gauge", "go_goroutines 9", draw(st.text(max_size=20))])


# the promises

NAMES = {"sentry": sentry.collect, "vercel": vercel.collect, "supabase": supabase.collect}
TEMPLATES = {"sentry": SENTRY, "vercel": VERCEL, "supabase": SUPABASE}
ALLOWED = {"sentry": SENTRY_WORDS, "vercel": VERCEL_WORDS, "supabase": SUPABASE_WORDS}
KEYS = {"sentry": SENTRY_KEYS, "vercel": VERCEL_KEYS, "supabase": ("name",)}
RESTING = {
    "sentry": (*errors.METRICS, *performance.METRICS, *stability.METRICS, *cron.METRICS),
    "vercel": (*deployment.METRICS, *performance.METRICS),
    "supabase": tuple(metric for metric in health.metrics(the_site("sentry", organization="x", project="y"))),
}
BODIES, PROMISES = 1000, 3  # bodies of each source in the slow tests, over the promises below
# How many of its paths a source is asked in an example at least: where one answer makes no sense, or names
# nothing, others are not asked (in nine examples 6.0 of seven paths of Sentry, 6.7 of nine of Vercel).
SURELY_ASKED = {"sentry": 5, "vercel": 5, "supabase": 4}


def _examples() -> Iterator[Any]:
    """A few examples of each source, and so many that BODIES are answered: an example is a body for each path."""
    for source in TEMPLATES:
        yield pytest.param(source, 3, id=source)
        many = math.ceil(BODIES / PROMISES / SURELY_ASKED[source])
        yield pytest.param(source, many, marks=pytest.mark.slow, id=f"{source}-{BODIES}")


of_each = pytest.mark.parametrize(("source", "examples"), list(_examples()))


def holds(examples: int, check: Callable[[st.DataObject], None]) -> None:
    """Runs a check on so many generated examples."""
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    shown = [Phase.generate]  # shrinking what fails takes longer than finding it
    rules = settings(max_examples=examples, deadline=None, suppress_health_check=quiet, phases=shown)
    rules(given(st.data())(check))()


@pytest.fixture(scope="module")
def answers() -> Iterator[Answers]:
    with answering() as running:
        yield running


def judged(answers: Answers, source: str) -> Case | None:
    """A case of the source's answers; None where it could not be read at all, which is a gap."""
    blocks = {
        "sentry": {"base_url": answers.url, "organization": "shop", "project": "web", "trace_sample_rate": 0.05},
        "vercel": {"base_url": answers.url, "project": "prj_x", "team": "team_a"},
        "supabase": {"metrics_url": f"{answers.url}/metrics", "management_url": answers.url, "project_ref": "ref"},
    }
    site = the_site(source, **blocks[source]).model_copy(update=MONITORED if source == "sentry" else {})
    try:
        return case_of(site, SCOPE, source, NAMES[source])
    except SourceError:
        return None


def drawn(draw: Any, source: str, make: Any) -> dict[str, Any]:
    return {path: make(draw, body, path) for path, body in TEMPLATES[source].items()}


@of_each
def test_whatever_the_specification_allows_is_read(answers: Answers, source: str, examples: int) -> None:
    """All words, nulls, empty lists and further fields: nothing is lost and nothing is not understood."""
    words = ALLOWED[source]

    def check(data: st.DataObject) -> None:
        answers.bodies = drawn(
            data.draw, source, lambda draw, body, path: specified(draw, body, words.get(path, {}))
        )
        answers.bodies["/metrics"] = a_scrape(data.draw, st.sampled_from(["0", "1", "0.5", "NaN"]), st.just("60"))
        case = judged(answers, source)
        assert case is not None
        known = case["not_understood"]
        assert set(known["item"]) <= {"errors.dataScanned"}, known.to_dict("records")
        assert finite(case)
        measured(case, RESTING[source])

    holds(examples, check)


@of_each
def test_whatever_else_is_answered_raises_nothing(answers: Answers, source: str, examples: int) -> None:
    """Other types, values out of range, the next version's words, missing parts: every number is a number."""
    words = ALLOWED[source]

    def check(data: st.DataObject) -> None:
        answers.bodies = drawn(
            data.draw, source, lambda draw, body, path: disturbed(draw, specified(draw, body, words.get(path, {})))
        )
        answers.bodies["/metrics"] = a_scrape(data.draw, ANY, ANY)
        case = judged(answers, source)
        if case is None:
            return
        assert finite(case)
        for name, found in measured(case, RESTING[source]).items():
            if name.endswith("_pct") and isinstance(found.value, float):
                assert 0 <= found.value <= 100, (name, found)

    holds(examples, check)


@of_each
def test_of_what_is_not_understood_nothing_passes_fails_or_is_zero(
    answers: Answers, source: str, examples: int
) -> None:
    """Every value unknown, of another type or out of range: no reading is a number and no finding is made."""

    def check(data: st.DataObject) -> None:
        answers.bodies = drawn(data.draw, source, lambda draw, body, path: unknown(draw, body, KEYS[source]))
        answers.bodies["/metrics"] = a_scrape(data.draw, ILLEGAL, ILLEGAL)
        case = judged(answers, source)
        if case is None:
            return
        for name, found in measured(case, RESTING[source]).items():
            assert found.state is not State.MEASURED, (name, found)
        found = [*errors.findings(case), *deployment.findings(case), *performance.findings(case)]
        assert not found, found
        assert not (case["vendor_states"]["ok"] == False).any()  # noqa: E712

    holds(examples, check)
