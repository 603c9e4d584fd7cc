"""The guide's templates, restated: every heading, table and label has its counterpart in the phase's report."""

from __future__ import annotations

import html
import re

import pytest

from tests.acceptance.conftest import Reports

pytestmark = pytest.mark.slow

HEADINGS = {
    "hour1": "1-Hour Post-Deployment Report; System Health; Errors; Integrations; Database; Actions Taken; Issues "
    "Detected; Overall Status",
    "day1": "24-Hour Post-Deployment Report; Executive Summary; System Health; Uptime; Performance; Traffic; "
    "Errors & Issues; Sentry Summary; Resolved Issues; Open Issues; Integrations; Cron Jobs; Feature "
    "Usage; Database; User Feedback; Recommendations; Action Items; Overall Status",
    "daily": "Daily Monitoring; System Health; Database; Integrations; Cron Jobs; Feature Usage; Support; Notes; "
    "Action Items",
    "week1": "Week 1 Post-Deployment Summary; Highlights; System Stability; Uptime; Performance; Feature Adoption;"
    " Issues Encountered; Critical (P0); High (P1); Medium (P2); Cron Jobs; User Feedback; Quantitative; "
    "Qualitative; Database Health; Optimizations Completed; Lessons Learned; Action Items for Week 2; "
    "Overall Assessment",
    "weekly-review": "1. Review Previous Week (15 min); System Health Metrics; Issues Encountered and Resolved; "
    "Feature Usage Trends; 2. Performance Analysis (15 min); Response Time; Error Rate; Database Performance; "
    "Cost Analysis; 3. User Feedback (15 min); Support Ticket; Feature Requests; Bug Reports; "
    "Satisfaction; 4. Optimization Opportunities (15 min); Slow Queries to Optimize; Features to Promote;"
    " High-Cost Operations; 5. Action Items (10 min); Focus Areas",
    "dashboard": "1. System Health; 2. Error Rate; 3. Response Time; 4. Active Users; 5. Cron Job Status; 6. "
    "Integration Status; 7. Database Metrics; 8. Recent Errors",
    "incident": "Timeline; Impact; Response Procedure; Fix Forward or Rollback; Verification; Root Cause; "
    "Prevention; Action Items",
}
LABELS = {
    "hour1": "Deployment Time; Report Time; Application Status; Health Check; Error Rate; Response Time p95; New "
    "Issues; Critical Issues; Most Common; Stripe; Twilio; Resend; Database; CPU; Memory; Connections; "
    "Slow Queries; Recommendation; Next Check",
    "day1": "Deployment Time; Report Time; Total Uptime; Downtime Events; Total Downtime; Avg Response Time; P95 "
    "Response Time; P99 Response Time; Error Rate; Total Requests; Unique Users; Peak Requests/min; Total"
    " Errors; Unique Issues; Critical Issues; Top 3 Errors; Total Executions; Successful; Failed; Avg "
    "Execution Time; Failed Jobs; Avg CPU; Peak CPU; Avg Memory; Total Queries; Slow Queries; Connection "
    "Errors; Support Tickets; Bug Reports; Feature Requests; Positive Feedback; Status; Confidence Level;"
    " Recommendation; Prepared By; Date",
    "daily": "Overall Status; Checked By; Time",
    "week1": "Deployment Date; Report Date; Week 1 Uptime; Total Downtime; Target; Status; Total Scheduled "
    "Executions; Successful; Failed; Issues; Support Tickets; Bug Reports; Feature Requests; Common "
    "Positive Feedback; Common Issues Reported; Avg CPU; Peak CPU; Avg Memory; Storage Used; Slow Query "
    "Count; Action Items; Deployment Success; Stability; Next Steps; Prepared By; Date",
}
TABLES = {
    "day1": (
        "| Metric | Value | Target |",
        "| Integration | Status | Notes |",
        "| Feature | Usage Count | Notes |",
        "| Action | Priority | Owner | Due Date |",
    ),
    "daily": ("| Metric | Yesterday |", "| Feature |"),
    "week1": (
        "| Metric | Week 1 | Target | Status |",
        "| Feature | Total Usage | Daily Avg | Trend |",
        "| Feature | Day 1 | Day 2 | Day 3 | Day 4 | Day 5 | Day 6 | Day 7 |",
        "| Action | Priority | Owner | Due Date |",
    ),
    "weekly-review": ("| Action | Priority | Owner | Due Date |",),
    "incident": ("| Step | Within | Due | Done |",),
}
ROWS = {
    "day1": "Response time p50; Response time p95; Response time p99; Error rate; Stripe; Twilio; Resend; "
    "Supabase; Sentry; Opportunities Created; Promotions Sent; Review Requests; Loyalty Points Awarded; "
    "Portal Logins",
    "week1": "Response Time p50; Response Time p95; Error Rate; Opportunities Created; Opportunity Conversions; "
    "Promotions Sent; Promotion Conversions; Review Requests; Reviews Received; Loyalty Points Awarded; "
    "Portal Registrations",
    "incident": "Acknowledge; Assess; Act; Verify; Document",
}
BOXES = {
    "daily": "Health endpoint: OK; Error rate: <0.5%; Response time p95: <1s; No critical errors in Sentry; CPU "
    "usage: <70%; Memory usage: <80%; No connection issues; No slow queries (>100ms); Stripe: No errors; "
    "Twilio: No delivery failures; Resend: No bounce rate spikes; All jobs executed successfully; No "
    "failures in last 24 hours; Reviewed new tickets; No deployment-related issues; All critical tickets "
    "addressed",
    "hour1": "Application accessible at production URL; Response times < 1s (p95); No deployment errors in Vercel "
    "logs; Error rate < 0.5%; CPU usage < 70%; Webhooks receiving events",
    "weekly-review": "Optimize slow database queries; Review and optimize API endpoints; Analyze feature "
    "adoption; Identify UX improvements; Capacity planning for growth; Documentation updates",
}
OTHERWISE_IN_THE_PAGE = {
    # In the page the verdict with its summary opens the report, and issues stand by their priority.
    "day1": {"Executive Summary", "Resolved Issues", "Open Issues", "Recommendations"},
    "daily": {"System Health", "Feature Usage", "Support"},
    "dashboard": {"1. System Health"},
}


def _plain(markdown: str) -> str:
    return re.sub(r"\\(.)", r"\1", html.unescape(markdown))


def _headings(page: str) -> list[str]:
    found = re.findall(r"<h[1-4][^>]*>(.*?)</h[1-4]>", page, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]+>", "", text)).strip().lower() for text in found]


@pytest.mark.parametrize("phase", HEADINGS)
def test_every_heading_of_the_guide_stands_in_its_order(reports: Reports, phase: str):
    found = [
        line.lstrip("# ").lower()
        for line in _plain(reports.read(phase, "report.md")).splitlines()
        if line[:1] == "#"
    ]
    at = -1
    for wanted in HEADINGS[phase].split("; "):
        later = [i for i, text in enumerate(found) if wanted.lower() in text and i >= at]
        assert later, f"{wanted!r} is not in {found[max(at, 0) :]}"
        at = later[0]


@pytest.mark.parametrize("phase", HEADINGS)
def test_every_heading_of_the_guide_stands_in_the_page(reports: Reports, phase: str):
    found = _headings(reports.read(phase, "report.html"))
    wanted = set(HEADINGS[phase].split("; ")) - OTHERWISE_IN_THE_PAGE.get(phase, set())
    assert sorted(w for w in wanted if not any(w.lower() in text for text in found)) == []


@pytest.mark.parametrize("phase", LABELS)
def test_every_line_of_the_guide_is_filled_in(reports: Reports, phase: str):
    text = _plain(reports.read(phase, "report.md"))
    lines = (rf"^(?:- |\*\*){re.escape(label)}(?:\*\*)?:(?:\*\*)? *\S*" for label in LABELS[phase].split("; "))
    assert [line for line in lines if not re.search(line, text, re.MULTILINE)] == []


@pytest.mark.parametrize("phase", TABLES)
def test_every_table_of_the_guide_has_its_columns(reports: Reports, phase: str):
    text = _plain(reports.read(phase, "report.md"))
    assert [head for head in TABLES[phase] if head not in text] == []


@pytest.mark.parametrize("phase", ROWS)
def test_every_row_of_the_guides_tables_is_there(reports: Reports, phase: str):
    rows = [line for line in _plain(reports.read(phase, "report.md")).splitlines() if line.startswith("|")]
    assert [row for row in ROWS[phase].split("; ") if not any(line.startswith(f"| {row}") for line in rows)] == []


@pytest.mark.parametrize("phase", BOXES)
def test_every_box_of_the_guide_is_done_failed_or_left_to_a_person(reports: Reports, phase: str):
    content = reports.content(phase)
    rows = {row["box"].replace("`", ""): row for row in content["tables"]["checklist"]}
    assert [box for box in BOXES[phase].split("; ") if box not in rows] == []
    for row in rows.values():
        assert row["state"] in ("done", "failed", "manual")
        assert row["state"] == "manual" or row["reading"]


def test_what_came_after_an_incident_is_held_against_what_was_before(reports: Reports):
    rows = reports.content("incident")["tables"]["verification"]
    assert [row["metric"] for row in rows if row["after"] is None or row["normal"] is None] == []


def test_the_response_procedure_has_its_clocks(reports: Reports):
    text = _plain(reports.read("incident", "report.md"))
    assert [clock for clock in ("5 min", "10 min", "15 min", "24 h") if clock not in text] == []
