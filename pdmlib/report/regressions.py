"""The statements that changed, one by one: load before and now, plans, waits, and the index to make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from pdmlib.frames.readings import significant
from pdmlib.frames.states import Pace
from pdmlib.phases.window import spoken
from pdmlib.report import cells
from pdmlib.report.html import Html, part, render

Row = Mapping[str, Any]

# What a person asks after, the worst first; what is merely busy stands in the table of all statements.
CHANGED = (
    *(Pace.REGRESSED, Pace.GONE_MAYBE_TIMEOUT, Pace.IN_A_LOOP, Pace.NEW, Pace.VOLUME_UP),
    *(Pace.REKEYED, Pace.GONE, Pace.IMPROVED),
)
WRONG = CHANGED[:3]
MOST = 20  # statements: more are no list for a person


def regressions(rows: Iterable[Row], plans: Iterable[Row], advice: Iterable[Row], zone: ZoneInfo) -> Html:
    """A folded piece for each statement that changed, the first open; those that took most more time come first.

    Args:
        rows, plans, advice: of the tables `queries`, `plan_history` and `index_advice`.
    """
    changed = sorted((row for row in rows if row["verdict"] in CHANGED), key=_place)
    plans, advice = list(plans), list(advice)
    told = [_told(row, plans, advice, zone) for row in changed[:MOST]]
    shown = render("regressions.html.j2", statements=told, more=len(changed) - len(told))
    return part(shown, wrong=sum(row["verdict"] in WRONG for row in changed))


def _place(row: Row) -> tuple[int, float]:
    return CHANGED.index(row["verdict"]), -(row["latency_ms"] or 0.0) - (row["volume_ms"] or 0.0)


def _told(row: Row, plans: list[Row], advice: list[Row], zone: ZoneInfo) -> dict[str, Any]:
    sides = (
        ("Calls a minute", row["before_per_min"], row["per_min"], _rate),
        ("Mean", row["before_mean_ms"], row["mean_ms"], cells.ms),
        ("Share of all time", row["share_before_pct"], row["share_pct"], cells.share),
    )
    mine = [plan for plan in plans if (plan["query"], plan["role"]) == (row["query"], row["role"])]
    return {
        "verdict": cells.in_words(row["verdict"]),
        "kind": "bad" if row["verdict"] in WRONG else "soft",
        "query": cells.sentences(row["query"]),
        "role": row["role"],
        "sides": [(title, show(before), show(now)) for title, before, now, show in sides],
        "reason": cells.sentences(row["reason"]),
        "waits": row["waits"],
        "plans": [_plan(plan, zone) for plan in mine],
        "scripts": [one for one in advice if one["why"] == row["query"] or _named(one, row["reason"])],
    }


def _named(advice: Row, reason: str) -> bool:
    """Whether the reason of a statement names the index that is gone."""
    name, gone, _ = advice["why"].partition(" is gone")
    return bool(gone) and f"index {name} " in reason


def _rate(value: float | None) -> str:
    return "?" if value is None else significant(value)


def _plan(row: Row, zone: ZoneInfo) -> dict[str, str]:
    if row["reason"]:
        return {"when": "", "plan": row["reason"]}
    since, until = (spoken(datetime.fromisoformat(row[end]), zone) for end in ("since", "until"))
    return {"when": since if since == until else f"{since} to {until}", "plan": cells.sentences(row["plan"])}
