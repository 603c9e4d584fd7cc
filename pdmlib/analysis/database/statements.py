"""A verdict per statement between looks at pg_stat_statements, without ever resetting it.

The counters only grow, so what happened between two looks is their difference: S1, the last look at or
before the deployment, against S2, the newest, is the window after it; S0, the first, against S1 the window
before. The standard deviation of a window is recovered from those of its ends, which gives Welch's t without
a sample stored. With one look only, there are lifetime figures and no verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from pdmlib.analysis.database import causes, pairs, plan_history, slower
from pdmlib.analysis.database.statement_deltas import COUNTERS, grouped, spent
from pdmlib.analysis.database.waits import waits_of
from pdmlib.frames.case import Case, once
from pdmlib.frames.readings import counted, significant
from pdmlib.frames.statement_text import tables_of
from pdmlib.frames.states import Pace
from pdmlib.phases.window import iso

SECONDS_A_MIN = 60
MS_PER_S = 1000  # a second of processor time in the unit of the counters
AT_ONCE_MS, AT_ONCE_FACTOR = (
    1000,
    3,
)  # a mean of over a second is felt by whoever waits; so is three times the time
FEWEST_ROLLBACKS = 3  # transactions: one or two are undone by hand
ACCOUNTED = 0.5  # share of the missing calls that more rollbacks than usual must account for
FEWEST_TOGETHER, TOGETHER = (
    3,
    0.7,
)  # statements that moved, and their share of the largest: the machine, not a plan
FEWEST = 20  # calls on each side, from which a mean and its spread can be told
FACTOR = 1.3  # times: a mean that rose by less is within what machines differ from day to day
# Times, where a call touches the same blocks: sessions that share a processor slow each other by as much.
SAME_WORK_FACTOR = 2.0
# In standard errors: 4 since hundreds of statements are tested, 2 where the blocks are evidence as well.
WELCH_T, PLAN_T = 4.0, 2.0
SHARE = 0.01  # of one processor: a change of load below a hundredth is not noticed
MUCH_PCT = 5.0  # of all time of the database
SLOW_MS = 100.0  # the guide's line for a slow query
FELT_MS = 1.0  # what a mean must rise by to be felt where it is the only evidence
MORE_CALLS = 1.5  # times the calls expected
EXPECTED = 5  # calls: with fewer due, none seen may be chance (e^-5 is under 1 %)
SHOWN = 60  # rows of the table, as many as a page holds
NOISE = (
    *(
        "begin",
        "start transaction",
        "commit",
        "end",
        "rollback",
        "savepoint",
        "release",
        "set ",
        "reset ",
        "show ",
    ),
    *("deallocate", "discard", "select set_config", "fetch", "close", "declare", "listen", "unlisten"),
)
# How an application's statements begin, and one whose text is not known. Any other, called a few times, is a
# migration's or an administrator's: of what it did the check of the schema tells.
VERBS = (
    *("select", "with", "insert", "update", "delete", "merge", "values", "table", "call", "copy", "execute"),
    "statement",
)
SHOWN_KEYS = (
    *("query", "role", "queryid", "calls", "mean_ms", "total_ms", "share_pct", "before_mean_ms", "change_pct"),
    *("regressed", "verdict", "reason", "told", "saturated", "volume_ms", "latency_ms"),
    *("per_min", "before_per_min", "share_before_pct", "plan_changed_at", "waits"),
)
LIFETIME = "lifetime figures, no verdict"
_UNMOVED = (Pace.STABLE, Pace.TOO_FEW, Pace.UNCERTAIN, LIFETIME)
KEYS = ["role", "toplevel", "text"]
Changed = Callable[[Mapping[str, Any]], bool]


@dataclass(frozen=True)
class Looks:
    """The looks at the counters that a comparison rests on.

    Attributes:
        first, before, after: S0, S1 and S2; `before` is None when there is nothing to compare with.
        notes: what lowers the trust in the comparison.
    """

    first: pd.Timestamp | None
    before: pd.Timestamp | None
    after: pd.Timestamp
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        """Length of the window after, NaN without one."""
        return float((self.after - self.before).total_seconds()) if self.before is not None else math.nan


@once
def looks(case: Case, name: str = "statements") -> Looks | None:
    """S0, S1 and S2 among the looks that a frame holds; None when nobody looked."""
    moments = sorted(case[name]["at"].unique())
    if not moments:
        return None
    moments = [m for m in moments if m <= case.scope.looked_until] or moments[:1]
    earlier = [m for m in moments if m <= case.scope.deployed_at]
    after = moments[-1]
    if earlier and after > earlier[-1]:
        first = earlier[0] if len(earlier) > 1 else None
        return Looks(first, earlier[-1], after)
    if earlier or len(moments) == 1:
        why = "nobody looked since the deployment" if earlier else "one look at the counters only"
        return Looks(None, None, after, (why,))
    late = (moments[0] - case.scope.deployed_at).total_seconds() / 3600
    return Looks(None, moments[0], after, (f"the first look was {late:.1f} h after the deployment",))


@once
def compare(case: Case) -> list[dict[str, Any]]:
    """Rows of the table `queries`: the busiest and what changed, most time first, at most 60.

    volume_ms and latency_ms are the parts of the change of load that more calls and slower calls make up.
    """
    found = looks(case)
    if found is None:
        return []
    table = _lifetime(case, found) if found.before is None else judged(case, found)
    few = table[["calls", "n_before"]].lt(FEWEST).all(axis=1)
    by_hand = few & ~table["text"].str.extract(r"(\w+)", expand=False).isin(VERBS)
    table = table[~table["text"].str.startswith(NOISE) & ~by_hand]
    moved = table[~table["verdict"].isin(_UNMOVED)]
    shown = pd.concat([table.nlargest(SHOWN // 3, "total_ms"), moved.nlargest(SHOWN, "total_ms"), table])
    shown = shown[~shown.index.duplicated()].head(SHOWN)
    rows = shown.sort_values("total_ms", ascending=False).to_dict("records")
    return [_row({**row, **_seen(case, found, row)}) for row in rows]


def _seen(case: Case, found: Looks, row: Mapping[str, Any]) -> dict[str, Any]:
    """What was seen of a statement between its two looks: another plan, and what its sessions waited for."""
    if found.before is None:
        return {"plan_changed_at": None, "waits": ""}
    changed = plan_history.change_of(case, row, found.before)
    return {
        "plan_changed_at": iso(changed[1].since) if changed else None,
        "waits": waits_of(case, found.before, found.after, row),
    }


def traffic(case: Case, found: Looks) -> float:
    """How many times as often as before statements were called: the median of those with enough calls."""
    return _traffic(judged(case, found))


def _traffic(table: pd.DataFrame) -> float:
    rated = table[(table["expected"] >= FEWEST) & (table["calls"] >= FEWEST)]
    return float((rated["calls"] / rated["expected"]).median()) if len(rated) else 1.0


def executed(case: Case, start: pd.Timestamp | None, end: pd.Timestamp | None) -> tuple[float, float] | None:
    """Calls of all statements between two looks and the ms that they took; None where an entry was lost."""
    if start is None or end is None:
        return None
    table = _spent(case.at(case.scope.window), start, end)
    table = table[table["toplevel"]]
    return None if table["again"].any() else (float(table["calls"].sum()), float(table["total_ms"].sum()))


def load(case: Case, by: str = "role") -> list[dict[str, Any]]:
    """Where the change of load comes from, exactly: volume, latency, new and gone statements.

    Args:
        by: `role`, or `feature` (the features whose tables a statement names).
    """
    found = looks(case)
    if found is None or found.before is None:
        return []
    table = judged(case, found)
    if by == "feature":
        table = table.assign(feature=[_features(case, text) for text in table["text"]])
    new, gone = table["verdict"] == Pace.NEW, table["n_before"].gt(0) & table["calls"].eq(0)
    table = table.assign(new_ms=table["total_ms"].where(new, 0.0), gone_ms=-table["expected_ms"].where(gone, 0.0))
    columns = ["expected_ms", "total_ms", "volume_ms", "latency_ms", "new_ms", "gone_ms"]
    sums = table.groupby(by)[columns].sum().sort_values("total_ms", ascending=False).reset_index()
    return [{str(k): v for k, v in row.items()} for row in sums.to_dict("records")]


def _features(case: Case, text: str) -> str:
    tables = {table.split(".")[-1] for table in tables_of(text)}
    names = [f.name for f in case.site.features if f.table and f.table.split(".")[-1] in tables]
    return ", ".join(names) or "none"


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: None if isinstance(row[key], float) and math.isnan(row[key]) else row[key] for key in SHOWN_KEYS}


def _lifetime(case: Case, found: Looks) -> pd.DataFrame:
    table = grouped(case, spent(None, _look(case, found.after)))
    return _shares(table).assign(
        n_before=0.0,
        before_mean_ms=math.nan,
        change_pct=math.nan,
        regressed=False,
        verdict=LIFETIME,
        reason=f"{LIFETIME}: {found.notes[0]}",
        told=found.notes[0],
        saturated=False,
        volume_ms=math.nan,
        latency_ms=math.nan,
        per_min=math.nan,
        before_per_min=math.nan,
        share_before_pct=math.nan,
    )


def _look(case: Case, at: pd.Timestamp) -> pd.DataFrame:
    table = case["statements"]
    return table[table["at"] == at]


def _shares(table: pd.DataFrame) -> pd.DataFrame:
    whole = table["total_ms"].sum()
    return table.assign(share_pct=100 * table["total_ms"] / whole if whole else math.nan)


@once
def _spent(case: Case, start: pd.Timestamp, end: pd.Timestamp) -> pd.DataFrame:
    """What each entry did between two looks."""
    return spent(_look(case, start), _look(case, end))


@once
def judged(case: Case, found: Looks) -> pd.DataFrame:
    """Every statement of both windows with its verdict."""
    assert found.before is not None
    s1 = _look(case, found.before)
    window = _spent(case.at(case.scope.window), found.before, found.after)
    apart = _apart(window, s1)
    after = _shares(grouped(case, window, apart))
    before = _before(case, found, s1=s1, apart=apart)
    both = after.merge(before, on=KEYS, how="outer", suffixes=("", "_before"))
    both = both.rename(columns={"calls_before": "n_before", "mean_ms_before": "before_mean_ms"})
    filled = {**dict.fromkeys([*COUNTERS, "m2", "n_before", "m2_before", "total_ms_before", "share_pct"], 0.0)}
    both = both.assign(query=both["query"].fillna(both["query_before"]))
    both = both.assign(queryid=both["queryid"].fillna(both["queryid_before"]), again=both["again"].eq(True))
    both = both.fillna(filled)
    facts = _facts(case, found)
    changes = partial(_changes, seconds=facts.seconds)
    both = changes(both)
    changed = partial(causes.schema_changed, case, found.before, found.after)
    judge = partial(_verdict, replace(facts, traffic=_traffic(both)), changed)
    verdicts = [judge(row) for row in both.to_dict("records")]
    both = both.assign(verdict=[v for v, _ in verdicts], reason=[r for _, r in verdicts], told="", saturated=False)
    both = _together(pairs.looped(pairs.replaced(both, changes, judge), FEWEST))
    both = _paced(both.assign(regressed=both["verdict"] == Pace.REGRESSED))
    why = [causes.explained(case, found.before, found.after, row) for row in both.to_dict("records")]
    return both.assign(reason=_joined(both["reason"], why), told=_joined(both["told"], why))


def _joined(texts: Iterable[str], more: Iterable[str]) -> list[str]:
    return ["; ".join(filter(None, both)) for both in zip(texts, more, strict=True)]


def _apart(window: pd.DataFrame, s1: pd.DataFrame) -> frozenset[str]:
    """Ids that were busy on both sides: one text in several schemas, say, is several statements.

    An id that only one side knows is the same text after a migration, or an IN list of another length.
    """
    busy = window.loc[window["calls"] >= FEWEST, "queryid"]
    return frozenset(busy) & frozenset(s1.loc[s1["calls"] >= FEWEST, "queryid"])


def _before(case: Case, found: Looks, s1: pd.DataFrame, apart: frozenset[str]) -> pd.DataFrame:
    """The window before, statement by statement: S0 to S1, or all up to S1 where that has too few calls."""
    reset = gauge(case, "statements_reset", found.before)
    began = pd.Timestamp(reset, unit="s", tz="UTC") if reset is not None else s1["since"].min()
    seconds = (found.before - began).total_seconds() if not pd.isna(began) and began < found.before else math.nan
    lifetime = grouped(case, spent(None, s1), apart).assign(seconds_before=seconds)
    if found.first is None:
        return lifetime
    recent = grouped(case, _spent(case.at(case.scope.window), found.first, found.before), apart)
    recent = recent.assign(seconds_before=(found.before - found.first).total_seconds())
    enough = recent[recent["calls"] >= FEWEST]
    rest = lifetime.merge(enough[KEYS], on=KEYS, how="left", indicator="there")
    return pd.concat([enough, rest[rest["there"] == "left_only"].drop(columns="there")], ignore_index=True)


def gauge(case: Case, metric: str, at: pd.Timestamp | None) -> float | None:
    """A number of the whole database at one look; None when it was not taken."""
    return _numbers(case.at(case.scope.window)).get((metric, at))


@once
def _numbers(case: Case) -> dict[tuple[str, pd.Timestamp | None], float]:
    table = case["database_gauges"]
    table = table[table["object"].isna() & table["value"].notna()]
    return dict(zip(zip(table["metric"], table["at"], strict=True), table["value"], strict=True))


@dataclass(frozen=True)
class Facts:
    """What the database's own counters say of the window after.

    Attributes:
        reset: when all statistics were thrown away in it, None when they were not.
        seconds: its length, from the reset on where there was one.
        evicted: entries were evicted from pg_stat_statements in it.
        rollbacks, usual_rollbacks: transactions rolled back in it, and at the pace of the window before.
        traffic: how many times as often as before statements were called.
    """

    reset: pd.Timestamp | None
    seconds: float
    evicted: bool
    rollbacks: float
    usual_rollbacks: float
    traffic: float = 1.0


def _facts(case: Case, found: Looks) -> Facts:
    old, new = gauge(case, "statements_reset", found.before), gauge(case, "statements_reset", found.after)
    moved = old is not None and new is not None and new > old
    reset = pd.Timestamp(new, unit="s", tz="UTC") if moved else None
    inside = reset is not None and found.before is not None and found.before < reset < found.after
    seconds = float((found.after - reset).total_seconds()) if inside else found.seconds
    usual = _grown(case, found.first, found.before, "xact_rollback")
    if found.first is not None and found.before is not None:
        usual *= found.seconds / (found.before - found.first).total_seconds()
    return Facts(
        reset,
        seconds,
        _grown(case, found.before, found.after, "statements_dealloc") > 0,
        rollbacks=_grown(case, found.before, found.after, "xact_rollback"),
        usual_rollbacks=usual,
    )


def _grown(case: Case, start: pd.Timestamp | None, end: pd.Timestamp | None, metric: str) -> float:
    old, new = gauge(case, metric, start), gauge(case, metric, end)
    return new - old if old is not None and new is not None and new >= old else 0.0


def _changes(both: pd.DataFrame, seconds: float) -> pd.DataFrame:
    """Ratio of means, Welch's t, and the change of load split into volume and latency, which add up to it."""
    n1, n2, m1, m2 = both["n_before"], both["calls"], both["before_mean_ms"], both["mean_ms"]
    variance = both["m2_before"] / (n1 * (n1 - 1)).where(n1 > 1) + both["m2"] / (n2 * (n2 - 1)).where(n2 > 1)
    error = np.sqrt(variance.clip(lower=1e-18))
    scaled = n1 * seconds / both["seconds_before"]
    return both.assign(
        ratio=m2 / m1.where(m1 > 0),
        change_pct=100 * (m2 / m1.where(m1 > 0) - 1),
        t=(m2 - m1) / error,
        seconds=seconds,
        expected=scaled,
        expected_ms=scaled * m1.fillna(0.0),
        volume_ms=(n2 - scaled) * m1,
        latency_ms=n2 * (m2 - m1).where(n2 > 0, 0.0),
    )


def _paced(both: pd.DataFrame) -> pd.DataFrame:
    """Calls a minute on both sides, and the share of all time that a statement had before."""
    minutes, whole = both["seconds"] / SECONDS_A_MIN, both["expected_ms"].sum()
    return both.assign(
        per_min=both["calls"] / minutes,
        before_per_min=both["expected"] / minutes,
        share_before_pct=100 * both["expected_ms"] / whole if whole else math.nan,
    )


def _verdict(facts: Facts, changed: Changed, row: Mapping[str, Any]) -> tuple[str, str]:
    """One statement's verdict and the figures behind it."""
    n1, n2 = row["n_before"], row["calls"]
    if n2 == 0:
        return _gone(facts, row)
    if n1 == 0:
        return _new(facts, row)
    if n1 < FEWEST or n2 < FEWEST:
        return Pace.TOO_FEW, f"{counted(n1, 'call')} before and {n2:.0f} after; it takes {FEWEST}"
    before, now, times = (significant(row[name]) for name in ("before_mean_ms", "mean_ms", "ratio"))
    figures = f"mean {before} ms before, {now} ms now ({'the same' if times == '1' else f'{times} times'})"
    if row["again"] and facts.reset is None:
        return Pace.UNCERTAIN, "its entry was evicted or reset and made again, so its calls are not all counted"
    if _matters(row) and row["t"] >= _beyond_chance(row) and _much_slower(row, changed):
        return Pace.REGRESSED, figures
    if _much_more(row) and row["volume_ms"] + row["latency_ms"] > 0:
        more, taken = n2 / row["expected"], (row["volume_ms"] + row["latency_ms"]) / row["seconds"]
        return Pace.VOLUME_UP, f"x{more:.1f} calls, which take {taken:.1f} ms/s more; {figures}"
    if _matters(row) and row["ratio"] <= 1 / FACTOR and row["t"] <= -WELCH_T:
        return Pace.IMPROVED, figures
    if row["ids"] and row["ids_before"] and not row["ids"] & row["ids_before"]:
        return Pace.REKEYED, f"the same text under a new id since the schema changed; {figures}"
    return Pace.STABLE, figures


def _much_slower(row: Mapping[str, Any], changed: Changed) -> bool:
    """Whether it takes so many times the time as is asked for: more where the time alone speaks of it."""
    if row["ratio"] < FACTOR:
        return False
    return bool(row["ratio"] >= SAME_WORK_FACTOR or slower.more_work(row) or changed(row))


def _beyond_chance(row: Mapping[str, Any]) -> float:
    """The t that is asked for: less where the blocks, which no busy machine changes, speak for themselves."""
    return PLAN_T if slower.plan_changed(row) else WELCH_T


def _matters(row: Mapping[str, Any]) -> bool:
    """Whether a change of the mean is large enough: in load, across the slow line, or by another plan.

    Another plan matters from a millisecond on, or where it makes 5 % of the time of a database with little to do.
    """
    change = abs(row["mean_ms"] - row["before_mean_ms"])
    crosses = (row["mean_ms"] - SLOW_MS) * (row["before_mean_ms"] - SLOW_MS) < 0
    noticed = change >= FELT_MS or change * row["share_pct"] >= MUCH_PCT * row["mean_ms"]
    return bool(_heavy(row) or crosses or (noticed and slower.plan_changed(row)))


def _heavy(row: Mapping[str, Any]) -> bool:
    """Whether the change of the mean moves the load by a hundredth of a processor."""
    return bool(abs(row["mean_ms"] - row["before_mean_ms"]) * row["calls"] >= SHARE * MS_PER_S * row["seconds"])


def _felt(row: Mapping[str, Any]) -> bool:
    """Whether a slower mean is felt, by who waits for it or in the load; else it may be the machine's own pace."""
    return row["mean_ms"] - row["before_mean_ms"] >= FELT_MS or _heavy(row)


def urgent(row: Mapping[str, Any]) -> bool:
    """Whether a regression cannot wait: over a second, or 3 times and 1 ms slower with 5 % of all time."""
    before, now = row["before_mean_ms"], row["mean_ms"]
    return bool(
        now > AT_ONCE_MS
        or (now >= AT_ONCE_FACTOR * before and now - before >= 1 and (row["share_pct"] or 0) >= MUCH_PCT)
    )


def _much_more(row: Mapping[str, Any]) -> bool:
    expected = row["expected"]
    return (
        bool(expected >= FEWEST and row["calls"] >= MORE_CALLS * expected)
        and row["volume_ms"] >= SHARE * MS_PER_S * row["seconds"]
    )


def _gone(facts: Facts, row: Mapping[str, Any]) -> tuple[str, str]:
    expected = facts.traffic * row["expected"]
    if not expected >= EXPECTED or row["n_before"] < FEWEST:
        return Pace.TOO_FEW, f"{counted(row['n_before'], 'call')} before, none after: too few to compare"
    if facts.evicted:
        return Pace.UNCERTAIN, "not seen after, but entries were evicted between the looks"
    undone = facts.rollbacks - facts.usual_rollbacks
    if undone >= FEWEST_ROLLBACKS and undone >= ACCOUNTED * expected:
        return Pace.GONE_MAYBE_TIMEOUT, (
            f"about {expected:.0f} calls expected and none recorded, while {facts.rollbacks:.0f} transactions "
            "were rolled back: what is cancelled or fails is not recorded, so it may be timing out or failing"
        )
    return Pace.GONE, f"about {expected:.0f} calls expected after, none seen"


def _new(facts: Facts, row: Mapping[str, Any]) -> tuple[str, str]:
    if facts.evicted:
        return Pace.UNCERTAIN, "not seen before, but entries were evicted between the looks"
    if row["calls"] < EXPECTED:
        return Pace.TOO_FEW, f"first seen after the deployment, {row['calls']:.0f} calls: likely made by hand"
    return Pace.NEW, f"first seen after the deployment; mean {row['mean_ms']:.2f} ms"


def _together(both: pd.DataFrame) -> pd.DataFrame:
    """When the busiest statements all slowed with unchanged work, one finding: the server is saturated.

    Sessions that share a processor slow each other too, so that one of them at least takes twice its time.
    """
    rated = both[(both["n_before"] >= FEWEST) & (both["calls"] >= FEWEST) & ~both["text"].str.startswith(NOISE)]
    top = rated[rated["total_ms"] >= SHARE * rated["total_ms"].sum()].nlargest(10, "total_ms")
    waits = [_felt(row) and not slower.more_work(row) for row in top.to_dict("records")]
    moved = top[(top["ratio"] >= FACTOR) & (top["t"] >= WELCH_T) & pd.Series(waits, top.index, dtype=bool)]
    few = len(moved) < FEWEST_TOGETHER or len(moved) < TOGETHER * len(top)
    if few or moved["ratio"].max() < SAME_WORK_FACTOR:
        return both
    first, others = moved.index[0], both.index.isin(moved.index[1:])
    text = (
        f"the {len(moved)} busiest statements all slowed together (x{moved['ratio'].min():.1f} to "
        f"x{moved['ratio'].max():.1f}) with unchanged work per call: {causes.SATURATED}"
    )
    verdict = both["verdict"].where(~others, "SATURATION")
    reason = both["reason"].where(~others, both["reason"] + "; slowed with all the others")
    both = both.assign(verdict=verdict, reason=reason)
    both.loc[first, ["verdict", "reason", "told", "saturated"]] = [Pace.REGRESSED, text, text, True]
    return both
