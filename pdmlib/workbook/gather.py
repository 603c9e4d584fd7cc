"""What a report gathers: the sources' answers now, the request logs and the history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

from pdmlib.frames.readings import Answer, State
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window
from pdmlib.site.site import Site

if TYPE_CHECKING:  # frames take long to import, and who asks only where things lie needs none
    from pdmlib.frames.collection import Collection

# A platform's deployment so near to a declared one is the same: people write down when they looked.
SAME = timedelta(minutes=30)


def gather(
    site: Site, scope: Scope, out: Path, on_progress: Callable[[str, str], None] | None = None
) -> Collection:
    """What the sources answer now, together with the site's history of the same weeks."""
    from pdmlib.sources.catalogue import collect

    return with_kept(collect(site, scope, on_progress=on_progress), site, scope, out)


def with_kept(collected: Collection, site: Site, scope: Scope, out: Path) -> Collection:
    """What the sources answered, together with all that is kept of the site: its request logs and its history."""
    requests = with_requests(collected, site, scope, out)
    return with_past(_with_doubt(requests, scope), site, scope, out)


def _with_doubt(collected: Collection, scope: Scope) -> Collection:
    """A collection that says where the deployment is only supposed."""
    if scope.doubt is None:
        return collected
    from pdmlib.frames.case import DEPLOYMENT
    from pdmlib.frames.collection import Collection
    from pdmlib.frames.frame import merge
    from pdmlib.sources.threads import gaps

    return Collection(merge((gaps("vercel", {DEPLOYMENT: scope.doubt}), collected.frames)), collected.coverage)


def with_past(collected: Collection, site: Site, scope: Scope, out: Path) -> Collection:
    """A collection together with the site's history of the weeks that a scope looks at, all as it was then."""
    from pdmlib.frames.rewind import rewound
    from pdmlib.sources.live import is_live
    from pdmlib.storage import history

    span = Window(scope.baseline.start, scope.as_of)
    needed = history.Needed(scope.near_from, (scope.deployed_at, scope.looked_until))
    probed = _with_probes(collected, site, scope, out)
    found = _with_damaged(history.with_history(probed, history_folder(site, out), span, needed), site, out)
    live = is_live(site, scope)
    then = rewound(found, scope.as_of, scope.looked_until, live)
    return _with_declared(then if live else _asked_later(then), site, scope)


def _asked_later(collected: Collection) -> Collection:
    """A collection that says of each source that failed that it did so long after the moment of the report."""
    from pdmlib.frames.collection import LIVE, Collection
    from pdmlib.frames.frame import merge
    from pdmlib.sources.live import PAST
    from pdmlib.sources.threads import gaps

    failed = [row.source for row in collected.coverage if row.status is Answer.FAILED and row.source != "requests"]
    said = [gaps(source, {LIVE: PAST}, State.NO_DATA) for source in failed]
    return Collection(merge([collected.frames, *said]), collected.coverage)


def _with_probes(collected: Collection, site: Site, scope: Scope, out: Path) -> Collection:
    """A collection with what the probes that have a side effect found of the deployment."""
    from pdmlib.frames.collection import Collection
    from pdmlib.frames.frame import frame, merge
    from pdmlib.workbook.probe_record import proofs

    rows = list(proofs(out / site.site, scope.deployed_at))
    if not rows:
        return collected
    frames = merge((collected.frames, {"deployment_probes": frame("deployment_probes", rows)}))
    return Collection(frames, collected.coverage)


def _with_damaged(collected: Collection, site: Site, out: Path) -> Collection:
    """A collection that says which files of the site's folder were damaged, so that what they held is missing."""
    from pdmlib.frames.collection import Collection, Coverage

    history, ours = history_folder(site, out), out / site.site
    found = [*history.glob("*/*/*.damaged"), *ours.glob("*/*/*.damaged"), *ours.glob(".*.damaged")]
    if not found:
        return collected
    named = ", ".join(sorted({str(path.relative_to(path.parents[2])) for path in found})[:3])
    detail = f"{len(set(found))} damaged files were set aside and what they held is missing: {named}"
    return Collection(
        collected.frames, (*collected.coverage, Coverage("history", Answer.PARTIAL, 0, 0.0, detail=detail))
    )


def _with_declared(collected: Collection, site: Site, scope: Scope) -> Collection:
    """A collection with the deployments that the site file names, where no platform tells of them."""
    from pdmlib.frames.collection import Collection
    from pdmlib.frames.frame import frame, merge

    known = collected.frames.get("deployments", frame("deployments"))
    live = known.loc[known["target"] == "production", "live_at"].dropna()
    rows = [
        {
            "source": "site",
            "deployment": one.name or "one without a name",
            "created_at": one.at,
            "ready_at": one.at,
            "live_at": one.at,
            "move": "deployment",
            "state": "READY",
            "target": "production",
        }
        for one in site.declared
        if one.at <= scope.as_of and not ((live - one.at).abs() <= SAME).any()
    ]
    if not rows:
        return collected
    return Collection(merge((collected.frames, {"deployments": frame("deployments", rows)})), collected.coverage)


def with_requests(collected: Collection, site: Site, scope: Scope, out: Path) -> Collection:
    """A collection with what the site's own request logs tell of the same windows."""
    if site.requests is None:
        return collected
    from pdmlib.frames.collection import Collection, Coverage
    from pdmlib.frames.frame import frame, merge
    from pdmlib.sources.threads import reason_of
    from pdmlib.storage.request_logs.figures import collect

    started = monotonic()
    try:
        found = collect(site, scope, requests_folder(site, out))
    except Exception as error:
        seconds, reason = round(monotonic() - started, 2), reason_of(error)
        row = Coverage("requests", Answer.FAILED, 0, seconds=seconds, detail=reason)
        return Collection(collected.frames, (*collected.coverage, row))
    gaps = found.get("gaps", frame("gaps"))
    whole = gaps[gaps["item"].isna()]
    status = Answer.FAILED if len(whole) else Answer.PARTIAL if len(gaps) else Answer.OK
    detail = "; ".join(gaps["reason"].drop_duplicates().head(3)) or None
    rows = sum(len(table) for name, table in found.items() if name != "gaps")
    row = Coverage("requests", status, rows, seconds=round(monotonic() - started, 2), detail=detail)
    return Collection(merge((collected.frames, found)), (*collected.coverage, row))


def requests_folder(site: Site, out: Path) -> Path:
    """Where a site's raw requests are kept, unless its file says otherwise."""
    return out / site.site / "requests"


def history_folder(site: Site, out: Path) -> Path:
    """Where a site's history lies; a demo keeps one for each scenario."""
    if site.history:
        return Path(site.history)
    return out / site.site / (f"history-{site.demo.scenario}" if site.demo else "history")
