"""Sentry's issues: what is open, what is new, what was resolved, as of the clock."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from pdmlib.demo.exchange import Call, Reply, Stage, iso_s, parse
from pdmlib.demo.vendors import sentry_query
from pdmlib.demo.world.grid import DAY, HOUR, Table, ms
from pdmlib.demo.world.issues import ISSUES, Issue
from pdmlib.demo.world.operations import RELEASES, release_at

_UNITS = {"m": 60_000, "h": HOUR, "d": DAY, "w": 7 * DAY}


@dataclass(frozen=True)
class Seen:
    """An issue and its events up to the clock."""

    number: int
    issue: Issue
    events: Table
    first: int
    last: int
    now: int

    @property
    def id(self) -> str:
        """Its number in addresses."""
        return str(5_200_000 + self.issue.number)

    @property
    def status(self) -> str:
        """Open, or resolved some time after its last event."""
        after = self.issue.resolved_after
        done = after is not None and self.last + after.total_seconds() * 1000 <= self.now
        return "resolved" if done else "unresolved"

    def release(self, at: int) -> str:
        """The release that was out at a moment."""
        return RELEASES[max(int(release_at(np.array([at]))[0]), 0)]


def first_seen(number: int, stage: Stage) -> int | None:
    """When an issue was first seen; None when it has not been seen yet."""
    issue = ISSUES[number]
    if issue.first_seen:
        return ms(issue.first_seen)
    events = sentry_query.everything(stage)
    found = events["at"][events["issue"] == number]
    return int(found[0]) if len(found) else None


def _seen(stage: Stage) -> list[Seen]:
    events = sentry_query.everything(stage)
    found = []
    for number, issue in enumerate(ISSUES):
        mine = events.where(events["issue"] == number)
        if len(mine):
            first = ms(issue.first_seen) if issue.first_seen else int(mine["at"][0])
            found.append(Seen(number, issue, mine, first=first, last=int(mine["at"][-1]), now=stage.clock))
    return found


def listing(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    """`GET /organizations/{org}/issues/`."""
    try:
        windowed = bool(call.one("start") or call.one("end") or call.one("statsPeriod"))
        span = sentry_query.span(call, stage)
        query = call.one("query", "is:unresolved")
        chosen = [s for s in _seen(stage) if _meets(s, query, stage)]
    except sentry_query.QueryError as error:
        return Reply({"detail": f"Invalid query. {error}"}, 400)
    if windowed:
        chosen = [s for s in chosen if len(s.events.between(*span))]
    keys = {"freq": lambda s: len(s.events.between(*span)), "new": lambda s: s.first, "user": _users}
    chosen.sort(key=keys.get(call.one("sort", "date"), lambda s: s.last), reverse=True)
    page, headers = sentry_query.page(call, chosen, call.number("limit", 100))
    return Reply([_shown(s, span if windowed else None) for s in page], headers=headers)


def _users(seen: Seen) -> int:
    users = seen.events["user"]
    return len(np.unique(users[users >= 0]))


def _meets(seen: Seen, query: str, stage: Stage) -> bool:
    words = re.sub(r'!?[\w.]+:(\[[^\]]*\]|"(?:[^"\\]|\\.)*"|\S+)', "", query).split()
    if any(word.strip('"').lower() not in seen.issue.title.lower() for word in words):
        return False
    return all(
        any(_holds(seen, name, v, stage) for v in values) != negated
        for negated, name, values in sentry_query.conditions(query)
    )


def _holds(seen: Seen, name: str, value: str, stage: Stage) -> bool:
    if name == "is":
        return {
            "unresolved": seen.status == "unresolved",
            "resolved": seen.status == "resolved",
            "unassigned": seen.issue.assigned is None,
            "assigned": seen.issue.assigned is not None,
            "for_review": True,
            "new": seen.first > stage.clock - 7 * DAY,
        }.get(value, False)
    if name in ("firstSeen", "lastSeen", "age"):
        return _in_time(seen.last if name == "lastSeen" else seen.first, value, stage)
    if name in ("firstRelease", "release"):
        releases = {RELEASES[n] for n in np.unique(seen.events["release"]).tolist()}
        return seen.release(seen.first) == value if name == "firstRelease" else value in releases
    known = {"level": seen.issue.level, "issue": f"DIRT-FREE-CRM-{seen.issue.number}", "title": seen.issue.title}
    if name in known:
        return known[name] == value
    if name in ("environment", "project", "issue.category", "issue.priority", "error.unhandled"):
        return name != "issue.priority" or seen.issue.priority == value
    raise sentry_query.QueryError(f"Unknown field {name}")


def _in_time(at: int, text: str, stage: Stage) -> bool:
    back = re.fullmatch(r"([+-])(\d+)([mhdw])", text)
    if back:
        limit = stage.clock - int(back[2]) * _UNITS[back[3]]
        return at >= limit if back[1] == "-" else at < limit
    found = re.fullmatch(r"(>=|<=|>|<)?(.+)", text)
    limit_at = parse(found[2]) if found else None
    if found is None or limit_at is None:
        raise sentry_query.QueryError(f"{text} is not a valid date")
    return {">=": at >= limit_at, "<=": at <= limit_at, ">": at > limit_at, "<": at < limit_at}.get(
        found[1] or "", at // DAY == limit_at // DAY
    )


def _stats(seen: Seen, now: int) -> list[list[int]]:
    hours = range(now // HOUR * HOUR - 23 * HOUR, now + 1, HOUR)
    return [[hour // 1000, len(seen.events.between(hour, hour + HOUR))] for hour in hours]


def _shown(seen: Seen, span: tuple[int, int] | None) -> dict[str, Any]:
    issue = seen.issue
    inside = seen.events.between(*span) if span else seen.events
    whole = issue.earlier + len(seen.events)
    users = inside["user"]
    recent = seen.first > seen.now - 7 * DAY
    times = {"firstSeen": iso_s(seen.first), "lastSeen": iso_s(seen.last)}
    assigned = {"type": "user", "id": "11", "name": issue.assigned, "email": "dana@example.com"}
    metadata = {"type": issue.type, "value": issue.value} if issue.type else {"title": issue.title}
    return {
        "id": seen.id,
        "shareId": None,
        "shortId": f"DIRT-FREE-CRM-{issue.number}",
        "title": issue.title,
        "culprit": issue.culprit,
        "permalink": f"https://dirtfree.sentry.io/issues/{seen.id}/",
        "logger": None,
        "level": issue.level,
        "status": seen.status,
        "statusDetails": {},
        "substatus": None if seen.status == "resolved" else "new" if recent else "ongoing",
        "isPublic": False,
        "platform": "javascript",
        "priority": issue.priority,
        "priorityLockedAt": None,
        "project": {
            "id": "4501",
            "name": "dirt-free-crm",
            "slug": "dirt-free-crm",
            "platform": "javascript-nextjs",
        },
        "type": "error" if issue.type else "default",
        "issueType": "error",
        "issueCategory": "error",
        "metadata": metadata,
        "numComments": 0,
        "assignedTo": assigned if issue.assigned else None,
        "isBookmarked": False,
        "isSubscribed": False,
        "subscriptionDetails": None,
        "hasSeen": False,
        "annotations": [],
        "isUnhandled": issue.unhandled,
        "count": str(len(inside) if span else whole),
        "userCount": len(np.unique(users[users >= 0])),
        **times,
        "stats": {"24h": _stats(seen, seen.now)},
        "lifetime": {"count": str(whole), "userCount": _users(seen), **times},
        "filtered": None,
    }
