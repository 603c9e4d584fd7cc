"""The documentation tells every field that is read, and every column that a source fills is judged or shown."""

from pathlib import Path

import pytest

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
