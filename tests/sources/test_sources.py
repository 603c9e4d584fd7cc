"""All sources at once: each a result or a gap, and none can stop another."""

import threading
from typing import Any

import pytest

from pdmlib.analysis.coverage import sources_read
from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame
from pdmlib.frames.readings import State
from pdmlib.phases.scope import Scope
from pdmlib.site import site as site_module
from pdmlib.site.site import GUIDE_SOURCES, SOURCE_NAMES, Site
from pdmlib.sources import catalogue
from pdmlib.sources.catalogue import SourceRow
from tests.builders import a_case, a_gap, a_site
from tests.sources.loopback import SECRET, Call, Reply, the_scope, vendor

UNUSED = ["app", "sentry", "vercel", "supabase", "postgres", "stripe"]
CRON = {"path": "/api/cron/a", "schedule": "0 8 * * *"}


def well(site: Site, scope: Scope) -> Any:
    return {"platform_crons": frame("platform_crons", [CRON])}


def partly(site: Site, scope: Scope) -> Any:
    gap = {"source": "vercel", "state": "error", "reason": "402: pay first"}
    rows = [{**gap, "item": item} for item in ("a:1", "a:2", "b")]
    return {**well(site, scope), "gaps": frame("gaps", rows)}


def refused(site: Site, scope: Scope) -> Any:
    raise SourceError("stripe", "401: Invalid key")


def broken(site: Site, scope: Scope) -> Any:
    return {}[SECRET]


def only(monkeypatch: pytest.MonkeyPatch, **rows: Any) -> None:
    monkeypatch.setattr(catalogue, "SOURCES", tuple(SourceRow(name, call) for name, call in rows.items()))


def test_there_is_one_row_for_each_source_of_a_site_file() -> None:
    assert tuple(row.name for row in catalogue.SOURCES) == SOURCE_NAMES


@pytest.mark.parametrize("given", [True, False])
def test_a_source_that_the_guide_does_not_name_is_waited_for_only_where_a_file_has_it(
    monkeypatch: pytest.MonkeyPatch, given: bool
) -> None:
    """So that a release with a new source changes no report of a site that has nothing to do with it."""
    monkeypatch.setattr(site_module, "GUIDE_SOURCES", tuple(n for n in GUIDE_SOURCES if n != "resend"))
    only(monkeypatch, resend=refused, twilio=well)
    site = a_site(sources={"twilio": {"account_sid": "AC1"}} | ({"resend": {}} if given else {}), unused=UNUSED)
    found = catalogue.collect(site, the_scope())
    assert [c.source for c in found.coverage] == (["resend", "twilio"] if given else ["twilio"])
    assert (found.gap("resend") is not None) is given
    seen = dict.fromkeys(GUIDE_SOURCES, "absent") | {"twilio": "ok"}
    read = sources_read(a_case(coverage=seen, site=site))
    assert (read.state, read.value) == ((State.ERROR, None) if given else (State.MEASURED, 1))


@pytest.mark.parametrize(
    ("source", "item", "vital"),
    [
        ("stripe", "payments", True),
        ("twilio", "alerts", True),
        ("resend", "logs", True),
        ("supabase", "services", True),
        ("sentry", "issues", True),
        ("vercel", "deployments", True),
        ("vercel", "request_counts", False),  # a plan without it; what it would count is unknown by itself
        ("stripe", "costs", False),
    ],
)
def test_a_source_whose_vital_part_was_refused_is_not_read(source: str, item: str, vital: bool) -> None:
    gaps = [a_gap(source, "403: no permission", item)]
    read = sources_read(a_case({"gaps": gaps}, coverage={source: "partial"}))
    assert (f"{source}: {item} not read: 403: no permission" in (read.reason or "")) is vital


def test_one_failing_source_leaves_the_others_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, app=well, stripe=refused, resend=broken, vercel=partly)
    found = catalogue.collect(a_site(), the_scope())
    said = {c.source: (c.status, c.rows) for c in found.coverage}
    assert said == {"app": ("ok", 1), "stripe": ("failed", 0), "resend": ("failed", 0), "vercel": ("partial", 1)}
    assert found["platform_crons"]["path"].tolist() == ["/api/cron/a"]
    assert [row.source for row in found.coverage] == ["app", "stripe", "resend", "vercel"]
    stripe = found.gap("stripe")
    assert stripe is not None
    assert stripe == ("error", "401: Invalid key")


def test_a_bug_in_one_source_is_told_without_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, resend=broken)
    (coverage,) = catalogue.collect(a_site(), the_scope()).coverage
    assert "KeyError" in str(coverage.detail)
    assert SECRET not in str(coverage.detail)


def test_the_detail_tells_each_reason_once_with_its_items(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, vercel=partly)
    (coverage,) = catalogue.collect(a_site(), the_scope()).coverage
    assert coverage.detail == "a, b: 402: pay first"


def test_a_source_without_a_block_is_named_with_its_file_and_key() -> None:
    site = a_site(sources={}, file="params/shop.yaml")
    found = catalogue.collect(site, the_scope())
    assert {c.status for c in found.coverage} == {"not_configured"}
    assert found.gap("resend") == ("not_configured", "params/shop.yaml has no block sources.resend")


def test_a_source_switched_off_says_where() -> None:
    site = a_site(sources={"resend": {"enabled": False}}, file="params/shop.yaml")
    found = catalogue.collect(site, the_scope(), only=["resend"])
    assert [c.status for c in found.coverage] == ["not_configured"]
    assert found.gap("resend") == ("not_configured", "switched off in params/shop.yaml")


def test_a_source_that_the_site_does_without_has_no_row() -> None:
    found = catalogue.collect(a_site(sources={}, unused=["twilio", "resend"]), the_scope())
    assert {"twilio", "resend"} & {c.source for c in found.coverage} == set()
    assert found.gap("twilio") is None


def test_the_caller_hears_of_each_source_on_its_own_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    only(monkeypatch, app=well, stripe=refused)
    heard: list[tuple[str, str, int]] = []
    catalogue.collect(a_site(), the_scope(), on_progress=lambda n, s: heard.append((n, s, threading.get_ident())))
    assert {(name, status) for name, status, _ in heard} == {("app", "ok"), ("stripe", "failed")}
    assert {thread for _, _, thread in heard} == {threading.get_ident()}


def test_slow_sources_are_asked_at_the_same_time() -> None:
    """Three vendors whose first answer waits until all three were asked."""
    met = threading.Barrier(3, timeout=120)
    first = {"vercel": threading.Lock(), "stripe": threading.Lock(), "resend": threading.Lock()}
    overlaps: list[str] = []

    def answering(name: str) -> Any:
        def answer(call: Call) -> Reply:
            if first[name].acquire(blocking=False):
                met.wait()
                overlaps.append(name)
            return Reply({"message": "no"}, 403)

        return answer

    with (
        vendor(answering("vercel")) as one,
        vendor(answering("stripe")) as two,
        vendor(answering("resend")) as three,
    ):
        blocks = {
            "vercel": {"base_url": one.url, "project": "prj_x"},
            "stripe": {"base_url": two.url},
            "resend": {"base_url": three.url},
        }
        secrets = {"VERCEL_TOKEN": SECRET, "STRIPE_API_KEY": SECRET, "RESEND_API_KEY": SECRET}
        found = catalogue.collect(a_site(sources=blocks, secrets=secrets), the_scope(), only=list(blocks))
    assert sorted(overlaps) == ["resend", "stripe", "vercel"]
    assert {c.status for c in found.coverage} == {"failed"}


def test_a_source_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()

    def endless(site: Site, scope: Scope) -> Any:
        never.wait()

    only(monkeypatch, app=well, stripe=endless)
    monkeypatch.setattr(catalogue, "LIMIT_S", 0.3)
    try:
        found = catalogue.collect(a_site(), the_scope())
    finally:
        never.set()
    said = {c.source: (c.status, c.detail) for c in found.coverage}
    assert said["app"] == ("ok", None)
    assert said["stripe"] == ("failed", "no answer in the time allowed")


@pytest.mark.parametrize(("refused", "app"), [(True, "failed"), (False, "ok")])
def test_rule_15_our_own_way_out_fails_whatever_a_database_on_this_side_answers(
    monkeypatch: pytest.MonkeyPatch, refused: bool, app: str
) -> None:
    """The application and every vendor refuse, while PostgreSQL answers: nobody knows whether it is up."""

    def down(site: Site, scope: Scope) -> dict[str, Any]:
        return {"probes": frame("probes", [{"target": "/", "checked_at": scope.as_of, "status": "down"}])}

    def vendor_of(name: str) -> Any:
        def read(site: Site, scope: Scope) -> dict[str, Any]:
            if refused:
                raise SourceError(name, "the connection failed: refused")
            return {}

        return read

    vendors = [SourceRow(name, vendor_of(name)) for name in ("sentry", "vercel", "stripe")]
    rows = (SourceRow("app", down), SourceRow("postgres", lambda site, scope: {}), *vendors)
    monkeypatch.setattr(catalogue, "SOURCES", rows)
    found = catalogue.collect(a_site(), the_scope())
    assert {row.source: row.status for row in found.coverage}["app"] == app
