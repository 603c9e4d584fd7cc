"""An error of our own costs its part of the report and no other, and is never taken for health."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pandas as pd
import pytest

from pdmlib.analysis.metric import Metric
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection
from pdmlib.frames.readings import Measurement, State
from pdmlib.phases.window import now
from pdmlib.report import document
from pdmlib.site.notes import Notes
from pdmlib.verdict.verdict import Verdict, judge
from pdmlib.workbook.report import Report
from tests.builders import DEPLOYED, WEEK_LATER, a_case, the_probes
from tests.hostile.frames import odd_case


def broken_in(*frames: str) -> Case:
    """A case in which some frames have none of their columns, as an error of ours could leave them."""
    case = a_case({"probes": the_probes(5, DEPLOYED, WEEK_LATER)})
    lost = {name: pd.DataFrame({"nonsense": [1, 2]}) for name in frames}
    return replace(case, collection=Collection({**case.collection.frames, **lost}, case.collection.coverage))


@pytest.fixture(scope="module")
def verdict() -> Iterator[Verdict]:
    yield judge(broken_in("cron_logs", "issues", "tickets"))


def test_what_breaks_is_unknown_and_the_rest_is_judged(verdict: Verdict) -> None:
    up, missed = verdict.reading("uptime_pct"), verdict.reading("cron_runs_missed")
    assert up and up.value == 100
    assert missed and (missed.status, missed.value) == ("unknown", None)
    assert missed.reason and missed.reason.startswith("internal error (KeyError in ")
    assert verdict.status not in ("GREEN", "RED")
    said = verdict.reading("internal_errors")
    assert said and said.status == "unknown" and "KeyError" in (said.reason or "")
    assert verdict.confidence == "low"


def test_the_report_of_it_is_written_and_names_every_part_that_broke(verdict: Verdict, tmp_path: Path) -> None:
    report = Report(verdict.case, verdict, Notes(), now())
    report.headline(), report.table("cron"), report.coverage(), report.write(str(tmp_path))
    content = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    parts = {row["part"] for row in content["tables"]["internal_errors"]}
    assert {"findings of cron", "table top_errors", "table tickets"} <= parts
    assert verdict.case.site.title in (tmp_path / "report.md").read_text(encoding="utf-8")


def test_a_section_that_cannot_be_shown_says_so_in_its_place(verdict: Verdict) -> None:
    report = Report(verdict.case, replace(verdict, tables={}), Notes(), now())
    assert "Not shown: internal error (KeyError in report.table" in report.table("cron").html


@pytest.mark.slow
@pytest.mark.parametrize(
    "seed", [*range(3), 147]
)  # of 147 a rate is endless: next to none of its time was counted
def test_no_row_whatever_it_holds_ends_a_report(seed: int) -> None:
    judged = judge(odd_case(Random(seed)))
    assert document.encoded(document.document(judged, now()))


def test_a_measured_value_that_is_endless_is_unknown() -> None:
    endless = Metric("a", "A", "", section="x", measure=lambda _: Measurement(State.MEASURED, float("inf")))
    found = endless.of(a_case())
    assert (found.state, found.value) == ("error", None)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), 1e308, 10.0**19])
def test_a_number_that_is_none_is_missing_in_every_frame(value: float) -> None:
    rows = [{"metric": "connections", "at": WEEK_LATER, "value": value}]
    found = a_case({"host_metrics": rows})["host_metrics"]["value"].iloc[0]
    assert pd.isna(found) or found == value < float("inf")
    counted = a_case({"activity": [{"source": "x", "start": DEPLOYED, "end": WEEK_LATER, "visitors": value}]})
    assert counted["activity"]["visitors"].isna().all()
