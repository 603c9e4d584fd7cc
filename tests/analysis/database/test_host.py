"""Counters and gauges of a host (truth rule 11)."""

from datetime import timedelta

import pytest

from pdmlib.analysis.database import host
from pdmlib.phases.window import Window
from tests.builders import DEPLOYED, a_case

MINUTE = timedelta(minutes=1)


def samples(metric, *pairs):
    return [{"metric": metric, "at": DEPLOYED + m * MINUTE, "value": v} for m, v in pairs]


def cpu(*triples):
    idle = samples("cpu_idle_s", *((m, i) for m, i, _ in triples))
    return a_case({"host_metrics": idle + samples("cpu_all_s", *((m, a) for m, _, a in triples))})


def test_cpu_is_the_busy_share_between_two_scrapes():
    """120 core-seconds passed, 78.9 of them idle: 34.25 % busy."""
    load = host.cpu_pct(cpu((0, 1000.0, 5000.0), (1, 1078.9, 5120.0)))
    assert load.mean == pytest.approx(34.25)


def test_one_scrape_is_no_load():
    assert host.cpu_pct(cpu((0, 1000.0, 5000.0))).table.empty


def test_a_counter_that_fell_is_a_restart_and_is_discarded():
    """Rule 11: 50 % busy, then a restart, then 25 %: the middle stretch is left out and told."""
    load = host.cpu_pct(cpu((0, 0.0, 0.0), (10, 50.0, 100.0), (20, 5.0, 10.0), (30, 80.0, 110.0)))
    assert load.restarts == 1
    assert sorted(load.table["value"]) == [25, 50]
    assert load.mean == pytest.approx(37.5)


def test_rule_11_a_repeated_scrape_is_no_restart():
    """The endpoint gave the same answer at 10 and 12 minutes: 50 % busy, then 25 % from 10 to 20, nothing fell."""
    load = host.cpu_pct(cpu((0, 0.0, 0.0), (10, 50.0, 100.0), (12, 50.0, 100.0), (20, 125.0, 200.0)))
    assert load.restarts == 0
    assert list(load.table["value"]) == [50, 25]


def test_the_average_is_weighted_by_time():
    """10 minutes at 90 % and 50 minutes at 30 % are 40 %, not 60 %."""
    load = host.cpu_pct(cpu((0, 0.0, 0.0), (10, 10.0, 100.0), (60, 360.0, 600.0)))
    assert load.mean == pytest.approx((10 * 90 + 50 * 30) / 60)


def test_scrapes_more_than_two_hours_apart_vouch_for_nothing():
    assert host.cpu_pct(cpu((0, 0.0, 0.0), (121, 10.0, 100.0))).table.empty


def test_coverage_is_the_share_that_scrapes_vouch_for():
    """Two hours of four."""
    case = cpu((0, 0.0, 0.0), (120, 10.0, 100.0)).at(Window(DEPLOYED, DEPLOYED + 240 * MINUTE))
    assert host.cpu_pct(case).coverage_pct == 50


def test_a_gauge_holds_until_the_next_sample_and_at_most_two_hours():
    """60 % for one hour, 80 % for two, then nothing known."""
    case = a_case({"host_metrics": samples("memory_pct", (0, 60.0), (60, 80.0))})
    used = host.gauge(case.at(Window(DEPLOYED, DEPLOYED + 600 * MINUTE)), "memory_pct")
    assert used.mean == pytest.approx((60 + 2 * 80) / 3)
    assert used.coverage_pct == 30


def test_a_counter_counts_across_long_gaps_but_not_across_a_restart():
    """Up 700, then fell, then up 50 in the window."""
    case = a_case({"host_metrics": samples("queries_total", (0, 100.0), (300, 800.0), (310, 10.0), (320, 60.0))})
    grown = host.increments(case, "queries_total")
    assert (grown.table["value"] * grown.table["seconds"]).sum() == pytest.approx(750)
    assert grown.restarts == 1


def test_a_late_report_takes_the_first_sample_after_its_window_and_says_its_age():
    """A week's report three hours late: what is seen then is evidence, but of three hours later."""
    week = timedelta(days=7) // MINUTE
    late = {"as_of": DEPLOYED + timedelta(days=7, hours=3)}
    case = a_case({"host_metrics": samples("connections", (week + 180, 22), (week + 179, 21))}, **late)
    found = host.newest(case, "connections")
    assert found["value"] == 21
    assert host.age(case, found) == ", 3 h after the window's end: no sample falls into it"
    assert (
        host.newest(case.at(case.scope.window.last(timedelta(days=1)).shifted(-timedelta(days=1))), "connections")
        is None
    )
    inside = a_case({"host_metrics": samples("connections", (week - 1, 9), (week + 180, 22))}, **late)
    assert (host.newest(inside, "connections")["value"], host.age(inside, host.newest(inside, "connections"))) == (
        9,
        "",
    )


def test_a_sample_of_long_after_the_window_is_none_of_it():
    case = a_case(
        {"host_metrics": samples("connections", (20000, 22))}, as_of=DEPLOYED + timedelta(minutes=20000, days=1)
    )
    assert host.newest(case, "connections") is None
