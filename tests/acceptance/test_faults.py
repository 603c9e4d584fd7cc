"""Single faults: what each must come out as, whatever else is well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pdmlib.demo import start
from pdmlib.frames.case import Case
from pdmlib.site.load import load_site
from pdmlib.sources.catalogue import collect
from pdmlib.verdict.verdict import Verdict, judge
from pdmlib.workbook.scope import scope_for
from tests.acceptance.conftest import demo_of, newest, pdm


def _verdict(scenario: str) -> Verdict:
    with start(scenario) as production, pytest.MonkeyPatch.context() as patch:
        for name, value in production.environ.items():
            patch.setenv(name, value)
        site = load_site("params/demo.yaml")
        scope = scope_for(site, "daily")
        return judge(Case(site, scope, collect(site, scope), scope.window))


def _urgent(content: dict[str, Any]) -> set[str]:
    return {alert["reading"] for alert in content["alerts"] if alert["priority"] == "P0"}


@pytest.mark.slow
def test_a_database_that_refuses_calls_for_a_rollback_and_exit_10_when_asked_to_fail_on_red(tmp_path: Path):
    site = demo_of(tmp_path, "database_down")
    done = pdm("report", "daily", "--site", site, "--out", tmp_path, "--fail-on", "red")
    content = newest(tmp_path, "daily")
    assert (done.code, content["status"], content["recommendation"]) == (10, "RED", "rollback"), done.stderr
    assert "db_connection_errors" in _urgent(content)
    assert "Roll back" in done.stderr, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "reading"),
    [("payments_failing", "payment_failures"), ("error_rate_6", "error_rate_pct"), ("app_down", "app_up")],
)
def test_a_criterion_of_the_guide_that_holds_now_is_red(scenario: str, reading: str):
    verdict = _verdict(scenario)
    assert (verdict.status, verdict.recommendation) == ("RED", "rollback")
    assert reading in {alert.reading for alert in verdict.alerts if alert.priority.value == "P0"}


@pytest.mark.slow
def test_a_table_hidden_by_row_level_security_is_unknown_and_not_zero_runs():
    verdict = _verdict("rls_hides_cron")
    assert verdict.status != "GREEN"
    for name in ("cron_runs_ok", "cron_runs_failed", "cron_runs_missed"):
        reading = verdict.reading(name)
        assert (reading.value, reading.status.value) == (None, "unknown")
        assert "cron_job_logs" in reading.reason
