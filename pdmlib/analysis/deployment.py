"""Deployment: errors of the deployment itself, the size of what it ships, and what else was deployed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pandas as pd

from pdmlib.analysis.confounders import BACK, deployments_between, judged, production
from pdmlib.analysis.metric import Began, Metric
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Finding, Limit, Measurement, Priority, State, Status, Trend
from pdmlib.phases.window import parse_time, spoken

CHECK_BUILD = "Check the deployment's logs"
JUDGE_WHAT_RUNS = "Judge the deployment that serves the traffic now"
UNREACHED = "the platform knows of no production deployment that traffic moved to near that time"
SHRINK = "Check bundle size and optimize if needed"
GREW_PCT = 10  # of the bundle before: less is an ordinary change
_FIRST_LOAD = re.compile(r"First Load JS shared by all\s+([\d.]+)\s*(kB|MB|B)\b", re.IGNORECASE)
_KB = {"b": 0.001, "kb": 1.0, "mb": 1000.0}


def deploy_errors(case: Case) -> Measurement:
    """Error lines in the judged deployment's log, and production deployments that failed in the window."""
    if not case.answered("vercel", "deployments"):
        return case.missing("vercel", "deployments", "the platform listed no deployments")
    ours = judged(case)
    unclear = case.unclear("vercel", "deployments")
    if ours is None:
        return _untold(unclear) or case.missing("vercel", "deployments", UNREACHED)
    lines = _error_lines(case, ours) if case.window.start <= case.scope.deployed_at else []
    names = [_failure(case, row) for row in _failed(case, ours).to_dict("records")]
    if not lines and not names and (untold := _untold(unclear) or _unread_log(case)):
        return untold
    return Measurement(
        State.MEASURED,
        len(lines) + len(names),
        source="vercel",
        window=case.window,
        evidence="; ".join([*names, *lines][:3]) or f"{_named(ours)} is {ours['state']}{_way_back(case, ours)}",
    )


def _failed(case: Case, ours: pd.Series) -> pd.DataFrame:
    """The judged deployment where it failed, and those of the window that did."""
    table = production(case)
    made = (table["created_at"] >= case.window.start) & (table["created_at"] < case.window.end)
    return table[(table["state"] == "ERROR") & (made | (table["deployment"] == ours["deployment"]))]


def _failure(case: Case, row: dict[Any, Any]) -> str:
    when = "" if pd.isna(row["created_at"]) else f" of {spoken(row['created_at'], case.site.zone)}"
    return f"{row['deployment']}{when}: {'failed' if pd.isna(row['error']) else row['error']}"


def _failing_since(case: Case) -> Began | None:
    """When the first deployment of the window that failed was made; what its own log tells is as old as it is."""
    ours = judged(case)
    if ours is None:
        return None
    first = _failed(case, ours)["created_at"].min()
    return None if pd.isna(first) else Began(max(first.to_pydatetime(), case.scope.deployed_at))


def _unread_log(case: Case) -> Measurement | None:
    """Why errors of the deployment itself are not known: its log was not read."""
    if case.window.start > case.scope.deployed_at or case.answered("vercel", "build_logs"):
        return None
    return case.missing("vercel", "build_logs", "the deployment's log was not read")


def _untold(unclear: str | None) -> Measurement | None:
    return Measurement.missing(State.NOT_UNDERSTOOD, unclear, "vercel") if unclear else None


def _named(deployment: pd.Series) -> str:
    """A deployment with the commit that it was built from."""
    sha = deployment["sha"]
    return f"{deployment['deployment']}" + ("" if pd.isna(sha) else f" ({sha[:7]})")


def _way_back(case: Case, ours: pd.Series) -> str:
    """What traffic can be sent back to, as the platform offers it."""
    table = production(case)
    offered = table[table["rollback_candidate"].fillna(False) & (table["live_at"] < ours["live_at"])]
    return f"; {_named(offered.sort_values('live_at').iloc[-1])} can be rolled back to" if len(offered) else ""


def _error_lines(case: Case, deployment: pd.Series) -> list[str]:
    logs = case["build_logs"]
    bad = logs[(logs["deployment"] == deployment["deployment"]) & logs["level"].isin(["error", "fatal"])]
    return [str(text)[:200] for text in bad["text"]]


def bundle_size_kb(case: Case) -> Measurement:
    """JavaScript that every page loads first, by the build log; against the build before where it is known."""
    ours = judged(case)
    size = _bundle(case, ours)
    if size is None:
        return case.missing("vercel", "build_logs", "the build log has no 'First Load JS shared by all' line")
    before = _bundle(case, _previous(case, ours))
    change = 100 * (size / before - 1) if before else None
    text = f"{before:g} kB in the deployment before" if before else "the build before is not known"
    grew = change is not None and abs(change) >= GREW_PCT
    trend = Trend.UNKNOWN if change is None else Trend.FLAT if not grew else Trend.UP if change > 0 else Trend.DOWN
    return Measurement(
        State.MEASURED, size, baseline=before, change_pct=change, trend=trend, source="vercel", evidence=text
    )


def _bundle(case: Case, deployment: pd.Series | None) -> float | None:
    if deployment is None:
        return None
    logs = case["build_logs"]
    lines = logs.loc[logs["deployment"] == deployment["deployment"], "text"].dropna()
    found = [match for match in map(_FIRST_LOAD.search, lines) if match]
    return float(found[-1][1]) * _KB[found[-1][2].lower()] if found else None


def _previous(case: Case, ours: pd.Series | None) -> pd.Series | None:
    table = production(case)
    if ours is None:
        return None
    earlier = table[(table["live_at"] < ours["live_at"]) & (table["deployment"] != ours["deployment"])]
    return earlier.sort_values("live_at").iloc[-1] if len(earlier) else None


def findings(case: Case) -> list[Finding]:
    """Traffic that left the judged deployment, or never wholly reached it; and a bundle that grew by a tenth."""
    return [*_traffic(case), *_bundle_grew(case)]


def _traffic(case: Case) -> Iterator[Finding]:
    ours = judged(case)
    moves = deployments_between(case)
    away = [row for row in moves if row["move"] in BACK]
    if ours is not None and away:
        yield _left(case, ours, away[-1], still=away[-1] is moves[-1])
    elif ours is not None and ours["move"] == "rolling" and ours["share_pct"] < 100:
        yield _partly(case, ours)


def _left(case: Case, ours: pd.Series, move: dict[str, Any], still: bool) -> Finding:
    how = {"rollback": "an instant rollback", "aborted": "an aborted rolling release"}[str(move["move"])]
    moved = parse_time(str(move["live"]))
    return Finding(
        id="deployment:left",
        title=f"Traffic left the deployment by {how}",
        priority=Priority.P1,
        reading="deploy_errors",
        evidence=f"{_named(ours)} got traffic at {spoken(ours['live_at'], case.site.zone)}; {how} sent it to "
        f"{move['deployment']} at {spoken(moved, case.site.zone)}. What was measured since is of the latter.",
        action=JUDGE_WHAT_RUNS,
        becomes_green="traffic is moved to a deployment again and that one is judged",
        since=moved,
        active=still,
    )


def _partly(case: Case, ours: pd.Series) -> Finding:
    return Finding(
        id="deployment:partly",
        title=f"Only {ours['share_pct']:.0f} % of the traffic goes to the deployment",
        priority=Priority.P2,
        reading="deploy_errors",
        evidence=f"A rolling release has moved {ours['share_pct']:.0f} % of the traffic to {_named(ours)} since "
        f"{spoken(ours['live_at'], case.site.zone)}: figures of all requests are mostly of the deployment before.",
        action=JUDGE_WHAT_RUNS,
        becomes_green=f"the rolling release is complete (now {ours['share_pct']:.0f} %)",
        since=case.scope.deployed_at,
        value=float(ours["share_pct"]),
        threshold="== 100 %",
    )


def _bundle_grew(case: Case) -> list[Finding]:
    size = bundle_size_kb(case)
    if size.trend is not Trend.UP or size.baseline is None:
        return []
    most = (1 + GREW_PCT / 100) * size.baseline
    return [
        Finding(
            id="deployment:bundle:grew",
            title=f"The bundle grew by {size.change_pct:.0f} %",
            priority=Priority.P2,
            reading="bundle_size_kb",
            evidence=f"First Load JS shared by all: {size.baseline:g} kB before, {size.value:g} kB now.",
            action=SHRINK,
            becomes_green=f"it is under {most:.0f} kB (now {size.value:g} kB)",
            since=case.scope.deployed_at,
            value=size.value,
            threshold=f"< {most:.0f} kB",
            said=f"Every page loads {size.change_pct:.0f} % more JavaScript",
        )
    ]


_FAILED = (Limit(">", 0, Status.FAIL, priority=Priority.P2, action=CHECK_BUILD),)
_LARGE = (Limit(">=", 300, Status.WARN, priority=Priority.P2, action=SHRINK),)

METRICS: tuple[Metric, ...] = (
    Metric(
        "deploy_errors",
        "Deployment errors",
        "count",
        section="deployment",
        measure=deploy_errors,
        limits=_FAILED,
        target="0",
        better="lower",
        began=_failing_since,
    ),
    Metric(
        "bundle_size_kb",
        "Bundle size",
        "kB",
        section="deployment",
        measure=bundle_size_kb,
        limits=_LARGE,
        target="< 300",
        better="lower",
    ),
)
