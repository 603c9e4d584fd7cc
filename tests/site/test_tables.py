"""Other people's columns, words, schedules and paths, as a site file declares them."""

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from pdmlib.frames.understanding import Vocabulary
from pdmlib.site.load import load_site
from pdmlib.site.site import TABLE_BLOCKS, Site
from pdmlib.site.terms import word
from tests.builders import a_site

GOOD: dict[str, Any] = {"site": "shop", "title": "Shop", "time_zone": "Asia/Kolkata", "sources": {}}


def read(tmp_path: Path, text: str, **environ: str) -> Site:
    path = tmp_path / "shop.yaml"
    path.write_text(
        yaml.safe_dump(GOOD).replace("sources: {}\n", "") + "sources: {}\n" * ("sources:" not in text) + text
    )
    return load_site(path, environ)


def test_a_declared_column_is_looked_for_alone_and_a_lacking_one_not_at_all(tmp_path: Path) -> None:
    site = read(tmp_path, "uptime: {table: pings, columns: {checked_at: at, response_ms: null}}\n")
    assert site.uptime is not None
    looked = {ours: site.uptime.candidates(ours) for ours in ("checked_at", "response_ms", "errors")}
    assert looked == {"checked_at": ("at",), "response_ms": (), "errors": ("errors",)}


def test_words_are_compared_without_case_and_space_and_may_be_numbers_and_booleans(tmp_path: Path) -> None:
    site = read(tmp_path, "cron: {words: {completed: [Done, true, 0], failed: ' BROKEN ', started: no}}\n")
    assert site.cron is not None
    known = site.cron.spoken("status")
    assert {"done", "true", "0", "completed"} <= set(known["completed"])
    assert {"broken", "failed"} <= set(known["failed"])
    assert known["started"] == ("no", "started")


def test_a_declared_word_wins_over_what_it_usually_means(tmp_path: Path) -> None:
    site = read(tmp_path, "cron: {words: {completed: finished, started: ok}}\n")
    assert site.cron is not None
    assert "ok" not in site.cron.spoken("status")["completed"]
    assert "ok" in site.cron.spoken("status")["started"]


def test_a_word_is_declared_in_whatever_case_it_is_usual_in(tmp_path: Path) -> None:
    site = read(tmp_path, "cron: {words: {completed: [' ERROR ']}}\n")
    assert site.cron is not None
    assert Vocabulary(site.cron.spoken("status")).of("error") == "completed"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (True, "true"),
        (0, "0"),
        (1.0, "1"),
        (Decimal("2.0"), "2"),
        (" UP ", "up"),
        ("STRASSE", "strasse"),
        (None, None),
        (0.5, "0.5"),
        (float("nan"), "nan"),
        (Decimal("Infinity"), "infinity"),
    ],
)
def test_a_value_of_a_column_is_a_word(value: object, said: str | None) -> None:
    assert word(value) == said


@pytest.mark.parametrize(
    "text",
    ["tables: {payments: shop.pay}\n", "payments: {table: shop.pay}\n", "tables: {payments: {table: shop.pay}}\n"],
)
def test_a_table_is_named_alone_or_as_a_block(tmp_path: Path, text: str) -> None:
    block = read(tmp_path, text).block("payments")
    assert block is not None
    assert (block.table, block.time_zone) == ("shop.pay", None)


def test_no_zone_is_declared_where_the_file_declares_none(tmp_path: Path) -> None:
    named = "tables: {payments: a, app_alerts: b, integration_checks: c}\n"
    text = "uptime: {}\ncron: {}\ntickets: {}\nactivity: {}\n" + named
    site = read(tmp_path, text)
    assert [site.block(name).time_zone for name in TABLE_BLOCKS] == [None] * 7  # type: ignore[union-attr]


def test_a_job_has_several_schedules_and_a_name_several_entries(tmp_path: Path) -> None:
    jobs = """
  - {name: remind, schedule: [0 8 * * *, 0 20 * * *], path: /api/cron/remind?batch=a, timeout_s: 60}
  - {name: remind, schedule: 0 12 * * *, path: /api/cron/remind?batch=b}
  - {name: clean, schedule: 0 0 * * 0}
"""
    cron = read(tmp_path, f"cron:\n  jobs:{jobs}").cron
    assert cron is not None
    assert [job.path for job in cron.jobs] == ["/api/cron/remind?batch=a", "/api/cron/remind?batch=b", None]
    assert {job.name: job.schedules for job in cron.expected} == {
        "remind": ("0 8 * * *", "0 20 * * *", "0 12 * * *"),
        "clean": ("0 0 * * 0",),
    }
    assert cron.expected[0].timeout_s == 300


def test_an_application_says_what_up_looks_like_and_which_headers_are_secret(tmp_path: Path) -> None:
    text = """
sources:
  app:
    base_url: https://shop.example
    page: null
    health: /healthz
    detailed: null
    expect: {/healthz: {status: 204, text: OK, json: {ok: true}}}
    headers_env: {X-Health-Token: HEALTH_TOKEN}
"""
    site = read(tmp_path, text, HEALTH_TOKEN="t0ken")
    app = site.sources.app
    assert app is not None
    assert app.paths == ("/healthz",)
    assert (app.expect["/healthz"].status, app.expect["/healthz"].body) == ((204,), {"ok": True})
    assert {name: site.secret(variable) for name, variable in app.headers_env.items()} == {
        "X-Health-Token": "t0ken"
    }
    assert "t0ken" not in repr(site) + site.model_dump_json()


def test_a_log_may_be_told_by_our_short_names(tmp_path: Path) -> None:
    site = read(tmp_path, "requests: {format: json, columns: {id: trace.id, agent: ua, duration_ms: took}}\n")
    assert site.requests is not None
    assert site.requests.columns == {"request_id": "trace.id", "user_agent": "ua", "duration_ms": "took"}


@pytest.mark.parametrize(("unused", "told"), [((), "sources.stripe tells of payments"), (("stripe",), None)])
def test_a_block_that_no_reading_rests_on_says_why(unused: tuple[str, ...], told: str | None) -> None:
    site = a_site(unused=unused, payments={"table": "shop.pay"}, app_alerts={"table": "shop.alerts"})
    assert (site.idle("payments") or "").endswith(told or "") and (site.idle("payments") is None) == (told is None)
    assert "timeline" in str(site.idle("app_alerts")) and site.idle("uptime") is None
