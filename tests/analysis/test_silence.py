"""Silence is never health: what is not read is never a number, whatever else is there."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from pdmlib.analysis import cron
from pdmlib.analysis.availability import stability
from pdmlib.analysis.metric import Metric
from pdmlib.analysis.product import features
from pdmlib.frames.case import Case
from pdmlib.frames.readings import State
from tests.builders import DEPLOYED, WEEK_LATER, a_case, a_gap, a_site, every, the_probes

SITE = a_site()
METRICS = (*stability.METRICS, *cron.METRICS, *features.metrics(SITE))
Rows = list[dict[str, Any]]


def cron_rows() -> Rows:
    times = [("deliver", m) for m in every(30, DEPLOYED, WEEK_LATER)]
    times += [("nightly", DEPLOYED.replace(hour=8) + timedelta(days=d)) for d in range(1, 8)]
    return [
        {"job": j, "started_at": m, "completed_at": m, "status": "completed", "duration_ms": 900} for j, m in times
    ]


# item of a gap -> the frame and rows that are gone with it
READ: Mapping[str, tuple[str, Rows]] = {
    "app": ("probes", the_probes(1, WEEK_LATER - timedelta(hours=2), WEEK_LATER, target="/api/health")),
    "table:public.uptime_logs": ("probes", the_probes(5, DEPLOYED, WEEK_LATER)),
    "table:public.cron_job_logs": ("cron_logs", cron_rows()),
    "feature:orders": (
        "feature_counts",
        [{"feature": "orders", "at": DEPLOYED + timedelta(days=d), "amount": 30} for d in range(-25, 7)],
    ),
    "feature:sales": (
        "feature_counts",
        [{"feature": "sales", "at": DEPLOYED + timedelta(days=d), "amount": 9} for d in range(-25, 7)],
    ),
}


def needed(metric: Metric) -> set[str]:
    """Any of these is enough for the metric."""
    if metric.section == "cron":
        return {"table:public.cron_job_logs"}
    if metric.section == "features":
        return {metric.id.replace("feature_", "feature:")}
    return {"app", "table:public.uptime_logs"}


def a_case_without(lost: frozenset[str], database: bool) -> Case:
    frames: dict[str, Rows] = {"gaps": []}
    for item, (name, rows) in READ.items():
        if item not in lost:
            frames.setdefault(name, []).extend(rows)
        else:
            source = "app" if item == "app" else "postgres"
            frames["gaps"].append(a_gap(source, f"{item} is lost", None if item == "app" else item))
    if not database:
        frames["gaps"].append(a_gap("postgres", "connection refused"))
    coverage = {"app": "failed" if "app" in lost else "ok", "postgres": "partial" if database else "failed"}
    return a_case(frames, coverage=coverage, site=SITE)


def all_of_the_database(lost: frozenset[str], database: bool) -> frozenset[str]:
    return lost if database else lost | (READ.keys() - {"app"})


@settings(max_examples=40, deadline=None)
@given(st.frozensets(st.sampled_from(sorted(READ))), st.booleans(), st.sampled_from(["window", "latest"]))
def test_rule_1_no_reading_is_a_number_when_its_source_is_gone(
    lost: frozenset[str], database: bool, part: str
) -> None:
    gone = all_of_the_database(lost, database)
    case = a_case_without(gone, database)
    case = case.latest() if part == "latest" else case
    for metric in METRICS:
        found = metric.measure(case)
        if needed(metric) <= gone:
            assert (found.value, found.low, found.baseline) == (None, None, None), metric.id
            assert found.state is not State.MEASURED
            assert found.reason, metric.id
        else:
            assert found.state is State.MEASURED, metric.id


@settings(max_examples=20, deadline=None)
@given(st.frozensets(st.sampled_from(sorted(READ))))
def test_rule_1_every_feature_and_job_of_the_site_file_keeps_its_row(lost: frozenset[str]) -> None:
    case = a_case_without(lost, database=True)
    rows = {row["feature"]: row for row in features.adoption(case)}
    assert list(rows) == ["orders", "sales"]
    for name, row in rows.items():
        assert (row["total"] is None) == (f"feature:{name}" in lost)
        assert all((day is None) == (f"feature:{name}" in lost) for day in row["days"])
    jobs = {row["job"]: row for row in cron.table(case)}
    assert list(jobs) == ["deliver", "nightly"]
    unread = "table:public.cron_job_logs" in lost
    assert all((row["ok"] is None) == unread and row["expected"] > 0 for row in jobs.values())
