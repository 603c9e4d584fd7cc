"""Whether what is seen live belongs to the moment that a report looks at."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from pdmlib.frames.collection import LIVE
from pdmlib.frames.readings import State
from pdmlib.phases.scope import FRESH, Scope
from pdmlib.phases.window import now
from pdmlib.site.site import Site
from pdmlib.sources.threads import Part, gaps

PAST = "what it shows now may not have been so then; pdm watch or pdm collect would have kept it"


def is_live(site: Site, scope: Scope) -> bool:
    """Whether what is seen now is evidence for the scope's end: it is recent, or stand-ins stand there."""
    return scope.asked_at == scope.seen_at if site.stand_in else now() - scope.seen_at <= FRESH


def so_far(end: datetime, site: Site, scope: Scope) -> datetime:
    """Until when a vendor tells of a period: of one that is not over, until it was asked."""
    return min(end, scope.asked_at if site.stand_in else now())


def live(site: Site, scope: Scope, source: str, parts: Sequence[Part]) -> list[Part]:
    """The parts that read the present; for a report of the past one gap `live` in their place."""
    if is_live(site, scope):
        return list(parts)
    return [(LIVE, lambda: gaps(source, {LIVE: PAST}, State.NO_DATA))]
