"""User feedback: support tickets of the window by category, and how customers rated the support."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from pdmlib import stats
from pdmlib.analysis.compare.change import counted, weeks_before
from pdmlib.analysis.metric import Metric
from pdmlib.frames.case import Case, once
from pdmlib.frames.readings import Finding, Limit, Measurement, Priority, State, Status
from pdmlib.frames.readings import counted as so_many
from pdmlib.frames.rows import Moments, json_rows, microseconds, within
from pdmlib.site.site import Site

SECTION = "feedback"
ANSWER = "Respond to critical tickets"
IMPROVE = "Review the tickets rated low"
FEWEST_RATINGS = 5  # the mean of fewer is the mood of one customer
SHOWN = 50  # rows of the table, the newest


def tickets_of(case: Case, category: str | None = None) -> Measurement:
    """Tickets opened in the window, of one category where one is named."""
    item = f"table:{case.site.tickets.table}" if case.site.tickets else "tickets"
    if case.site.tickets is None:
        return Measurement.missing(State.NOT_CONFIGURED, "the site file names no table of tickets", "tickets")
    if not case.answered("postgres", item):
        return case.missing("postgres", item, "the tickets were not read")
    unsorted = _unsorted(case) if category else 0
    if category and (why := _uncategorised(case, category, unsorted)):
        return why
    number = _count(case, category)
    found = Measurement(State.MEASURED, number, source="postgres", window=case.window)
    base = weeks_before(case, lambda earlier: float(_count(earlier, category)))
    better = "higher" if category == "positive" else "lower"
    found = counted(case, f"tickets_{category or 'total'}", found, base=base, better=better)
    if not unsorted:
        return found
    text = f"{number} at least: the category of {unsorted} more is not understood"
    return replace(found, low=float(number), high=float(number + unsorted), evidence=text, judged=False)


def _uncategorised(case: Case, category: str, unsorted: int) -> Measurement | None:
    """Why tickets of a category cannot be counted; None when they can."""
    gap = case.collection.gap("postgres", "tickets.category")
    if gap:
        return Measurement.missing(*gap, "postgres")
    rows = _opened(case)
    if len(rows) and rows["category"].isna().all() and not unsorted:
        return Measurement.missing(State.NO_DATA, "no ticket of the window says what it is about", "postgres")
    if not unsorted or _count(case, category):
        return None
    why = case.unclear("postgres", "tickets.category") or "categories that are not understood"
    return Measurement.missing(State.NOT_UNDERSTOOD, f"{unsorted} tickets of no known category; {why}", "postgres")


def _unsorted(case: Case) -> int:
    """Tickets opened in the window that say what they are about in words that nobody has declared."""
    rows = _opened(case)
    return int((rows["category"].isna() & rows["tags"].notna()).sum())


def _count(case: Case, category: str | None) -> int:
    return within(_times(case.at(case.scope.window), category), case.window).size


@once
def _times(case: Case, category: str | None) -> Moments:
    """When tickets of a category were opened, whether in the window or not."""
    tickets = case["tickets"]
    rows = tickets if category is None else tickets[tickets["category"] == category]
    return microseconds(rows["created_at"])


def _opened(case: Case) -> pd.DataFrame:
    return case.within("tickets", "created_at")


def support_rating(case: Case) -> Measurement:
    """Average rating, of 5, of the tickets opened in the window; it takes five ratings."""
    found = tickets_of(case)
    if found.state is not State.MEASURED:
        return found
    ratings = _opened(case)["rating"].dropna()
    if odd := case.unclear("postgres", "tickets.rating"):
        known = f"; the mean of the {len(ratings)} from 1 to 5 is {ratings.mean():.2f}" if len(ratings) else ""
        text = f"{odd}{known}: a rating of another scale needs a view that makes it one of 1 to 5"
        return Measurement.missing(State.NOT_UNDERSTOOD, text, "postgres")
    if len(ratings) < FEWEST_RATINGS:
        why = f"{so_many(len(ratings), 'rating')}, and at least {FEWEST_RATINGS} are needed"
        return Measurement.missing(State.NO_DATA, why, "postgres")
    low, high = stats.mean_interval([float(r) for r in ratings])
    return Measurement(
        State.MEASURED,
        float(ratings.mean()),
        samples=len(ratings),
        low=max(1.0, low),
        high=min(5.0, high),
        source="postgres",
        window=case.window,
        evidence=so_many(len(ratings), "rating"),
    )


def tickets(case: Case) -> list[dict[str, Any]]:
    """Rows of `tickets`: those opened in the window, newest first, at most fifty."""
    rows = _opened(case).sort_values(["created_at", "ticket"], ascending=[False, True]).head(SHOWN)
    return json_rows(rows[["ticket", "created_at", "category", "priority", "status", "rating", "summary"]])


def findings(case: Case) -> list[Finding]:
    """Urgent tickets of the window that are still open."""
    rows = _opened(case)
    urgent = rows[(rows["priority"] == "urgent") & (rows["status"] == "open") & rows["resolved_at"].isna()]
    if urgent.empty:
        return []
    names = ", ".join(sorted(urgent["ticket"].astype(str))[:5])
    return [
        Finding(
            id="tickets:urgent:open",
            title=f"{len(urgent)} urgent tickets are open",
            priority=Priority.P2,
            reading="tickets_total",
            evidence=f"{len(urgent)} of {len(rows)} tickets opened in the window are urgent and open: {names}.",
            action=ANSWER,
            becomes_green=f"these {len(urgent)} tickets are resolved (now 0 of them): {names}",
            threshold="0 urgent and open",
            since=urgent["created_at"].min().to_pydatetime(),
            value=len(urgent),
            owner=case.site.people.owners.get("support"),
        )
    ]


_RATING = (Limit("<", 4.5, Status.WARN, action=IMPROVE),)


def metrics(site: Site) -> tuple[Metric, ...]:
    """The metrics of feedback, one for each category of the site's tickets."""
    categories = site.tickets.categories if site.tickets and site.tickets.is_sorted else ()
    return (
        Metric(
            "tickets_total",
            "Support tickets",
            "count",
            adds_up=True,
            section=SECTION,
            measure=tickets_of,
            better="lower",
        ),
        *(
            Metric(
                f"tickets_{name}",
                f"{name.replace('_', ' ').capitalize()} tickets",
                "count",
                adds_up=True,
                section=SECTION,
                measure=partial(tickets_of, category=name),
                better="higher" if name == "positive" else "lower",
            )
            for name in categories
        ),
        Metric(
            "support_rating",
            "Support rating",
            "of 5",
            section=SECTION,
            measure=support_rating,
            limits=_RATING,
            target=">= 4.5",
            better="higher",
        ),
    )
