"""Names in a site file that stand for readings are held against the readings that there are."""

from pathlib import Path

import pytest
import yaml

from pdmlib.errors import SiteError
from pdmlib.workbook.opening import open_site

GOOD = {
    "site": "shop",
    "title": "Shop",
    "time_zone": "Europe/Berlin",
    "sources": {"app": {"base_url": "https://shop.example"}},
    "features": [{"name": "orders", "title": "Orders", "kind": "login", "sql": "x"}],
}


def step(edge: object, op: str = ">") -> dict[str, object]:
    return {"op": op, "edge": edge, "status": "fail"}


def written(tmp_path: Path, changes: dict[str, object]) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}))
    return path


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"limits": {"error_rate": [step(5)]}}, "limits.error_rate", "did you mean error_rate_pct?"),
        ({"targets": {"latency_p95": {"week1": 1}}}, "targets.latency_p95", "did you mean latency_p95_ms?"),
        ({"targets": {"feature_order": {"week1": 1}}}, "targets.feature_order", "did you mean feature_orders?"),
        ({"targets": {"requests_total": {"week1": 1}}}, "targets.requests_total", "has no limit to move"),
        ({"practical_pct": {"request_total": 20}}, "practical_pct.request_total", "did you mean requests_total?"),
        (
            {"limits": {"uptime_pct": [step(99.9, "<"), step("99", "!=")]}},
            "limits.uptime_pct.1.edge",
            "not a number",
        ),
        ({"limits": {"app_up": [step(0, "==")]}}, "limits.app_up.0.edge", "not true or false"),
        ({"people": {"owners": {"databse": "x"}}}, "people.owners.databse", "did you mean database?"),
    ],
)
def test_a_name_that_does_not_exist_is_an_error_with_its_line_and_the_nearest(
    tmp_path: Path, changes: dict[str, object], key: str, words: str
) -> None:
    path = written(tmp_path, changes)
    with pytest.raises(SiteError) as caught:
        open_site(path)
    assert caught.value.key == key
    assert words in str(caught.value)
    named = path.read_text().splitlines()[(caught.value.line or 0) - 1]
    assert key.split(".")[-1] in named


def test_names_that_exist_are_taken(tmp_path: Path) -> None:
    changes = {
        "limits": {"integration_stripe": [step("OPERATIONAL", "!=")], "app_up": [step(False, "==")]},
        "targets": {"feature_orders": {"week1": 1}, "uptime_pct": {"month1": 99.9}},
        "practical_pct": {"feature_orders": 20},
    }
    assert open_site(written(tmp_path, changes)).targets["uptime_pct"] == {"month1": 99.9}
