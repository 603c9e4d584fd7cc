"""What a report makes of a vendor's answers: a server on loopback, the source, every reading and alert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pdmlib.analysis.catalogue import FINDINGS, TABLES, all_metrics
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.readings import Answer, Finding, Reading
from pdmlib.sources import resend, stripe, twilio
from pdmlib.verdict.alerts import Alert, alerts_of
from pdmlib.verdict.ladder import reading_of
from pdmlib.verdict.status import recommendation_of, status_of
from tests.sources.loopback import routed, the_scope, the_site, vendor

SOURCES = {"stripe": stripe.collect, "twilio": twilio.collect, "resend": resend.collect}
SECTIONS = ("integrations", "costs")


@dataclass(frozen=True)
class Judged:
    """A report's view of one vendor."""

    case: Case
    readings: Mapping[str, Reading]
    alerts: tuple[Alert, ...]
    findings: tuple[Finding, ...]
    recommendation: str

    def unclear(self) -> dict[str, list[str]]:
        """What was not understood: examples by item."""
        rows = self.case["not_understood"]
        return {str(item): sorted(part["example"]) for item, part in rows.groupby("item")}

    def note(self, integration: str) -> str:
        """The note of a row of the table of integrations."""
        rows = {row["integration"]: row["notes"] for row in TABLES["integrations"](self.case)}
        return str(rows[integration])


def judged(source: str, routes: Mapping[str, Any], phase: str = "day1", **block: Any) -> Judged:
    """What becomes of answers by path; the app of the site lies at shop.example."""
    with vendor(routed(routes)) as server:
        urls = {
            "base_url": server.url,
            **({"monitor_url": server.url, "account_sid": "AC1"} if source == "twilio" else {}),
        }
        site = the_site(source, **{**urls, **block}).model_copy(update={"url": "https://shop.example"})
        scope = the_scope(phase)
        frames = SOURCES[source](site, scope)
    gaps = len(frames.get("gaps", ()))
    coverage = (Coverage(source, Answer.PARTIAL if gaps else Answer.OK, 1, 0.1),)
    return of_case(Case(site, scope, Collection(frames, coverage), scope.window))


def of_case(case: Case) -> Judged:
    """What a report makes of a case's integrations and costs."""
    site, phase = case.site, case.scope.phase.name
    metrics = [m for m in all_metrics(site) if m.section in SECTIONS]
    readings = {m.id: reading_of(m, m.measure(case), site, phase) for m in metrics}
    findings = tuple(f for find in FINDINGS for f in find(case) if f.reading in readings)
    alerts = alerts_of(case, metrics, findings)
    status = status_of(readings.values(), alerts, ())
    return Judged(case, readings, alerts, findings=findings, recommendation=recommendation_of(status, alerts))
