"""Five weeks of the demo in minutes: collections in simulated time, then every report out of that history."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import yaml

from pdmlib import asking, history, sources
from pdmlib.demo import Production
from pdmlib.phases import PHASES
from pdmlib.site import load_site, read_demo
from pdmlib.window import iso

LENGTH = timedelta(days=35)
EVERY = timedelta(hours=1)
NO_HISTORY_OF_THEIR_OWN = ("supabase",)


def month_site(site: Path, folder: Path, deployed_at: datetime) -> Path:
    """A copy of the demo's site file whose clock stands five weeks after the deployment."""
    tree = yaml.safe_load(site.read_text(encoding="utf-8"))
    tree["demo"]["clock"] = iso(deployed_at + LENGTH)
    target = folder / site.name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    return target


def collect_through(site: Path, production: Production, out: Path, say: Callable[[str], None]) -> int:
    """Moves the vendors' clock hour by hour and collects what they do not remember; returns the samples kept."""
    loaded = load_site(site)
    block = read_demo(site)
    assert block is not None and loaded.deployed_at is not None
    folder, kept = asking.history_folder(loaded, out), 0
    moment = loaded.deployed_at
    while moment < block.clock:
        moment += EVERY
        production.set_clock(moment)
        scope = asking.looking_scope(loaded, iso(moment))
        kept += history.append(folder, sources.collect(loaded, scope, only=NO_HISTORY_OF_THEIR_OWN))
        say(f"{moment:%a %d %b %H:%M} UTC, {kept:,} samples kept")
    production.set_clock(block.clock)
    return kept


def reports_of_month(deployed_at: datetime) -> Iterator[tuple[str, datetime]]:
    """Every phase with the moment at which its report is due in the five weeks."""
    for phase in PHASES:
        yield (
            phase.name,
            deployed_at + {"daily": timedelta(days=3), "ongoing": LENGTH}.get(phase.name, phase.length),
        )
