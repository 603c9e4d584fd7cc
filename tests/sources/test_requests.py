"""What the vendors may be asked, held against the paths and parameters that they themselves publish.

The demo's and the tests' vendors refuse every request that `demo/vendors/allowed.py` does not have: so what stands
there is all that is asked.
"""

from __future__ import annotations

import re

import pytest

from pdmlib.demo.vendors.allowed import KINDS, REQUESTS, Request
from pdmlib.sources.resend import COUNTS
from tests.sources.published import requests

METRICS = "supabase metrics"  # one address, of Supabase's guide, without a parameter
UNPUBLISHED = {
    "/api/0/projects/": "left Sentry's schema, which its server still has; `pdm init` alone asks for it",
    "/v1/projects/x/analytics/endpoints/logs": "of Supabase's guide of 2026-09; its openapi has the one before",
}
OTHERWISE = {
    ("/v2/observability/schema", "teamId"): "Vercel's command line sends it",
    ("/v2/observability/schema", "slug"): "likewise",
    ("/v2/observability/query", "teamId"): "likewise; of the published body the scope names the owner",
    ("/v2/observability/query", "slug"): "likewise",
    ("/api/0/organizations/x/events-timeseries/", "interval"): "a number of ms, and `1h` to the server",
    ("/emails/metrics", "metrics"): "several words with commas between, which have a test of their own",
}
NUMBERS = {KINDS[name] for name in ("n", "s", "ms")}


def published(request: Request) -> tuple[str, dict[str, str]] | None:
    """The path of a request as it is published, and its parameters with their kind or words."""
    for said, parameters in requests(request.vendor).items():
        method, _, path = said.partition(" ")
        path = path.replace("{}", "x")
        if method == request.method and request.path.fullmatch(path):
            found = re.findall(r"([^\s*=:]+)(\*?)(:n|=\S*)?(?:\s|$)", parameters)
            return path, {name + needed: kind for name, needed, kind in found}
    return None


@pytest.mark.parametrize("request_", [r for r in REQUESTS if r.vendor != METRICS], ids=lambda r: r.path.pattern)
def test_what_is_asked_is_published(request_: Request) -> None:
    found = published(request_)
    if found is None:
        assert any(map(request_.path.fullmatch, UNPUBLISHED))
        return
    path, parameters = found
    kinds = {name.rstrip("*"): kind for name, kind in parameters.items()}
    assert {name for name in request_.known if name not in kinds and (path, name) not in OTHERWISE} == set()
    assert request_.needed == {name.rstrip("*") for name in parameters if name.endswith("*")}
    for name, pattern in request_.known.items():
        if (path, name) not in OTHERWISE:
            assert _fits(pattern.pattern, kinds[name]), (path, name)


def _fits(pattern: str, kind: str) -> bool:
    """Whether values of a pattern are of the published kind; any text is, where nothing else is published."""
    if kind == ":n":
        return pattern in NUMBERS or set(pattern.split("|")) <= {"0", "1"}
    words = {re.escape(word) for word in kind.removeprefix("=").split("|")}
    return not kind or set(pattern.split("|")) <= words


def test_the_counts_of_emails_are_metrics_of_resend() -> None:
    line = requests("resend")["GET /emails/metrics"]
    words = re.findall(r"metrics=(\S*)", line)[0].split("|")
    assert set(COUNTS) <= set(words)


def test_every_exception_is_needed() -> None:
    asked = [request for request in REQUESTS if request.vendor != METRICS]
    found = [(request, published(request)) for request in asked]
    assert OTHERWISE.keys() <= {(told[0], name) for request, told in found if told for name in request.known}
    missing = [request for request, told in found if told is None]
    assert all(any(request.path.fullmatch(path) for request in missing) for path in UNPUBLISHED)
