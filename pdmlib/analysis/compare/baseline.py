"""What is usual for a value (its baseline), and whether a value differs from it by more than chance.

A baseline is what comparable buckets of time held before the deployment: the same weekday and
hour, else the same weekday, else all days. A change gets an arrow only when its 95 % interval
excludes zero, it is large enough to matter, there are enough data, and it did not begin before the
deployment.

The days of a week rise and fall together, so how much a total varies is what whole weeks varied by
(see `weeks`), not what its days did; and a change that a few of its days made is theirs and not the
week's. `bench.series` measures it on real series.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from pdmlib import stats
from pdmlib.analysis.compare.weeks import LEAD, LEAD_DAYS, PLENTY, WEEK, Weeks, lead_of, mean, scatter_of
from pdmlib.frames.case import Case, once
from pdmlib.frames.readings import Trend, significant, written
from pdmlib.phases.window import Window

SATURDAY = 5  # as `weekday()` counts, from Monday as 0
SHORT_S = 20 * 3600  # what is shorter than most of a day depends on the hour that it begins at
Kind = Literal["weekday_hour", "weekday", "days", "none"]
Bucket = tuple[Window, float]

# Of the same kind: two give a spread, three a spread that one odd day does not rule.
ENOUGH_BUCKETS, FEW_BUCKETS = 3, 2
ENOUGH_EVENTS = 10  # below it the interval of a ratio reaches from a half to double
SURELY_DUE = 5.0  # of what is usual: none at all where so many are due is chance in under 1 % (e^-5)
PRACTICAL_PCT = 10.0  # a smaller change matters to nobody, however sure it is
SEVERAL_PCT = 300.0  # from four times on people count times
OLD = timedelta(days=7)  # a baseline that ended longer ago says so
# A change lasts where days with two thirds of what is usual have half of it: news comes on a day or two. On the
# five real series up to two thirds of the false arrows go, and next to no true ones (docs/proof.md).
MOST_DAYS, HALF_OF_IT = 2 / 3, 0.5
LEAST_P = 0.0001  # a smaller chance is as good as none
NEXT_TO_NONE = 0.5  # stands for a count of none, which has no logarithm
HALF_A_WEEK = 0.5  # of what is usual: a week of which less is known has no total
DEPLOYMENT = timedelta(hours=1)  # around a deployment is its own effect, not what is usual
KINDS: tuple[Kind, ...] = ("weekday_hour", "weekday", "days", "none")


@dataclass(frozen=True)
class Baseline:
    """What to compare a value with.

    Attributes:
        values: of the comparable buckets; for several judged buckets together, the mean of each.
        used: which buckets these are, in words.
        expected: the value to expect; None without a baseline.
        exposure: how many times longer the comparable buckets are than the judged one.
        dispersion: variance over mean of counts, as seen in the baseline; NaN when not known.
        freedom: degrees of freedom of the dispersion.
        spread, spread_freedom: standard deviation of a single value and its degrees of freedom.
        weeks: what each week before held, and how they differ.
        now: what each of several judged buckets holds, in the order of `values`; empty where that is not told.
    """

    kind: Kind
    values: tuple[float, ...]
    used: str
    expected: float | None = None
    exposure: float = 0.0
    dispersion: float = math.nan
    freedom: int = 0
    spread: float = math.nan
    spread_freedom: int = 0
    weeks: Weeks = field(default_factory=lambda: Weeks())
    now: tuple[float, ...] = ()


@dataclass(frozen=True)
class Change:
    """How a value differs from its baseline.

    Attributes:
        low, high: 95 % interval of the change in percent; None where none is defined.
        reason: why the trend is flat or unknown, or what the arrow rests on.
        words: the change in words, with "better" or "worse" where the metric has a good direction.
    """

    trend: Trend
    change_pct: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    reason: str = ""
    words: str = ""
    baseline: float | None = None


def usable(case: Case, bucket: Window) -> bool:
    """Whether a bucket may serve as baseline: before the deployment, on no holiday, incident or event day."""
    zone, span = case.site.zone, case.scope.baseline
    if bucket.end > span.end or bucket.start < span.start:
        return False
    edges = (bucket.start, bucket.end - timedelta(seconds=1))
    return not any(_is_odd(case, edge.astimezone(zone).date()) for edge in edges)


@once
def _is_odd(case: Case, day: date) -> bool:
    """Whether a day is a holiday, or one of an incident or an event."""
    site = case.site
    events = (event.at.astimezone(site.zone).date() for event in site.events)
    return day in site.holidays or day in site.incident_days or day in events


def _maintained(case: Case, window: Window) -> float:
    """Seconds of declared maintenance in a window."""
    return sum(span.clip(window).seconds for span in case.site.maintenance_in(window))


def baseline(case: Case, history: Iterable[Bucket], judged: Window) -> Baseline:
    """The first rung of the ladder with three comparable buckets, or all two that there are of a weekday.

    Args:
        history: buckets as long as the judged one, with their values; NaN and what is not `usable` is left out.
        judged: the bucket to compare; one shorter than a day starts with its own hour of the day.
    """
    zone = case.site.zone
    known = [(w, v) for w, v in _since_it_lives(history) if not math.isnan(v) and usable(case, w)]
    earlier, allowed = _earlier_deployments(case), _maintained(case, judged)
    known = [(w, v) for w, v in known if _maintained(case, w) <= allowed] if case.site.maintenance else known
    clean = [(w, v) for w, v in known if not any(_meet(w, d) for d in earlier)]
    tries = (
        (clean, ENOUGH_BUCKETS, ""),
        (known, ENOUGH_BUCKETS, ", days with an earlier deployment among them"),
        (known, FEW_BUCKETS, ", as there are no more"),
    )
    for kind in KINDS[:3] if judged.seconds < SHORT_S else KINDS[1:3]:
        wanted = _key(kind, judged, zone)
        for candidates, enough, note in tries if kind != "days" else tries[:2]:
            same = [(w, v) for w, v in candidates if _key(kind, w, zone) == wanted]
            if len(same) >= enough:
                near = [c for c in candidates if kind == "days" or _weekend(c[0], zone) == _weekend(judged, zone)]
                groups, alike = _groups(kind, candidates, zone), _groups(kind, near, zone)
                used = _used(kind, len(same), judged, zone) + note + _age(case, judged)
                found = _of(kind, [v for _, v in same], groups, alike=alike, used=used)
                return found if kind == "days" else _weekly(case, judged, found, same=same, candidates=candidates)
    return Baseline("none", (), f"no baseline: {len(known)} comparable buckets before the deployment")


def _since_it_lives(history: Iterable[Bucket]) -> list[Bucket]:
    """The buckets from the first that holds anything, where nothing before it cannot be chance.

    A table or log that is younger than the baseline has no zeros before its first row. What begins with the last
    bucket begins with the deployment, and is new.
    """
    buckets = sorted(history, key=lambda bucket: bucket[0].start)
    first = next((n for n, (_, value) in enumerate(buckets) if value and not math.isnan(value)), 0)
    due = first * mean(value for _, value in buckets[first:] if not math.isnan(value)) if first else 0.0
    return buckets[first:] if due >= SURELY_DUE and first < len(buckets) - 1 else buckets


def _age(case: Case, judged: Window) -> str:
    """How long before what is judged the baseline ended, where that is long."""
    gap = judged.start - case.scope.baseline.end
    return f", {gap.days} days before what is judged" if gap > OLD else ""


def _weekly(
    case: Case, judged: Window, found: Baseline, same: Sequence[Bucket], candidates: Sequence[Bucket]
) -> Baseline:
    """A baseline with the weeks that it is made of, the later of which count for more where counts are plenty."""
    end, zone = case.scope.baseline.end, case.site.zone
    today = end.astimezone(zone).date()
    after = judged.start >= end
    weeks = Weeks(
        {(today - w.start.astimezone(zone).date()).days // 7 + 1: v for w, v in same},
        scatter=scatter_of(_groups(found.kind, candidates, zone)),
        lead=lead_of([(_key(found.kind, w, zone), w, v) for w, v in candidates], end) if after else 0.0,
        ahead=max(1.0, (judged.start + (judged.end - judged.start) / 2 - end) / WEEK),
    )
    return replace(found, weeks=weeks, expected=weeks.expected, exposure=weeks.exposure)


def together(parts: Sequence[Baseline], now: Iterable[float] = ()) -> Baseline:
    """The baseline of a sum over several judged buckets; none as soon as one of them has none.

    Args:
        now: what each of the buckets holds; without it nobody can say whether most of them changed.
    """
    bare = next((part for part in parts if part.expected is None), None)
    if not parts or bare:
        return bare or Baseline("none", (), "no baseline: nothing to compare")
    weeks = _weeks_together(parts)
    expected = [part.expected or 0.0 for part in parts]
    total = sum(expected)
    variance = sum(e / part.exposure for e, part in zip(expected, parts, strict=True))
    kind = max((part.kind for part in parts), key=KINDS.index)
    counts = [len(part.values) for part in parts]
    number = f"{min(counts)}" if min(counts) == max(counts) else f"{min(counts)} to {max(counts)}"
    used = {
        "weekday_hour": f"the same weekdays and hours of {number} weeks before the deployment",
        "weekday": f"the same weekdays of {number} weeks before the deployment",
        "days": f"all {number} comparable days before the deployment",
    }[kind]
    known = [(e, p) for e, p in zip(expected, parts, strict=True) if not math.isnan(p.dispersion)]
    weight, spread = sum(e for e, _ in known), sum(e * p.dispersion for e, p in known)
    aged = next((part.used[part.used.rindex(", ") :] for part in parts if part.used.endswith("is judged")), "")
    return Baseline(
        kind,
        tuple(expected),
        used + aged,
        expected=weeks.expected if weeks.plenty else total,
        exposure=total / variance if variance > 0 else min(part.exposure for part in parts),
        weeks=weeks,
        dispersion=spread / weight if weight else math.nan,
        freedom=_joint_freedom([(e * p.dispersion, p.freedom) for e, p in known]),
        now=tuple(now),
    )


def _weeks_together(parts: Sequence[Baseline]) -> Weeks:
    """The weeks of a sum: each week's total of the pieces that it has, scaled to all of them."""
    usual = [mean(part.weeks.totals.values()) if part.weeks.totals else part.expected or 0.0 for part in parts]
    totals: dict[int, float] = {}
    for week in sorted({week for part in parts for week in part.weeks.totals}):
        have = [n for n, part in enumerate(parts) if week in part.weeks.totals]
        share = sum(usual[n] for n in have) / sum(usual) if sum(usual) else 0.0
        if share >= HALF_A_WEEK:
            totals[week] = sum(parts[n].weeks.totals[week] for n in have) / share
    freedom = sum(part.weeks.scatter[1] for part in parts)
    weight = sum(usual) or 1.0
    return Weeks(
        totals,
        scatter=(sum(math.prod(part.weeks.scatter) for part in parts) / max(freedom, 1), freedom),
        pieces=len(parts),
        lead=sum(u * part.weeks.lead for u, part in zip(usual, parts, strict=True)) / weight,
        ahead=max(1.0, sum(u * part.weeks.ahead for u, part in zip(usual, parts, strict=True)) / weight),
    )


def _joint_freedom(parts: Sequence[tuple[float, int]]) -> int:
    """Degrees of freedom of a sum of variances, each with its own. Source: Satterthwaite 1946, Biometrics 2."""
    squares = sum(variance**2 / freedom for variance, freedom in parts if freedom)
    return int(sum(variance for variance, _ in parts) ** 2 / squares) if squares else 0


def change(
    current: float,
    base: Baseline,
    better: str = "neither",
    practical_pct: float = PRACTICAL_PCT,
    looks: int = 1,
) -> Change:
    """The change of a count (or a sum of amounts) against its baseline.

    The interval is that of a rate ratio whose variance is the baseline's dispersion times the mean.

    Args:
        better: "lower", "higher" or "neither": which direction is good.
        looks: how many times the growing data are looked at, for the level.
    """
    if base.expected is None:
        return Change(Trend.UNKNOWN, reason=base.used, words=f"not comparable: {base.used}")
    if base.expected == 0:
        return _from_zero(current, base, looks)
    pct = 100 * (current / base.expected - 1)
    if base.weeks.plenty:
        return _of_weeks(current, base, better=better, practical_pct=practical_pct, looks=looks)
    before = base.expected * base.exposure
    spread = _dispersion(base)
    if (current + before) / spread < ENOUGH_EVENTS:
        times = written(base.exposure)
        why = f"too few to tell: {written(current)} now, {written(before)} in {times} times the time before"
        return Change(
            Trend.UNKNOWN, pct, reason=why, words=f"too few to compare with {base.used}", baseline=base.expected
        )
    low, high = stats.rate_ratio(
        current, 1, before, base_exposure=base.exposure, dispersion=spread, level=stats.level_for_looks(looks)
    )
    p = stats.rate_ratio_p(current, 1, before, base_exposure=base.exposure, dispersion=spread)
    return _judged(
        pct, 100 * (low - 1), 100 * (high - 1), p=p, base=base, better=better, practical_pct=practical_pct
    )


def _dispersion(base: Baseline) -> float:
    """The baseline's dispersion, widened as Student's t is for having been estimated; 1 when not known."""
    own = 1.0 if math.isnan(base.dispersion) else base.dispersion
    if base.freedom >= 1:
        own *= (stats.student(base.freedom) / stats.normal()) ** 2
    if not base.weeks.totals:
        return own
    shared = (
        base.weeks.variance * (base.expected or 0.0) * (stats.student(base.weeks.freedom) / stats.normal()) ** 2
    )
    return max(own, shared)


def _of_weeks(current: float, base: Baseline, better: str, practical_pct: float, looks: int) -> Change:
    """The change of a count of which chance is the smallest part: by how much the weeks before differed.

    Source: prediction interval of a further value of a normal sample, of logarithms, with Student's t.
    """
    weeks = base.weeks
    away = math.log(max(current, NEXT_TO_NONE) / weeks.expected)
    variance = max(weeks.variance, 1 / weeks.expected) * (weeks.ahead + 1 / weeks.exposure)
    half = stats.student(weeks.freedom, stats.level_for_looks(looks)) * math.sqrt(variance)
    seen = _judged(
        100 * (current / weeks.expected - 1),
        100 * math.expm1(away - half),
        100 * math.expm1(away + half),
        p=stats.student_p(away / math.sqrt(variance), weeks.freedom),
        base=base,
        better=better,
        practical_pct=practical_pct,
    )
    reason = "; ".join(part for part in (seen.reason, weeks.words) if part)
    other = "" if seen.trend is Trend.FLAT else _began_before(weeks, away) or _of_few_days(base, away)
    if not other:
        said, colon, judged = seen.words.partition(":")
        drift = f" ({weeks.words})" if weeks.words and seen.trend is not Trend.FLAT else ""
        return replace(seen, reason=reason, words=f"{said}{drift}{colon}{judged}")
    words = f"{seen.words.partition(':')[0]}; {other}"
    return replace(seen, trend=Trend.FLAT, reason=f"{reason}; {other}", words=words)


def _began_before(weeks: Weeks, away: float) -> str:
    """That the last days before the deployment had half of a change already; empty where they had not."""
    if weeks.lead * away <= 0 or abs(weeks.lead) < LEAD * abs(away):
        return ""
    return (
        f"it began before: the last {LEAD_DAYS} days before the deployment were already"
        f" {100 * math.expm1(weeks.lead):+.0f} %"
    )


def _of_few_days(base: Baseline, away: float) -> str:
    """That a few days made a change; empty where most have it, or days hold too little to tell."""
    days = [(n, usual) for n, usual in zip(base.now, base.values, strict=False) if not math.isnan(n)]
    total = sum(usual for _, usual in days)
    if total < PLENTY * len(days):
        return ""
    changed = [u for n, u in days if u and math.log(max(n, NEXT_TO_NONE) / u) / away >= HALF_OF_IT]
    if not days or sum(changed) >= MOST_DAYS * total:
        return ""
    return f"{len(changed)} of its {len(days)} days made that, so that no lasting change is seen"


def level_change(
    current: float, base: Baseline, better: str = "neither", practical_pct: float = PRACTICAL_PCT
) -> Change:
    """The change of a level (a time, a percentage) against its baseline, by the spread of single values.

    Working days and weekends have spreads of their own: a quiet day's percentiles scatter more.
    Source: prediction interval of one further value, with Student's t on the baseline's degrees of freedom.
    """
    if base.expected is None:
        return Change(Trend.UNKNOWN, reason=base.used, words=f"not comparable: {base.used}")
    if base.spread_freedom < 2 or math.isnan(base.spread):
        why = f"too few values to tell: {len(base.values)}"
        return Change(Trend.UNKNOWN, reason=why, words=why, baseline=base.expected)
    if base.expected == 0:
        return Change(
            Trend.NEW if current > 0 else Trend.FLAT,
            reason=f"{written(current)} now, none in {base.used}",
            baseline=0.0,
        )
    error = base.spread * math.sqrt(1 + 1 / base.exposure)
    half = stats.student(base.spread_freedom) * error
    away = current - base.expected
    p = stats.student_p(away / error, base.spread_freedom) if error > 0 else float(away == 0)
    scale = 100 / base.expected
    return _judged(
        away * scale,
        (away - half) * scale,
        (away + half) * scale,
        p=p,
        base=base,
        better=better,
        practical_pct=practical_pct,
    )


def _from_zero(current: float, base: Baseline, looks: int) -> Change:
    """A count where none were: new when that many are more than chance, since one alone tells nothing."""
    if current == 0:
        return Change(
            Trend.FLAT, 0.0, reason=f"none now and none in {base.used}", words="none, as before", baseline=0.0
        )
    low, _ = stats.rate_ratio(current, 1, 0, base.exposure, level=stats.level_for_looks(looks))
    reason = f"{written(current)} now, none in {base.used}"
    if low <= 1:
        return Change(
            Trend.UNKNOWN, reason=f"too few to tell: {reason}", words="too few to call new", baseline=0.0
        )
    return Change(Trend.NEW, reason=reason, words="new", baseline=0.0)


def _chance(p: float) -> str:
    return f"p {significant(p, 2)}" if p >= LEAST_P else f"p < {LEAST_P}"


def _judged(
    pct: float, low: float, high: float, p: float, base: Baseline, better: str, practical_pct: float
) -> Change:
    sure, large = low > 0 or high < 0, abs(pct) >= practical_pct
    trend = Trend.FLAT if not (sure and large) else Trend.UP if pct > 0 else Trend.DOWN
    why = "no more than chance" if not sure else "" if large else f"less than {practical_pct:g} %"
    reason = f"{pct:+.0f} % against {base.used} (95 % {low:+.0f} to {high:+.0f} %, {_chance(p)})"
    return Change(
        trend,
        pct,
        low,
        high=high if math.isfinite(high) else None,
        p=p,
        reason=f"{reason}: {why}" if why else reason,
        words=_words(trend, pct, base, better),
        baseline=base.expected,
    )


def _words(trend: Trend, pct: float, base: Baseline, better: str) -> str:
    if trend is Trend.FLAT:
        return f"no change beyond chance against {base.used}"
    text = f"{abs(pct):,.0f} % {'more' if trend is Trend.UP else 'less'} than {base.used}"
    if pct >= SEVERAL_PCT:
        text = f"{significant(1 + pct / 100, 2)} times that of {base.used}"
    if better not in ("lower", "higher"):
        return text
    return f"{text}: {'better' if (trend is Trend.UP) == (better == 'higher') else 'worse'}"


def _of(
    kind: Kind, values: list[float], groups: Sequence[Sequence[float]], alike: Sequence[Sequence[float]], used: str
) -> Baseline:
    """A baseline of some values; dispersion from all groups, which scale with it, spread from those alike."""
    freedom = _freedom(alike)
    squares = sum((v - sum(group) / len(group)) ** 2 for group in alike for v in group)
    return Baseline(
        kind,
        tuple(values),
        used,
        expected=sum(values) / len(values),
        exposure=float(len(values)),
        dispersion=stats.dispersion(groups),
        freedom=_freedom(groups),
        spread=math.sqrt(squares / freedom) if freedom else math.nan,
        spread_freedom=freedom,
    )


def _freedom(groups: Iterable[Sequence[float]]) -> int:
    return sum(len(group) - 1 for group in groups)


def _groups(kind: Kind, buckets: Iterable[Bucket], zone: ZoneInfo) -> list[list[float]]:
    """Values of buckets that are alike by the rung: what varies within a group is chance."""
    groups: dict[object, list[float]] = {}
    for window, value in buckets:
        groups.setdefault(_key(kind, window, zone), []).append(value)
    return list(groups.values())


def _weekend(window: Window, zone: ZoneInfo) -> bool:
    return _clock(window.start, zone)[0] >= SATURDAY


def _key(kind: Kind, window: Window, zone: ZoneInfo) -> object:
    """What makes buckets alike by the rung."""
    if kind == "days":
        return None
    clock = _clock(window.start, zone)
    return clock if kind == "weekday_hour" else clock[0]


@lru_cache(maxsize=4096)
def _clock(moment: datetime, zone: ZoneInfo) -> tuple[int, int]:
    """The weekday and the hour of a moment by the clock of a zone."""
    local = moment.astimezone(zone)
    return local.weekday(), local.hour


def _used(kind: Kind, count: int, judged: Window, zone: ZoneInfo) -> str:
    start = judged.start.astimezone(zone)
    if kind == "days":
        return f"the mean of {count} comparable days before the deployment"
    hour = f" at {start:%H}:00" if kind == "weekday_hour" else ""
    return f"the mean of {count} {start:%A}s{hour} before the deployment"


@once
def _earlier_deployments(case: Case) -> list[Window]:
    """The hour after each production deployment before the judged one."""
    made = case["deployments"]
    made = made[(made["target"] == "production") & (made["state"] == "READY")]
    moments = made["live_at"].dropna()
    earlier: list[datetime] = [m.to_pydatetime() for m in moments if m < case.scope.deployed_at]
    return [Window(m, m + DEPLOYMENT) for m in earlier]


def _meet(one: Window, other: Window) -> bool:
    return one.start < other.end and other.start < one.end
