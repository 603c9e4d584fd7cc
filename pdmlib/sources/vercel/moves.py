"""Deployments and the moments at which users' traffic moved to them.

A deployment that was built has not been reached: it may be staged, and a promotion, an instant rollback or a
rolling release moves traffic without a build. The moment at which traffic moved is the deployment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from pdmlib.errors import SourceError
from pdmlib.phases.window import Window, iso
from pdmlib.site.site import Site
from pdmlib.sources.fields import entries
from pdmlib.sources.specifications import vercel as said
from pdmlib.sources.vercel.platform import Platform, api_of, block_of, milliseconds

# Two tellings of one move: the request and the assignment of its addresses, which takes minutes at the most.
SAME = timedelta(minutes=10)
LOOK_BACK = timedelta(days=28)
EVENTS = 100  # moves of traffic in a month; a project with more of them deploys every seven hours


@dataclass(frozen=True)
class Move:
    """Traffic that moved to a deployment; `share_pct` where not all of it did."""

    deployment: str
    at: datetime
    kind: str
    share_pct: float | None = None


@dataclass(frozen=True)
class Built:
    """One deployment as it was listed, and when its production addresses were assigned to it.

    Attributes:
        doubtful: its substate is a word that is not understood, so that nobody knows whether traffic reached it.
    """

    said: said.Deployment
    assigned: datetime | bool | None
    sha: str | None
    doubtful: bool = False

    def row(self) -> dict[str, Any]:
        """What a row of `deployments` says of it whatever traffic does."""
        one = self.said
        words = [one.error_code, one.error_message, one.out_of_memory]
        return {
            "source": "vercel",
            "deployment": one.uid,
            "created_at": one.created,
            "ready_at": one.ready,
            "state": one.state,
            "target": one.target or "preview",
            "sha": self.sha,
            "error": ": ".join(word for word in words if word) or None,
            "rollback_candidate": one.candidate,
        }

    def first_move(self, known: Iterable[Move]) -> Move | None:
        """When traffic first moved to it by itself, as far as the list of deployments tells."""
        one = self.said
        if one.uid is None or one.state != "READY" or one.target != "production":
            return None
        if one.substate == "STAGED" or self.doubtful:
            return None
        kind = "rolling" if one.substate == "ROLLING" else "deployment"
        if isinstance(self.assigned, datetime):
            return Move(one.uid, self.assigned, kind)
        moved = any(move.deployment == one.uid for move in known)
        if moved or self.assigned is False or one.ready is None:
            return None
        return Move(one.uid, one.ready, kind)


def built(entry: Any, platform: Platform) -> Built | None:
    """One entry of the list; None where it has no id."""
    one = said.Deployment.of(entry, platform.unclear)
    if one is None or one.uid is None:
        return None
    meta, alias = entry.get("meta"), entry.get("aliasAssigned")
    commit = said.Commit.of(meta, platform.unclear) if meta is not None else None
    assigned = alias if alias is None or isinstance(alias, bool) else _assigned(alias, platform)
    doubtful = one.substate is None and entry.get("readySubstate") is not None
    return Built(one, assigned, commit.sha if commit else None, doubtful)


def _assigned(alias: Any, platform: Platform) -> datetime | bool:
    """When addresses were assigned; what is no time may have been any, and is then no move."""
    found = said.AssignedAt.of({"aliasAssigned": alias}, platform.unclear)
    return False if found is None or found.at is None else found.at


def rows(found: Iterable[Built], others: Iterable[Move], before: datetime) -> list[dict[str, Any]]:
    """Rows of `deployments`: one for each time that traffic moved to a deployment, one where it never did."""
    listed = {one.said.uid: one for one in found}
    known = [move for move in others if move.at < before]
    firsts = [move for one in listed.values() if (move := one.first_move(known)) is not None]
    moves = _told_once([*known, *(m for m in firsts if m.at < before)])
    still = [one.row() for uid, one in listed.items() if not any(m.deployment == uid for m in moves)]
    return [*still, *(_moved(listed.get(move.deployment), move) for move in moves)]


def _moved(one: Built | None, move: Move) -> dict[str, Any]:
    """A row of a move; of a deployment older than the list only the move is known."""
    known = {"source": "vercel", "deployment": move.deployment, "state": "READY", "target": "production"}
    row = known if one is None else one.row() | {"target": "production"}
    return row | {"live_at": move.at, "move": move.kind, "share_pct": move.share_pct}


def _told_once(moves: Iterable[Move]) -> list[Move]:
    """Moves in order of time; of two tellings of one that with its share, else the first, which names the way."""
    kept: list[Move] = []
    for move in sorted(moves, key=lambda move: move.share_pct is None):
        if not any(m.deployment == move.deployment and abs(m.at - move.at) <= SAME for m in kept):
            kept.append(move)
    return sorted(kept, key=lambda move: move.at)


def events(platform: Platform, window: Window) -> list[Move]:
    """Moves of traffic by a person or a rolling release, by the project's own events.

    Raises:
        SourceError: the token may not read them.
    """
    query = {
        "projectIds": platform.project_id,
        "types": ",".join(said.MOVES),
        "since": iso(window.start),
        "until": iso(window.end),
        "withPayload": "true",
        "limit": EVENTS,
    }
    body = platform.get("/v3/events", query)
    found = said.Event.each(entries("vercel", body, "events"), platform.unclear)
    return [move for event in found if (move := _of_event(event)) is not None]


def _of_event(event: said.Event) -> Move | None:
    kind, payload = said.MOVES.get(event.type or ""), event.payload
    name = payload and (payload.to or payload.target)
    # An aborted release names what traffic left; where it went back to, the release itself tells.
    return Move(name, event.at, kind) if kind and kind != "aborted" and name and event.at else None


def last_asked(platform: Platform) -> list[Move]:
    """The last promotion or rollback, which the project itself remembers."""
    asked = platform.project.moved
    if asked is None or asked.status != "succeeded" or asked.to is None or asked.at is None:
        return []
    kind = {"promote": "promotion", "rollback": "rollback"}.get(asked.type or "")
    return [Move(asked.to, asked.at, kind)] if kind else []


def rolling(platform: Platform) -> list[Move]:
    """The moves of a rolling release; nothing where the project has none."""
    if not platform.body.get("rollingRelease"):
        return []
    body = platform.get(f"/v1/projects/{platform.block.project}/rolling-release")
    entry = body.get("rollingRelease") if isinstance(body, dict) else None
    release = said.Rolling.of(entry, platform.unclear) if entry is not None else None
    return [] if release is None else list(_of_release(release))


def _of_release(release: said.Rolling) -> Iterator[Move]:
    share = release.percentage
    if share is None and release.stage:
        share = release.stage.percentage
    if release.canary and release.canary.id and release.started:
        started = Move(release.canary.id, release.started, "rolling")
        yield replace(started, share_pct=share) if release.state == "ACTIVE" else started
    if release.state == "ABORTED" and release.current and release.current.id and release.updated:
        yield Move(release.current.id, release.updated, "aborted")


def newest_deployment(site: Site, before: datetime) -> datetime | None:
    """When traffic last moved by a moment; None when it is not known to have.

    Raises:
        SourceError: Vercel could not be asked.
    """
    with api_of(site) as api:
        platform = Platform(api, block_of(site))
        recent = partial(events, platform, Window(before - LOOK_BACK, before))
        tellers = (recent, partial(last_asked, platform), partial(rolling, platform))
        others = [move for tell in tellers for move in _if_allowed(tell)]
        for page in platform.deployments([("state", "READY"), ("until", milliseconds(before))]):
            found = [one for entry in page if (one := built(entry, platform)) is not None]
            told = rows(found, others, before + timedelta(milliseconds=1))
            live: list[datetime] = [row["live_at"] for row in told if row.get("live_at") is not None]
            if live:
                return max(live)
    return None


def _if_allowed(tell: Callable[[], list[Move]]) -> list[Move]:
    try:
        return tell()
    except SourceError:
        return []
