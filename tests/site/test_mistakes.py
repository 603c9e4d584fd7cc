"""A mistake in a site file is one line that names file, line, key and what is allowed, within a second."""

import os
import re
from pathlib import Path
from time import process_time

import pytest

from pdmlib.errors import SiteError
from pdmlib.site.load import load_site, read_demo, variables_of
from pdmlib.site.notes import load_notes

HEAD = """\
site: shop
title: Shop
time_zone: Europe/Berlin
sources: {app: {base_url: https://shop.example}}
"""


def refused(tmp_path: Path, text: str | bytes, environ: dict[str, str] | None = None) -> SiteError:
    """The one error of a site file of four good lines and these."""
    path = tmp_path / "shop.yaml"
    path.write_bytes(HEAD.encode() + (text if isinstance(text, bytes) else text.encode()))
    began = process_time()
    with pytest.raises(SiteError) as caught:
        load_site(path, environ or {})
    assert process_time() - began < 1
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()
    return caught.value


# The four good lines come first: the first line of each of these is line 5.
@pytest.mark.parametrize(
    ("text", "line", "key", "words"),
    [
        ("deployed_at: 2026-11-21", 5, "deployed_at", "no zone; write a time with its zone such as 2025-03-10T15"),
        ("deployed_at: 2026-11-21T10:00:00", 5, "deployed_at", "no zone"),
        ("deployed_at: 2026-13-21T10:00:00Z", 5, "deployed_at", "month must be in 1..12"),
        ("deployed_at: 0001-01-01T00:00:00+14:00", 5, "deployed_at", "out of the calendar"),
        ("deployed_at: 1764500000", 5, "deployed_at", "is not a time"),
        ("holidays:\n- 2025-01-01\n- 2025-02-30", 7, "holidays.1", "2025-02-30 is not in the calendar"),
        ("incident_days: [20250101]", 5, "incident_days.0", "is not a day"),
        ("holidays: {country: XY}", 5, "holidays.country", "not a country whose holidays are known"),
        ("holidays: {country: DE, subdivision: BQ}", 5, "holidays.subdivision", "allowed are BB, BE, BW, BY"),
        ("uptime: {interval_s: " + "9" * 5000 + "}", 5, "uptime.interval_s", "5,000 digits; at most 18"),
        ("uptime: {interval_s: .inf}", 5, "uptime.interval_s", "number"),
        ("uptime: {interval_s: 1e999}", 5, "uptime.interval_s", "finite number"),
        ("links: &a\n  x: *a", 6, "links.x", "'a' lies inside itself"),
        ("links: {x: *b}", 5, "links.x", "no anchor is called 'b'"),
        ("uptime:\n  interval_s: 60\n\n  interval_s: 61", 8, "uptime.interval_s", "twice, also on line 6"),
        ("title: Other", 5, "title", "twice, also on line 2"),
        ("--- \nsite: two", 5, "file", "more than one document"),
        ("links: !!python/object/apply:os.system [id]", 5, "links", "tag"),
        ("links: {[a]: b}", 5, "links", "cannot be a key"),
        ("links: [", 6, "file", "not YAML"),
        (b"links: {x: \xff}", None, "file", "not YAML"),
        (b"links: {x: \x00}", None, "file", "not YAML"),
        ("links: " + "[" * 5000, 5, "file", "more than 40 levels"),
        ("cron: {jobs: [{name: a, schedule: 0 0 * * * *}]}", 5, "cron.jobs.0.schedule", "has 6 fields"),
        (
            "cron:\n  jobs:\n  - name: a\n    schedule: [0 0 * * *, 0 25 * * *]",
            8,
            "cron.jobs.0.schedule.1",
            "hour",
        ),
        ("cron: {jobs: [{name: a, schedule: []}]}", 5, "cron.jobs.0.schedule", "at least 1"),
        ("targets:\n  uptime_pct:\n    week9: 99", 7, "targets.uptime_pct.week9", "did you mean week1?"),
        ("targets: {uptime_pct: {week1: high}}", 5, "targets.uptime_pct.week1", "valid number"),
        ("limits: {uptime_pct: [{op: <, edge: abc, status: fail}]}", 5, "limits.uptime_pct.0.edge", "number"),
        (
            "limits: {uptime_pct: [{op: <, edge: 99.9, status: warn}, {op: <, edge: 99.5, status: fail}]}",
            5,
            "limits.uptime_pct.1",
            "is never reached",
        ),
        (
            "limits: {latency_p95_ms: [{op: '>=', edge: 800, status: warn}, {op: '>', edge: 800, status: fail}]}",
            5,
            "limits.latency_p95_ms.1",
            "write the worst first",
        ),
        ("unused: [stripe, twillio]", 5, "unused.1", "did you mean twilio?"),
        ("url: ${SHOP_URL", 5, "url", "a variable is written ${NAME}"),
        ("url: https://${SHOP-URL}", 5, "url", "a variable is written ${NAME}"),
        ("links: {wiki: '${WIKI}'}", 5, "sources", "set the environment variables WIKI"),
        ("title2: x", 5, "title2", "did you mean title?"),
        ("uptime: {columns: {respons_ms: ms}}", 5, "uptime.columns.respons_ms", "did you mean response_ms?"),
        ("uptime: {columns: {status: null}}", 5, "uptime.columns.status", "needs checked_at, status"),
        ("uptime: {words: {upp: OK}}", 5, "uptime.words.upp", "did you mean up?"),
        ("uptime: {words: {up: [OK], down: [' ok']}}", 5, "uptime.words.down", "'ok' stands for up already"),
        ("uptime: {words: {up: [null]}}", 5, "uptime.words.up.0", "not a word"),
        ("activity: {words: {up: OK}}", 5, "activity.words.up", "activity has no words"),
        ("uptime: {time_zone: Asia/Calcuta}", 5, "uptime.time_zone", "did you mean Asia/Calcutta?"),
        ("tables: {payments: p}\npayments: {table: q}", 5, "tables.payments", "twice"),
        ("features: [{name: a, title: A, kind: login, sql: x, attempts: b}]", 5, "features.0.attempts", "are a"),
        (
            "queries:\n- {name: a, title: A, sql: x, limit_ms: 1}\n- {name: a, title: A, sql: x, limit_ms: 1}",
            7,
            "queries.1",
            "'a' is there twice",
        ),
        ("deployments: [{at: 2025-01-01, name: v1}]", 5, "deployments.0.at", "no zone"),
        ("maintenance: [{cron: 0 3 * * 0}]", 5, "maintenance.0", "cron and minutes"),
        ("maintenance: [{start: 2025-01-02T00:00Z, end: 2025-01-01T00:00Z}]", 5, "maintenance.0.end", "not after"),
        ("requests: {columns: {idd: x}}", 5, "requests.columns.idd", "did you mean id?"),
        ("requests: {columns: {id: x, request_id: y}}", 5, "requests.columns.id", "the same as request_id"),
        ("people: {prepared_by: 5}", 5, "people.prepared_by", "put it in quotes"),
        ("url: http://[1", 5, "url", "http"),
        ("url: http://x:99999999", 5, "url", "http"),
    ],
)
def test_a_mistake_is_one_line_with_the_line_the_key_and_what_is_allowed(
    tmp_path: Path, text: str | bytes, line: int | None, key: str, words: str
) -> None:
    error = refused(tmp_path, text)
    assert (error.line, error.key) == (line, key)
    assert words in str(error)


@pytest.mark.parametrize(
    ("app", "key", "words"),
    [
        ("expect: {/api/helth: {status: 200}}", "expect./api/helth", "did you mean /api/health?"),
        ("expect: {/api/health: {status: 99}}", "expect./api/health.status", "greater than or equal to 100"),
        ("expect: {/api/health: {jsn: {}}}", "expect./api/health.jsn", "did you mean json?"),
        ("headers_env: {'X Token': TOKEN}", "headers_env.X Token", "not the name of a request header"),
        ("headers_env: {X-Token: 'a-b'}", "headers_env.X-Token", "environment variable"),
        ("health: api", "health", "not a path such as /api/health"),
    ],
)
def test_what_the_application_is_asked_is_checked(tmp_path: Path, app: str, key: str, words: str) -> None:
    path = tmp_path / "shop.yaml"
    text = HEAD.replace(
        "{app: {base_url: https://shop.example}}", f"\n  app:\n    base_url: https://x.example\n    {app}"
    )
    path.write_text(text)
    with pytest.raises(SiteError) as caught:
        load_site(path, {"a-b": "x", "TOKEN": "x"})
    assert (caught.value.line, caught.value.key) == (7, f"sources.app.{key}")
    assert words in str(caught.value)


def test_a_bomb_of_aliases_is_refused(tmp_path: Path) -> None:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)]
    text = "\n".join(lines)
    assert len(text) < 500
    assert "aliases and lists grow to more than 20,000 values" in str(refused(tmp_path, text))


def test_aliases_and_merged_blocks_that_do_no_harm_are_read(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    jobs = "cron:\n  jobs:\n  - &first {name: a, schedule: 0 0 * * *, timeout_s: 60}\n  - {<<: *first, name: b}\n"
    path.write_text(HEAD + jobs)
    cron = load_site(path, {}).cron
    assert cron is not None
    assert [(job.name, job.timeout_s) for job in cron.jobs] == [("a", 60), ("b", 60)]


@pytest.mark.parametrize("read", [load_site, read_demo, variables_of, load_notes])
def test_a_pipe_a_device_and_a_folder_are_no_site_file_and_nothing_waits_for_them(tmp_path: Path, read) -> None:  # type: ignore[no-untyped-def]
    pipe = tmp_path / "pipe.yaml"
    os.mkfifo(pipe)
    for path in (pipe, Path("/dev/zero"), tmp_path):
        with pytest.raises(SiteError, match="not a regular file"):
            read(path)


def test_a_file_of_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(SiteError, match="more than 500,000 bytes"):
        load_site(path, {})


def test_an_error_does_not_repeat_what_the_environment_holds(tmp_path: Path) -> None:
    error = refused(tmp_path, "uptime: {time_zone: '${ZONE}'}", {"ZONE": "s3cret-value"})
    assert "s3cret" not in str(error)
    assert "${ZONE}" in str(error)


def test_a_name_with_line_ends_is_shown_on_one_line(tmp_path: Path) -> None:
    path = tmp_path / "a\nb\x1b[31m.yaml"
    path.write_text("- x")
    with pytest.raises(SiteError) as caught:
        load_site(path, {})
    assert re.search(r"a\\nb\\x1b\[31m\.yaml: file: must be a mapping", str(caught.value))


def test_a_pasted_log_format_keeps_what_looks_like_a_variable(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(
        HEAD + "requests: {format: combined, log_format: '$remote_addr ${request_time} \"$request\"'}\n"
    )
    site = load_site(path, {})
    assert site.requests is not None
    assert site.requests.log_format == '$remote_addr ${request_time} "$request"'
    assert variables_of(path) == ()


def test_a_switched_off_source_needs_no_variable_at_all(tmp_path: Path) -> None:
    path = tmp_path / "shop.yaml"
    path.write_text(
        HEAD.replace("app: {base_url: https://shop.example}", "app: {base_url: '${X}', enabled: false}")
    )
    assert load_site(path, {}).source("app") is None
