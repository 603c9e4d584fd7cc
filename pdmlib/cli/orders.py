"""What a person asks for: reports of phases and of incidents, each with the scope it will have.

Light to import, so that a demo starts while what writes reports is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pdmlib.cli.terminal import console
from pdmlib.frames.readings import Priority

if TYPE_CHECKING:
    from collections.abc import Callable

    from pdmlib.phases.scope import Scope
    from pdmlib.site.site import Site
    from pdmlib.workbook.execute import Written

    # A phase and its scope, from what was asked for and written so far; None where there is nothing to report.
    Ask = tuple[str, Callable[["Order", Site, Sequence[Written]], Scope | None]]


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a person asked for, whatever the phase."""

    site: str
    as_of: str
    deployed_at: str
    out: Path
    notes: str = ""
    notify: bool = False


@dataclass(frozen=True)
class Outcome:
    """What became of one report: it was written, or the reason why not."""

    phase: str
    written: Written | None
    reason: str = ""


def phase(name: str, order: Order, site: Site, _: Sequence[Written]) -> Scope:
    """The scope of a phase."""
    from pdmlib.workbook.scope import scope_for

    return scope_for(site, name, order.as_of, order.deployed_at, out=order.out)


def incident(start: str, end: str, alert: str, order: Order, site: Site, _: Sequence[Written] = ()) -> Scope:
    """The scope of an incident that a person names, by its times or by an alert."""
    from pdmlib.workbook.scope import incident_scope_for, span_of

    began, ended = (start, end) if start else span_of(alert, site, order.out)
    return incident_scope_for(site, began, ended, as_of=order.as_of, deployed_at=order.deployed_at, out=order.out)


def newest_incident(order: Order, site: Site, before: Sequence[Written]) -> Scope | None:
    """The scope of the newest incident of P0 or P1 that the reports before know of."""
    known = (row for written in before for row in written.content["tables"].get("incidents", ()))
    rows = [row for row in known if row["priority"] in (Priority.P0, Priority.P1)]
    if not rows:
        console.print("no incident of P0 or P1 is known, so there is no report of one", style="dim")
        return None
    newest = max(rows, key=lambda row: str(row["start"]))
    return incident(newest["start"], newest["end"] or "", alert="", order=order, site=site)
