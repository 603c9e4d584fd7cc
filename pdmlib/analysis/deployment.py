"""Deployment: errors of the deployment itself, the size of what it ships, and what else was deployed."""

from __future__ import annotations

import re
from datetime import timedelta

import pandas as pd

from pdmlib.analysis.metric import Metric
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Finding, Limit, Measurement, Priority, State, Status

NEAR = timedelta(minutes=30)
CHECK_BUILD = "Check the deployment's logs"
SHRINK = "Check bundle size and optimize if needed"
GREW_PCT = 10
_FIRST_LOAD = re.compile(r"First Load JS shared by all\s+([\d.]+)\s*(kB|MB|B)\b", re.IGNORECASE)
_KB = {"b": 0.001, "kb": 1.0, "mb": 1000.0}


def judged(case: Case) -> pd.Series | None:
    """The platform's production deployment that went live nearest to the judged time; None when none is near."""
    table = _production(case)
    away = (table["ready_at"].fillna(table["created_at"]) - case.scope.deployed_at).abs()
    return table.loc[away.idxmin()] if len(table) and away.min() <= NEAR else None


def _production(case: Case) -> pd.DataFrame:
    table = case["deployments"]
    return table[(table["source"] == "vercel") & (table["target"] == "production")]


def deploy_errors(case: Case) -> Measurement:
    """Error lines in the judged deployment's log, and production deployments that failed in the window."""
    if not case.answered("vercel", "deployments"):
        return case.missing("vercel", "deployments", "the platform listed no deployments")
    ours = judged(case)
    if ours is None:
        return case.missing("vercel", "deployments", "the platform lists no production deployment near that time")
    lines = _error_lines(case, ours) if case.window.start <= case.scope.deployed_at else []
    table = _production(case)
    made = (table["created_at"] >= case.window.start) & (table["created_at"] < case.window.end)
    failed = table[(table["state"] == "ERROR") & (made | (table["deployment"] == ours["deployment"]))]
    names = [f"{d}: {e}" for d, e in zip(failed["deployment"], failed["error"].fillna("failed"), strict=True)]
    return Measurement(
        State.MEASURED,
        len(lines) + len(names),
        source="vercel",
        window=case.window,
        evidence="; ".join([*names, *lines][:3]) or f"{ours['deployment']} is {ours['state']}",
    )


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
    trend = "unknown" if change is None else "flat" if not grew else "up" if change > 0 else "down"
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
    table = _production(case)
    if ours is None:
        return None
    earlier = table[(table["state"] == "READY") & (table["created_at"] < ours["created_at"])]
    return earlier.sort_values("created_at").iloc[-1] if len(earlier) else None


def findings(case: Case) -> list[Finding]:
    """A bundle that grew by a tenth since the deployment before."""
    size = bundle_size_kb(case)
    if size.trend != "up" or size.baseline is None:
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
        )
    ]


_FAILED = (Limit(">", 0, Status.FAIL, Priority.P2, CHECK_BUILD),)
_LARGE = (Limit(">=", 300, Status.WARN, Priority.P2, SHRINK),)

METRICS: tuple[Metric, ...] = (
    Metric("deploy_errors", "Deployment errors", "count", "deployment", deploy_errors, _FAILED, "0", "lower"),
    Metric("bundle_size_kb", "Bundle size", "kB", "deployment", bundle_size_kb, _LARGE, "< 300", "lower"),
)
