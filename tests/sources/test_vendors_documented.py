"""`docs/vendors.md` says of each vendor what is asked and what each field that is read means."""

from pathlib import Path

import pytest

from pdmlib.sources.answers import Answer, described
from pdmlib.sources.specifications import resend, stripe, twilio

TEXT = (Path(__file__).parents[2] / "docs" / "vendors.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("model", [*stripe.ANSWERS, *twilio.ANSWERS, *resend.ANSWERS])
def test_each_request_is_documented_with_its_specification_and_fields(model: type[Answer]) -> None:
    (section,) = [
        part for part in TEXT.split("\n### ")[1:] if part.startswith(f"`{model.request}`: `{model.item}`\n")
    ]
    assert model.specification in section
    for name, kind, null, meaning in described(model):
        assert f"| `{name}` | {kind} | {null} | {meaning} |" in section
