"""What is kept of a probe with side effects, and what a report learns of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from pdmlib.errors import CallError
from pdmlib.frames.states import Proof
from pdmlib.phases.window import parse_time, stamp
from pdmlib.site.site import Site
from pdmlib.sources.probes import PROBES, Check, worst
from pdmlib.storage import durable

PLACE = "probes"  # folder of a site's outputs


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
    def state(self) -> Proof:
        """The worst of what was found."""
        return worst(self.checks)

    def key(self, site: Site) -> str:
        """What the vendor knows it by: the same on every machine, so that it makes one only."""
        names = (site.site, self.deployment, self.probe, self.really, self.attempt)
        return "pdm-" + hashlib.sha256("/".join(map(str, names)).encode()).hexdigest()[:32]


def keep(path: Path, record: Record) -> None:
    """Puts a record on the disk."""
    with durable.replacing(path) as beside:
        beside.write_text(json.dumps(asdict(record), indent=1), encoding="utf-8")


def read(path: Path) -> Record | None:
    """The record of an earlier call; None where there is none.

    Raises:
        CallError: it is damaged, so that it is not known whether something was sent.
    """
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        checks = tuple(Check(**{**check, "state": Proof(check["state"])}) for check in found["checks"])
        return Record(**{**found, "step": Step(found["step"]), "checks": checks, "earlier": True})
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError):
        raise CallError(
            f"{path} is damaged: something was sent perhaps; look at the vendor, then remove it"
        ) from None


def proofs(folder: Path, deployed_at: datetime) -> Iterator[dict[str, Any]]:
    """Rows of `deployment_probes`: each thing that the probes of a deployment looked at.

    Args:
        folder: the site's folder of outputs.
    """
    for name, kind in PROBES.items():
        for ending in ("", "-really"):
            path = folder / PLACE / f"{stamp(deployed_at)}-{name}{ending}.json"
            row = {"vendor": kind.vendor, "really": bool(ending)}
            try:
                record = read(path)
                at = parse_time(record.at) if record else None
            except (CallError, TypeError):
                told = f"{path.name} is damaged: something was sent perhaps"
                yield {**row, "what": kind.vendor, "at": deployed_at, "state": Proof.NOT_KNOWN, "evidence": told}
                continue
            for check in record.checks if record else ():
                yield {**row, "what": check.what, "at": at, "state": check.state, "evidence": check.evidence}
