"""Figures say what they show, never fail on odd input, and never hide missing data."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from pdmlib.analysis.limits import Mark
from pdmlib.phases.window import Window
from pdmlib.report.charts.adoption import adoption_heatmap
from pdmlib.report.charts.bars import capacity_line, cost_bars, query_bar, routes_bar
from pdmlib.report.charts.cron import cron_slots
from pdmlib.report.charts.days import day_trend
from pdmlib.report.charts.picture import (
    Picture,
    columns,
    count_text,
    minutes_text,
    ms_text,
    on_a_wall,
    plain,
    spread,
)
from pdmlib.report.charts.series import database_cpu, error_rate, request_volume, response_time
from pdmlib.report.charts.timeline import Around, share_up, thin, timeline
from pdmlib.report.charts.uptime import uptime_strip

ZONE = ZoneInfo("America/Chicago")
DEPLOYED = datetime(2025, 3, 3, 15, tzinfo=UTC)
WINDOW = Window(DEPLOYED, datetime(2025, 3, 10, 15, tzinfo=UTC))
# The style is that of a dark theme, the same in every picture.
DRAWN = {"svg", "g", "defs", "path", "clipPath", "rect", "use", "text", "tspan", "title", "pattern"}
ELEMENTS = {"div", "style", *DRAWN}
HOSTILE = '$x_1$ <script>alert(1)</script> "&\n\x00\x1b[31m\u202e 客户名称 😀 ' + "long " * 60


def hours(count: int, start: datetime = DEPLOYED) -> pd.DataFrame:
    at = pd.date_range(start, periods=count, freq="h")
    requests = np.arange(count) + 200.0
    return pd.DataFrame(
        {
            "at": at,
            "p50": 100.0,
            "p95": 400.0 + np.arange(count),
            "p99": 900.0,
            "requests": requests,
            "errors": 2.0,
            "error_rate_pct": 200 / requests,
            "cpu_pct": 40.0,
            "complete": np.arange(count) < count - 1,
        }
    )


def around(deployed_at: datetime | None = DEPLOYED, **more: Any) -> Around:
    return Around(ZONE, deployed_at, **more)


def span(start: str, end: str, state: str) -> dict[str, object]:
    return {"start": pd.Timestamp(start, tz="UTC"), "end": pd.Timestamp(end, tz="UTC"), "state": state}


SEGMENTS = pd.DataFrame(
    [
        span("2025-03-03 15:00", "2025-03-04 18:00", "up"),
        span("2025-03-04 18:00", "2025-03-04 18:12", "down"),
        span("2025-03-04 18:12", "2025-03-05 16:00", "up"),
        span("2025-03-05 16:00", "2025-03-05 16:30", "down"),
        span("2025-03-05 16:30", "2025-03-05 18:30", "unknown"),
        span("2025-03-05 18:30", "2025-03-10 15:00", "up"),
    ]
)


def slots(job: str, states: list[str], every: str = "h") -> pd.DataFrame:
    at = pd.date_range(DEPLOYED, periods=len(states), freq=every)
    return pd.DataFrame({"job": job, "expected_at": at, "state": states})


def adoption(title: str, days: list[int | None], cells: list[str]) -> dict[str, object]:
    dates = [(date(2025, 3, 3) + timedelta(days=i)).isoformat() for i in range(len(days))]
    return {"title": title, "days": days, "cells": cells, "dates": dates, "abandoned": False}


DAY = {"date": "2025-03-09", "requests": 10, "error_rate_pct": 0.1, "latency_p95_ms": 300.0}
Draw = Callable[[], Picture]

EMPTY: dict[str, Draw] = {
    "response_time": lambda: response_time(hours(0), around(reason="why")),
    "error_rate": lambda: error_rate(hours(0), around(reason="why")),
    "request_volume": lambda: request_volume(pd.DataFrame(), around(reason="why")),
    "database_cpu": lambda: database_cpu(hours(0), around(reason="why")),
    "uptime_strip": lambda: uptime_strip(SEGMENTS.head(0), ZONE, WINDOW, reason="why"),
    "cron_slots": lambda: cron_slots(slots("a", []), ZONE, WINDOW, reason="why"),
    "adoption_heatmap": lambda: adoption_heatmap([], reason="why"),
    "day_trend": lambda: day_trend([], reason="why"),
    "routes_bar": lambda: routes_bar([], reason="why"),
    "query_bar": lambda: query_bar([], reason="why"),
    "cost_bars": lambda: cost_bars([], reason="why"),
    "capacity_line": lambda: capacity_line([], reason="why"),
}
NAN_ONLY: dict[str, Draw] = {
    "response_time": lambda: response_time(
        hours(3).assign(p50=np.nan, p95=np.nan, p99=np.nan), around(reason="why")
    ),
    "error_rate": lambda: error_rate(hours(3).assign(error_rate_pct=np.nan), around(reason="why")),
    "request_volume": lambda: request_volume(hours(3).assign(requests=np.inf), around(reason="why")),
    "database_cpu": lambda: database_cpu(hours(3).drop(columns="cpu_pct"), around(reason="why")),
    "day_trend": lambda: day_trend([{"date": "2025-03-09"}], reason="why"),
    "routes_bar": lambda: routes_bar([{"route": "/", "p95": None}], reason="why"),
    "cost_bars": lambda: cost_bars([{"title": "x", "amount": float("nan")}], reason="why"),
}
ONE: dict[str, Draw] = {
    "response_time": lambda: response_time(hours(1), around()),
    "error_rate": lambda: error_rate(hours(1), around()),
    "request_volume": lambda: request_volume(hours(1), around(None, usual=hours(1).assign(low=1, high=9))),
    "database_cpu": lambda: database_cpu(hours(1), around()),
    "uptime_strip": lambda: uptime_strip(SEGMENTS.head(1), ZONE, WINDOW),
    "cron_slots": lambda: cron_slots(slots("a", ["ok"]), ZONE, WINDOW),
    "adoption_heatmap": lambda: adoption_heatmap([adoption("A", [1], ["count"])]),
    "day_trend": lambda: day_trend([DAY]),
    "routes_bar": lambda: routes_bar([{"route": "/", "before_p95": 1.0, "p95": 2.0, "regressed": True}]),
    "query_bar": lambda: query_bar([{"query": "SELECT 1", "before_mean_ms": 0, "mean_ms": 2.0}]),
    "cost_bars": lambda: cost_bars([{"title": "x", "amount": 0.0, "currency": "USD"}]),
    "capacity_line": lambda: capacity_line([{"title": "Storage", "used": 1, "limit": 4, "unit": "GB"}]),
}
HOSTILES: dict[str, Draw] = {
    "nothing": lambda: routes_bar([], reason=HOSTILE),
    "uptime_strip": lambda: uptime_strip(SEGMENTS.assign(state=HOSTILE), ZONE, WINDOW),
    "cron_slots": lambda: cron_slots(slots(HOSTILE, [HOSTILE, "failed"]), ZONE, WINDOW),
    "adoption_heatmap": lambda: adoption_heatmap([adoption(HOSTILE, [1, None], [HOSTILE, HOSTILE])]),
    "routes_bar": lambda: routes_bar([{"route": HOSTILE, "before_p95": -1, "p95": 1e9, "regressed": True}]),
    "query_bar": lambda: query_bar([{"query": HOSTILE, "before_mean_ms": "x", "mean_ms": 2.0}]),
    "cost_bars": lambda: cost_bars([{"title": HOSTILE, "amount": 3, "currency": HOSTILE}]),
    "capacity_line": lambda: capacity_line([{"title": HOSTILE, "used": 9, "limit": 4, "unit": HOSTILE}]),
}


@pytest.mark.parametrize("draw", [*EMPTY.values(), *NAN_ONLY.values()], ids=[*EMPTY, *NAN_ONLY])
def test_without_data_the_picture_says_why(draw: Draw) -> None:
    picture = draw()
    assert picture.alt.endswith("no data: why.")
    assert b"no data: why" in picture.svg()


@pytest.mark.parametrize("draw", ONE.values(), ids=ONE)
def test_one_point_is_drawn_and_said(draw: Draw) -> None:
    picture = draw()
    assert len(picture.alt) > 10
    assert "no data: " not in picture.alt
    assert picture.svg().startswith(b"<?xml")


@pytest.mark.parametrize("draw", HOSTILES.values(), ids=HOSTILES)
def test_hostile_text_is_only_text(draw: Draw) -> None:
    picture = draw()
    svg, shown = picture.svg(), picture._repr_html_()
    assert b"<script" not in svg
    assert not any(bad in svg for bad in (b"\x00", b"\x1b", "\u202e".encode()))
    assert "<script" not in shown
    names = set(re.findall(r"<([\w:]+)", shown))
    assert names <= ELEMENTS
    assert not re.search(r"<[^>]* on\w+=", shown)
    assert len(picture.png(40)) > 500


@pytest.mark.parametrize("name", ["response_time", "uptime_strip", "cron_slots", "adoption_heatmap", "routes_bar"])
def test_the_same_input_gives_the_same_bytes(name: str) -> None:
    first, second = ONE[name](), ONE[name]()
    assert first.svg() == second.svg() == first.svg()
    assert first._repr_html_() == second._repr_html_()


def test_each_outage_is_drawn_once_and_its_minutes_are_said() -> None:
    picture = uptime_strip(SEGMENTS, ZONE, WINDOW)
    drawn = [c for ax in picture.figure.axes for c in ax.collections if c.get_gid() == "down"]
    assert sum(len(c.get_paths()) for c in drawn) == 2
    assert "Tue 4 Mar: down 12 min." in picture.alt
    assert "Wed 5 Mar: down 30 min, not probed 2 h." in picture.alt


def test_probes_of_one_outage_are_one_outage() -> None:
    rows = pd.DataFrame(
        [
            span("2025-03-04 18:00", "2025-03-04 18:05", "down"),
            span("2025-03-04 18:05", "2025-03-04 18:10", "down"),
            span("2025-03-04 20:00", "2025-03-04 20:05", "down"),
        ]
    )
    assert "Tue 4 Mar: down 15 min (2 times), not probed 23 h 45 min." in uptime_strip(rows, ZONE, WINDOW).alt


def test_time_without_probes_is_never_up() -> None:
    picture = uptime_strip(SEGMENTS.head(1), ZONE, WINDOW)
    assert "Mon 3 Mar: up." in picture.alt
    assert "Thu 6 Mar: not probed." in picture.alt
    assert "Sun 9 Mar: not probed (23-hour day)." in picture.alt


def test_an_outage_over_midnight_is_split_by_local_day() -> None:
    rows = pd.DataFrame([span("2025-03-05 05:40", "2025-03-05 06:15", "down")])
    window = Window(datetime(2025, 3, 4, 6, tzinfo=UTC), datetime(2025, 3, 6, 6, tzinfo=UTC))
    alt = uptime_strip(rows, ZONE, window).alt
    assert "Tue 4 Mar: down 20 min, not probed 23 h 40 min." in alt
    assert "Wed 5 Mar: down 15 min, not probed 23 h 45 min." in alt


def test_a_missing_hour_breaks_the_line_and_is_said() -> None:
    table = hours(10).drop(index=[4, 5])
    line = timeline(table, ("p95",), ZONE, None)
    assert line is not None
    assert np.isnan(line.values["p95"]).tolist() == [False] * 4 + [True] + [False] * 4
    assert "No data for 2 h." in response_time(table, around()).alt


def test_hours_of_the_window_before_the_first_and_after_the_last_row_are_missing() -> None:
    window = Window(DEPLOYED - timedelta(hours=3), DEPLOYED + timedelta(hours=12))
    assert "No data for 5 h." in request_volume(hours(10), around(window=window)).alt


def test_an_hour_without_requests_is_not_missing() -> None:
    table = hours(4)
    table.loc[1, ["requests", "error_rate_pct"]] = [0.0, np.nan]
    picture = error_rate(table, around())
    assert "No data" not in picture.alt
    assert b"no requests" in picture.svg()


@pytest.mark.parametrize("wall", [False, True])
@pytest.mark.parametrize("place", range(0, 24, 3))
def test_the_words_at_a_peak_stay_inside_the_axes(place: int, wall: bool) -> None:
    table = hours(24)
    table.loc[place, ["p95", "p99"]] = [2_345.0, 2_400.0]
    with on_a_wall() if wall else nullcontext():
        picture = response_time(table, around())
    for figure in (picture.figure, picture.narrow):
        assert figure is not None
        ax = figure.axes[0]
        (note,) = (text for text in ax.texts if text.get_text().startswith("highest"))
        said, room = note.get_window_extent(), ax.get_window_extent()
        assert room.x0 < said.x0 and said.x1 < room.x1 + 1


def test_a_thin_hour_does_not_become_the_highest_error_rate() -> None:
    table = hours(4)
    table.loc[2, ["requests", "errors", "error_rate_pct"]] = [5.0, 1.0, 20.0]
    alt = error_rate(table, around()).alt
    assert "highest 1.00 % (2 of 200)" in alt
    assert "1 with errors among fewer than 100 requests, up to 20 %" in alt


def test_an_incomplete_bucket_is_said() -> None:
    assert "1 incomplete, drawn hollow." in response_time(hours(5), around()).alt


def test_times_are_those_of_the_site() -> None:
    picture = database_cpu(hours(5).assign(cpu_pct=[1, 2, 91, 2, 1]), around())
    assert "from Mon 3 Mar 09:00 to Mon 3 Mar 14:00, America/Chicago" in picture.alt
    assert "peak 91 % at Mon 3 Mar 11:30" in picture.alt
    assert "deployed Mon 3 Mar 09:00" in picture.svg().decode()


def test_samples_of_several_lengths_leave_no_gap_and_a_gap_is_named_once() -> None:
    hour, ends = timedelta(hours=1), [1, 2, 3, 3.25, 3.5, 3.75, 6]
    at = [DEPLOYED + hour * x for x in (0, 1, 2, 3, 3.25, 3.5, 5)]
    table = pd.DataFrame({"at": at, "end": [DEPLOYED + hour * x for x in ends], "cpu_pct": 20.0})
    assert "No data" not in database_cpu(table[:6], around()).alt
    picture = database_cpu(table, around())
    assert "No data for 1 h 15 min." in picture.alt
    assert picture.svg().decode().count("<!-- no data -->") + picture.svg().decode().count(">no data<") == 1


def test_a_deployment_before_the_chart_is_still_named() -> None:
    svg = response_time(hours(5, DEPLOYED + timedelta(days=2)), around()).svg().decode()
    assert "deployed Mon 3 Mar 09:00, before this" in svg


def test_a_spike_leaves_the_rest_its_room() -> None:
    """One hour of 1,000 errors in 1,000 requests among hours of 2 presses a target of 0.5 % to a 250th."""
    table = hours(48)
    table.loc[20, ["errors", "requests", "error_rate_pct"]] = [1000.0, 1000.0, 100.0]
    limit = (Mark(0.5, "target"),)
    for calm, scale in ((table, "symlog"), (table.drop(index=20), "linear")):
        ax = error_rate(calm, around(), limit).figure.axes[0]
        assert ax.get_yscale() == scale
        assert share_up(ax, 0.5) > 0.15


def test_what_is_usual_and_what_was_broken_stand_behind_the_line() -> None:
    """One incident of an hour, and a usual range from 100 to 300 in each hour."""
    broken = [Window(DEPLOYED + timedelta(hours=3), DEPLOYED + timedelta(hours=4))]
    usual = hours(24).assign(low=100.0, high=300.0)
    picture = request_volume(hours(24), around(usual=usual, incidents=broken))
    shown = picture._repr_html_()
    assert shown.count(">usual for the hour</text>") == shown.count(">incidents</text>") == 2
    bare = request_volume(hours(24), around())._repr_html_()
    assert "usual for the hour" not in bare
    assert "incident" not in bare


def test_the_figure_stands_under_the_pointer() -> None:
    """Hour 3 after 09:00 in Chicago begins at 12:00: 203 requests, 2 errors, 0.99 % (2 of 203)."""
    shown = error_rate(hours(5), around())._repr_html_()
    assert "<title>Mon 3 Mar 12:00: 0.99 % · errors 2 · of 203</title>" in shown
    assert shown.count("<title>") == 5, "on a phone there is no pointer"
    bars = routes_bar([{"route": "/" + "long" * 20, "before_p95": 1.0, "p95": 2.0, "regressed": False}])
    assert f"<title>/{'long' * 20}: 1 ms → 2 ms</title>" in bars._repr_html_()


def test_two_pictures_of_a_page_share_no_name() -> None:
    names = [set(re.findall(r' id="([^"]+)"', ONE[n]()._repr_html_())) for n in ("uptime_strip", "cron_slots")]
    assert all(names)
    assert not names[0] & names[1]


def test_thinning_keeps_extremes_gaps_and_the_limit() -> None:
    values = np.sin(np.arange(10_080) / 50)
    values[5_000], values[7_777], values[9_000:9_100] = 40.0, -40.0, np.nan
    kept = thin(values)
    assert len(kept) <= 800
    assert {5_000, 7_777} <= set(kept.tolist())
    assert np.isnan(values[kept]).any()
    assert (np.diff(kept) > 0).all()


def test_short_series_are_not_thinned() -> None:
    assert thin(np.arange(800.0)).tolist() == list(range(800))


def test_cron_counts_stand_beside_each_job() -> None:
    table = pd.concat(
        [
            slots("each-hour", ["ok"] * 45 + ["failed", "missed", "missed"]),
            slots("dense", ["ok"] * 287 + ["hung"], every="5min"),
            slots("rare", ["not_due"]),
            slots("silent", ["never_logged"] * 3),
        ]
    )
    picture = cron_slots(table, ZONE, WINDOW)
    assert "each-hour: ok 45/48, 1 failed, 2 missed." in picture.alt
    assert "dense: ok 287/288, 1 hung." in picture.alt
    assert "rare: not due." in picture.alt
    assert "silent: never logged." in picture.alt
    assert b"ok 287/288, 1 hung" in picture.svg()


def test_cells_without_a_count_are_never_zero() -> None:
    rows = [adoption("Offers", [5, 0, None, 2, None], ["count", "zero", "no_data", "partial", "not_yet"])]
    picture = adoption_heatmap(rows)
    assert picture.alt == "Use of features by day. Offers: 5, 0, 2 (day not over), 1 no data, 1 not yet."
    assert b"day not over" in picture.svg()


def test_an_abandoned_feature_is_said_by_word() -> None:
    row = {**adoption("Offers", [9, 0, 0], ["count", "zero", "zero"]), "abandoned": True, "total": 9, "target": 50}
    picture = adoption_heatmap([row])
    assert "Offers (abandoned): 9, 0, 0." in picture.alt
    assert b"(target 50)" in picture.svg()


def test_thirty_days_go_on_in_a_second_block() -> None:
    row = adoption("Offers", list(range(30)), ["count"] * 30)
    svg = adoption_heatmap([row]).svg()
    assert svg.count(b">Offers<") == 2


def test_regressed_routes_carry_their_factor() -> None:
    rows = [
        {"route": "/jobs/[id]", "before_p95": 300, "p95": 750, "regressed": True},
        {"route": "/new", "before_p95": None, "p95": 80},
    ]
    picture = routes_bar(rows)
    assert "/jobs/[id]: 300 ms → 750 ms, 2.5× slower." in picture.alt
    assert "/new: 80 ms, none before." in picture.alt


def test_routes_beyond_the_first_fifteen_are_counted() -> None:
    rows = [{"route": f"/{i}", "before_p95": 10, "p95": 10} for i in range(20)]
    assert routes_bar(rows).alt.endswith("5 more not drawn.")


def test_days_without_data_stay_in_the_trend() -> None:
    rows = [{"date": "2025-03-08", "requests": None}, {**DAY, "complete": False}]
    alt = day_trend(rows).alt
    assert "Requests: no data, 10." in alt
    assert "Incomplete: Sun 9 Mar." in alt


def test_a_limit_that_is_not_known_is_said() -> None:
    rows = [{"title": "Storage", "used": 4, "limit": None, "unit": "GB"}]
    assert "Storage: 4 GB, limit not known." in capacity_line(rows).alt


def test_what_was_not_measured_keeps_its_row() -> None:
    known = {"title": "Storage", "used": 4, "limit": 8, "unit": "GB"}
    unknown = {"title": "Connections", "used": None, "limit": 60}
    assert "Connections: not measured." in capacity_line([known, unknown]).alt
    costs = [
        {"title": "SMS", "amount": 1, "currency": "USD"},
        {"title": "Mail", "amount": None, "currency": "USD"},
    ]
    assert "Mail: not known." in cost_bars(costs).alt


def test_regressed_routes_come_first() -> None:
    rows = [
        {"route": f"/{i}", "before_p95": 10, "p95": 10 + 30 * (i == 19), "regressed": i == 19} for i in range(20)
    ]
    assert routes_bar(rows).alt.startswith("p95 of routes, before and after. /19: 10 ms → 40 ms, 4.0× slower.")


def test_capacity_says_when_it_is_full() -> None:
    rows = [{"title": "Storage", "used": 4, "limit": 8, "unit": "GB", "days_left": 83}]
    assert "Storage: 50 %: 4 of 8 GB, full in 83 days." in capacity_line(rows).alt


def test_costs_keep_their_currency() -> None:
    alt = cost_bars([{"title": "SMS", "amount": 131.5, "currency": "USD", "before_amount": 88.2}]).alt
    assert "SMS: 131.50 USD (before 88.20)." in alt


def test_labels_are_moved_apart_in_their_order() -> None:
    assert spread([5.0, 5.0, 0.0], 1.0, 0.0, 10.0) == [5.0, 6.0, 0.0]
    assert spread([10.0, 10.0], 1.0, 0.0, 10.0) == [9.0, 10.0]


def test_text_from_outside_becomes_one_short_printable_line() -> None:
    assert plain("a\n\tb\x00\u202ec", 20) == "a bc"
    assert plain("abcdefghij", 5) == "abcd…"
    assert columns(plain("客户名称客户名称", 7)) <= 7


def test_numbers_read_like_numbers() -> None:
    assert [ms_text(v) for v in (0.42, 12, 850, 1400)] == ["0.42 ms", "12 ms", "850 ms", "1.4 s"]
    assert [minutes_text(v) for v in (0.5, 1, 59, 60, 185)] == ["30 s", "1 min", "59 min", "1 h", "3 h 05 min"]
    assert [count_text(v) for v in (7, 1234, 120_000, 3_400_000)] == ["7", "1,234", "120k", "3.4M"]


def test_the_style_of_the_notebook_is_left_alone() -> None:
    import matplotlib

    before = dict(matplotlib.rcParams)
    ONE["response_time"]().svg()
    assert dict(matplotlib.rcParams) == before
