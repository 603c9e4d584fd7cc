"""The documentation tells every field that is read, and every column that a source fills is judged or shown."""

import re
from pathlib import Path

import pytest

from pdmlib.sources import supabase as supabase_source
from pdmlib.sources.fields import Answer, described
from pdmlib.sources.specifications import resend, sentry, stripe, supabase, twilio, vercel

DOCUMENT = Path("docs/vendors.md").read_text(encoding="utf-8")


VENDORS = (sentry, vercel, supabase, stripe, twilio, resend)


@pytest.mark.parametrize(
    "model", [m for v in VENDORS for m in v.ASKED], ids=lambda m: f"{m.__module__}.{m.__name__}"
)
def test_the_document_tells_the_request_the_specification_and_each_field(model: type[Answer]) -> None:
    assert f"`{model.request}` ({model.specification})" in DOCUMENT
    for name, kind, null, meaning in described(model):
        row = next(line for line in DOCUMENT.splitlines() if line.startswith(f"| `{model.item}.{name}` |"))
        assert f"| {null} |" in row
        assert meaning in DOCUMENT
        assert "below" in kind or kind in DOCUMENT


@pytest.mark.parametrize("series", supabase.SCRAPED, ids=lambda s: s.name)
def test_the_document_tells_each_metric(series: supabase.Series) -> None:
    assert f"| `{series.name}` | {series.unit} | 0 to {series.high:g} | {series.meaning}" in DOCUMENT


# Columns that our sources fill, by frame, and the words under which the analyses and the report take them.
FILLED = {
    "latencies": "start end route p50_ms p95_ms p99_ms avg_ms requests failures refused samples sample_rate "
    "confidence",
    "error_counts": "start end errors users issues",
    "issues": "issue title culprit level status substatus priority first_seen last_seen events events_before "
    "events_latest users unhandled last_release assigned_to link",
    "deployments": "source deployment created_at live_at move share_pct state target sha error rollback_candidate",
    "build_logs": "deployment level text",
    "platform_crons": "path schedule",
    "request_counts": "at interval_s route status requests sample_rate",
    "activity": "start end visitors page_views",
    "vendor_states": "vendor kind item status ok",
    "host_metrics": "metric at value",
    "costs": "start end name service amount currency",
}
UNDERSTOOD_BY = [
    path.read_text(encoding="utf-8")
    for room in ("analysis", "report", "verdict", "storage")
    for path in Path("pdmlib", room).rglob("*.py")
]


@pytest.mark.parametrize(("name", "columns"), FILLED.items())
def test_every_column_that_a_source_fills_is_taken_up_by_an_analysis_or_the_report(
    name: str, columns: str
) -> None:
    assert any(f'"{name}"' in text for text in UNDERSTOOD_BY)
    for column in columns.split():
        taken = re.compile(rf'["\'. ]{column}\b["\'\])\s.,:=]')
        assert any(taken.search(text) for text in UNDERSTOOD_BY), f"{name}.{column} is fetched and never shown"


def test_every_host_metric_is_a_reading() -> None:
    for name in supabase_source.MEASURES:
        assert any(f'"{name}"' in text for text in UNDERSTOOD_BY), name
