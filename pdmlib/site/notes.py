"""What only a person can say of a report: `params/notes/<site>-<phase>.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pdmlib.site.mistakes import validated
from pdmlib.site.site import Site
from pdmlib.site.tree import read_tree


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ActionNote(_Part):
    """An action item as people left it: id of the proposal (or a new one), its state and owner."""

    id: str
    action: str | None = None
    priority: Literal["P0", "P1", "P2"] | None = None
    owner: str | None = None
    due: date | None = None
    state: Literal["proposed", "open", "done", "dropped"] = "open"


class Notes(_Part):
    """The analyst's part of a report; what is absent is shown as open.

    Attributes:
        summary: replaces the summary that is written from the facts.
        issues: finding or incident id -> what became of it.
        probes: name of a manual check (stripe, twilio, resend ..) -> its result.
    """

    prepared_by: str | None = None
    summary: str | None = None
    highlights: tuple[str, ...] = ()
    actions_taken: tuple[str, ...] = ()
    optimizations: tuple[str, ...] = ()
    lessons: tuple[str, ...] = ()
    next_steps: tuple[str, ...] = ()
    positive_feedback: tuple[str, ...] = ()
    reported_issues: tuple[str, ...] = ()
    feature_requests: tuple[str, ...] = ()
    observations: tuple[str, ...] = ()
    issues: Mapping[str, str] = {}
    probes: Mapping[str, str] = {}
    root_cause: str | None = None
    prevention: tuple[str, ...] = ()
    action_items: tuple[ActionNote, ...] = ()


def notes_places(site: Site, phase: str) -> tuple[Path, ...]:
    """Where the analyst's notes for a phase are looked for, in order: beside the site file, then in params/."""
    name = f"{site.site}-{phase}.yaml"
    places = (Path(site.file).parent / "notes" / name, Path("params") / "notes" / name)
    return tuple({place.resolve(): place for place in places}.values())


def notes_path(site: Site, phase: str, given: str = "") -> Path:
    """The notes for a phase: the file that is given, else the first that is there, else where it belongs."""
    places = (Path(given),) if given else notes_places(site, phase)
    return next((place for place in places if place.exists()), places[0])


def load_notes(path: Path) -> Notes:
    """The notes of a file; empty where there is no file.

    Raises:
        SiteError: not YAML, an unknown key or a value of the wrong kind.
    """
    if not path.exists():
        return Notes()
    tree = read_tree(str(path), empty=True)
    return validated(Notes, str(path), tree, tree.plain())
