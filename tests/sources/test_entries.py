"""Lists of vendors: entries that are no objects, and pages that do not say whether the list goes on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from pdmlib.analysis.catalogue import all_metrics
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.readings import Answer as Heard
from pdmlib.frames.readings import Reading, Status
from pdmlib.sources import resend, sentry, stripe, supabase, twilio
from pdmlib.sources.vercel import source as vercel
from pdmlib.verdict.ladder import reading_of
from tests.sources import test_resend, test_sentry, test_stripe, test_supabase, test_twilio, test_vercel
from tests.sources.loopback import routed, the_scope, the_site, vendor

NO_OBJECTS: tuple[Any, ...] = (17, {}, "x", None, [])
PHASE = "hour1"


@dataclass(frozen=True)
class Listed:
    """A list of a vendor's answers, and the readings that say how many of its entries there are, or how many fail.

    Attributes:
        key: what it is called in the answer; empty: the answer is the list.
    """

    source: str
    path: str
    key: str
    readings: tuple[str, ...]

    def holding(self, entry: Any) -> Any:
        return {**ENDS, **{name: [entry] for name in self.key.split()}} if self.key else [entry]


ENDS = {"has_more": False, "next_page_uri": None, "pagination": {"next": None}}
DOMAIN = {"name": "mail.example.com", "status": "verified"}
COLLECT = {
    "stripe": stripe.collect,
    "twilio": twilio.collect,
    "resend": resend.collect,
    "sentry": sentry.collect,
    "vercel": vercel.collect,
    "supabase": supabase.collect,
}
WELL: Mapping[str, Mapping[str, Any]] = {
    "stripe": test_stripe.routes(),
    "twilio": test_twilio.routes(**{test_twilio.ALERTS: {"alerts": [], "meta": {"next_page_url": None}}}),
    "resend": test_resend.routes(**{"/domains": {"data": [DOMAIN], "has_more": False}}),
    "sentry": test_sentry.routes(),
    "vercel": test_vercel.routes(),
    "supabase": test_supabase.ROUTES,
}
BLOCKS: Mapping[str, Mapping[str, Any]] = {
    "stripe": {},
    "twilio": {"account_sid": "AC1"},
    "resend": {},
    "sentry": {"organization": "shop", "project": "web", "trace_sample_rate": 0.05},
    "vercel": {"project": "prj_x", "team": "team_a"},
    "supabase": {"project_ref": "ref"},
}
ADDRESSES = {"twilio": ("base_url", "monitor_url"), "supabase": ("management_url",)}
REQUESTS = ("requests_total", "error_rate_pct", "requests_per_min_avg", "timeouts")
ISSUES = ("issues_new", "issues_critical", "issues_open", "issues_security", "issues_recurring")
LISTS = (
    Listed("stripe", "/v1/charges", "data", ("payment_failures", "payments_declined_pct", "integration_stripe")),
    Listed("stripe", "/v1/events", "data", ("webhooks_pending", "integration_stripe")),
    Listed("stripe", "/v1/disputes", "data", ("disputes_open",)),
    Listed("stripe", "/v1/webhook_endpoints", "data", ("integration_stripe",)),
    Listed("stripe", "/v1/payouts", "data", ("integration_stripe",)),
    Listed(
        "twilio", test_twilio.MESSAGES, "messages", ("sms_failed_pct", "sms_refused_pct", "integration_twilio")
    ),
    Listed("twilio", test_twilio.ALERTS, "alerts", ("integration_twilio",)),
    Listed("resend", "/logs", "data", ("integration_resend",)),
    Listed("resend", "/domains", "data", ("integration_resend",)),
    Listed("resend", "/webhooks", "data", ("integration_resend",)),
    Listed("sentry", test_sentry.ISSUES, "", (*ISSUES, "integration_sentry")),
    Listed("sentry", f"{test_sentry.ORG}/stats_v2/", "groups", ("integration_sentry",)),
    Listed("sentry", test_sentry.EVENTS, "data", ("errors_total", "error_rate_pct", *ISSUES)),
    Listed("vercel", "/v7/deployments", "deployments", ("deploy_errors",)),
    Listed("vercel", "/v2/observability/query", "summary data", (*REQUESTS, "memory_limit_hits")),
    Listed("supabase", f"{test_supabase.PROJECT}/health", "", ("integration_supabase",)),
    Listed("supabase", test_supabase.LOGS, "result", ("db_connections_refused",)),
)


def readings(source: str, routes: Mapping[str, Any], names: Iterable[str]) -> tuple[Case, dict[str, Reading]]:
    """What a report makes of a source's answers by path."""
    with vendor(routed(routes)) as server:
        addresses = dict.fromkeys(ADDRESSES.get(source, ("base_url",)), server.url)
        more = {"metrics_url": f"{server.url}/metrics"} if source == "supabase" else {}
        site = the_site(source, **{**BLOCKS[source], **addresses, **more})
        site = site.model_copy(update={"url": "https://shop.example"})
        scope = the_scope(PHASE)
        frames = COLLECT[source](site, scope)
    heard = Heard.PARTIAL if len(frames.get("gaps", ())) else Heard.OK
    case = Case(site, scope, Collection(frames, (Coverage(source, heard, 1, 0.1),)), scope.window)
    metrics = [metric for metric in all_metrics(site) if metric.id in names]
    return case, {m.id: reading_of(m, m.measure(case), site, PHASE) for m in metrics}


def odd() -> Iterator[Any]:
    """Each list with each of what is no object; in the quick tests those whose readings count from 0."""
    for listed in LISTS:
        for entry in NO_OBJECTS:
            quick = entry == 17 and listed.key in ("data", "messages") and listed.source in ("stripe", "twilio")
            name = f"{listed.source} {listed.path.strip('/').rpartition('/')[2]} {entry!r}"
            yield pytest.param(listed, entry, id=name, marks=() if quick else pytest.mark.slow)


@pytest.mark.parametrize(("listed", "entry"), list(odd()))
def test_rule_14_an_entry_that_is_no_object_or_has_nothing_in_it_gives_no_pass_and_no_zero(
    listed: Listed, entry: Any
) -> None:
    routes = {**WELL[listed.source], listed.path: listed.holding(entry)}
    case, found = readings(listed.source, routes, listed.readings)
    assert case.unclear(listed.source)
    for name in listed.readings:
        assert found[name].status is not Status.PASS, found[name]
        assert found[name].value != 0, found[name]


@pytest.mark.parametrize(
    ("source", "path", "body", "reading"),
    [
        ("stripe", "/v1/events", {"data": []}, "webhooks_pending"),
        ("stripe", "/v1/events", {"data": [], "has_more": None}, "webhooks_pending"),
        ("stripe", "/v1/events", {"data": [], "has_more": True}, "webhooks_pending"),
        ("stripe", "/v1/disputes", {"data": [], "has_more": "false"}, "disputes_open"),
        ("twilio", test_twilio.ALERTS, {"alerts": [], "meta": {}}, "integration_twilio"),
        ("twilio", test_twilio.ALERTS, {"alerts": [], "meta": None}, "integration_twilio"),
        ("resend", "/logs", {"data": [], "has_more": {}}, "integration_resend"),
        ("resend", "/logs", {"data": [], "has_more": True}, "integration_resend"),
    ],
)
def test_a_page_that_does_not_tell_whether_its_list_goes_on_is_no_whole_list(
    source: str, path: str, body: Any, reading: str
) -> None:
    """Where half of a list may be missing, nothing of it passes."""
    case, found = readings(source, {**WELL[source], path: body}, (reading,))
    assert found[reading].status is Status.UNKNOWN, found[reading]
    assert len(case["gaps"]) == 1
