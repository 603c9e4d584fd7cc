"""The application itself, probed from here: its page, its health endpoint, its detailed health endpoint.

An application that does not answer is a measurement (down), not a source that could not be read.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import httpx

from pdmlib.frames.frame import frame, merge
from pdmlib.phases.scope import Scope
from pdmlib.site.site import Site
from pdmlib.site.vendors import App
from pdmlib.sources import live, threads
from pdmlib.sources.http import Budget, agent, one_line, tls

PAUSE_S = 0.2
# What finds an endpoint down is looked at again, so that a decision rests on three probes over ten seconds.
AGAIN_S = (5.0, 5.5)
CONNECT_S, READ_S = 5.0, 10.0
MAX_BYTES = 2**20
HOPS = 5
HEADERS = {"User-Agent": agent(), "Cache-Control": "no-cache"}
UP = ("ok", "healthy", "operational", "up", "pass")
DEGRADED = ("degraded", "warning", "warn")


def collect(site: Site, scope: Scope) -> threads.Frames:
    """Frames `probes` and `health_checks`: each endpoint asked `probes` times, a little apart.

    A probe counts as taken at the end of the scope, its rounds a second apart.
    """
    block = site.source("app")
    assert isinstance(block, App)
    targets = [(block.page, False), (block.health, True)]
    parts = [(path, _prober(block, path, health, scope)) for path, health in targets]
    if block.detailed:
        parts.append(("detailed", _prober(block, block.detailed, True, scope, optional=True)))
    return threads.read("app", live.live(site, scope, "app", parts))


def _prober(block: App, path: str, health: bool, scope: Scope, optional: bool = False) -> Any:
    def probe() -> threads.Frames:
        shots = [_spaced(block, path, budget, n) for n in range(block.probes)]
        if any(_judged(shot, _said(shot.body) if health else {}, health)[0] == "down" for shot in shots):
            shots += [_later(block, path, budget, wait) for wait in AGAIN_S]
        if optional and all(shot.code == 404 for shot in shots):
            return {"probes": frame("probes"), **threads.gaps("app", {"detailed": f"404: no endpoint at {path}"})}
        moments = [scope.seen_at - timedelta(seconds=before) for before in _before_the_end(shots)]
        return merge(_rows(path, shot, health, moment) for shot, moment in zip(shots, moments, strict=True))

    budget = Budget()
    return probe


def _before_the_end(shots: list[Shot]) -> list[float]:
    """Seconds by which each probe counts as taken before the scope's end: a second apart, or as they were."""
    return [max(len(shots) - n, 1 + shots[-1].at - shot.at) for n, shot in enumerate(shots)]


@dataclass(frozen=True)
class Shot:
    """What one request brought: a status code and a body, or the error in words.

    Attributes:
        at: when it was made, by a steady clock in whole seconds.
    """

    code: int | None
    body: bytes
    ms: float
    error: str | None = None
    at: int = 0


def _spaced(block: App, path: str, budget: Budget, number: int) -> Shot:
    if number:
        time.sleep(PAUSE_S)
    return _shoot(block.base_url, path, budget)


def _later(block: App, path: str, budget: Budget, wait_s: float) -> Shot:
    time.sleep(wait_s)
    return _shoot(block.base_url, path, budget)


def _shoot(base: str, path: str, budget: Budget) -> Shot:
    left = max(0.1, min(READ_S, budget.left()))
    timeout = httpx.Timeout(left, connect=min(CONNECT_S, left))
    code, body, error = None, b"", None
    client = httpx.Client(verify=tls(), timeout=timeout, headers=HEADERS, trust_env=False)
    began = time.perf_counter()
    try:
        with client:
            code, body = _fetch(client, base, path, began + left)
    except httpx.ConnectTimeout:
        error = f"no connection within {CONNECT_S:.0f} s"
    except httpx.TimeoutException:
        error = f"timed out: no answer within {left:.0f} s"
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        error = one_line(f"the connection failed: {failure or type(failure).__name__}")
    return Shot(code, body, 1000 * (time.perf_counter() - began), error, at=round(began))


def _fetch(client: httpx.Client, base: str, path: str, end: float) -> tuple[int, bytes]:
    """Status code and the first megabyte of the body; redirects on the same host are followed."""
    url = httpx.URL(base + path)
    for _ in range(HOPS):
        with client.stream("GET", url) as response:
            following = response.next_request
            if following is None or following.url.netloc != url.netloc:
                return response.status_code, _start_of(response, end)
            url = following.url
    raise httpx.TooManyRedirects(f"more than {HOPS} redirects")


def _start_of(response: httpx.Response, end: float) -> bytes:
    body = b""
    for chunk in response.iter_bytes():
        body += chunk
        if len(body) > MAX_BYTES:
            break
        if time.perf_counter() > end:
            raise httpx.ReadTimeout("too slow", request=response.request)
    return body[:MAX_BYTES]


def _rows(path: str, shot: Shot, health: bool, at: datetime) -> threads.Frames:
    said = _said(shot.body) if health else {}
    status, detail = _judged(shot, said, health)
    probe = {"target": path, "checked_at": at, "status": status, "response_ms": shot.ms, "detail": detail}
    checks = [_check(path, name, entry, at) for name, entry in _components(said).items()]
    return {"probes": frame("probes", [probe]), "health_checks": frame("health_checks", checks)}


def _judged(shot: Shot, said: Mapping[str, Any], health: bool) -> tuple[str, str | None]:
    """Status by code and body, and what to say of it; degraded with a 503 is degraded, not down."""
    if shot.code is None:
        return "down", shot.error
    code = f"HTTP {shot.code}"
    if not health:
        return ("up", None) if shot.code < 400 else ("down", code)
    word = said.get("status")
    if not isinstance(word, str):
        return "down", f"{code}, the body names no status"
    status = _status(word)
    if status == "degraded" and shot.code in (200, 503):
        return status, one_line(f"{code}, {word}")
    if status == "up" and shot.code < 400:
        return status, None
    return "down", one_line(f"{code}, {word}")


def _status(word: Any) -> str:
    text = str(word).lower()
    return "up" if text in UP else "degraded" if text in DEGRADED else "down"


def _said(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a health endpoint, its `data` where it is wrapped; empty when there is none."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    if isinstance(found, dict) and "status" not in found and isinstance(found.get("data"), dict):
        found = found["data"]
    return found if isinstance(found, dict) else {}


def _components(said: Mapping[str, Any]) -> Mapping[str, Any]:
    for key in ("checks", "components"):
        found = said.get(key)
        if isinstance(found, dict):
            return {str(n): e if isinstance(e, dict) else {"status": e} for n, e in list(found.items())[:50]}
    return {}


def _check(path: str, name: str, entry: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    details = entry.get("details")
    said = entry.get("error") or entry.get("message")
    return {
        "target": path,
        "component": one_line(name),
        "checked_at": at,
        "status": _status(entry.get("status")),
        "response_ms": _number(entry.get("responseTime")),
        "value": _number(details.get("usagePercentage")) if isinstance(details, dict) else None,
        "detail": one_line(said) if isinstance(said, str) else None,
    }


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
