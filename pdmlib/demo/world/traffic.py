"""HTTP requests, one by one: what Vercel counts whole and Sentry samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pdmlib.demo.world.grid import Array, Floats, Ints, Story, Table, draw, minutes, rates, strength
from pdmlib.demo.world.operations import release_at

SAMPLE_RATE = 0.05
SERVER_ERRORS = 0.0008
REGIONS = ("iad1", "cle1", "pdx1")
_USERS = 900
_OTHER_STATUSES = np.array([200, 304, 307, 400, 401, 404], dtype=np.uint16)
_OTHER_SHARES = np.array([0.931, 0.038, 0.009, 0.005, 0.005, 0.012])


@dataclass(frozen=True)
class Route:
    """A route: its share of the traffic, its median duration and the spread of the logarithm."""

    method: str
    path: str
    share: float
    median_ms: float
    spread: float = 0.7

    @property
    def transaction(self) -> str:
        """Its name as Sentry writes it."""
        return f"{self.method} {self.path}"


ROUTES: tuple[Route, ...] = (
    Route("GET", "/", 0.07, 95),
    Route("GET", "/dashboard", 0.09, 230),
    Route("GET", "/portal", 0.08, 190),
    Route("GET", "/portal/bookings", 0.05, 210),
    Route("GET", "/api/health", 0.03, median_ms=70, spread=0.45),
    Route("GET", "/api/customers", 0.08, 170),
    Route("GET", "/api/customers/[id]", 0.08, 85),
    Route("GET", "/api/opportunities", 0.10, 215),
    Route("POST", "/api/opportunities/create", 0.015, 300),
    Route("GET", "/api/promotions", 0.06, 160),
    Route("POST", "/api/promotions/send", 0.02, median_ms=520, spread=0.6),
    Route("GET", "/api/reviews", 0.05, 150),
    Route("POST", "/api/reviews/request", 0.015, 340),
    Route("GET", "/api/loyalty/balance", 0.06, 120),
    Route("POST", "/api/loyalty/award", 0.02, 210),
    Route("GET", "/api/jobs", 0.07, 200),
    Route("POST", "/api/payments/intent", 0.02, median_ms=460, spread=0.55),
    Route("POST", "/api/webhooks/stripe", 0.01, 180),
    Route("GET", "/api/analytics/summary", 0.03, median_ms=560, spread=0.6),
    Route("POST", "/api/auth/session", 0.05, 140),
)


def requests(story: Story) -> Table:
    """Every request of the world.

    Columns: at, route (position in ROUTES), status, duration_ms, region, release, user, sampled.
    """
    rng = story.rng("requests")
    surge = strength(minutes(), story.plan.surges)
    surge[surge == 0] = 1
    at = draw(rng, rates(20_000, 6_000) * surge, spread=0.12)
    shares = np.array([r.share for r in ROUTES])
    route = rng.choice(len(ROUTES), len(at), p=shares / shares.sum()).astype(np.uint8)
    status = _statuses(story, rng, at)
    return Table(
        {
            "at": at,
            "route": route,
            "status": status,
            "duration_ms": _durations(story, rng, at, route=route, status=status),
            "region": rng.choice(len(REGIONS), len(at), p=[0.82, 0.12, 0.06]).astype(np.uint8),
            "release": release_at(at).astype(np.uint8),
            "user": (_USERS * rng.beta(0.8, 2.2, len(at))).astype(np.uint16),
            "sampled": rng.random(len(at)) < SAMPLE_RATE,
        }
    )


def _statuses(story: Story, rng: np.random.Generator, at: Ints) -> Array:
    plan = story.plan
    share = np.maximum(SERVER_ERRORS, strength(at, plan.error_bursts))
    share = np.maximum(share, 0.92 * (strength(at, plan.outages) > 0))
    status = rng.choice(_OTHER_STATUSES, len(at), p=_OTHER_SHARES)
    failed = rng.random(len(at)) < share
    status[failed] = rng.choice(np.array([500, 502, 503], dtype=np.uint16), failed.sum(), p=[0.8, 0.1, 0.1])
    return status


def _durations(story: Story, rng: np.random.Generator, at: Ints, route: Array, status: Array) -> Array:
    median = np.array([r.median_ms for r in ROUTES])[route]
    spread = np.array([r.spread for r in ROUTES])[route]
    duration = median * np.exp(spread * rng.standard_normal(len(at)))
    duration *= _slowness(story, at, route)
    duration[status == 304] *= 0.4
    return np.asarray(np.clip(duration, 4, 28_000), dtype=np.float32)


def _slowness(story: Story, at: Ints, route: Array) -> Floats:
    factor = np.ones(len(at))
    for number, r in enumerate(ROUTES):
        if any(spell.item in ("", r.path) for spell in story.plan.slowdowns):
            mine = route == number
            factor[mine] = np.maximum(strength(at[mine], story.plan.slowdowns, r.path), 1)
    return factor
