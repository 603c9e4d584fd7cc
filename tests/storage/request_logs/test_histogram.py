"""Histograms add up, and their percentiles lie within 1 % of an observed time."""

from __future__ import annotations

from collections import Counter

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdmlib.storage.request_logs.histogram import bucket_of, bucket_sql, percentiles, value_of
from tests.storage.request_logs.logs import rank

TIMES = st.lists(st.floats(0.01, 300_000, allow_nan=False), min_size=1, max_size=200)


def of(times: list[float]) -> Counter[int]:
    return Counter(bucket_of(ms) for ms in times)


@given(TIMES, TIMES)
def test_merged_percentiles_are_within_one_percent_of_the_order_statistic(a: list[float], b: list[float]) -> None:
    merged = of(a) + of(b)
    found = percentiles(list(merged), list(merged.values()))
    for percentile in found:
        assert percentile.ms == pytest.approx(rank(a + b, percentile.quantile), rel=0.010001)
        assert percentile.samples == len(a) + len(b)


def test_rule_4_percentiles_are_pooled_and_never_averaged() -> None:
    quick, slow = Counter({bucket_of(100.0): 9900}), Counter({bucket_of(4000.0): 10, bucket_of(100.0): 90})
    merged = quick + slow
    p95 = percentiles(list(merged), list(merged.values()), (0.95,))[0]
    assert p95.ms == pytest.approx(100, rel=0.01)
    rare, many = Counter({bucket_of(100.0): 10}), Counter({bucket_of(3000.0): 51, bucket_of(200.0): 939})
    both = rare + many
    assert percentiles(list(both), list(both.values()), (0.95,))[0].ms == pytest.approx(3000, rel=0.01)


def test_intervals_are_binomial_order_statistics_and_missing_where_too_few_bound_them() -> None:
    times = [float(ms) for ms in range(1, 101)]
    buckets = of(times)
    p50, _, p99 = percentiles(list(buckets), list(buckets.values()))
    assert p50.low_ms == pytest.approx(40, rel=0.02)
    assert p50.high_ms == pytest.approx(61, rel=0.02)
    assert p99.high_ms is None


def test_the_engine_and_python_agree_on_buckets() -> None:
    times = [0.0001, 0.001, 0.5, 1.0, 1.0203, 99.99, 100.0, 1234.56, 300_000.0]
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT {bucket_sql('ms')} FROM (SELECT unnest(?) AS ms)", [times]).fetchall()
    assert [row[0] for row in rows] == [bucket_of(ms) for ms in times]


def test_an_empty_histogram_has_no_percentiles() -> None:
    assert percentiles([], []) == ()
    assert value_of(0) == pytest.approx(0.99)
