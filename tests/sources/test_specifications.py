"""The documentation tells every field that is read, and every column that a source fills is judged or shown."""

import re
from pathlib import Path

import pytest

from pdmlib.sources import supabase as supabase_source
from pdmlib.sources.fields import Answer, described
from pdmlib.sources.needs import NEEDS
from pdmlib.sources.specifications import resend, sentry, stripe, supabase, twilio, vercel
from tests.sources import test_resend, test_sentry, test_stripe, test_supabase, test_twilio, test_vercel
from tests.sources.loopback import routed

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


@pytest.mark.parametrize("source", NEEDS)
def test_the_document_tells_what_each_vendor_needs(source: str) -> None:
    for need in NEEDS[source]:
        assert f"| {need.need} | {need.lost} |" in DOCUMENT


@pytest.mark.parametrize("series", supabase.SCRAPED, ids=lambda s: s.name)
def test_the_document_tells_each_metric(series: supabase.Series) -> None:
    assert f"| `{series.name}` | {series.unit} | 0 to {series.high:g} | {series.meaning}" in DOCUMENT


# The rooms that judge or show a column, `rewind`, which tells what of it was known at an earlier moment, and the
# doctor's.
UNDERSTOOD_BY = [
    path.read_text(encoding="utf-8")
    for room in ("analysis", "report", "verdict", "storage", "frames/rewind.py", "workbook/explained.py")
    for path in ([Path("pdmlib", room)] if room.endswith(".py") else Path("pdmlib", room).rglob("*.py"))
]
COLLECTED = {
    "sentry": lambda: test_sentry.collected(routed(test_sentry.routes()))[0],
    "vercel": lambda: test_vercel.collected(routed(test_vercel.routes()))[0],
    "supabase": lambda: test_supabase.collected(test_supabase.ROUTES),
    "stripe": lambda: test_stripe.collected(routed(test_stripe.routes()))[0],
    "twilio": lambda: test_twilio.collected(routed(test_twilio.routes()))[0],
    "resend": lambda: test_resend.collected(routed(test_resend.routes()))[0],
}


@pytest.mark.parametrize("source", COLLECTED)
def test_every_column_that_a_source_fills_is_judged_or_shown(source: str) -> None:
    for name, table in COLLECTED[source]().frames.items():
        assert any(f'"{name}"' in text for text in UNDERSTOOD_BY), name
        for column in table.columns[table.notna().any()]:
            taken = re.compile(rf'["\'. ]{column}\b["\'\])\s.,:=]')
            assert any(taken.search(text) for text in UNDERSTOOD_BY), f"{name}.{column} is fetched and never shown"


def test_every_host_metric_is_a_reading() -> None:
    for name in supabase_source.MEASURES:
        assert any(f'"{name}"' in text for text in UNDERSTOOD_BY), name
