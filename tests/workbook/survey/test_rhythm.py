"""Times tell their rhythm, their schedule and their zone; where they do not, nothing is made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from pdmlib.workbook.survey.rhythm import (
    fits_night,
    interval,
    offset_from_newest,
    offset_from_night,
    offset_from_twin,
    schedule,
    zone_at,
)

MONDAY = datetime(2025, 6, 2, tzinfo=UTC)
NOW = MONDAY.timestamp()


def _every(step: timedelta, count: int, start: datetime = MONDAY) -> list[float]:
    return [(start + n * step).timestamp() for n in range(count)]


def _daily(count: int, hour: int, minute: int, only: tuple[int, ...] = range(7)) -> list[float]:  # type: ignore[assignment]
    days = (MONDAY + timedelta(days=n) for n in range(count))
    return [day.replace(hour=hour, minute=minute).timestamp() for day in days if day.weekday() in only]


def test_times_a_little_off_are_regular_and_times_at_random_are_not() -> None:
    # A probe each minute that is up to five seconds late, one of them missing.
    late = [60 * n + (n * 7 % 6) for n in range(100) if n != 50]
    assert interval(late) == pytest.approx(60, abs=6)
    assert interval([n * n for n in range(100)]) is None
    assert interval(_every(timedelta(minutes=1), 5)) is None


@pytest.mark.parametrize(
    ("minutes", "expected"),
    [
        (_every(timedelta(minutes=1), 50), "* * * * *"),
        (_every(timedelta(minutes=5), 50), "*/5 * * * *"),
        (_every(timedelta(hours=1), 50, MONDAY.replace(minute=7)), "7 * * * *"),
        (_every(timedelta(hours=6), 50, MONDAY.replace(hour=2, minute=30)), "30 2-23/6 * * *"),
        (_daily(20, 8, 15), "15 8 * * *"),
        (_daily(30, 6, 0, (0, 1, 2, 3, 4)), "0 6 * * 1-5"),
        (_daily(40, 0, 5, (6,)), "5 0 * * 0"),
        ([datetime(2025, m, 1, 4, 0, tzinfo=UTC).timestamp() for m in (3, 4, 5)], "0 4 1 * *"),
    ],
)
def test_a_schedule_is_told_from_its_starts(minutes: list[float], expected: str) -> None:
    found = schedule(minutes, "UTC")
    assert found is not None and found.value == expected


@pytest.mark.parametrize(
    "minutes",
    [
        [],
        [NOW],
        _every(timedelta(minutes=7), 50),
        [NOW + 60 * n * n for n in range(60)],
        _every(timedelta(hours=25), 40),
    ],
    ids=["none", "one", "every seven minutes", "at random", "every 25 hours"],
)
def test_starts_that_no_schedule_of_five_fields_gives_have_none(minutes: list[float]) -> None:
    assert schedule(minutes, "UTC") is None


def test_a_column_beside_one_with_a_zone_tells_how_far_it_is_ahead() -> None:
    aware = _every(timedelta(hours=3), 40)
    # India is 5 hours and 30 minutes ahead; a third of the rows were changed later.
    naive = [at + 19_800 if n % 3 else at + 90_000 + n for n, at in enumerate(aware)]
    assert offset_from_twin(naive, aware) == 19_800
    assert offset_from_twin([at + 100 * n for n, at in enumerate(aware)], aware) is None


@pytest.mark.parametrize(("ahead", "expected"), [(0, 0), (19_800, 19_800), (-18_000, -18_000), (20_700, 20_700)])
def test_busy_rows_tell_their_zone_by_the_newest(ahead: int, expected: int) -> None:
    rows = [NOW - 20 - 60 * n + ahead for n in range(50)]
    assert offset_from_newest(rows, NOW) == expected


def test_rows_that_stopped_or_come_seldom_tell_no_zone_by_the_newest() -> None:
    assert offset_from_newest([NOW - 500 - 60 * n for n in range(50)], NOW) is None
    assert offset_from_newest([NOW - 3600 * n for n in range(50)], NOW) is None


# Rows by hour of a clock of people who sleep from 1 to 6.
AWAKE = [5, 0, 0, 0, 0, 0, 8, 20, 40, 60, 60, 60, 60, 60, 60, 60, 60, 50, 50, 40, 40, 30, 20, 10]


def _seen_from(hours: list[int], ahead: int) -> list[int]:
    """Hours of a clock, counted by one that is so many hours behind it."""
    return [hours[(hour + ahead) % 24] for hour in range(24)]


@pytest.mark.parametrize("ahead", [-8, -5, 0, 2, 9])
def test_nights_tell_how_far_ahead_of_utc_people_live(ahead: int) -> None:
    assert offset_from_night(_seen_from(AWAKE, ahead)) == ahead * 3600


def test_machines_that_never_sleep_tell_nothing() -> None:
    assert offset_from_night([50] * 24) is None
    assert fits_night([50] * 24, ("UTC", "Asia/Tokyo"), "Asia/Tokyo", NOW) is None


def test_the_zone_of_a_column_is_the_one_that_leaves_the_nights_of_its_people_quiet() -> None:
    # Tokyo is nine hours ahead of UTC the year round.
    assert fits_night(AWAKE, ("UTC", "Asia/Tokyo"), "Asia/Tokyo", NOW) == "Asia/Tokyo"
    assert fits_night(_seen_from(AWAKE, 9), ("UTC", "Asia/Tokyo"), "Asia/Tokyo", NOW) == "UTC"


def test_of_zones_with_one_offset_those_of_the_site_come_first() -> None:
    assert zone_at(19_800, NOW) == "Asia/Kolkata"
    assert zone_at(19_800, NOW, ("Asia/Colombo",)) == "Asia/Colombo"
    assert zone_at(7, NOW) is None
