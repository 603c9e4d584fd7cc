"""Opens a site: its file, and the names of readings in it held against what can be measured."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import isfinite
from numbers import Real
from pathlib import Path

from pdmlib.errors import SiteError, one_of, shown
from pdmlib.site.load import load_site
from pdmlib.site.mistakes import line_at
from pdmlib.site.site import Site
from pdmlib.site.tree import Step

# The units of readings whose value is no number: true or false, and a word such as OPERATIONAL.
FLAG, WORD = "bool", ""


def open_site(path: str | Path, offline: bool = False, tolerant: bool = False) -> Site:
    """The site of a file, every name in it known.

    Args:
        offline: as in `load_site`.
        tolerant: as in `load_site`.

    Raises:
        SiteError: as `load_site`; and `limits`, `targets` or `practical_pct` name no reading, or give it an edge
            that it cannot have.
    """
    site = load_site(path, offline=offline, tolerant=tolerant)
    if site.limits or site.targets or site.practical_pct:
        # Imported where it is needed: the analyses take longest to load.
        from pdmlib.analysis.catalogue import all_metrics

        metrics = all_metrics(site)
        judged = {m.id for m in metrics if m.limits} | {f"feature_{f.name}" for f in site.features}
        check_names(site, {metric.id: metric.unit for metric in metrics}, judged)
    return site


def check_names(site: Site, units: Mapping[str, str], judged: set[str]) -> None:
    """Fails on the first name of a reading that does not exist: a mistyped limit is a limit that is not there.

    Args:
        units: id of every reading of the site -> its unit.
        judged: ids of the readings whose edge a target can move.

    Raises:
        SiteError: names the line, what is allowed and the nearest.
    """
    for path, text in _wrong(site, units, judged):
        raise SiteError(site.file, ".".join(map(str, path)), text, line_at(site.file, path))


def _wrong(site: Site, units: Mapping[str, str], judged: set[str]) -> Iterator[tuple[tuple[Step, ...], str]]:
    for block in ("limits", "targets", "practical_pct"):
        for name in getattr(site, block):
            if name not in units:
                yield (block, name), one_of(name, sorted(units), "a reading")
    for name in site.targets:
        if name not in judged:
            allowed = sorted(judged)
            yield ("targets", name), f"{shown(name)} has no limit to move; allowed are {', '.join(allowed)}"
    for name, steps in site.limits.items():
        for position, step in enumerate(steps):
            if why := misfit(units[name], step.edge):
                yield ("limits", name, position, "edge"), f"{shown(step.edge)} is not {why}, as {name} is"


def misfit(unit: str, edge: float | bool | str) -> str | None:
    """What an edge of a reading of that unit would have to be, where it is something else."""
    if unit == FLAG:
        return None if isinstance(edge, bool) else "true or false"
    if unit == WORD:
        return None if isinstance(edge, str) else "a word"
    number = isinstance(edge, Real) and not isinstance(edge, bool) and isfinite(edge)
    return None if number else "a number"
