"""Baselines of comparable days, and arrows only where something changed."""

import random
from datetime import date, timedelta

import pytest

from pdmlib.analysis.compare.baseline import Baseline, Bucket, baseline, change, level_change, together
from pdmlib.frames.case import Case
from pdmlib.phases.window import Window, days_between
from tests.builders import DEPLOYED, a_case, a_site, at

CASE = a_case()
ZONE = CASE.site.zone
BEFORE = days_between(date(2025, 2, 3), date(2025, 3, 2), ZONE)
WEEK = days_between(date(2025, 3, 4), date(2025, 3, 10), ZONE)


def usual(day: date) -> float:
    return 20.0 if day.weekday() > 4 else 200.0


def four_weeks() -> list[Bucket]:
    return [(d.window, usual(d.date)) for d in BEFORE]


def of(value: float, exposure: float = 1.0, dispersion: float = 1.0) -> Baseline:
    return Baseline("days", (value,), "the week before", expected=value, exposure=exposure, dispersion=dispersion)


def test_rule_7_weekdays_200_and_weekends_20_give_no_arrow_on_any_day() -> None:
    for day in WEEK:
        found = baseline(CASE, four_weeks(), day.window)
        assert (found.kind, found.expected) == ("weekday", usual(day.date))
        assert change(usual(day.date), found).trend == "flat"


def test_rule_7_with_only_one_week_before_all_days_serve_and_still_no_arrow() -> None:
    for day in WEEK:
        found = baseline(CASE, four_weeks()[-7:], day.window)
        assert found.kind == "days"
        assert change(usual(day.date), found).trend in ("flat", "unknown")


@pytest.mark.parametrize("born", [7, 14])
def test_rule_7_a_table_that_is_younger_than_the_baseline_has_no_zeros_before_its_first_row(born: int) -> None:
    """200 a working day and 20 a day of a weekend since the table was made; before that it had no row to count."""
    young = [(w, v if n >= len(BEFORE) - born else 0.0) for n, (w, v) in enumerate(four_weeks())]
    for day in WEEK:
        found = baseline(CASE, young, day.window)
        assert change(usual(day.date), found).trend in ("flat", "unknown")
        assert found.expected and found.expected >= usual(day.date) / 1.6


def test_rule_7_days_without_a_rare_event_are_zeros_also_where_they_come_first() -> None:
    """One event in four weeks, on the last day: 27 zeros before it are what is usual."""
    rare = [(w, float(n == len(BEFORE) - 1)) for n, (w, _) in enumerate(four_weeks())]
    rare[-2] = (rare[-2][0], 0.0)
    found = baseline(CASE, [(w, v / 10) for w, v in rare], BEFORE[-1].window)
    assert found.expected is not None and found.expected < 0.1


def test_rule_7_same_weekday_and_hour_comes_first_for_hours() -> None:
    hours = [(w, 1.0) for d in BEFORE for w in (Window(d.window.start, d.window.start + timedelta(hours=1)),)]
    judged = Window(WEEK[0].window.start, WEEK[0].window.start + timedelta(hours=1))
    found = baseline(CASE, hours, judged)
    assert found.kind == "weekday_hour"
    assert found.used == "the mean of 4 Tuesdays at 00:00 before the deployment"


def test_rule_7_fewer_than_three_days_are_no_baseline_and_that_is_said() -> None:
    found = baseline(CASE, four_weeks()[1:3], WEEK[0].window)
    assert (found.kind, found.expected) == ("none", None)
    assert "2 comparable" in found.used
    assert change(5, found).trend == "unknown"


def test_rule_7_holidays_incident_days_and_the_time_after_the_deployment_are_left_out() -> None:
    site = a_site(holidays=["2025-02-17"], incident_days=["2025-02-24"])
    case = a_case(site=site)
    mondays = [(d.window, 200.0) for d in BEFORE if d.date.weekday() == 0] + [(WEEK[6].window, 9.0)]
    assert len(mondays) == 5
    found = baseline(case, mondays, WEEK[6].window)
    assert found.kind == "none"
    assert "1 comparable" in found.used


def test_rule_7_two_days_of_the_weekday_serve_where_there_are_no_more() -> None:
    case = a_case(site=a_site(holidays=["2025-02-17"]))
    found = baseline(case, four_weeks(), WEEK[6].window)
    assert (found.kind, found.values) == ("weekday", (200.0, 200.0))
    assert found.used == "the mean of 2 Mondays before the deployment, as there are no more"


def with_deployment(moment: str) -> Case:
    made = {"source": "vercel", "deployment": "d1", "created_at": at(moment), "live_at": at(moment)}
    return a_case({"deployments": [{**made, "state": "READY", "target": "production"}]})


def test_rule_7_days_of_an_earlier_deployment_are_left_out_while_three_others_remain() -> None:
    case = with_deployment("2025-02-11T16:00")
    tuesdays = [
        (d.window, 200.0 if d.date != date(2025, 2, 11) else 900.0) for d in BEFORE if d.date.weekday() == 1
    ]
    found = baseline(case, tuesdays, WEEK[0].window)
    assert found.values == (200.0, 200.0, 200.0)


def test_rule_7_such_days_serve_where_nothing_else_does_and_that_is_said() -> None:
    case = with_deployment("2025-02-11T16:00")
    tuesdays = [(d.window, 200.0) for d in BEFORE if d.date.weekday() == 1][1:]
    found = baseline(case, tuesdays, WEEK[0].window)
    assert len(found.values) == 3
    assert "earlier deployment among them" in found.used


def test_rule_8_a_hundred_to_eighty_is_flat() -> None:
    found = change(80, of(100))
    assert (found.trend, round(found.change_pct or 0)) == ("flat", -20)
    assert found.p == pytest.approx(0.16, abs=0.005)


def test_rule_8_five_to_one_is_unknown() -> None:
    assert change(1, of(5)).trend == "unknown"


def test_rule_8_none_to_seven_is_new_and_has_no_percentage() -> None:
    found = change(7, of(0))
    assert (found.trend, found.change_pct) == ("new", None)


def test_rule_8_one_where_none_were_is_too_few_to_be_new() -> None:
    """At one in five of the time that was looked at, 1 and 2 may be chance (0.2, 0.04 each side); 3 are not."""
    trends = [change(n, of(0, exposure=4)).trend for n in (1, 2, 3)]
    assert trends == ["unknown", "unknown", "new"]
    assert change(3, of(0, exposure=4), looks=12).trend == "unknown"


def test_none_to_none_is_flat() -> None:
    assert change(0, of(0)).trend == "flat"


def test_rule_8_a_sure_change_below_the_practical_size_is_flat() -> None:
    found = change(10_500, of(10_000, exposure=4))
    assert found.low is not None and found.low > 0
    assert found.trend == "flat"
    assert "less than 10 %" in found.reason
    assert change(10_500, of(10_000, exposure=4), practical_pct=3).trend == "up"


@pytest.mark.parametrize(
    ("now", "better", "word"), [(300, "higher", "better"), (300, "lower", "worse"), (30, "higher", "worse")]
)
def test_rule_8_good_or_bad_follows_the_metric_and_is_said_in_words(now: float, better: str, word: str) -> None:
    assert change(now, of(100), better).words.endswith(word)


def test_a_metric_without_a_good_direction_says_neither() -> None:
    words = change(300, of(100)).words
    assert "better" not in words and "worse" not in words
    assert words == "200 % more than the week before"
    assert change(1286, of(100)).words == "13 times that of the week before"
    assert change(101, of(100)).words == "no change beyond chance against the week before"


def test_rule_8_counts_that_vary_much_need_a_larger_change() -> None:
    assert change(150, of(100)).trend == "up"
    assert change(150, of(100, dispersion=6)).trend == "flat"


def drawn(rng: random.Random, mean: float) -> float:
    """A count whose variance is three times its mean: as many threes as a Poisson count of a third."""
    limit, product, events = 2.718281828 ** (-mean / 3), 1.0, -1
    while product > limit:
        product *= rng.random()
        events += 1
    return 3.0 * events


def test_rule_8_an_a_a_month_with_variance_three_times_the_mean_shows_arrows_in_under_5_percent() -> None:
    rng, arrows, cells = random.Random(7), 0, 0
    for _ in range(10):
        history = [(d.window, drawn(rng, usual(d.date))) for d in BEFORE]
        month = days_between(date(2025, 3, 4), date(2025, 4, 2), ZONE)
        for day in month:
            found = change(drawn(rng, usual(day.date)), baseline(CASE, history, day.window))
            arrows += found.trend in ("up", "down", "new")
            cells += 1
    assert arrows / cells < 0.05


def test_several_days_together_expect_the_sum_of_their_own_weekdays() -> None:
    parts = [baseline(CASE, four_weeks(), d.window) for d in WEEK]
    found = together(parts)
    assert found.expected == 5 * 200 + 2 * 20
    assert found.exposure == pytest.approx(1040 / (840 / 4 + 200 / 3))  # the first Monday is not whole
    assert change(1040, found).trend == "flat"
    assert "3 to 4 weeks" in found.used


def test_together_there_is_no_baseline_when_one_day_has_none() -> None:
    lone = baseline(CASE, four_weeks()[:1], WEEK[0].window)
    assert together([baseline(CASE, four_weeks(), WEEK[1].window), lone]).expected is None
    assert together([]).expected is None


def test_a_level_within_its_usual_spread_is_flat_and_far_out_of_it_has_an_arrow() -> None:
    history = [(d.window, 300.0 + (10 if i % 2 else -10)) for i, d in enumerate(BEFORE)]
    found = baseline(CASE, history, WEEK[0].window)
    assert level_change(315, found, "lower").trend == "flat"
    worse = level_change(600, found, "lower")
    assert worse.trend == "up"
    assert worse.words.endswith("worse")


def test_rule_8_a_weekend_is_held_against_the_spread_of_weekends() -> None:
    """Working days vary by 10, weekends by 100: 150 more is usual on a Sunday and far out on a Tuesday."""
    history = [
        (d.window, 300.0 + (1 if i % 14 < 7 else -1) * (100 if d.date.weekday() > 4 else 10))
        for i, d in enumerate(BEFORE)
    ]
    tuesday, sunday = WEEK[0], WEEK[5]
    assert level_change(450, baseline(CASE, history, tuesday.window)).trend == "up"
    assert level_change(450, baseline(CASE, history, sunday.window)).trend == "flat"


def test_a_level_with_too_few_values_is_unknown() -> None:
    assert level_change(600, of(300)).trend == "unknown"


def test_the_deployment_itself_is_never_in_the_baseline() -> None:
    day = days_between(DEPLOYED.date(), DEPLOYED.date(), ZONE)[0]
    assert baseline(CASE, [(day.window, 5.0)] * 4, WEEK[6].window).kind == "none"
