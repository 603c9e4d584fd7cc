"""Every vendor under every fault: what a collection makes of it, and what the report says."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection
from pdmlib.frames.readings import Answer
from pdmlib.frames.states import ReportStatus
from pdmlib.phases.scope import Scope
from pdmlib.site import masking
from pdmlib.site.load import load_site
from pdmlib.site.site import Site
from pdmlib.sources import catalogue, http
from pdmlib.verdict.verdict import judge
from pdmlib.workbook.scope import scope_for
from tests.hostile.proxy import FAULTS, Fault, certificate, faulty

DEMO = Path(__file__).parents[2] / "params/demo.yaml"
VENDORS = ("app", "sentry", "vercel", "supabase", "stripe", "twilio", "resend")
BUDGET_S = 6.0  # of a source, where the workbook gives it 60: what never ends has to end ten times as often here
MORE_S = 25.0  # beyond its budget: work on an answer that came in time, on a busy machine
# Answers of which a vendor's API makes nothing and a page is well with: its 2xx says that the application is up.
WELL_OF_A_PAGE = ("HTML", "nothing", "nothing, 204", "a text")
PHASE = "day1"  # its sources are asked for few windows, so that a trial is short
NETWORK = (
    "refused",
    "no such host",
    "TLS, not signed",
    "TLS, over",
    "TLS where plain is asked",
    "plain where TLS is",
)


@dataclass(frozen=True)
class Trial:
    """One fault of one vendor.

    Attributes:
        why: what was wrong with how it was survived; empty: nothing.
    """

    vendor: str
    fault: str
    seconds: float
    why: str = ""


@contextmanager
def small_budgets() -> Iterator[None]:
    """Lets every source have `BUDGET_S`."""
    kept = http.Budget.__init__.__defaults__
    http.Budget.__init__.__defaults__ = (BUDGET_S,)
    try:
        yield
    finally:
        http.Budget.__init__.__defaults__ = kept


def networks(folder: Path) -> dict[str, Path | None]:
    """What each fault of a network needs: the certificates of its server."""
    return {
        "TLS, not signed": certificate(folder / "unsigned", "localhost", 30),
        "TLS, over": certificate(folder / "over", "localhost", -1),
    }


@contextmanager
def _address(fault: Fault | str, upstream: str, folder: Path) -> Iterator[str]:
    well = FAULTS[0]
    with ExitStack() as stack:
        if isinstance(fault, Fault):
            yield stack.enter_context(faulty(fault, upstream))
        elif fault == "refused":
            yield "http://127.0.0.1:9"
        elif fault == "no such host":
            yield "http://nowhere.invalid"
        elif fault in ("TLS, not signed", "TLS, over"):
            yield stack.enter_context(faulty(well, upstream, networks(folder)[fault]))
        else:
            plain = stack.enter_context(faulty(well, upstream, None))
            yield plain.replace("http:", "https:") if fault == "plain where TLS is" else plain


def attempt(vendor: str, fault: Fault | str, environ: Mapping[str, str], folder: Path) -> Trial:
    """Collects one vendor under a fault and judges what came of it."""
    name = fault.name if isinstance(fault, Fault) else fault
    blind = fault.blind if isinstance(fault, Fault) else True
    began = monotonic()
    with _address(fault, environ["PDM_DEMO_URL"], folder) as url:
        site = load_site(DEMO, {**environ, "PDM_DEMO_URL": url})
        scope = scope_for(site, PHASE)
        found = catalogue.collect(site, scope, only=(vendor,))
    seconds = monotonic() - began
    wrong = _wrong(vendor, name, site, scope=scope, found=found, blind=blind, seconds=seconds)
    return Trial(vendor, name, seconds, "; ".join(wrong))


def _wrong(
    vendor: str, fault: str, site: Site, scope: Scope, found: Collection, blind: bool, seconds: float
) -> Iterator[str]:
    gaps = " ".join(found["gaps"]["reason"].fillna(""))
    if "was not understood (" in gaps:
        yield f"an error of ours: {gaps[:200]}"
    if seconds > BUDGET_S + MORE_S:
        yield f"it took {seconds:.0f} s"
    if blind and _heard(vendor, fault, found):
        yield "nothing could be read, and it calls itself read"
    told = " ".join(table.to_csv() for table in found.frames.values()) + str(found.coverage)
    if any(piece in told for secret in site.secrets.values() for piece in _pieces(secret.get_secret_value())):
        yield "a secret is in what was collected"
    if blind:  # nothing came in; what a report makes of that other tests say
        return
    verdict = judge(Case(site, scope, found, scope.window))
    if verdict.case.broken:
        yield f"judging broke: {verdict.case.broken[0]}"
    if verdict.status is ReportStatus.GREEN:
        yield "the report is GREEN"


def _heard(vendor: str, fault: str, found: Collection) -> bool:
    """Whether a source calls itself read, whose answers nobody can read."""
    if vendor == "app" and fault in WELL_OF_A_PAGE:
        return False
    if vendor == "app":
        health = found["probes"]["target"].fillna("").str.contains("health")
        up = (found["probes"].loc[health, "status"] == "up").any()
        return bool(up) and not found["not_understood"]["source"].eq("app").any()
    return any(row.source == vendor and row.status is Answer.OK for row in found.coverage)


def _pieces(secret: str) -> list[str]:
    """What of a secret must be nowhere: of an address its password, and of all whole quarters of it."""
    opening = list(masking._opening(secret))
    return [one[n : n + 12] for one in opening for n in range(0, len(one) - 11, 4)]


def all_trials(vendors: tuple[str, ...] = VENDORS) -> list[tuple[str, Fault | str]]:
    """Every vendor with every fault, those that take longest first."""
    return [(vendor, fault) for fault in (*FAULTS, *NETWORK) for vendor in vendors]


def run(
    trials: Iterable[tuple[str, Fault | str]], environ: Mapping[str, str], folder: Path, workers: int = 6
) -> Iterator[Trial]:
    """Runs trials, some at once since most of them wait; as they end."""
    waiting, lock = iter(trials), threading.Lock()
    done = queue.SimpleQueue[Trial | None]()

    def work() -> None:
        while True:
            with lock:
                one = next(waiting, None)
            if one is None:
                done.put(None)
                return
            try:
                trial = attempt(*one, environ, folder)
            except Exception as error:
                name = one[1].name if isinstance(one[1], Fault) else one[1]
                trial = Trial(one[0], name, 0.0, f"{type(error).__name__}: {error}"[:300])
            done.put(trial)

    with small_budgets():
        threads = [threading.Thread(target=work, daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        while workers:
            trial = done.get()
            workers -= trial is None
            if trial is not None:
                yield trial
