"""Every phase's report: what `report.json` promises, the same again from the same collection, nothing secret."""

from __future__ import annotations

import json
import re
from importlib.resources import files
from typing import Any

import jsonschema
import pytest

from tests.acceptance.conftest import FILES, PHASES, Reports

pytestmark = pytest.mark.slow


def _names(text: str) -> list[str]:
    return text.split()


PHASES_OF_THE_GUIDE = ("hour1", "day1", "daily", "week1", "weekly-review", "month1", "ongoing")
EVERYWHERE = _names("""
    app_up health_ok latency_p50_ms latency_p95_ms latency_p99_ms latency_avg_ms error_rate_pct requests_total
    requests_per_min_peak requests_per_min_avg timeouts memory_limit_hits deploy_errors bundle_size_kb issues_new
    issues_critical issues_recurring issues_security issues_resolved issues_open errors_total db_cpu_pct
    db_cpu_peak_pct db_memory_pct db_connections db_connections_pct db_connection_errors db_storage_pct
    db_storage_gb db_cache_hit_pct db_queries_total db_slow_queries query_customer_lookup_ms query_opportunities_ms
    query_analytics_ms integration_stripe integration_twilio integration_resend integration_supabase
    integration_sentry payment_failures sms_failed_pct email_bounce_pct webhooks_pending
""")
FROM_DAY_1 = _names("""
    uptime_pct downtime_minutes downtime_events unique_users page_views session_duration_s bounce_rate_pct
    portal_logins cron_jobs_expected cron_runs_expected cron_runs_ok cron_runs_failed cron_runs_missed
    cron_runs_late cron_avg_seconds feature_opportunities_created feature_promotions_sent feature_review_requests
    feature_loyalty_points feature_portal_registrations tickets_total tickets_bug tickets_question tickets_access
    tickets_performance tickets_feature_request tickets_positive support_rating
""")
COSTS = ["cost_vercel", "cost_twilio", "cost_stripe", "cost_supabase", "cost_sentry", "cost_resend"]
TABLES = _names("""
    feature_adoption cron performance daily top_errors incidents integrations queries database_findings routes
    tickets action_items checklist
""")
KEY = ("app_up", "error_rate_pct", "latency_p95_ms", "uptime_pct")
CRITERIA = ("app_up", "health_ok", "error_rate_pct", "db_connection_errors", "payment_failures")


def _status(content: dict[str, Any]) -> str:
    """The status that the rules give, restated; a warning from before the deployment keeps nothing from GREEN."""
    standing = {name for c in content["causes"] if c["status"] == "standing" for name in c["chain"]}
    troubled = any(
        r["status"] == "fail" or (r["status"] == "warn" and r["id"] not in standing) for r in content["readings"]
    )
    incidents = any(i["priority"] in ("P0", "P1") for i in content["tables"]["incidents"])
    if any(alert["priority"] == "P0" for alert in content["alerts"]):
        return "RED"
    if content["alerts"] or troubled or incidents:
        return "YELLOW"
    return "UNKNOWN" if any(r["id"] in KEY and r["status"] == "unknown" for r in content["readings"]) else "GREEN"


@pytest.mark.parametrize("phase", PHASES)
def test_report_json_meets_the_schema_and_the_rules(reports: Reports, phase: str):
    content = reports.content(phase)
    schema = json.loads(files("pdmlib.report").joinpath("schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(content, schema)
    assert (content["schema_version"], content["phase"], content["site"]) == (2, phase, "demo")
    assert content["status"] in (_status(content), "RED", "UNKNOWN" if _status(content) == "GREEN" else "RED")
    chains = [name for cause in content["causes"] for name in cause["chain"]]
    assert sorted(chains) == sorted(finding["id"] for finding in content["findings"]), "each in exactly one cause"
    items = [row["id"] for row in content["tables"]["action_items"]]
    assert {cause["id"] for cause in content["causes"]} <= set(items) and len(items) == len(set(items))
    for reading in content["readings"]:
        assert (reading["value"] is None) == (reading["status"] == "unknown"), reading
        assert reading["value"] is not None or reading["reason"], reading
        assert reading["status"] != "fail" or reading["reason"], reading
    holds = any(a["priority"] == "P0" and a["reading"] in CRITERIA for a in content["alerts"])
    assert (content["recommendation"] == "rollback") == holds
    assert ("outcome" in content) == (phase in ("week1", "month1"))
    assert {alert["reading"] for alert in content["alerts"]} <= {reading["id"] for reading in content["readings"]}


@pytest.mark.parametrize("phase", PHASES_OF_THE_GUIDE)
def test_every_reading_and_table_of_the_phase_is_there_once(reports: Reports, phase: str):
    content = reports.content(phase)
    found = [reading["id"] for reading in content["readings"]]
    wanted = (
        EVERYWHERE
        + (FROM_DAY_1 if phase != "hour1" else [])
        + (COSTS if phase in ("weekly-review", "month1") else [])
    )
    assert set(wanted) - set(found) == set()
    assert len(found) == len(set(found))
    assert set(TABLES) - set(content["tables"]) == set()


@pytest.mark.parametrize("phase", PHASES)
def test_a_report_is_its_files_and_latest_points_to_it(reports: Reports, phase: str):
    folder = reports.folder(phase)
    wanted = set(FILES) | ({"slides.html"} if phase == "weekly-review" else set())
    assert {path.name for path in folder.iterdir() if path.is_file()} == wanted
    assert folder.is_symlink()
    assert re.fullmatch(r"\d{8}T\d{6}Z", folder.readlink().name)
    beside = {path.name for path in folder.parent.iterdir()}
    assert beside == {"latest", folder.readlink().name}


@pytest.mark.parametrize("phase", PHASES)
def test_rule_12_every_finding_carries_its_rule_its_evidence_and_what_would_make_it_go(
    reports: Reports, phase: str
):
    for finding in reports.content(phase)["findings"]:
        assert all(finding[part] for part in ("id", "rule", "evidence", "becomes_green")), finding
        assert finding["rule"] != f"{finding['reading']} ", finding
        assert re.search(r"\d|no longer|finds|OPERATIONAL", finding["becomes_green"]), finding


def test_rule_12_the_same_collection_gives_the_same_bytes_but_for_the_time_of_writing(reports: Reports):
    again = Reports(reports.out / "again", reports.environ)
    for name in ("report.md", "report.html"):
        assert reports.read("week1", name) == again.read("week1", name), name
    first, second = (
        re.sub(r'"generated_at": "[^"]+"', "", r.read("week1", "report.json")) for r in (reports, again)
    )
    assert first == second


@pytest.mark.parametrize("phase", PHASES)
def test_nothing_secret_is_in_any_file(reports: Reports, phase: str):
    secret = [value for name, value in reports.environ.items() if name != "PDM_DEMO_URL"]
    secret += [value.partition("://")[2].partition("@")[0].partition(":")[2] for value in secret if "://" in value]
    for path in reports.folder(phase).rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        assert not [value for value in secret if value and value.encode() in content], path


@pytest.mark.parametrize("phase", PHASES)
def test_no_placeholder_of_the_guide_is_left(reports: Reports, phase: str):
    text = reports.read(phase, "report.md")
    assert re.findall(r"\[(?:Name|Date|count|Action[^\]]*|X+[^\]]*|HH:MM|Issue[^\]]*|Your baseline)\]", text) == []
    assert re.findall(r"\b(?:nan|NaN|NaT)\b|: None\b|StrictUndefined", text) == []
