"""Costs of the window by vendor, week against week, and how long the room of the plan will last."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from typing import Any

import pandas as pd

from pdmlib import stats
from pdmlib.analysis.database import health, host
from pdmlib.analysis.limits import target_of
from pdmlib.analysis.metric import Metric
from pdmlib.analysis.traffic.populations import all_routes
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Measurement, State, Value, written
from pdmlib.phases.phase import Topic
from pdmlib.phases.window import Window
from pdmlib.site.site import Cost, Site

TEN_YEARS_WEEKS = 520  # beyond it no growth of today says anything
MINUTE_S = 60
SECTION = "costs"
VENDORS = {"vercel": "Vercel", "twilio": "Twilio", "stripe": "Stripe fees"}
DAYS_PER = {"day": 1.0, "week": 7.0, "month": 30.4375}
FEWEST_DAYS = 5  # a slope of fewer points has no interval worth telling
GB = 1e9


def vendor_cost(case: Case, name: str) -> Measurement:
    """What a vendor billed for the window, each period prorated; amounts of other currencies are told beside."""
    if not case.answered(name, "costs"):
        return case.missing(name, "costs", f"{VENDORS[name]} told no cost")
    now, untold = _billed(case, name, case.window), _untold(case, name)
    unclear = case.unclear(name, _PRICED[name]) if name in _PRICED else None
    if now.empty and (untold or unclear):
        return Measurement.missing(State.NOT_UNDERSTOOD, untold or unclear or "", name)
    if now.empty:
        return case.missing(name, "costs", "nothing was billed for this window")
    currency = str(now.idxmax())
    before = _billed(case, name, case.scope.previous).get(currency)
    others = "".join(f"; besides {v:.2f} {c}" for c, v in now.items() if c != currency)
    others += f"; at least, since {untold}" if untold else ""
    return _cost(case, name, float(now[currency]), currency=currency, before=before, more=others)


def _billed(case: Case, name: str, window: Window) -> pd.Series:
    """Amounts by currency, each period's by the share of it that lies in the window."""
    table = case["costs"]
    table = table[(table["name"] == name) & table["amount"].notna()]
    inside = table["end"].clip(upper=window.end) - table["start"].clip(lower=window.start)
    share = inside / (table["end"] - table["start"])
    part = table.assign(part=table["amount"] * share)[share > 0]
    return part.groupby("currency")["part"].sum()


def _untold(case: Case, name: str) -> str | None:
    """That the vendor told no amount or no currency for some of the window's periods; None when it told all."""
    table = case["costs"]
    table = table[(table["name"] == name) & (table["amount"].isna() | table["currency"].isna())]
    count = int(((table["end"] > case.window.start) & (table["start"] < case.window.end)).sum())
    if not count:
        return None
    unclear = case.unclear(name, _PRICED[name]) if name in _PRICED else None
    return f"{count} of its periods have no price yet{f' ({unclear})' if unclear else ''}"


# What the vendors' costs are read from, as it is named in what was not understood.
_PRICED = {"stripe": "balance_transactions", "twilio": "usage_records"}


def site_cost(case: Case, cost: Cost) -> Measurement:
    """A fixed cost of the site file, prorated to the window."""
    amount = cost.amount * case.window.seconds / 86400 / DAYS_PER[cost.per]
    return _cost(
        case,
        "site file",
        amount,
        currency=cost.currency,
        before=amount,
        more=f"; {written(cost.amount)} {cost.currency} a {cost.per} by the site file",
    )


def _cost(case: Case, source: str, amount: float, currency: str, before: float | None, more: str) -> Measurement:
    return Measurement(
        State.MEASURED,
        round(amount, 2),
        baseline=None if before is None else round(before, 2),
        change_pct=100 * (amount / before - 1) if before else None,
        source=source,
        window=case.window,
        evidence=f"{amount:.2f} {currency}{more}",
    )


def rows(case: Case) -> list[dict[str, Any]]:
    """Costs of the window for the chart: name, title, amount, currency, before_amount; a row per currency."""
    fixed = [(c.name, c.title, site_cost(case, c), c.currency) for c in case.site.costs]
    found = [
        _chart_row(name, title, cost.value, currency=currency, before=cost.baseline)
        for name, title, cost, currency in fixed
    ]
    for name, title in VENDORS.items():
        before = _billed(case, name, case.scope.previous)
        for currency, amount in _billed(case, name, case.window).items():
            found.append(
                _chart_row(name, title, float(amount), currency=str(currency), before=before.get(currency))
            )
    return found


def _chart_row(name: str, title: str, amount: Value, currency: str, before: float | None) -> dict[str, Any]:
    earlier = None if before is None else float(before)
    return {"name": name, "title": title, "amount": amount, "currency": currency, "before_amount": earlier}


def capacity(case: Case) -> list[dict[str, Any]]:
    """Rows of capacity: what is used now, its limit, its growth a week with a 95 % interval, and when it is full.

    `reaches_limit_on` is a date when the growth is surely above zero, else the reason in words.
    """
    return [_row(case, *line) for line in _lines(case)]


def _lines(case: Case) -> Iterator[tuple[str, str, pd.Series, float | None, Metric | None]]:
    plan, zone = case.site.capacity, case.site.zone
    span = Window(case.scope.baseline.start, case.window.end)

    def daily(table: pd.DataFrame) -> pd.Series:
        inside = table[(table["at"] >= span.start) & (table["at"] < span.end)]
        return inside.groupby(inside["at"].dt.tz_convert(zone).dt.date)["value"].max()

    size, most = (host.newest(case, name) for name in ("disk_size_bytes", "max_connections"))
    storage = plan.storage_gb or (None if size is None else float(size["value"]) / GB)
    yield "Database storage", "GB", daily(host.samples(case, "disk_used_bytes")) / GB, storage, health.STORAGE
    places = plan.connections or (None if most is None else float(most["value"]))
    yield (
        "Database connections, daily peak",
        "",
        daily(host.samples(case, "connections")),
        places,
        health.CONNECTIONS,
    )
    yield "Requests per minute, daily peak", "", daily(_requests_per_min(case)), plan.requests_per_min, None


def _requests_per_min(case: Case) -> pd.DataFrame:
    table = case["request_counts"]
    source = "requests" if (table["source"] == "requests").any() else "vercel"
    table = all_routes(table[(table["source"] == source) & (table["interval_s"] >= MINUTE_S)])
    table = table[table["interval_s"] == table["interval_s"].max()]
    total = table.groupby(["at", "interval_s"], as_index=False)["requests"].sum()
    return total.assign(value=total["requests"] / (total["interval_s"] / 60))


def _row(
    case: Case, what: str, unit: str, days: pd.Series, limit: float | None, share: Metric | None
) -> dict[str, Any]:
    now = float(days.iloc[-1]) if len(days) else None
    numbers = [float(day.toordinal()) for day in days.index]
    value, low, high = (7 * x for x in stats.slope(numbers, [float(v) for v in days]))
    left = _weeks_left(now, limit, value, low) if len(days) >= FEWEST_DAYS else None
    return {
        "what": what,
        "title": what,
        "unit": unit,
        "now": now,
        "used": now,
        "limit": limit,
        "warn_pct": None if share is None else target_of(case, share),
        "per_week": _known(value, len(days)),
        "low": _known(low, len(days)),
        "high": _known(high, len(days)),
        "reaches_limit_on": _when(case, now, limit, days=len(days), left=left),
        "days_left": None if left is None else round(7 * left),
    }


def _known(value: float, days: int) -> float | None:
    return None if days < FEWEST_DAYS or math.isnan(value) else round(value, 4)


def _weeks_left(now: float | None, limit: float | None, per_week: float, low: float) -> float | None:
    if now is None or limit is None or not low > 0:
        return None
    return max(0.0, (limit - now) / per_week)


def _when(case: Case, now: float | None, limit: float | None, days: int, left: float | None) -> str:
    if now is None:
        return "not measured"
    if limit is None:
        return "limit not known"
    if days < FEWEST_DAYS:
        return f"not known: {days} days were measured, {FEWEST_DAYS} are needed"
    if left is None or left > TEN_YEARS_WEEKS:
        return "no limit in sight"
    return (case.scope.as_of.astimezone(case.site.zone) + timedelta(weeks=left)).date().isoformat()


def metrics(site: Site) -> tuple[Metric, ...]:
    """Costs of the vendors that tell them, and those of the site file."""
    told = {cost.name for cost in site.costs}
    vendors = [
        Metric(
            f"cost_{name}",
            title,
            "currency",
            adds_up=True,
            section=SECTION,
            measure=partial(vendor_cost, name=name),
            better="lower",
            topic=Topic.COSTS,
        )
        for name, title in VENDORS.items()
        if name not in told and name not in site.without
    ]
    fixed = [
        Metric(
            f"cost_{c.name}",
            c.title,
            c.currency,
            adds_up=True,
            section=SECTION,
            measure=partial(site_cost, cost=c),
            better="lower",
            topic=Topic.COSTS,
        )
        for c in site.costs
    ]
    return (*vendors, *fixed)
