"""A chart and the reading beside it tell one story: one source, one total."""

from __future__ import annotations

import pandas as pd
import pytest

from pdmlib.analysis import cron
from pdmlib.analysis.availability.uptime import uptime_segments
from pdmlib.analysis.product import features
from pdmlib.analysis.traffic.hourly import hourly
from pdmlib.frames.case import Case
from pdmlib.site.load import load_site
from pdmlib.storage.history import load_collection
from pdmlib.workbook.scope import scope_for
from tests.acceptance.conftest import DEMO, Reports


@pytest.fixture(scope="module")
def case(reports: Reports) -> Case:
    """The case that the week-1 report was written of."""
    site = load_site(str(DEMO), reports.environ)
    scope = scope_for(site, "week1")
    return Case(site, scope, load_collection(reports.folder("week1") / "collection"), scope.window)


@pytest.fixture(scope="module")
def told(reports: Reports) -> dict[str, float]:
    """The values in `report.json`."""
    return {reading["id"]: reading["value"] for reading in reports.content("week1")["readings"]}


def test_what_is_drawn_of_the_traffic_sums_to_its_readings(case: Case, told: dict[str, float]):
    drawn = hourly(case)
    assert drawn["requests"].sum() == told["requests_total"]
    assert 100 * drawn["errors"].sum() / drawn["requests"].sum() == pytest.approx(
        told["error_rate_pct"], abs=0.005
    )


def test_what_is_drawn_as_down_are_the_minutes_of_the_reading(case: Case, told: dict[str, float]):
    drawn = uptime_segments(case)
    down = drawn[drawn["state"] == "down"]
    minutes = (down["end"] - down["start"]).sum() / pd.Timedelta(minutes=1)
    assert minutes == pytest.approx(told["downtime_minutes"])


def test_the_marks_of_the_jobs_are_the_runs_of_the_readings(case: Case, told: dict[str, float]):
    counts = cron.slots(case)["state"].astype(str).value_counts()
    assert {"ok": counts["ok"], "missed": counts["missed"]} == {
        "ok": told["cron_runs_ok"],
        "missed": told["cron_runs_missed"],
    }


def test_the_features_drawn_have_the_totals_of_their_readings(case: Case, told: dict[str, float]):
    drawn = {row["feature"]: row["total"] for row in features.adoption(case)}
    assert drawn == {name: told[f"feature_{name}"] for name in drawn}
