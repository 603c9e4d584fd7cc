"""Everything that a report can be asked has an answer in every phase: none of them is an error of ours."""

import inspect
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from pdmlib import Report
from pdmlib.errors import CallError
from pdmlib.frames.case import Case
from pdmlib.phases.phase import EXTRAS, PHASES
from pdmlib.phases.scope import incident_scope
from pdmlib.phases.window import Window
from pdmlib.report.messages import MESSAGES
from pdmlib.site.notes import Notes
from pdmlib.verdict.verdict import judge
from tests.builders import DEPLOYED, WEEK_LATER, a_case, a_site, at

ALL = [phase.name for phase in (*PHASES, *EXTRAS)]
FEATURE = "feature_orders"
# Method -> every way in which it is asked here; what a report cannot answer in its phase is a line of its own.
CALLS: dict[str, Callable[[Report, Path], list[Callable[[], Any]]]] = {
    "add": lambda r, _: [lambda: r.add("mine", 3, "ms", ["> 2 warn"])["mine"]],
    "alerts": lambda r, _: [r.alerts],
    "assessment": lambda r, _: [r.assessment],
    "brief": lambda r, _: [r.brief, lambda: r.brief("performance")],
    "changed_before": lambda r, _: [r.changed_before],
    "chart": lambda r, _: [lambda name=name: r.chart(name) for name in r.charts],
    "coverage": lambda r, _: [r.coverage],
    "export": lambda r, folder: [lambda: r.export(str(folder / "csv"))],
    "focus": lambda r, _: [r.focus],
    "frame": lambda r, _: [lambda name=name: r.frame(name) for name in r.frames],
    "glance": lambda r, _: [lambda name=name: r.glance(name) for name in r.tables],
    "headline": lambda r, _: [r.headline],
    "high_cost": lambda r, _: [r.high_cost],
    "highlights": lambda r, _: [r.highlights],
    "issues": lambda r, _: [lambda p=p: r.issues(p) for p in ("P0", "P1", "P2")],
    "limits": lambda r, _: [r.limits, lambda: r.limits("error_rate_pct"), lambda: r.limits("error_rate_pct", 1)],
    "message": lambda r, _: [lambda name=name: r.message(name) for name in (*MESSAGES, "app_up")],
    "noted": lambda r, _: [lambda name=name: r.noted(name) for name in Notes.model_fields],
    "reading": lambda r, _: [lambda name=name: r.reading(name) for name in r.readings_frame.index],
    "readings": lambda r, _: [r.readings],
    "regressions": lambda r, _: [r.regressions],
    "slice": lambda r, _: [lambda by=by: r.slice(by=by) for by in ("route", "region", "release", "hour", "day")],
    "slide_limit": lambda r, _: [lambda: r.slide_limit("error_rate_pct")],
    "slide_window": lambda r, _: [r.slide_window],
    "table": lambda r, _: [lambda name=name: r.table(name) for name in (*r.tables, "timeline", "changes")],
    "tiles": lambda r, _: [lambda: r.tiles("app_up", FEATURE)],
    "top_findings": lambda r, _: [lambda: r.top_findings(3)],
    "underused": lambda r, _: [r.underused],
    "what_if": lambda r, _: [lambda: r.what_if("error_rate_pct"), lambda: r.what_if("error_rate_pct", 1)],
    "write": lambda r, folder: [lambda: r.write(str(folder / "files"))],
    "zoom": lambda r, _: [lambda name=name: r.zoom(name) for name in r.charts],
}


def a_report_of(phase: str) -> Report:
    """A report of a phase; of the incident, an hour of the week."""
    case = a_case({"deployments": [a_move("dpl_before", at("2025-03-05T11:00"))]}, "week1")
    if phase == "incident":
        hour = Window(at("2025-03-06T10:00"), at("2025-03-06T11:00"))
        scope = incident_scope(a_site().zone, DEPLOYED, hour, WEEK_LATER)
        case = Case(case.site, scope, case.collection, scope.window)
    elif phase != "week1":
        case = a_case({"deployments": [a_move("dpl_before", at("2025-03-05T11:00"))]}, phase)
    return Report(case, judge(case), Notes(), WEEK_LATER)


def a_move(name: str, when: Any) -> dict[str, Any]:
    """A row of `deployments`."""
    return {"source": "vercel", "deployment": name, "live_at": when, "created_at": when, "state": "READY"}


def test_every_method_of_a_report_is_asked_here() -> None:
    public = {
        name
        for name in dir(Report)
        if not name.startswith("_") and inspect.isfunction(inspect.getattr_static(Report, name))
    }
    assert public - {field.name for field in fields(Report)} == set(CALLS)


@pytest.mark.parametrize("phase", ALL)
def test_no_answer_is_an_error_of_ours(phase: str, tmp_path: Path) -> None:
    report = a_report_of(phase)
    wrong = [
        f"{name}: {said}" for name, calls in CALLS.items() for said in map(failed, calls(report, tmp_path)) if said
    ]
    assert wrong == []
    assert report.case.broken == []


def failed(call: Callable[[], Any]) -> str:
    """What an answer is that is none; empty where it is one, or a line that says why there is none."""
    try:
        shown = call()
    except CallError as error:
        return "" if "\n" not in str(error) else str(error)
    except Exception as error:
        return repr(error)
    looks = shown._repr_html_() if hasattr(shown, "_repr_html_") else repr(shown)
    return looks[-200:] if "internal error" in looks or "Not shown" in looks else ""


def test_what_changed_before_is_told_in_every_phase_that_it_falls_in() -> None:
    assert "dpl_before" in a_report_of("week1").changed_before().html
