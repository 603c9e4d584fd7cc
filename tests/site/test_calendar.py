"""Days off and maintenance. Expected days and times are those of the public calendar and of the clock."""

from datetime import UTC, date, datetime

import pytest

from pdmlib.phases.window import Window
from pdmlib.site.site import Site


def a_site(**changes: object) -> Site:
    return Site.model_validate(
        {"site": "a", "title": "A", "time_zone": "America/New_York", "sources": {}, **changes}
    )


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("holidays", "off"),
    [
        ({"country": "DE", "subdivision": "BY"}, ["2025-11-01", "2025-12-25"]),  # All Saints is kept in Bavaria
        ({"country": "DE", "subdivision": "BE"}, ["2025-12-25"]),  # and not in Berlin
        ({"country": "DE", "extra": ["2025-12-24"]}, ["2025-12-24", "2025-12-25"]),
        ({"country": "US"}, ["2025-11-27", "2025-12-25"]),  # Thanksgiving
        (["2025-11-27"], ["2025-11-27"]),
        ([], []),
    ],
)
def test_days_off_are_those_of_the_country_and_those_that_the_file_adds(holidays: object, off: list[str]) -> None:
    site = a_site(holidays=holidays)
    asked = ("2025-11-01", "2025-11-27", "2025-12-24", "2025-12-25", "2025-12-27")
    assert [day for day in asked if date.fromisoformat(day) in site.holidays] == off


def test_maintenance_by_a_schedule_follows_the_local_clock_over_its_change() -> None:
    site = a_site(maintenance=[{"cron": "30 3 * * *", "minutes": 45}])
    # 3:30 is 7:30 UTC until the clock goes back on 2025-11-02, 8:30 UTC from then on.
    found = site.maintenance_in(Window(at("2025-11-01T08:00"), at("2025-11-03T08:31")))
    assert [(span.start, span.minutes) for span in found] == [
        (at("2025-11-01T07:30"), 45),
        (at("2025-11-02T08:30"), 45),
        (at("2025-11-03T08:30"), 45),
    ]


def test_maintenance_of_one_time_is_there_where_it_meets_the_window() -> None:
    site = a_site(maintenance=[{"start": "2025-11-01T07:00:00Z", "end": "2025-11-01T09:00:00Z"}])
    assert len(site.maintenance_in(Window(at("2025-11-01T08:00"), at("2025-11-02T00:00")))) == 1
    assert site.maintenance_in(Window(at("2025-11-01T09:00"), at("2025-11-02T00:00"))) == ()


def test_a_schedule_of_another_zone_is_read_in_that_zone() -> None:
    site = a_site(maintenance=[{"cron": "0 3 * * 0", "minutes": 10, "time_zone": "UTC"}])
    found = site.maintenance_in(Window(at("2025-11-01T00:00"), at("2025-11-03T00:00")))
    assert [span.start for span in found] == [at("2025-11-02T03:00")]
