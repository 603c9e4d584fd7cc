"""Statistics: the worked cases of rates, counts and quantiles."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pdmlib import stats


@pytest.mark.parametrize(
    ("errors", "requests", "low", "high"),
    [(0, 20, 0.0, 16.1), (1, 20, 0.9, 23.6), (4, 20, 8.1, 41.6), (60, 1000, 4.7, 7.7)],
)
def test_rule_2_wilson_intervals_of_small_samples(errors: int, requests: int, low: float, high: float) -> None:
    assert stats.wilson(errors, requests) == pytest.approx((low / 100, high / 100), abs=0.0006)


def test_rule_2_ten_thousand_requests_at_six_percent_are_surely_above_five() -> None:
    assert stats.wilson(600, 10_000) == pytest.approx((0.0555, 0.0648), abs=0.00005)


def test_rule_2_381_is_the_first_clean_sample_that_passes_half_a_percent() -> None:
    passes = [n for n in range(1, 500) if stats.wilson(0, n)[1] < 2 * 0.005]
    assert passes[0] == 381


def test_without_trials_a_rate_may_be_anything() -> None:
    assert stats.wilson(0, 0) == (0.0, 1.0)


def test_rule_2_requests_needed_to_decide_are_the_first_that_clear_the_limit() -> None:
    needed = stats.trials_to_decide(60, 1000, 0.05)
    assert needed == 1825
    assert stats.wilson(0.06 * needed, needed)[0] > 0.05 >= stats.wilson(0.06 * (needed - 1), needed - 1)[0]


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0.0, 3.689), (5, 1.623, 11.668), (10, 4.795, 18.390)])
def test_a_count_may_be_of_what_the_published_table_says(count: int, low: float, high: float) -> None:
    """Exact 95 % limits of a Poisson count: Garwood 1936, as in the appendix of Breslow and Day, volume II."""
    assert stats.count_interval(count) == pytest.approx((low, high), abs=0.0006)


def test_no_number_of_requests_decides_at_the_limit_itself() -> None:
    assert stats.trials_to_decide(1, 20, 0.05) is None
    assert stats.trials_to_decide(0, 0, 0.05) is None


def test_what_is_decided_needs_no_more_requests() -> None:
    assert stats.trials_to_decide(4, 20, 0.05) == 20


def test_rule_8_a_hundred_against_eighty_is_chance() -> None:
    low, high = stats.rate_ratio(80, 1, 100, 1)
    assert low < 1 < high
    assert stats.rate_ratio_p(80, 1, 100, 1) == pytest.approx(0.16, abs=0.005)


def test_rule_9_fourteen_events_a_day_after_ten_a_day_are_no_growth_and_forty_are() -> None:
    assert stats.rate_ratio(14, 1, 70, 7)[0] < 1
    assert stats.rate_ratio(40, 1, 70, 7)[0] > 1


def test_dispersion_widens_an_interval() -> None:
    narrow, wide = stats.rate_ratio(150, 1, 100, 1), stats.rate_ratio(150, 1, 100, 1, dispersion=3)
    assert wide[0] < narrow[0] and narrow[1] < wide[1]


def test_from_a_base_of_zero_a_ratio_has_no_upper_end() -> None:
    assert stats.rate_ratio(7, 1, 0, 4)[1] == math.inf
    assert stats.rate_ratio(0, 1, 0, 4) == (0.0, math.inf)


@given(st.integers(0, 400), st.integers(1, 400), st.floats(0.1, 10))
def test_interval_and_p_value_agree(now: int, before: int, exposure: float) -> None:
    low, high = stats.rate_ratio(now, exposure, before, 1)
    outside = not low <= 1 <= high
    p = stats.rate_ratio_p(now, exposure, before, 1)
    assert outside == (p < 0.05) or abs(p - 0.05) < 1e-6


@given(st.integers(1, 10**6), st.data())
def test_a_wilson_interval_holds_its_rate_and_stays_within_0_and_1(trials: int, data: st.DataObject) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = stats.wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1


def test_rule_4_ranks_around_the_median_of_twenty() -> None:
    assert stats.quantile_ranks(20, 0.5) == (6, 15)


def test_rule_4_fifty_requests_do_not_bound_a_p95_above() -> None:
    assert stats.quantile_ranks(50, 0.95) == (44, None)
    assert stats.quantile_interval(range(1, 101), 0.95) == (90, 100)
    assert stats.quantile_interval([], 0.95) == (None, None)


def test_dispersion_is_variance_over_mean_within_groups() -> None:
    assert stats.dispersion([[90, 110], [9, 11]]) == pytest.approx((2 + 0.2) / 2)
    assert stats.dispersion([[200, 200, 200], [20, 20, 20]]) == 1.0
    assert math.isnan(stats.dispersion([[5], [0, 0]]))


def test_rule_10_three_days_of_nothing_are_41_percent_at_0_3_a_day_and_a_quarter_percent_at_2() -> None:
    assert stats.chance_of_none(0.9) == pytest.approx(0.41, abs=0.005)
    assert stats.chance_of_none(6) == pytest.approx(0.0025, abs=0.00005)


def test_nothing_is_likelier_where_counts_are_overdispersed() -> None:
    assert stats.chance_of_none(6, 3) == pytest.approx(3**-3)


def test_several_looks_share_one_level() -> None:
    assert stats.level_for_looks(5) == pytest.approx(0.01)
    assert stats.level_for_looks(0) == 0.05


def test_one_look_at_a_proportion_is_wilsons() -> None:
    assert stats.proportion(3, 400) == stats.wilson(3, 400)


def test_of_twelve_looks_less_than_half_as_many_clean_requests_show_a_rate_below_one_percent() -> None:
    """Divided looks need 813: z is 2.865, so z^2 / (n + z^2) < 1 % from 8.21 x 99 on. The mixture needs half.

    (100 / (100 + n))^0.5 / 0.99^n is 0.434 x 75.3 = 32.7 at 430 and 0.425 x 96.8 = 41 at 455; it takes 40.
    """
    level = stats.level_for_looks(12)
    assert stats.wilson(0, 812, level)[1] > 0.01 > stats.wilson(0, 813, level)[1]
    assert stats.proportion(0, 430, level)[1] > 0.01 > stats.proportion(0, 455, level)[1]


def test_the_bound_of_all_looks_is_passed_by_the_true_rate_in_fewer_than_2_5_percent_of_hours() -> None:
    """Twelve looks at 1,700 requests of which 1 % fail: how often any of them says that it is less."""
    rng, level, wrong = random.Random(3), stats.level_for_looks(12), 0
    for _ in range(120):
        failed, asked = 0, 0
        for _ in range(12):
            asked += 142
            failed += sum(rng.random() < 0.01 for _ in range(142))
            if stats.proportion(failed, asked, level)[1] < 0.01:
                wrong += 1
                break
    assert wrong / 120 < 0.025
