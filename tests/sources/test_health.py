"""What an answer of a health check says, by the formats of the field and by bodies that no format knows."""

from __future__ import annotations

import pytest

from pdmlib.frames.understanding import Unclear
from pdmlib.sources.health import Endpoint, Shot, components, judged
from tests.builders import at

HEALTH = Endpoint("/health", health=True)


def read(body: str | bytes, code: int = 200, **how: str) -> tuple[str | None, list[tuple[str, str]]]:
    """What a body is taken for, and what of it was not understood."""
    unclear = Unclear("app")
    content = body.encode() if isinstance(body, str) else body
    status, _ = judged(HEALTH, Shot(code, content, 1.0, **how), unclear)
    rows = unclear.frames().get("not_understood")
    return status, [] if rows is None else list(zip(rows["what"], rows["example"], strict=True))


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ('{"status": false}', "down"),
        ('{"success": false, "error": "database unreachable"}', "down"),
        ('{"status": 503}', "down"),
        ('{"status": 200}', "up"),
        ('"ok"', "up"),
        ('{"status": "ok", "version": "1.2", "debug": false}', "up"),
        # Quarkus and MicroProfile Health 4.0; NestJS' terminus; Rails 8 (rails/health_controller.rb, as JSON).
        ('{"status": "UP", "checks": [{"name": "db", "status": "UP", "data": {"pool": "ok"}}]}', "up"),
        ('{"status": "UP", "checks": []}', "up"),
        (
            '{"status": "ok", "info": {"db": {"status": "up"}}, "error": {}, "details": {"db": {"status": "up"}}}',
            "up",
        ),
        ('{"status": "up", "timestamp": "2025-03-04T10:00:00Z"}', "up"),
        ('<!DOCTYPE html><html><body style="background-color: green"></body></html>', "up"),
        # What says nothing of the whole and of each part that it is well.
        ('{"database": {"status": "ok"}, "redis": {"state": "healthy"}}', "up"),
        ('{"database": true, "redis": true}', "up"),
        ('{"uptime": 12.5, "message": "OK", "timestamp": 1741082400}', "up"),
        ('{"data": {"services": {"mail": true, "db": "up"}}}', "up"),
        ('{"status": "ok", "error": null, "maintenance": false}', "up"),
        ('{"status": "ok", "errors": []}', "up"),
        # Spring Boot and ASP.NET Core: the whole is said to be well, and a part of it is not.
        ('{"status": "UP", "components": {"db": {"status": "DOWN"}}}', "degraded"),
        ('{"status": "Healthy", "entries": {"queue": {"status": "Unhealthy"}}}', "degraded"),
        ('{"status": {"indicator": "none", "description": "All Systems Operational"}}', "up"),
        # An object of ASP.NET Core's own, whose keys begin with capitals, and its word for no exception.
        ('{"Status": "Degraded", "Checks": [{"Component": "redis", "Status": "Degraded"}]}', "degraded"),
        ('{"Status": "Healthy", "HealthChecks": [{"Component": "redis", "Status": "Healthy"}]}', "up"),
        ('{"status": "Healthy", "checks": [{"name": "db", "status": "Healthy", "exception": "none"}]}', "up"),
        ('{"status": "ok", "errors": {"last_hour": 0, "newest": null}}', "up"),
        ('{"status": "ok", "errors": {"last_hour": 3}}', "degraded"),
        # k8s.io/apiserver, healthz_test.go.
        ("[+]ping ok\n[+]bad excluded: ok\nlivez check passed\n", "up"),
        # django-health-check, exceptions.py: ServiceWarning and ServiceUnavailable.
        ('{"DatabaseBackend": "working", "Cache backend: default": "working"}', "up"),
        ('{"DatabaseBackend": "working", "DiskUsage": "warning: 92.0% disk usage"}', "degraded"),
    ],
)
def test_what_a_body_says_is_understood(body: str, status: str) -> None:
    assert read(body) == (status, [])


@pytest.mark.parametrize(
    "body",
    [
        '{"statusCode": 503, "error": "Service Unavailable"}',
        '{"status": null}',
        '{"status": {"db": "down", "cache": "up"}}',
        # spatie/laravel-health answers 200 whatever its checks found (its page "Viewing results: as JSON").
        '{"finishedAt": 1, "checkResults": [{"name": "a", "status": "ok"}, {"name": "b", "status": "failed"}]}',
        '{"database": {"status": "ok"}, "redis": {"status": "error"}}',
        '{"database": true, "redis": false}',
        '{"state": "degraded", "since": 5}',
        '[{"name": "db", "ok": true}, {"name": "redis", "ok": false}]',
        "false",
        "null",
        '{"status": "o',
        "NOT OK",
        "FAIL: database",
        "<health><status>DOWN</status></health>",
        "<!doctype html><title>500 Internal Server Error</title>",
        "<html><form><input type=password></form></html>",
        # Words of another language, under keys of another one; what a version endpoint says.
        '{"zustand": "gestört"}',
        '{"etat": "dégradé", "depuis": 5, "actif": true}',
        '{"version": "1.2", "debug": false}',
        '{"fine": 1}',
        "[1]",
        # What Python and PHP print when a program ends (docs.python.org, "traceback"; php.net, "Errors").
        'Traceback (most recent call last):\n  File "app.py", line 3, in <module>\n' + "    load()\n" * 40,
        "<br />\n<b>Fatal error</b>:  Uncaught PDOException: could not connect in /srv/index.php:12 " + "#0 " * 99,
        # The first page of nginx (its conf/index.html) and of Apache on Debian, and a shop that is being mended.
        "<!DOCTYPE html><html><head><title>Welcome to nginx!</title></head></html>",
        "<html><head><title>Apache2 Debian Default Page: It works</title></head><body></body></html>",
        "<html><head><title>Shop</title></head><body><h1>Wartungsarbeiten</h1>Wir sind bald zurück.</body></html>",
        "<html><head><title>Down for maintenance</title></head><body></body></html>",
    ],
)
def test_rule_14_a_sign_of_a_fault_in_a_body_of_no_known_format_is_told_and_is_not_down(body: str) -> None:
    status, told = read(body)
    assert status == "up"
    assert [what for what, _ in told] == ["unknown answer"]


@pytest.mark.parametrize(
    ("body", "example"),
    [
        ("42", "42"),
        ("NaN", "NaN"),
        ("[" * 5000 + "]" * 5000, "[" * 80),
        (
            '{"status": "ok", "checks": [' + '{"name": "db", "status": "ok"},' * 9,
            '{"status": "ok", "checks": [{"na',
        ),
        (b"\xff\xfe{\x00}", "\ufffd\ufffd{ }"),
    ],
)
def test_rule_14_a_body_that_no_program_could_read_is_up_by_its_status_and_told(
    body: str | bytes, example: str
) -> None:
    status, ((what, shown),) = read(body)
    assert (status, what) == ("up", "unknown answer")
    assert shown.startswith(example[:40])


@pytest.mark.parametrize("body", ["", "OK", "true", '{"ok": true}', "<html><p>Welcome", "Alles gut. " * 99])
def test_rule_14_a_body_that_says_nothing_of_a_fault_leaves_the_status_to_speak(body: str) -> None:
    assert read(body) == ("up", [])


def test_a_body_that_was_not_read_whole_is_told_unless_it_is_a_page() -> None:
    packed = "its answer is packed as 'br', which was not asked for"
    assert read(b"", unread=packed) == ("up", [("unknown answer", packed)])
    assert read(b"<html>" + b"x" * 9, unread="its answer is larger than 1 MB and was not read") == ("up", [])


def test_the_components_of_a_list_of_any_name_are_read_and_an_unknown_word_is_told() -> None:
    body = b'{"checkResults": [{"name": "Database", "status": "ok"}, {"name": "Redis", "status": "kaputt"}]}'
    unclear = Unclear("app")
    found = components(HEALTH, Shot(200, body, 1.0), at("2025-03-04T10:00"), unclear)
    assert [(row["component"], row["status"]) for row in found] == [("Database", "up"), ("Redis", None)]
    assert unclear.frames()["not_understood"]["example"].tolist() == ["kaputt"]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        # Consul's health API lists checks; its words are not among those usually known.
        ('[{"Name": "Web", "Status": "critical"}, {"Name": "Serf", "Status": "ok"}]', {"Web": None, "Serf": "up"}),
        ('{"HealthChecks": [{"Component": "redis", "Status": "Unhealthy"}]}', {"redis": "down"}),
        # NestJS' terminus: what is up again among all that was looked at.
        (
            '{"status": "error", "info": {"a": {"status": "up"}}, "error": {"b": {"status": "down"}}, '
            '"details": {"a": {"status": "up"}, "b": {"status": "down"}}}',
            {"a": "up", "b": "down"},
        ),
        ("[+]ping ok\r\n[-]etcd failed: reason withheld\r\nlivez check failed", {"ping": "up", "etcd": "down"}),
        (
            '{"Cache": "unavailable: no route", "Database": "working", "Disk": "warning: 92 %"}',
            {"Cache": "down", "Database": "up", "Disk": "degraded"},
        ),
    ],
)
def test_the_components_of_a_list_of_checks_and_of_sentences_are_read(body: str, told: dict[str, str]) -> None:
    unclear = Unclear("app")
    found = components(HEALTH, Shot(200, body.encode(), 1.0), at("2025-03-04T10:00"), unclear)
    assert {row["component"]: row["status"] for row in found} == told
    assert len(unclear.frames()) == (None in told.values())


def test_a_failed_check_is_why_an_answer_of_500_is_down() -> None:
    body = b"[+]ping ok\n[-]etcd failed: reason withheld\nlivez check failed\n"
    assert judged(HEALTH, Shot(500, body, 1.0), Unclear("app")) == (
        "down",
        "HTTP 500, [-]etcd failed: reason withheld",
    )


def test_an_unknown_indicator_of_a_status_is_not_understood() -> None:
    """Statuspage's API has the indicators none, minor, major and critical; of which an application is down?"""
    assert read('{"status": {"indicator": "major"}}') == ("up", [("unknown word", "major")])


def test_a_health_check_that_leads_to_another_page_says_nothing_of_the_application() -> None:
    assert read("<html>Sign in</html>", path="/login") == (None, [("needs a token", "redirected to /login")])
