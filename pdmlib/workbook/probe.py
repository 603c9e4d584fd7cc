"""Probes with side effects, each made once for a deployment: what was begun is on the disk before it is sent."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pdmlib.errors import CallError, one_of
from pdmlib.frames.states import Proof
from pdmlib.phases.phase import DAILY
from pdmlib.phases.window import iso, now, stamp
from pdmlib.site.site import Site
from pdmlib.sources.probes import PROBES, Check, Probe
from pdmlib.sources.writes import PerhapsError, RefusedError
from pdmlib.storage import durable
from pdmlib.workbook.probe_record import PLACE, Record, Step, keep, read
from pdmlib.workbook.scope import scope_for


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
    scope = scope_for(site, DAILY.name, as_of)
    deployed = scope.deployed_at
    made = kind(site, really, tell)
    folder = out / site.site / PLACE
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{stamp(deployed)}-{name}{'-really' * really}.json"
    with made.api, durable.alone(folder / ".lock"):
        record = read(path)
        if record is None or record.step is Step.REFUSED:
            attempt = 1 if record is None else record.attempt + 1
            at = iso(scope.as_of if site.demo else now())  # a demo has a clock of its own
            begun = Record(name, kind.box, iso(deployed), really=really, attempt=attempt, at=at)
            record = _sent(begun, made, path, key=begun.key(site))
        if record.step is Step.SENT and record.state is Proof.NOT_KNOWN:
            record = _looked(record, made, path, key=record.key(site))
    return record


def _sent(begun: Record, made: Probe, path: Path, key: str) -> Record:
    """The record of what is sent now."""
    perhaps = Check(
        made.vendor,
        Proof.NOT_KNOWN,
        "sent perhaps: that call ended before the answer came",
        f"it is not sent again; look at {made.page}" + (f" for {key}" if made.vendor == "stripe" else ""),
    )
    keep(path, replace(begun, checks=(perhaps,)))
    made.tell(f"{made.vendor}: sending")
    try:
        record = replace(begun, step=Step.SENT, made=made.send(key))
    except RefusedError as error:
        record = replace(begun, step=Step.REFUSED, checks=(made.why_refused(error),))
    except PerhapsError as error:
        record = replace(begun, checks=(replace(perhaps, evidence=f"sent perhaps: {error.reason}"),))
    keep(path, record)
    return record


def _looked(record: Record, made: Probe, path: Path, key: str) -> Record:
    """The record with what became of it."""
    known = {check.what: check for check in record.checks if check.state is not Proof.NOT_KNOWN}
    record = replace(record, checks=tuple(made.look(record.made, key, known)))
    keep(path, record)
    return record
