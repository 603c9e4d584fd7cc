"""What is not read is never healthy: each source switched off, in each way; all of them; vendors' own refusals."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from pdmlib.demo import Production, adopt_history, start
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection
from pdmlib.frames.frame import merge
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window
from pdmlib.site.load import load_site
from pdmlib.site.site import GUIDE_SOURCES, Site
from pdmlib.sources.catalogue import collect
from pdmlib.storage.history import recall
from pdmlib.verdict.verdict import Verdict, judge
from pdmlib.workbook.scope import scope_for
from tests.acceptance.conftest import newest, pdm, site_file

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def lost() -> Iterator[dict[str, Collection]]:
    """What each source by itself, and `every` one together, brings while vendors and database do not answer."""
    with start("all_down") as production, pytest.MonkeyPatch.context() as patch:
        site, scope = _site(production, patch)
        with ThreadPoolExecutor(3) as pool:  # what looks down is asked for ten seconds
            asked = (("app",), GUIDE_SOURCES[1:], GUIDE_SOURCES)
            app, others, every = pool.map(lambda names: collect(site, scope, names), asked)
        yield {"every": every, "app": app} | {name: _only(others, name) for name in GUIDE_SOURCES[1:]}


def _only(collection: Collection, source: str) -> Collection:
    """Of a collection in which a source gave nothing: the gap that it left."""
    gaps = collection["gaps"]
    coverage = tuple(row for row in collection.coverage if row.source == source)
    return Collection({"gaps": gaps[gaps["source"] == source].reset_index(drop=True)}, coverage)


Found = tuple[Site, Scope, dict[str, Collection]]


@pytest.fixture(scope="module")
def found(healthy_production: Production, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Found]:
    """What each source brings of a healthy week, and what the history keeps of it."""
    with pytest.MonkeyPatch.context() as patch:
        site, scope = _site(healthy_production, patch)
        folder = tmp_path_factory.mktemp("history")
        adopt_history(healthy_production, folder)
        kept = Collection(recall(folder, Window(scope.baseline.start, scope.as_of)), ())
        yield site, scope, {name: collect(site, scope, (name,)) for name in GUIDE_SOURCES} | {"history": kept}


def _site(production: Production, patch: pytest.MonkeyPatch) -> tuple[Site, Scope]:
    for name, value in production.environ.items():
        patch.setenv(name, value)
    site = load_site("params/demo.yaml")
    return site, scope_for(site, "week1")


def _whole(site: Site, scope: Scope, parts: dict[str, Collection]) -> Verdict:
    coverage = tuple(row for part in parts.values() for row in part.coverage)
    return judge(Case(site, scope, Collection(merge(p.frames for p in parts.values()), coverage), scope.window))


def _without(folder: Path, source: str, way: str) -> Site:
    def change(content: dict[str, Any]) -> None:
        if way == "removed":
            del content["sources"][source]
        else:
            content["sources"][source]["enabled"] = False

    return load_site(str(site_file(folder, change)))


@pytest.mark.parametrize(
    ("source", "way"),
    [*((name, "down") for name in GUIDE_SOURCES), ("sentry", "switched off"), ("postgres", "removed")],
)
def test_without_a_source_the_verdict_is_never_green_and_names_it(
    found: Found, lost: dict[str, Collection], tmp_path: Path, source: str, way: str
):
    site, scope, parts = found
    if way != "down":
        site = _without(tmp_path, source, way)
    part = lost[source] if way == "down" else collect(site, scope, (source,))
    verdict = _whole(site, scope, {**parts, source: part})
    assert verdict.status != "GREEN"
    assert verdict.outcome != "SUCCESSFUL"
    if source == "app":
        assert verdict.reading("app_up").value is None, "the platform's own counts say otherwise: not confirmed"
        assert verdict.recommendation == "investigate"
        return
    row = next(c for c in verdict.case.collection.coverage if c.source == source)
    assert row.status == ("failed" if way == "down" else "not_configured")
    assert row.detail
    assert source in verdict.summary
    assert any(source in reason for reason in verdict.confidence_reasons)


KEY_SOURCES = ("app", "sentry", "vercel", "postgres")


@pytest.mark.parametrize("gone", [s for n in range(1, 5) for s in combinations(KEY_SOURCES, n)], ids="+".join)
def test_rule_1_whatever_is_missing_no_report_is_green_and_a_red_one_stays_red(
    found: Found, lost: dict[str, Collection], gone: tuple[str, ...]
):
    site, scope, parts = found
    left = {name: lost[name] if name in gone else part for name, part in parts.items()}
    verdict = _whole(site, scope, left)
    assert verdict.status != "GREEN"
    failed = {row.source for row in verdict.case.collection.coverage if row.status == "failed"}
    assert failed == set(gone) - {"app"}
    assert all(source in verdict.summary for source in failed)
    stripe, payments = parts["stripe"], parts["stripe"]["payments"]
    since = payments["created_at"] >= scope.deployed_at
    words = {"status": payments["status"].mask(since, "failed"), "fault": payments["fault"].mask(since, "ours")}
    broken = payments.assign(**words)
    red = Collection({**stripe.frames, "payments": broken}, stripe.coverage)
    assert _whole(site, scope, {**left, "stripe": red}).status == "RED"


@pytest.mark.parametrize("source", GUIDE_SOURCES)
def test_a_source_switched_off_or_without_a_block_brings_a_gap_and_nothing_else(
    found: Found, tmp_path: Path, source: str
):
    _, scope, _ = found
    off, gone = (collect(_without(tmp_path, source, way), scope, (source,)) for way in ("switched off", "removed"))
    assert off.coverage[0].status == gone.coverage[0].status == "not_configured"
    assert f"no block sources.{source}" in (gone.coverage[0].detail or "")
    assert set(off.frames) == set(gone.frames) == {"gaps"}
    assert off["gaps"].drop(columns="reason").equals(gone["gaps"].drop(columns="reason"))
    assert list(off["gaps"]["source"]) == [source]


def test_with_every_source_read_the_same_week_is_green(found: Found):
    site, scope, parts = found
    assert _whole(site, scope, parts).status == "GREEN"


def test_with_no_source_at_all_a_report_is_written_that_knows_nothing(tmp_path: Path):
    def all_off(content: dict[str, Any]) -> None:
        for name in GUIDE_SOURCES:
            content["sources"][name]["enabled"] = False

    done = pdm("report", "week1", "--site", site_file(tmp_path, all_off), "--out", tmp_path, "--fail-on", "red")
    content = newest(tmp_path)
    assert (done.code, content["status"], content["outcome"]) == (3, "UNKNOWN", "UNKNOWN"), done.stderr
    assert {row["status"] for row in content["coverage"]} == {"not_configured"}
    known = [reading["id"] for reading in content["readings"] if reading["status"] != "unknown"]
    assert all(name.startswith("db_") for name in known), "only the history tells of the database's host"


def test_when_nothing_answers_the_fault_may_be_here_and_the_report_says_so(
    found: Found, lost: dict[str, Collection]
):
    site, scope, _ = found
    verdict = _whole(site, scope, {"every": lost["every"]})
    assert (verdict.status, verdict.recommendation) == ("UNKNOWN", "investigate")
    assert {row.status for row in verdict.case.collection.coverage} == {"failed"}


def test_a_vendors_refusal_is_named_with_its_own_reason(tmp_path: Path):
    with (
        start("healthy+sentry_401+vercel_403+supabase_garbage+stripe_429") as production,
        pytest.MonkeyPatch.context() as patch,
    ):
        site, scope = _site(production, patch)
        told = {row.source: row.detail for row in collect(site, scope).coverage if row.status == "failed"}
    assert told["sentry"] == "401: Invalid token"
    assert told["vercel"] == "403: Not authorized"
    assert "Too many requests" in told["stripe"]
    assert "JSON" in told["supabase"]
    assert set(told) == {"sentry", "vercel", "stripe", "supabase"}
