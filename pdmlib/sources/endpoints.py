"""What an application answers at its paths, and what is made of each answer: for a person who describes a site."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from pdmlib.frames.understanding import Unclear
from pdmlib.site.masking import masked
from pdmlib.site.site import Site
from pdmlib.site.vendors import App
from pdmlib.sources.app import endpoint_of, headers_of, shoot
from pdmlib.sources.health import Endpoint, judged, parts_of
from pdmlib.sources.http import Budget
from pdmlib.sources.threads import as_finished

# Where frameworks and platforms put a health check: Next.js and Express by habit, Kubernetes, Rails and Laravel
# (/up), Spring Boot (/actuator), ASP.NET Core and health+json (/health), packages of Django (/ht/, /healthcheck).
USUAL = (
    "/api/health",
    "/healthz",
    "/health",
    "/api/healthz",
    "/up",
    "/status",
    "/api/status",
    "/ping",
    "/api/ping",
    "/livez",
    "/readyz",
    "/health/live",
    "/health/ready",
    "/actuator/health",
    "/healthcheck",
    "/api/healthcheck",
    "/_health",
    "/ht/",
)
DETAILED = ("/api/health/detailed", "/health/detailed", "/actuator/health", "/api/health/full", "/health/full")
LOOK_S = 20.0  # for all paths together
WORKERS = 4
SAID = 60  # characters of a body that are shown


@dataclass(frozen=True)
class Answered:
    """One path: the status code and the body's beginning, and what they were taken for.

    Attributes:
        taken_for: up, degraded, down, or None: not understood.
        parts: how many components the body names.
        everywhere: whether a path that surely is none is answered so as well, as applications of one page do.
    """

    path: str
    code: int | None
    said: str
    ms: float
    taken_for: str | None
    detail: str | None
    parts: int = 0
    everywhere: bool = False


def answers_of(site: Site) -> list[Answered]:
    """What the paths of a site's application answer, once each."""
    block = site.source("app")
    if not isinstance(block, App):
        return []
    headers = headers_of(site, block)
    endpoints = [endpoint_of(block, path, path != block.page) for path in block.paths]
    return _asked(block.base_url, endpoints, headers)


def usual_answers(base_url: str) -> tuple[Answered, list[Answered]]:
    """What the page answers, and those of the usual health paths that are there.

    A path is there when its answer is not that of a path that surely is none: applications of one page
    answer every path with it.
    """
    nowhere = f"/pdm-{secrets.token_hex(6)}"
    paths = [Endpoint(path, True) for path in dict.fromkeys((nowhere, *USUAL, *DETAILED))]
    page, none, *others = _asked(base_url, [Endpoint("/", False), *paths], {})
    there = [a for a in others if a.code is not None and a.code not in (404, 405, 410) and not _is_same(a, none)]
    is_found = none.code is not None and 200 <= none.code < 300
    return replace(page, everywhere=is_found and _is_same(page, none)), there


def _is_same(answer: Answered, none: Answered) -> bool:
    alike = answer.said == none.said or answer.said.replace(answer.path, "") == none.said.replace(none.path, "")
    return answer.code == none.code and alike


def _asked(base: str, endpoints: Sequence[Endpoint], headers: Mapping[str, str]) -> list[Answered]:
    budget = Budget(LOOK_S)
    calls = [partial(_answer, base, endpoint, headers, budget) for endpoint in endpoints]
    found = dict(as_finished(calls, WORKERS))
    results = [(endpoint, found[number]) for number, endpoint in enumerate(endpoints)]
    return [result if isinstance(result, Answered) else _lost(endpoint) for endpoint, result in results]


def _lost(endpoint: Endpoint) -> Answered:
    return Answered(
        path=endpoint.path, code=None, said="", ms=0.0, taken_for=None, detail="no answer in the time allowed"
    )


def _answer(base: str, endpoint: Endpoint, headers: Mapping[str, str], budget: Budget) -> Answered:
    shot = shoot(base, endpoint, headers, budget)
    status, detail = judged(endpoint, shot, Unclear("app"))
    return Answered(
        path=endpoint.path,
        code=shot.code,
        said=masked(shot.text, SAID),
        ms=shot.ms,
        taken_for=status,
        detail=detail,
        parts=len(parts_of(shot)),
    )


def chosen(there: Iterable[Answered]) -> tuple[Answered | None, Answered | None]:
    """The health check to use of those that are there, and the detailed one: another that names its parts.

    The first that is understood, whatever it says now: one that is down must not be left for one that is up.
    """
    found = list(there)
    plain = [answer for answer in found if answer.path in USUAL]
    health = next((a for a in plain if a.taken_for is not None), next(iter(plain), None))
    return health, next((a for a in found if a.parts and (health is None or a.path != health.path)), None)
