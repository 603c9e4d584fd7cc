"""The facts of the demo world, before anything serves them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest

from pdmlib.demo.scenarios import DEPLOYED, SCENARIOS, Plan, Spell, plan_of
from pdmlib.demo.world import World, build, load
from pdmlib.demo.world.grid import DAY, HOUR, Story, deployed, draw, local, moment, ms, quiet, rates
from pdmlib.demo.world.issues import ISSUES
from pdmlib.demo.world.operations import JOBS, slots
from pdmlib.errors import CallError

CLOCK = datetime(2025, 3, 10, 15, tzinfo=UTC)


@cache
def world(scenario: str) -> World:
    return build(20250303, plan_of(scenario, CLOCK))


def week(name: str, scenario: str = "healthy"):
    return world(scenario)[name].between(deployed(), deployed() + 7 * DAY)


@pytest.mark.slow
def test_two_builds_of_one_seed_are_the_same_to_the_byte_and_another_seed_is_not(tmp_path):
    first, second = tmp_path / "a.npz", tmp_path / "b.npz"
    world("rough").save(first)
    build(20250303, plan_of("rough", CLOCK)).save(second)
    assert first.read_bytes() == second.read_bytes()
    other = build(1, Plan())
    assert len(other["requests"]) != len(world("healthy")["requests"])


def test_a_world_read_back_from_disk_is_the_world_that_was_saved(tmp_path):
    world("rough").save(tmp_path / "w.npz")
    again = load(tmp_path / "w.npz", 20250303, plan_of("rough", CLOCK))
    for name, table in world("rough").tables.items():
        for column, values in table.columns.items():
            assert np.array_equal(values, again[name][column]), (name, column)


@pytest.mark.parametrize(
    ("table", "day1", "week1"),
    [("opportunities", 20, 50), ("promotions", 100, 200), ("review_requests", 50, 100), ("registrations", 30, 50)],
)
def test_healthy_features_reach_the_targets_of_day_one_and_week_one(table, day1, week1):
    assert len(world("healthy")[table].between(deployed(), deployed() + DAY)) >= day1
    assert len(week(table)) >= week1


def test_healthy_requests_are_fast_and_fail_rarely():
    requests = week("requests")
    assert len(world("healthy")["requests"].between(deployed(), deployed() + HOUR)) >= 1500
    p50, p95, p99 = np.quantile(requests["duration_ms"], [0.5, 0.95, 0.99])
    assert 150 < p50 < 210 and 600 < p95 < 800 and 1100 < p99 < 1700
    assert (requests["status"] >= 500).mean() < 0.0015


def test_healthy_week_has_no_failure_of_any_other_kind():
    assert not week("cron_runs")["failed"].any() and (week("cron_runs")["ended"] > 0).all()
    assert not week("probes")["down"].any() and len(week("probes")) == 7 * 288
    assert (week("charges")["result"] == 0).all()
    assert (week("texts")["error"] == 0).all()
    assert not week("integration_checks")["failed"].any()
    levels = {ISSUES[n].level for n in np.unique(week("events")["issue"]).tolist()}
    assert levels == {"error", "warning", "info"}


def test_every_failed_request_is_one_error_of_the_tracker():
    failed = (week("requests", "rough")["status"] >= 500).sum()
    events = week("events", "rough")
    levels = np.array([issue.level for issue in ISSUES])[events["issue"]]
    hostile = sum(ISSUES[n].number == 403 for n in events["issue"].tolist())
    assert np.isin(levels, ["error", "fatal"]).sum() - hostile == pytest.approx(failed, abs=2)


def test_rough_outage_lasts_five_probes_and_the_gap_two_hours():
    probes = week("probes", "rough")
    assert probes["down"].sum() == 5
    assert len(probes) == 7 * 288 - 24


def test_rough_slows_one_route_only_from_the_deployment_on():
    requests, route = world("rough")["requests"], 7
    median = {
        name: float(np.median(part.where(part["route"] == route)["duration_ms"]))
        for name, part in {
            "before": requests.between(deployed() - 7 * DAY, deployed()),
            "after": requests.between(deployed(), deployed() + 7 * DAY),
        }.items()
    }
    assert 3.5 < median["after"] / median["before"] < 4.5
    p95 = float(np.quantile(week("requests", "rough")["duration_ms"], 0.95))
    assert 1000 < p95 < 1400


def test_rough_stops_a_job_and_a_feature():
    referrals = [job.name for job in JOBS].index("process-referrals")
    runs = world("rough")["cron_runs"]
    assert moment(runs.where(runs["job"] == referrals)["at"][-1]) < datetime(2025, 3, 6, tzinfo=UTC)
    loyalty = world("rough")["loyalty"]
    last = moment(loyalty.where(loyalty["redeemed"] > 0)["at"][-1])
    assert datetime(2025, 3, 4, tzinfo=UTC) < last < datetime(2025, 3, 5, 6, tzinfo=UTC)


def test_six_percent_of_requests_fail_in_the_last_thirty_hours():
    requests = world("error_rate_6")["requests"]
    late = requests.between(ms(CLOCK) - 30 * HOUR, ms(CLOCK))
    assert (late["status"] >= 500).mean() == pytest.approx(0.06, abs=0.008)


def test_a_spike_is_twelve_times_the_traffic():
    usual = len(world("healthy")["requests"].between(ms(CLOCK) - DAY, ms(CLOCK)))
    assert len(world("traffic_spike")["requests"].between(ms(CLOCK) - DAY, ms(CLOCK))) / usual == pytest.approx(
        12, rel=0.1
    )


def test_schedules_fire_in_utc_whatever_the_summer_time():
    day = [at for at in slots("*/30 * * * *") if at // DAY == ms(datetime(2025, 3, 9, tzinfo=UTC)) // DAY]
    assert len(day) == 48
    assert [moment(at).weekday() for at in slots("0 0 * * 0")] == [6] * 10
    assert [moment(at).day for at in slots("0 0 1 * *")] == [1, 1, 1]
    assert [moment(at).hour for at in slots("0 8,12 * * *")[:2]] == [8, 12]


def test_business_days_follow_central_time_over_the_change_of_clocks():
    times = np.array([ms(datetime(2025, 3, 9, 7, 59, tzinfo=UTC)), ms(datetime(2025, 3, 9, 8, 0, tzinfo=UTC))])
    assert [moment(at).hour for at in local(times)] == [1, 3]
    holiday, monday = datetime(2025, 2, 17, 18, tzinfo=UTC), datetime(2025, 3, 10, 4, 59, tzinfo=UTC)
    assert quiet(np.array([ms(holiday), ms(monday), ms(monday) + 60_000])).tolist() == [True, True, False]


def test_daily_counts_vary_more_than_a_poisson_process():
    story = Story(5, Plan())
    at = draw(story.rng("x"), rates(20_000, 20_000), spread=0.12)
    counts = np.bincount((at - at[0]) // (HOUR // 3))[30:-30].reshape(-1, 3).sum(axis=1)
    hours = counts[: len(counts) // 24 * 24].reshape(-1, 24)
    assert (hours.var(axis=0, ddof=1) / hours.mean(axis=0)).mean() > 2


def test_scenarios_join_and_an_unknown_one_is_refused_with_the_list():
    plan = plan_of("rough+sentry_401+twilio_429_once", CLOCK)
    assert plan.hostile_issue and plan.behaviours == {"sentry": "unauthorized", "twilio": "limited_once"}
    assert plan.facts() == plan_of("rough", CLOCK).facts()
    with pytest.raises(CallError, match="'rouhg' is not a scenario; did you mean rough"):
        plan_of("rouhg", CLOCK)


def test_every_scenario_changes_the_plan_but_healthy():
    unchanged = [s.name for s in SCENARIOS if plan_of(s.name, CLOCK) == Plan()]
    assert unchanged == ["healthy"]
    assert len({s.name for s in SCENARIOS}) == len(SCENARIOS)
    spell = Spell(DEPLOYED, DEPLOYED + timedelta(hours=1))
    assert replace(Plan(), outages=(spell,)).facts().outages == (spell,)
