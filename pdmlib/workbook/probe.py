"""Probes with side effects, each made once for a deployment: what was begun is on the disk before it is sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from pdmlib.errors import CallError, one_of
from pdmlib.phases.phase import DAILY
from pdmlib.phases.window import iso, now, stamp
from pdmlib.site.site import Site
from pdmlib.sources.probes import PROBES, Check, Probe, State, worst
from pdmlib.sources.writes import PerhapsError, RefusedError
from pdmlib.storage import durable
from pdmlib.workbook.scope import scope_for


class Step(StrEnum):
    """How far a probe came."""

    BEGUN = "begun"  # on the disk before it is sent: without a further step it was sent perhaps
    REFUSED = "refused"  # nothing was sent, so that the next call may
    SENT = "sent"


@dataclass(frozen=True)
class Record:
    """What is kept of a probe of a deployment.

    Attributes:
        attempt: one more after each that was refused.
        made: the vendor's id of what was made.
        earlier: whether it was made before this call.
    """

    probe: str
    box: str
    deployment: str
    really: bool
    attempt: int
    at: str
    step: Step = Step.BEGUN
    made: str = ""
    checks: tuple[Check, ...] = ()
    earlier: bool = False

    @property
    def state(self) -> State:
        """The worst of what was found."""
        return worst(self.checks)

    def key(self, site: Site) -> str:
        """What the vendor knows it by: the same on every machine, so that it makes one only."""
        names = (site.site, self.deployment, self.probe, self.really, self.attempt)
        return "pdm-" + hashlib.sha256("/".join(map(str, names)).encode()).hexdigest()[:32]


def check_probes(names: list[str]) -> None:
    """Fails on the first name that is no probe.

    Raises:
        CallError: with the nearest name.
    """
    for name in names:
        if name not in PROBES:
            raise CallError(f"--probe: {one_of(name, PROBES, 'a probe')}")


def probe(
    site: Site, name: str, out: Path, tell: Callable[[str], None], really: bool = False, as_of: str = ""
) -> Record:
    """Makes a probe unless it was made for the deployment, and looks what became of it.

    Args:
        out: folder of the outputs, in which it is kept what was made.
        tell: told what is being waited for.
        really: with live keys, and to the recipients that the site file names.

    Raises:
        CallError: the site has no such vendor, a variable is not set, or a live key is used without `really`.
    """
    check_probes([name])
    kind = PROBES[name]
    if site.source(kind.vendor) is None:
        raise CallError(
            f"--probe {name}: {site.file} has no sources.{kind.vendor}, or a variable of it is not set"
        )
    deployed = scope_for(site, DAILY.name, as_of).deployed_at
    made = kind(site, really, tell)
    folder = out / site.site / "probes"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stamp(deployed)}-{name}{'-really' * really}.json"
    with made.api, durable.alone(folder / ".lock"):
        record = _read(path)
        if record is None or record.step is Step.REFUSED:
            attempt = 1 if record is None else record.attempt + 1
            begun = Record(name, kind.box, iso(deployed), really=really, attempt=attempt, at=iso(now()))
            record = _sent(begun, made, path, key=begun.key(site))
        if record.step is Step.SENT and record.state is State.NOT_KNOWN:
            record = _looked(record, made, path, key=record.key(site))
    return record


def _sent(begun: Record, made: Probe, path: Path, key: str) -> Record:
    """The record of what is sent now."""
    perhaps = Check(
        made.vendor,
        State.NOT_KNOWN,
        "sent perhaps: that call ended before the answer came",
        f"it is not sent again; look at {made.page}" + (f" for {key}" if made.vendor == "stripe" else ""),
    )
    _keep(path, replace(begun, checks=(perhaps,)))
    made.tell(f"{made.vendor}: sending")
    try:
        record = replace(begun, step=Step.SENT, made=made.send(key))
    except RefusedError as error:
        record = replace(begun, step=Step.REFUSED, checks=(made.why_refused(error),))
    except PerhapsError as error:
        record = replace(begun, checks=(replace(perhaps, evidence=f"sent perhaps: {error.reason}"),))
    _keep(path, record)
    return record


def _looked(record: Record, made: Probe, path: Path, key: str) -> Record:
    """The record with what became of it."""
    known = {check.what: check for check in record.checks if check.state is not State.NOT_KNOWN}
    record = replace(record, checks=tuple(made.look(record.made, key, known)))
    _keep(path, record)
    return record


def _keep(path: Path, record: Record) -> None:
    with durable.replacing(path) as beside:
        beside.write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")


def _read(path: Path) -> Record | None:
    """The record of an earlier call; None where there is none.

    Raises:
        CallError: it is damaged, so that it is not known whether something was sent.
    """
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        checks = tuple(Check(**{**check, "state": State(check["state"])}) for check in found["checks"])
        return Record(**{**found, "step": Step(found["step"]), "checks": checks, "earlier": True})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise CallError(
            f"{path} is damaged: something was sent perhaps; look at the vendor, then remove it"
        ) from None
