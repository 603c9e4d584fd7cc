"""The application itself, probed from here: its page, its health endpoint, its detailed health endpoint.

An application that does not answer is a measurement (down), not a source that could not be read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

import httpx

from pdmlib.frames.frame import frame, merge
from pdmlib.frames.understanding import Unclear, Vocabulary
from pdmlib.phases.scope import Scope
from pdmlib.site.site import Site
from pdmlib.site.terms import known_words
from pdmlib.site.vendors import App
from pdmlib.sources import live, threads
from pdmlib.sources.health import USUAL, Endpoint, Shot, components, judged
from pdmlib.sources.http import Budget, OverrunError, agent, clocked, told, unpacked
from pdmlib.sources.once import once

PAUSE_S = 0.2
# What finds an endpoint down is looked at again, so that a decision rests on three probes over ten seconds.
AGAIN_S = (5.0, 5.5)
CONNECT_S, READ_S = 5.0, 10.0
MAX_BYTES = 2**20
DETAILED = App.model_fields["detailed"].default
HOPS = 5
# Headers of an answer that a firewall gave in the application's place: a challenge to prove that one is no robot,
# or a refusal (developers.cloudflare.com, "Detect a Challenge Page response"; AWS WAF developer guide, "CAPTCHA
# and Challenge"; vercel.com/docs, "Vercel WAF").
FIREWALLS = ("cf-mitigated", "x-amzn-waf-action", "x-vercel-mitigated")
HEADERS = {"User-Agent": agent(), "Cache-Control": "no-cache", "Accept-Encoding": "identity"}


def collect(site: Site, scope: Scope) -> threads.Frames:
    """Frames `probes` and `health_checks`: each endpoint asked `probes` times, a little apart.

    A probe counts as taken at the end of the scope, its rounds a second apart. A path that the site
    file sets to null is not asked.
    """
    block = site.source("app")
    assert isinstance(block, App)
    headers = headers_of(site, block)
    detailed = None if block.detailed == block.health else block.detailed
    asked = [(block.page, False), (block.health, True), (detailed, True)]
    probers = [_Prober(block, endpoint_of(block, path, health), headers, scope) for path, health in asked if path]
    parts = [(prober.item, prober.frames) for prober in probers]
    asking = partial(threads.read, "app", live.live(site, scope, "app", parts))
    return once(("app", site.file, scope.seen_at), asking)


def headers_of(site: Site, block: App) -> dict[str, str]:
    """The request headers that the site file names, with their secret values."""
    return {name: site.secret(variable) for name, variable in block.headers_env.items()}


def endpoint_of(block: App, path: str, health: bool) -> Endpoint:
    """A path to ask, with what the site file expects there."""
    return Endpoint(path, health, expected=block.expect.get(path), words=_words_of(block))


def _words_of(block: App) -> Vocabulary:
    """What the words of a body mean; what the site file says of a word goes before what is usual."""
    return Vocabulary(known_words(USUAL, block.words))


@dataclass(frozen=True)
class _Prober:
    """Asks one endpoint a few times and tells what it said."""

    block: App
    endpoint: Endpoint
    headers: Mapping[str, str]
    scope: Scope

    @property
    def _is_detailed(self) -> bool:
        return self.endpoint.path == self.block.detailed != self.block.health

    @property
    def _is_guessed(self) -> bool:
        """Whether nobody named the path, so that it need not be there."""
        return self._is_detailed and self.endpoint.path == DETAILED and not self.endpoint.expected

    @property
    def item(self) -> str:
        """How its gap is called."""
        return "detailed" if self._is_detailed else self.endpoint.path

    def frames(self) -> threads.Frames:
        """What the endpoint answered; a usual detailed endpoint that is not there is a gap."""
        budget, count = Budget(), self.block.probes
        shots = [self._spaced(budget, number) for number in range(count)]
        if self._is_guessed and all(shot.code == 404 for shot in shots):
            missing = {self.item: f"404: no endpoint at {self.endpoint.path}"}
            return {"probes": frame("probes"), **threads.gaps("app", missing)}
        if any(judged(self.endpoint, shot, Unclear("app"))[0] == "down" for shot in shots):
            shots += [self._later(budget, wait_s) for wait_s in AGAIN_S]
        moments = [self.scope.seen_at - timedelta(seconds=before) for before in _before_the_end(shots)]
        unclear = Unclear("app")
        rows = [self._rows(shot, moment, unclear) for shot, moment in zip(shots, moments, strict=True)]
        return merge([*rows, unclear.frames()])

    def _spaced(self, budget: Budget, number: int) -> Shot:
        if number:
            time.sleep(PAUSE_S)
        return shoot(self.block.base_url, self.endpoint, self.headers, budget)

    def _later(self, budget: Budget, wait_s: float) -> Shot:
        time.sleep(wait_s)
        return shoot(self.block.base_url, self.endpoint, self.headers, budget)

    def _rows(self, shot: Shot, at: datetime, unclear: Unclear) -> threads.Frames:
        status, detail = judged(self.endpoint, shot, unclear)
        probe = {"target": self.endpoint.path, "checked_at": at, "status": status, "response_ms": shot.ms}
        checks = components(self.endpoint, shot, at, unclear)
        return {
            "probes": frame("probes", [{**probe, "detail": detail}]),
            "health_checks": frame("health_checks", checks),
        }


def _before_the_end(shots: list[Shot]) -> list[float]:
    """Seconds by which each probe counts as taken before the scope's end: a second apart, or as they were."""
    return [max(len(shots) - n, 1 + shots[-1].at - shot.at) for n, shot in enumerate(shots)]


def shoot(base: str, endpoint: Endpoint, headers: Mapping[str, str], budget: Budget) -> Shot:
    """What one request brings."""
    left = max(0.1, min(READ_S, budget.left()))
    timeout = httpx.Timeout(left, connect=min(CONNECT_S, left))
    shot = Shot(None, b"", 0.0)
    began = time.perf_counter()
    try:
        transport = clocked(lambda: began + left - time.perf_counter())
        with httpx.Client(transport=transport, timeout=timeout, headers={**HEADERS, **headers}) as client:
            shot = _fetch(client, base, endpoint.path)
    except httpx.ConnectTimeout:
        shot = replace(shot, error=f"no connection within {CONNECT_S:.0f} s")
    except httpx.TimeoutException:
        shot = replace(shot, error=f"timed out: no answer within {left:.0f} s")
    except (httpx.HTTPError, httpx.InvalidURL) as failure:
        shot = replace(shot, error=told(f"the connection failed: {failure or type(failure).__name__}"))
    return replace(shot, ms=1000 * (time.perf_counter() - began), at=round(began))


def _fetch(client: httpx.Client, base: str, path: str) -> Shot:
    """What was answered, with the first megabyte of its body; the times are the caller's."""
    url = asked = httpx.URL(base + path)
    for _ in range(HOPS):
        with client.stream("GET", url) as response:
            following = response.next_request
            if following is None or not _is_same_host(url, following.url):
                other = None if url.path.rstrip("/") == asked.path.rstrip("/") else url.path
                stopped = next((f"{n}: {v}" for n in FIREWALLS if (v := response.headers.get(n))), None)
                body, unread = _start_of(response)
                return Shot(response.status_code, body, 0.0, path=other, stopped=stopped, unread=unread)
            url = following.url
    raise httpx.TooManyRedirects(f"more than {HOPS} redirects")


def _is_same_host(url: httpx.URL, following: httpx.URL) -> bool:
    """Whether the headers that we send may go there, too: the same host and port, and never from TLS to none."""
    return following.netloc == url.netloc and (following.scheme == url.scheme or following.scheme == "https")


def _start_of(response: httpx.Response) -> tuple[bytes, str | None]:
    """The body, and why it is not whole: what is larger or packed otherwise is read no further."""
    body = b""
    try:
        for piece in unpacked(response, MAX_BYTES):
            body += piece
    except OverrunError as error:
        return body, str(error)
    return body, None
