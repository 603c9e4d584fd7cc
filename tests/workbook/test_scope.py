"""Which deployment a report is about where a site file names several, and what becomes of the others."""

from pathlib import Path
from typing import Any

import pytest

from pdmlib.analysis.confounders import rivals
from pdmlib.errors import CallError, SourceError
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection
from pdmlib.report.words import deployed
from pdmlib.verdict.verdict import judge
from pdmlib.workbook.gather import gather, with_past
from pdmlib.workbook.scope import incident_scope_for, scope_for
from tests.builders import a_site, at
from tests.sources.loopback import Reply, the_site, vendor

DEPLOYMENTS = [
    {"at": "2025-03-03T15:00:00Z", "name": "v1"},
    {"at": "2025-03-05T09:00:00Z", "name": "v2"},
    {"at": "2025-03-06T09:00:00Z"},
]
OUTAGE = ("2025-03-05T10:00:00Z", "2025-03-05T10:20:00Z")


def named(**changes: Any) -> Any:
    sources = {"app": {"base_url": "https://shop.example"}}
    return a_site(**{"sources": sources, "deployments": DEPLOYMENTS, **changes})


@pytest.mark.parametrize(
    ("as_of", "asked", "about"),
    [
        ("2025-03-04T00:00:00Z", "", "2025-03-03T15:00"),
        ("2025-03-05T12:00:00Z", "", "2025-03-05T09:00"),
        ("2025-03-09T00:00:00Z", "", "2025-03-06T09:00"),
        ("2025-03-09T00:00:00Z", "2025-03-05T09:00:00Z", "2025-03-05T09:00"),
    ],
)
def test_a_report_is_about_the_newest_deployment_at_its_time_or_the_one_that_is_asked_for(
    as_of: str, asked: str, about: str
) -> None:
    assert scope_for(named(), "week1", as_of, asked).deployed_at == at(about)


def test_deployed_at_is_one_of_them() -> None:
    site = named(deployed_at="2025-03-04T00:00:00Z")
    assert scope_for(site, "week1", "2025-03-04T12:00:00Z").deployed_at == at("2025-03-04T00:00")
    assert scope_for(site, "week1", "2025-03-09T12:00:00Z").deployed_at == at("2025-03-06T09:00")


def test_a_moment_before_all_of_them_is_refused() -> None:
    with pytest.raises(CallError, match="not after the deployment 2025-03-03"):
        scope_for(named(), "week1", "2025-03-01T00:00:00Z")


def test_an_incident_is_about_the_deployment_that_was_live_when_it_began() -> None:
    found = incident_scope_for(named(), *OUTAGE, "2025-03-09T00:00:00Z")
    assert found.deployed_at == at("2025-03-05T09:00")


def test_an_outage_needs_no_deployment_and_says_that_none_is_known() -> None:
    alone = named(deployments=[])
    found = incident_scope_for(alone, *OUTAGE, "2025-03-09T00:00:00Z")
    assert (found.window.start, found.deployed_at < found.window.start) == (at("2025-03-05T10:00"), True)
    assert found.doubt and "no production deployment" in found.doubt
    with pytest.raises(CallError, match="is not an ISO time"):
        incident_scope_for(alone, *OUTAGE, deployed_at="yesterday")


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        (
            "2025-03-05T10:00:00Z",
            "2025-03-05T10:00:00Z",
            "the window is empty: it ends when it starts, at 2025-03-05",
        ),
        ("2025-03-05T10:00:00Z", "2025-03-05T09:00:00Z", r"the window ends \(2025-03-05T09.*before it starts"),
        (
            "2025-03-10T10:00:00Z",
            "",
            "the window starts at 2025-03-10T10:00:00Z, which lies in the future: it is 2025",
        ),
        ("2025-03-10T10:00:00Z", "2025-03-10T11:00:00Z", "which lies in the future: it is 2025-03-09T00:00:00Z"),
        # 2016 to 2025 and the years 1025 to 2025 are counted by hand: 9 and 1,000 years, of 365 and 365.2425 days.
        ("2016-03-05T00:00:00Z", "2025-03-05T00:00:00Z", "the window is 3,287 days long; at most 400 can be"),
        ("1025-03-05T00:00:00Z", "", r"the window is 365,2\d\d days long; at most 400 can be"),
    ],
)
def test_a_window_that_cannot_be_looked_at_is_refused_in_one_line(start: str, end: str, said: str) -> None:
    with pytest.raises(CallError, match=said):
        incident_scope_for(named(), start, end, "2025-03-09T00:00:00Z")


def test_a_window_that_is_not_over_says_how_much_of_it_is() -> None:
    scope = incident_scope_for(named(), "2025-03-08T23:30:00Z", "2025-03-09T01:00:00Z", "2025-03-09T00:00:00Z")
    assert (scope.window.end, scope.complete, scope.so_far) == (at("2025-03-09T00:00"), False, "30 of 90 minutes")
    case = Case(a_site(), scope, Collection({}, ()), scope.window)
    assert "(30 of 90 minutes are over)" in judge(case).summary
    whole = incident_scope_for(named(), *OUTAGE, "2025-03-09T00:00:00Z")
    assert whole.complete and whole.full == whole.window


def test_the_others_and_the_declared_events_are_rivals(tmp_path: Path) -> None:
    site = named(
        events=[
            {"at": "2025-03-04T06:00:00Z", "name": "Spring sale"},
            {"at": "2025-02-01T00:00:00Z", "name": "Old"},
        ]
    )
    scope = scope_for(site, "week1", "2025-03-10T15:00:00Z", "2025-03-03T15:00:00Z")
    case = Case(site, scope, with_past(Collection({}, ()), site, scope, tmp_path), scope.window)
    found = rivals(case)
    assert any(
        "2 more production deployments in the window: v2 at Wed 5 Mar 03:00 CST, one without a name at Thu" in text
        for text in found
    )
    assert "Spring sale began in the window, at Tue 4 Mar 00:00 CST" in found
    assert not any("Old" in text for text in found)
    assert site.deployment_name(scope.deployed_at) == "v1"


@pytest.mark.slow
def test_a_platform_that_does_not_answer_ends_no_report_and_it_says_what_it_supposes(tmp_path: Path) -> None:
    """The guide's week has seven days; a report that judged a deployment before is a better guess."""
    as_of = "2025-03-10T15:00:00Z"
    with vendor(lambda call: Reply({"error": {"message": "down"}}, 503)) as server:
        site = the_site("vercel", project="prj_shop", base_url=server.url)
        with pytest.raises(SourceError, match="503"):
            scope_for(site, "week1", as_of)
        scope = scope_for(site, "week1", as_of, out=tmp_path)
        collected = gather(site, scope, tmp_path)
        earlier = tmp_path / site.site / "daily" / "20250305T150000Z"
        earlier.mkdir(parents=True)
        (earlier / "report.json").write_text(
            '{"as_of": "2025-03-05T15:00:00Z", "deployed_at": "2025-03-04T10:00:00Z", "status": "GREEN"}'
        )
        assert scope_for(site, "week1", as_of, out=tmp_path).deployed_at == at("2025-03-04T10:00")
    assert scope.deployed_at == at("2025-03-03T15:00")
    verdict = judge(Case(site, scope, collected, scope.window))
    doubt = "the platform does not say when the deployment was (503: down)"
    assert f"it is not known which deployment this is about: {doubt}" in verdict.confidence_reasons
    assert (verdict.status, verdict.confidence) == ("UNKNOWN", "low")
    assert f"(supposed, since {doubt})" in deployed(verdict.case)
