"""The end-of-week summary: what went wrong is found, what did not go wrong is not invented."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest

from tests.acceptance.conftest import FILES, Reports, demo_of, newest, pdm

FAULTS = {
    "outage": ("Tue 4 Mar 13:10 CST", "25 minutes", "recovered"),
    "slow route": ("GET /api/opportunities became 4.5 times slower", "620 ms before, 2,781 ms now"),
    "lost index": (
        "missed_opportunities_status_idx",
        "CREATE INDEX missed_opportunities_status_idx ON public.missed_opportunities USING btree (status)",
    ),
    "stopped cron job": ("process-referrals: 28 of 42 runs missed", "the first due Wed 5 Mar 18:00 CST"),
    "abandoned feature": ("Loyalty Redemptions: not used for 5 days", "Last used on Tue 4 Mar"),
    "undelivered messages": ("Twilio", "5.5 % of text messages failed (26 of 477 messages"),
    "disabled webhook": ("Stripe has issues", "webhook /api/webhooks/stripe is disabled"),
    "hostile title": ("<img src=x onerror=alert(document.domain)>", "42 events, 42 users in the window"),
    "gap in monitoring": ("unknown 120 min",),
}


def _html_text(page: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", page))


def _notebook_text(notebook: str) -> str:
    cells = json.loads(notebook)["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    return "\n".join(_html_text("".join(o["data"].get("text/html", ""))) for o in outputs if "data" in o)


def _markdown_text(text: str) -> str:
    """What it says: a ‹ stands where a stranger's text would begin a tag."""
    return re.sub(r"\\(.)", r"\1", html.unescape(text)).replace("‹", "<")


def _json_text(text: str) -> str:
    return json.dumps(json.loads(text), ensure_ascii=False)


READ = {
    "report.html": _html_text,
    "report.md": _markdown_text,
    "report.json": _json_text,
    "notebook.ipynb": _notebook_text,
}


def _flat(text: str) -> str:
    """Text with a time as people write it and every run of blanks as one."""
    return re.sub(r"\s+", " ", re.sub(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(:\d\d)?Z?", r"\1 \2", text))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_planted_fault_is_named_and_explained_in_every_file(reports: Reports, name: str, fault: str):
    text = _flat(READ[name](reports.read("week1", name)))
    missing = [part for part in FAULTS[fault] if part not in text]
    assert not missing


def test_the_rough_week_is_not_green_and_its_faults_have_actions(reports: Reports):
    content = reports.content("week1")
    assert content["status"] in ("YELLOW", "RED")
    assert content["outcome"] in ("PARTIAL", "FAILED")
    proposed = {row["id"] for row in content["tables"]["action_items"]}
    assert {cause["id"] for cause in content["causes"]} <= proposed
    assert all(finding["evidence"] and finding["action"] for finding in content["findings"])


def test_rule_21_the_lost_index_the_statement_the_route_and_the_percentile_are_one_cause_with_its_fix(
    reports: Reports,
):
    causes = {cause["chain"][0]: cause for cause in reports.content("week1")["causes"]}
    cause = causes["database:drift:index public.missed_opportunities_status_idx"]
    index = "missed_opportunities_status_idx ON public.missed_opportunities USING btree (status)"
    assert cause["fix"] == f"CREATE INDEX CONCURRENTLY {index};"
    kinds = [name.partition(":")[0] for name in cause["chain"][:4]]
    assert kinds == ["database", "query", "route", "latency_p95_ms"]
    assert cause["priority"] == "P1"
    outage = causes["incident:2025-03-04T19:10:01Z"]
    assert (outage["status"], outage["priority"]) == ("recovered", "P0")


@pytest.mark.slow
def test_a_healthy_week_is_green_a_success_and_has_no_finding(tmp_path: Path):
    done = pdm(
        "report",
        "week1",
        "--site",
        demo_of(tmp_path, "healthy"),
        "--out",
        tmp_path / "out",
        "--fail-on",
        "unknown",
    )
    content = newest(tmp_path / "out")
    assert (done.code, content["status"], content["outcome"]) == (0, "GREEN", "SUCCESSFUL"), done.stderr
    assert content["recommendation"] == "continue"
    assert content["findings"] == content["alerts"] == content["tables"]["incidents"] == []
    assert [Path(line).name for line in done.stdout.splitlines()] == list(FILES)
    assert "GREEN" in done.stderr
