"""Where a site stands: the phase, what is due and when, what is written, and what comes next."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pdmlib.cli.status_table import lines
from pdmlib.phases.due import due_times
from pdmlib.phases.phase import phase_named
from pdmlib.storage.reports import last_deployment
from pdmlib.workbook.status import Due, standing
from tests.builders import DEPLOYED, at

CHICAGO = ZoneInfo("America/Chicago")


def write(folder: Path, phase: str, as_of: datetime, status: str = "GREEN") -> None:
    target = folder / phase / f"{as_of:%Y%m%dT%H%M%SZ}"
    target.mkdir(parents=True)
    said = {
        "as_of": f"{as_of:%Y-%m-%dT%H:%M:%SZ}",
        "status": status,
        "deployed_at": "2025-03-03T15:00:00Z",
        "next_check": f"{as_of + timedelta(hours=3):%Y-%m-%dT%H:%M:%SZ}",
    }
    (target / "report.json").write_text(json.dumps(said), encoding="utf-8")


def due(folder: Path, moment: datetime) -> dict[str, Due]:
    return {
        row.phase.name: row
        for row in standing(DEPLOYED, moment, CHICAGO, folder=folder, collected_at=None).reports
    }


def test_the_phase_is_the_shortest_that_is_not_over(tmp_path: Path) -> None:
    expected = {
        timedelta(minutes=59): "hour1",
        timedelta(hours=1): "day1",
        timedelta(hours=24): "week1",
        timedelta(days=7): "month1",
        timedelta(days=30): "ongoing",
    }
    found = {
        since: standing(DEPLOYED, DEPLOYED + since, CHICAGO, folder=tmp_path, collected_at=None).phase.name
        for since in expected
    }
    assert found == expected


def test_reports_fall_due_at_the_end_of_their_phase(tmp_path: Path) -> None:
    rows = due(tmp_path, DEPLOYED + timedelta(hours=2))
    assert (rows["hour1"].state, rows["hour1"].due) == ("due", DEPLOYED + timedelta(hours=1))
    assert (rows["day1"].state, rows["day1"].due) == ("not yet", DEPLOYED + timedelta(days=1))
    assert rows["month1"].due == DEPLOYED + timedelta(days=30)


def test_daily_reports_are_due_in_the_mornings_of_the_site(tmp_path: Path) -> None:
    """Deployed on Monday at 9:00 in Chicago: first due on Tuesday at 8:00, which is 14:00 UTC."""
    assert due(tmp_path, at("2025-03-04T13:59"))["daily"].state == "not yet"
    row = due(tmp_path, at("2025-03-04T14:00"))["daily"]
    assert (row.state, row.due) == ("due", at("2025-03-04T14:00"))


def test_a_morning_after_the_clocks_changed_is_still_a_local_morning(tmp_path: Path) -> None:
    """On 10 March 2025 Chicago is five hours behind, not six."""
    row = due(tmp_path, at("2025-03-10T14:00"))["weekly-review"]
    assert (row.state, row.due) == ("due", at("2025-03-10T13:00"))


def test_a_report_written_since_it_fell_due_is_written(tmp_path: Path) -> None:
    write(tmp_path, "daily", at("2025-03-05T14:30"))
    assert due(tmp_path, at("2025-03-05T20:00"))["daily"].state == "written"
    assert due(tmp_path, at("2025-03-06T14:00"))["daily"].state == "due"


def test_an_early_report_does_not_count_as_the_one_that_is_due(tmp_path: Path) -> None:
    write(tmp_path, "week1", DEPLOYED + timedelta(days=4))
    row = due(tmp_path, DEPLOYED + timedelta(days=7))["week1"]
    assert row.state == "due"
    assert row.written is not None


def test_a_report_that_another_followed_is_missed_and_named(tmp_path: Path) -> None:
    for day in (4, 6):
        write(tmp_path, "daily", at(f"2025-03-{day:02}T14:30"))
    row = due(tmp_path, at("2025-03-08T15:00"))["daily"]
    assert row.missed == (at("2025-03-05T14:00"), at("2025-03-07T14:00"))
    assert (row.state, row.due, row.following) == ("due", at("2025-03-08T14:00"), at("2025-03-09T13:00"))


def test_the_last_daily_of_week_1_is_due_for_a_day_then_missed(tmp_path: Path) -> None:
    row = due(tmp_path, at("2025-03-11T12:59"))["daily"]
    assert (row.state, row.due, row.following) == ("due", at("2025-03-10T13:00"), None)
    row = due(tmp_path, at("2025-03-11T13:00"))["daily"]
    assert (row.state, row.due, len(row.missed)) == ("missed", at("2025-03-10T13:00"), 7)


def test_what_comes_once_is_due_until_it_is_written(tmp_path: Path) -> None:
    row = due(tmp_path, DEPLOYED + timedelta(days=200))["hour1"]
    assert (row.state, row.missed, row.following) == ("due", (), None)


def test_week_1_has_seven_mornings_when_the_clocks_go_back(tmp_path: Path) -> None:
    """Deployed on Monday 27 October 2025 at 8:00 in Chicago; on 2 November the day has 25 hours."""
    deployed = at("2025-10-27T13:00")
    found = due_times(phase_named("daily"), deployed, deployed + timedelta(days=20), CHICAGO)
    assert [f"{m:%d %H}" for m in found] == ["28 13", "29 13", "30 13", "31 13", "01 13", "02 14", "03 14"]


def test_the_table_names_what_was_missed_and_what_is_due_next(tmp_path: Path) -> None:
    found = standing(DEPLOYED, at("2025-03-12T15:00"), CHICAGO, folder=tmp_path, collected_at=None)
    text = " ".join(" ".join(lines(found, "Shop", CHICAGO)).split())
    assert "daily Mon 10 Mar 08:00 ✗ missed" in text
    assert (
        "✗ missed: daily of Sat 2025-03-08 08:00 CST, Sun 2025-03-09 08:00 CDT, Mon 2025-03-10 08:00 CDT" in text
    )
    assert "CDT and 4 before; `pdm report daily" in text
    assert "next due: weekly-review Mon 2025-03-17 08:00 CDT" in text
    told = json.loads(json.dumps(found.as_json()))
    assert (told["phase"], told["as_of"]) == ("month1", "2025-03-12T15:00:00Z")
    (daily,) = [row for row in told["reports"] if row["phase"] == "daily"]
    assert (daily["state"], daily["missed"][-1]) == ("missed", "2025-03-10T13:00:00Z")


def test_after_month_one_there_is_one_a_day(tmp_path: Path) -> None:
    assert due(tmp_path, at("2025-03-20T12:00"))["ongoing"].due == at("2025-04-03T13:00")
    assert due(tmp_path, at("2025-04-20T12:00"))["ongoing"].due == at("2025-04-19T13:00")


def test_the_next_check_is_what_the_newest_report_says_else_the_pace_of_the_phase(tmp_path: Path) -> None:
    moment = at("2025-03-05T15:00")
    paced = standing(DEPLOYED, moment, CHICAGO, folder=tmp_path, collected_at=at("2025-03-05T12:00"))
    assert paced.next_check == at("2025-03-05T20:00")
    write(tmp_path, "daily", at("2025-03-05T14:30"))
    assert standing(DEPLOYED, moment, CHICAGO, folder=tmp_path, collected_at=None).next_check == at(
        "2025-03-05T17:30"
    )


def test_the_deployment_is_known_from_the_newest_report(tmp_path: Path) -> None:
    assert last_deployment(tmp_path) is None
    write(tmp_path, "daily", at("2025-03-05T14:30"))
    assert last_deployment(tmp_path) == datetime(2025, 3, 3, 15, tzinfo=UTC)


def test_the_table_says_due_in_words_and_shapes(tmp_path: Path) -> None:
    write(tmp_path, "hour1", DEPLOYED + timedelta(hours=1), "RED")
    found = standing(DEPLOYED, DEPLOYED + timedelta(days=2), CHICAGO, folder=tmp_path, collected_at=None)
    shown = list(lines(found, "Shop", CHICAGO))
    text = "\n".join(shown)
    assert "Shop: week1 since the deployment of Mon 2025-03-03 09:00 CST" in text
    assert "last collected never" in text
    assert "✓ written" in text and "■ RED" in text and "■ due" in text and "· not yet" in text
    assert shown[2:4] == [
        " Report         Due               State      Newest            Status  Next due",
        " hour1          Mon 03 Mar 10:00  ✓ written  Mon 03 Mar 10:00  ■ RED",
    ]
