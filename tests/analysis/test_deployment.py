"""The deployment itself, and what else was deployed (truth rule 13)."""

from datetime import date, timedelta

import pytest

from pdmlib.analysis import deployment
from pdmlib.analysis.confounders import rivals
from pdmlib.frames.readings import State
from pdmlib.verdict.verdict import judge
from tests.builders import DEPLOYED, a_case, a_gap, a_site, every

MINUTE, DAY, WEEK = timedelta(minutes=1), timedelta(days=1), timedelta(days=7)


def a_deployment(name="dpl_1", ready=DEPLOYED, state="READY", **more):
    made = ready and ready - 5 * MINUTE
    row = {
        "deployment": name,
        "created_at": made,
        "ready_at": ready,
        "live_at": ready,
        "state": state,
        "target": "production",
    }
    return {"source": "vercel", **row, **more}


def a_line(text, level="info", name="dpl_1"):
    return {"deployment": name, "at": DEPLOYED - 2 * MINUTE, "level": level, "text": text}


def errors(*deployments, logs=(), **more):
    return deployment.deploy_errors(a_case({"deployments": deployments, "build_logs": logs}, **more))


def test_a_clean_deployment_has_no_errors():
    assert errors(a_deployment(), logs=[a_line("warn - compiled with warnings", "warning")]).value == 0


def test_error_lines_of_the_judged_deployment_are_counted_and_others_are_not():
    logs = [a_line("Error: out of memory", "error"), a_line("Error: x", "error", "dpl_0")]
    found = errors(a_deployment(), a_deployment("dpl_0", DEPLOYED - DAY), logs=logs)
    assert (found.value, found.evidence) == (1, "Error: out of memory")


def test_a_failed_production_deployment_in_the_window_counts_and_a_preview_does_not():
    failed = a_deployment("dpl_2", None, "ERROR", created_at=DEPLOYED + DAY, error="next build exited with 1")
    preview = a_deployment("dpl_3", None, "ERROR", created_at=DEPLOYED + DAY, target="preview")
    found = errors(a_deployment(), failed, preview)
    assert (found.value, found.evidence) == (1, "dpl_2 of Tue 4 Mar 09:00 CST: next build exited with 1")


def test_a_deployment_that_failed_is_dated_though_it_is_over():
    failed = a_deployment("dpl_2", None, "ERROR", created_at=DEPLOYED + DAY, error="next build exited with 1")
    verdict = judge(a_case({"deployments": [a_deployment(), failed]}))
    (cause,) = [cause for cause in verdict.causes if cause.id == "deploy_errors"]
    assert (cause.status, cause.since) == ("recovered", DEPLOYED + DAY)


def test_a_platform_that_could_not_be_read_is_no_zero():
    case = a_case({"gaps": [a_gap("vercel", "403: forbidden")]}, coverage={"vercel": "failed"})
    assert deployment.deploy_errors(case).state is State.ERROR


def test_a_platform_that_knows_no_deployment_of_that_time_is_no_zero():
    assert errors(a_deployment(ready=DEPLOYED - DAY)).state is State.NO_DATA


@pytest.mark.parametrize(
    ("line", "size"),
    [
        ("+ First Load JS shared by all             187 kB", 187),
        ("+ First Load JS shared by all             1.2 MB", 1200),
        ("├ ○ /about                     142 B          89.6 kB", None),
    ],
)
def test_the_bundle_is_the_line_of_what_all_pages_share(line, size):
    found = deployment.bundle_size_kb(a_case({"deployments": [a_deployment()], "build_logs": [a_line(line)]}))
    assert found.value == size


def test_a_bundle_that_grew_by_a_tenth_is_a_finding():
    """187 kB before, 225 kB now: +20 %."""
    rows = [a_deployment("dpl_0", DEPLOYED - DAY), a_deployment()]
    logs = [
        a_line("First Load JS shared by all 187 kB", name="dpl_0"),
        a_line("First Load JS shared by all 225 kB"),
    ]
    case = a_case({"deployments": rows, "build_logs": logs})
    assert deployment.bundle_size_kb(case).baseline == 187
    (found,) = deployment.findings(case)
    assert found.title == "The bundle grew by 20 %"
    assert found.said == "Every page loads 20 % more JavaScript"


def test_rivals_name_other_deployments_traffic_vendors_and_holidays():
    def buckets(start, end, requests):
        return [
            {
                "source": "vercel",
                "at": t,
                "interval_s": 3600,
                "status": 200,
                "requests": requests,
                "sample_rate": 1,
            }
            for t in every(60, start, end)
        ]

    frames = {
        "deployments": [a_deployment(), a_deployment("dpl_2", DEPLOYED + DAY)],
        "request_counts": buckets(DEPLOYED - WEEK, DEPLOYED, 10) + buckets(DEPLOYED, DEPLOYED + WEEK, 30),
        "vendor_states": [
            {"vendor": "supabase", "kind": "service", "item": item, "status": "UNHEALTHY", "ok": False}
            for item in ("db", "pooler")
        ],
    }
    site = a_site(holidays=[date(2025, 3, 5), date(2025, 2, 27), date(2025, 1, 1)])
    found = rivals(a_case(frames, site=site))
    assert found == [
        "1 more production deployment in the window: dpl_2 at Tue 4 Mar 09:00 CST",
        "traffic is 3 times that of the same hours of the weeks before",
        "Supabase reports db, pooler as UNHEALTHY",
        "Wed 5 Mar in the window is a holiday",
        "Thu 27 Feb in the seven days before the deployment was a holiday",
    ]


def test_a_morning_as_busy_as_each_morning_is_no_rival():
    """Ten times the requests of a night, as on each of the four weeks before."""
    rows = [
        {
            "source": "vercel",
            "at": at,
            "interval_s": 3600,
            "status": 200,
            "requests": 1000 if at.hour == DEPLOYED.hour else 100,
            "sample_rate": 1,
        }
        for at in every(60, DEPLOYED - 4 * WEEK, DEPLOYED + DAY)
    ]
    first_hour = a_case({"request_counts": rows}, phase="hour1", as_of=DEPLOYED + timedelta(hours=1))
    assert rivals(first_hour) == []
    crowded = [{**row, "requests": 5000} if row["at"] == DEPLOYED else row for row in rows]
    (told,) = rivals(a_case({"request_counts": crowded}, phase="hour1", as_of=DEPLOYED + timedelta(hours=1)))
    assert told == "traffic is 5 times that of the same hours of the weeks before"


def test_without_anything_else_there_is_no_rival():
    assert rivals(a_case({"deployments": [a_deployment()]})) == []


def test_a_deployment_that_traffic_never_reached_is_not_the_judged_one():
    """Built at the judged time and staged; traffic went to the other a quarter of an hour later."""
    staged = a_deployment("dpl_staged", live_at=None)
    reached = a_deployment("dpl_now", DEPLOYED + 15 * MINUTE, move="promotion")
    found = errors(staged, reached)
    assert found.evidence == "dpl_now is READY"
    assert errors(staged).state is State.NO_DATA


def test_a_deployment_is_named_with_its_commit_and_the_way_back():
    old = a_deployment("dpl_0", DEPLOYED - DAY, rollback_candidate=True, sha="1111111aaaa")
    found = errors(a_deployment(sha="4f2c1d9bbbb"), old)
    assert found.evidence == "dpl_1 (4f2c1d9) is READY; dpl_0 (1111111) can be rolled back to"


@pytest.mark.parametrize(
    ("move", "words"), [("rollback", "an instant rollback"), ("aborted", "an aborted rolling")]
)
def test_traffic_that_left_the_deployment_is_a_finding(move, words):
    rows = [a_deployment(), a_deployment("dpl_0", DEPLOYED - DAY)]
    back = a_deployment("dpl_0", DEPLOYED + DAY, move=move)
    (found,) = deployment.findings(a_case({"deployments": [*rows, back]}))
    assert words in found.title
    assert (found.since, found.active) == (DEPLOYED + DAY, True)
    again = a_deployment("dpl_2", DEPLOYED + 2 * DAY)
    (found,) = deployment.findings(a_case({"deployments": [*rows, back, again]}))
    assert not found.active
    assert rivals(a_case({"deployments": [*rows, back]})) == [
        f"1 more production deployment in the window: dpl_0 at Tue 4 Mar 09:00 CST ({move})"
    ]


@pytest.mark.parametrize("declared", [0, 10], ids=["as the platform says", "ten minutes later"])
def test_traffic_that_left_within_minutes_is_a_finding_too(declared):
    """Vercel's instant rollback takes seconds: it comes when the first errors do, not after half an hour."""
    lived, back = DEPLOYED - declared * MINUTE, DEPLOYED + 5 * MINUTE
    rows = [a_deployment("dpl_0", DEPLOYED - DAY), a_deployment(ready=lived)]
    case = a_case({"deployments": [*rows, a_deployment("dpl_0", back, move="rollback")]})
    (found,) = deployment.findings(case)
    assert (found.since, found.active) == (back, True)
    assert "dpl_1 got traffic" in found.evidence
    assert errors(*rows, a_deployment("dpl_0", back, move="rollback")).evidence == "dpl_1 is READY"


def test_a_hotfix_within_minutes_is_a_rival_and_a_deployment_told_twice_is_none():
    rows = [a_deployment(move="rolling"), a_deployment(ready=DEPLOYED + 20 * MINUTE)]
    assert rivals(a_case({"deployments": rows})) == []
    fixed = a_deployment("dpl_2", DEPLOYED + 20 * MINUTE)
    assert "dpl_2" in rivals(a_case({"deployments": [a_deployment(), fixed]}))[0]


def test_a_rolling_release_that_is_under_way_is_told_with_its_share():
    (found,) = deployment.findings(a_case({"deployments": [a_deployment(move="rolling", share_pct=10.0)]}))
    assert found.title == "Only 10 % of the traffic goes to the deployment"
    done = a_case({"deployments": [a_deployment(move="rolling")]})
    assert deployment.findings(done) == []


def test_rule_14_a_state_of_a_deployment_that_is_not_understood_is_no_success():
    unclear = {
        "source": "vercel",
        "item": "deployments.readyState",
        "what": "unknown word",
        "count": 1,
        "example": "HALF",
    }
    case = a_case(
        {"deployments": [a_deployment(), a_deployment("dpl_2", None, None)], "not_understood": [unclear]}
    )
    assert deployment.deploy_errors(case).state is State.NOT_UNDERSTOOD
