"""Paths become routes: what names one thing goes, what names a kind of things stays."""

from __future__ import annotations

import duckdb
import pytest

from pdmlib.storage.engine import literal
from pdmlib.storage.request_logs.routes import kind, pattern_regex, route

ROUTES = {
    "/": "/",
    "/portal/": "/portal",
    "/api/process-opportunity-offers": "/api/process-opportunity-offers",
    "/jobs/123": "/jobs/[id]",
    "/jobs/123/notes/77/": "/jobs/[id]/notes/[id]",
    "/jobs/[id]": "/jobs/[id]",
    "/v1/s3/oauth2": "/v1/s3/oauth2",
    "/customers/0d5f7c1e-8f4e-4b7b-9d6e-0e7a6f1c2b3a": "/customers/[id]",
    "/customers/deadbeef": "/customers/[id]",
    "/customers/deadbee1/send": "/customers/[id]/send",
    "/pay/cus_NffrFeUfNV2Hib": "/pay/[id]",
    "/reset/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.SflKxwRJ": "/reset/[id]",
    "/reset/aVeryLongTokenWithoutAnySign": "/reset/[id]",
    "/search?q=anna@example.com": "/search",
    "/a#b": "/a",
    "/u/anna@example.com": "/u/[id]",
    "/u/anna%20b": "/u/[id]",
    "/~anna/page": "/[id]/page",
    "https://shop.example.com/jobs/5?x=1": "/jobs/[id]",
    "https://shop.example.com": "/",
    "//double///slash/9": "/double/slash/[id]",
    "/_next/static/chunks/main-0a1b2c.js": "/_next/static",
    "*": "[other]",
    "": "/",
    "/getOpportunities": "/getOpportunities",
}


def asked(expression: str, path: str, agent: str = "") -> str:
    with duckdb.connect() as connection:
        found = connection.execute(
            f"SELECT {expression} FROM (SELECT ? AS path, ? AS agent)", [path, agent]
        ).fetchone()
    assert found is not None
    return str(found[0])


@pytest.mark.parametrize(("path", "expected"), ROUTES.items())
def test_built_in_rules(path: str, expected: str) -> None:
    assert asked(route("path", ()), path) == expected


def test_patterns_of_the_site_come_first_in_their_order() -> None:
    patterns = ("/blog/latest", "/blog/[slug]", "/docs/[...page]", "/o'hara/[id]")
    found = [
        asked(route("path", patterns), path)
        for path in ("/blog/latest", "/blog/hello-world?x", "/docs/a/b/c", "/o'hara/x", "/blog", "/blog/a/b")
    ]
    assert found == ["/blog/latest", "/blog/[slug]", "/docs/[...page]", "/o'hara/[id]", "/blog", "/blog/a/b"]


def test_a_pattern_matches_nothing_but_itself() -> None:
    assert pattern_regex("/a.b/[id]") == r"^/a\.b/[^/]+/?$"


def test_a_hostile_pattern_or_health_path_is_data() -> None:
    hostile = "/x'); DROP TABLE t; --"
    assert asked(route("path", (hostile,)), hostile) == hostile
    assert asked(kind("path", "agent", (hostile,), ()), hostile) == "health"
    assert literal("it's") == "'it''s'"
