"""A limit has one home: where a site moves every ladder, no old limit is left in any text, table or chart."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pdmlib.analysis.catalogue import all_metrics
from pdmlib.analysis.metric import Metric
from pdmlib.frames.case import Case
from pdmlib.report.charts.catalogue import CHARTS, picture
from pdmlib.report.document import document
from pdmlib.report.text import report_markdown
from pdmlib.site.load import load_site
from pdmlib.site.notes import Notes
from pdmlib.site.site import Site
from pdmlib.storage.history import load_collection
from pdmlib.verdict.verdict import judge
from pdmlib.workbook.scope import scope_for
from tests.acceptance.conftest import DEMO, Reports, site_file

pytestmark = pytest.mark.slow

FACTOR = 1.3717  # odd: no edge times this, or through this, is the edge of another step
WORDS = "targets? limits? above below over under beyond more.than less.than at.least at.most P[0-3] rollback"
SAYS = rf"[<>]=?|[≤≥]|\b(?:{WORDS.replace(' ', '|')})\b"
LIMIT = re.compile(rf"(?:{SAYS})[^\d\n.;]{{0,24}}?(?:\bp\d\d? )?(\d[\d,]*(?:\.\d+)?) ?(%|ms|s|KB)(?!\w)")


def edges(metric: Metric) -> list[float]:
    """The numbers of a ladder in the metric's own unit; none where its steps are of another kind."""
    plain = all(limit.of in ("value", "low") and type(limit.edge) in (int, float) for limit in metric.limits)
    return [float(limit.edge) for limit in metric.limits] if plain else []


def moved(metric: Metric) -> list[dict[str, Any]]:
    """The ladder as a site file writes it, every edge elsewhere; a percentage stays one, worst first."""
    high = metric.unit == "%" and max(edges(metric)) * FACTOR > 100
    # A built-in ladder may have two steps at one edge, for a value and for a sure one; a site's has one.
    steps: dict[float, dict[str, Any]] = {}
    for limit, edge in zip(metric.limits, edges(metric), strict=True):
        step = {"op": limit.op, "edge": edge / FACTOR if high else edge * FACTOR, "status": limit.status.value}
        more = {"priority": limit.priority and limit.priority.value, "action": limit.action}
        flags = {"critical": limit.critical, "rollback": limit.rollback}
        steps.setdefault(
            edge, {key: value for key, value in {**step, **more, **flags}.items() if value is not None}
        )
    return sorted(steps.values(), key=lambda step: step["edge"], reverse=metric.limits[0].op in (">", ">="))


def told(site: Site, reports: Reports) -> tuple[str, dict[str, Any]]:
    """Everything that the rough week's report says under a site's limits, and its `report.json`."""
    scope = scope_for(site, "week1")
    kept = load_collection(reports.folder("week1") / "collection")
    case = Case(site, scope, kept, scope.window)
    verdict = judge(case)
    content = document(verdict, scope.as_of)
    alts = [str(picture(case, name).alt) for name in CHARTS]
    text = "\n".join([report_markdown(verdict, Notes()), json.dumps(content, ensure_ascii=False), *alts])
    return text, content


def limits_in(text: str) -> set[tuple[float, str]]:
    """Each number with its unit that stands where a limit would."""
    return {(float(number.replace(",", "")), unit) for number, unit in LIMIT.findall(text)}


def test_no_number_of_a_ladder_is_left_where_a_site_has_moved_every_one(reports: Reports, tmp_path: Path) -> None:
    stock = load_site(str(DEMO), reports.environ)
    ladders = {metric.id: metric for metric in all_metrics(stock) if any(edges(metric))}
    assert len(ladders) > 20

    def change(content: dict[str, Any]) -> None:
        content["limits"] = {name: moved(metric) for name, metric in ladders.items()}

    before, content = told(stock, reports)
    after, other = told(load_site(str(site_file(tmp_path, change)), reports.environ), reports)
    old = {(edge, m.unit) for m in ladders.values() for edge in edges(m) if edge}
    old |= {(edge / 1000, "s") for edge, unit in old if unit == "ms"}
    assert len(limits_in(before) & old) > 4, "else this would see nothing"
    assert limits_in(after) & old == set()
    zero = {name for name, metric in ladders.items() if not edges(metric)[-1]}
    targets, now = ({row["id"]: row["target"] for row in one["readings"]} for one in (content, other))
    assert {name for name in ladders if name in now and now[name] == targets[name]} <= zero
    for row in other["tables"]["feature_adoption"]:
        ladder = ladders.get(f"feature_{row['feature']}")
        assert ladder is None or row["target"] == pytest.approx(edges(ladder)[-1] * FACTOR), row["feature"]
