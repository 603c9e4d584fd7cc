"""Site files: every mistake is one line that names file, key and what is allowed."""

import re
from pathlib import Path

import pytest
import yaml

from pdmlib.errors import SiteError
from pdmlib.site.load import load_site, read_demo

PARAMS = Path(__file__).parents[2] / "params"
GOOD = {
    "site": "shop",
    "title": "Shop",
    "time_zone": "Europe/Berlin",
    "sources": {"sentry": {"organization": "o", "project": "p", "token_env": "SHOP_TOKEN"}},
}


def written(tmp_path: Path, **changes: object) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}))
    return path


def test_a_misspelt_key_is_named_and_not_what_is_missing_because_of_it(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(yaml.safe_dump({"titel" if key == "title" else key: value for key, value in GOOD.items()}))
    with pytest.raises(SiteError, match=r"shop\.yaml: line 8: titel: unknown key; did you mean title\? "):
        load_site(path, {"SHOP_TOKEN": "x"})


def test_a_good_file_is_read_with_its_secret(tmp_path: Path) -> None:
    site = load_site(written(tmp_path), {"SHOP_TOKEN": "s3cret"})
    assert site.secret("SHOP_TOKEN") == "s3cret"
    assert str(site.zone) == "Europe/Berlin"


def test_no_repr_shows_a_secret(tmp_path: Path) -> None:
    site = load_site(written(tmp_path), {"SHOP_TOKEN": "s3cret"})
    assert "s3cret" not in repr(site) + str(site) + site.model_dump_json()


@pytest.mark.parametrize(
    ("changes", "key", "words"),
    [
        ({"colour": "red"}, "colour", "unknown key"),
        ({"time_zone": "Mars/Olympus"}, "time_zone", "IANA"),
        ({"title": ["a"]}, "title", "string"),
        ({"cron": {"jobs": [{"name": "a", "schedule": "61 * * * *"}]}}, "cron.jobs.0.schedule", "cron expression"),
        ({"uptime": {"interval_s": 0}}, "uptime.interval_s", "greater than 0"),
        ({"requests": {"counted": []}}, "requests.counted", "at least 1"),
        ({"features": [{"name": "a", "title": "A", "kind": "buy", "sql": "x"}]}, "features.0.kind", "'create'"),
        ({"features": [{"name": "a", "title": "A", "kind": "sum", "table": "t"}]}, "features.0", "time_column"),
        ({"uptime": {"table": "a; drop table b"}}, "uptime.table", "table or column name"),
        ({"url": "ftp://x"}, "url", "http"),
        ({"url": "https://user:pw@x"}, "url", "password"),
        ({"site": "../up"}, "site", "small letters"),
    ],
)
def test_a_mistake_names_file_key_and_what_is_allowed(
    tmp_path: Path, changes: dict[str, object], key: str, words: str
) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(SiteError) as caught:
        load_site(path, {"SHOP_TOKEN": "x"})
    text = str(caught.value)
    assert re.match(rf"{re.escape(str(path))}: line [0-9]+: {re.escape(key)}: ", text)
    assert words in text
    assert "\n" not in text


def test_all_missing_variables_are_named_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, url="${SHOP_URL}/x")
    with pytest.raises(SiteError, match="SHOP_TOKEN, SHOP_URL"):
        load_site(path, {})


def test_a_switched_off_source_needs_no_secret(tmp_path: Path) -> None:
    sources = {"sentry": {"organization": "o", "project": "p", "token_env": "SHOP_TOKEN", "enabled": False}}
    assert load_site(written(tmp_path, sources=sources), {}).source("sentry") is None


def test_a_missing_file_and_broken_yaml_are_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(SiteError, match="No such file"):
        load_site(tmp_path / "none.yaml", {})
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(SiteError, match="not YAML"):
        load_site(tmp_path / "bad.yaml", {})


def test_the_files_that_come_with_the_project_are_valid() -> None:
    for name in ("demo", "dirtfree", "example"):
        assert load_site(PARAMS / f"{name}.yaml", offline=True).site == name


def test_the_real_site_without_secrets_says_what_is_missing() -> None:
    with pytest.raises(SiteError) as caught:
        load_site(PARAMS / "dirtfree.yaml", {})
    assert "SENTRY_AUTH_TOKEN" in str(caught.value)
    assert "STRIPE_API_KEY" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_only_the_demo_site_has_a_demo() -> None:
    demo = read_demo(PARAMS / "demo.yaml")
    assert demo is not None
    assert demo.scenario == "rough"
    assert read_demo(PARAMS / "dirtfree.yaml") is None


@pytest.mark.parametrize(
    ("addresses", "stand_in"),
    [
        ({"app": "http://127.0.0.1:1", "stripe": "http://localhost:2"}, True),
        ({"stripe": "http://localhost:2"}, True),
        ({"app": "http://127.0.0.1:1"}, False),
        ({"app": "http://127.0.0.1:9/app"}, True),
        ({"app": "http://127.0.0.1:1", "stripe": "https://api.stripe.com"}, False),
        ({}, False),
    ],
)
def test_a_site_is_a_stand_in_only_when_every_vendor_is_on_loopback(
    tmp_path: Path, addresses: dict[str, str], stand_in: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An application without a vendor is a real one beside the workbook, unless the demo serves it."""
    monkeypatch.setenv("PDM_DEMO_URL", "http://127.0.0.1:9")
    blocks = {name: {"base_url": url} for name, url in addresses.items()}
    path = written(tmp_path, sources={**blocks, "postgres": {}})
    environ = {"STRIPE_API_KEY": "x", "DATABASE_URL": "postgresql://127.0.0.1/x"}
    assert load_site(path, environ).stand_in is stand_in
