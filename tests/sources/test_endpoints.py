"""Of the paths that answer, the health check is the first that is understood, whatever it says now."""

from __future__ import annotations

from pdmlib.sources.endpoints import chosen, usual_answers
from tests.sources.loopback import Reply, routed, vendor

TEXT = {"Content-Type": "text/plain"}


def test_a_health_check_that_is_down_is_not_left_for_a_path_that_is_up() -> None:
    paths = {"/api/health": Reply({"status": "unhealthy"}, 503), "/ping": Reply("pong", 200, TEXT)}
    with vendor(routed(paths)) as running:
        _, there = usual_answers(running.url)
    health, _ = chosen(there)
    assert {answer.path for answer in there} == {"/api/health", "/ping"}
    assert health is not None and (health.path, health.taken_for) == ("/api/health", "down")


def test_the_endpoint_that_names_its_parts_is_the_detailed_one() -> None:
    parts = {"status": "UP", "components": {"db": {"status": "UP"}, "disk": {"status": "UP"}}}
    # As Spring Boot answers with its details shown.
    with vendor(routed({"/up": Reply("OK", 200, TEXT), "/actuator/health": parts})) as running:
        _, there = usual_answers(running.url)
    health, detailed = chosen(there)
    assert health is not None and health.path == "/up"
    assert detailed is not None and (detailed.path, detailed.parts) == ("/actuator/health", 2)


def test_a_page_that_answers_every_path_is_no_health_check() -> None:
    with vendor(lambda call: Reply(f"<html>{call.path}</html>", 200, {"Content-Type": "text/html"})) as running:
        page, there = usual_answers(running.url)
    assert page.code == 200 and there == []


def test_an_application_that_cannot_be_reached_has_no_endpoints() -> None:
    with vendor(routed({})) as running:
        gone = running.url
    page, there = usual_answers(gone)
    assert page.code is None and page.detail and there == []


def test_what_names_people_in_an_answer_is_masked() -> None:
    with vendor(routed({"/status": {"status": "ok", "owner": "ana@example.org"}})) as running:
        _, there = usual_answers(running.url)
    assert there and "ana@" not in there[0].said
