"""The decision card: what a person needs in the first ten seconds, one value for every file and message.

Is it safe, what broke and since when, who does what by when, and what is not known. It is made once, of the
verdict; page, slide, wall, Markdown, terminal, message and mail only lay it out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import pandas as pd

from pdmlib.analysis.availability.uptime import uptime_segments
from pdmlib.analysis.catalogue import metrics_in
from pdmlib.analysis.limits import for_case
from pdmlib.analysis.traffic.hourly import hourly
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Coverage
from pdmlib.frames.readings import Answer, Priority, Reading, State, Status, amount, aside, lowered
from pdmlib.frames.states import Outcome, Probe, Recommendation, ReportStatus
from pdmlib.phases.scope import ROLL_OUT
from pdmlib.phases.window import Window, spoken, spoken_day
from pdmlib.report import words
from pdmlib.verdict.causes import Cause, CauseStatus
from pdmlib.verdict.ladder import KEY_READINGS
from pdmlib.verdict.status import NOT_READ, WHOLE_PCT
from pdmlib.verdict.symptoms import called, how_long
from pdmlib.verdict.verdict import Verdict

MOST_CAUSES, MOST_UNKNOWN = 3, 4  # told in full on the card; the others are named in one line
MOST_REASON = 90  # characters of why a source was not read, so that its bracket closes in the line
POINTS = 28  # of a sparkline: four a day of a week, wide enough to be seen at the size of a word
WITH_IT = "the deployment"
BAD = (Status.FAIL, Status.WARN, Status.UNKNOWN)


@dataclass(frozen=True)
class Told:
    """One numbered cause of the card.

    Attributes:
        anchor: where the page tells of it in full.
        since, due: in words, empty where not known.
        fix: what to copy; empty where it is not known.
    """

    number: int
    anchor: str
    priority: str
    said: str
    since: str
    owner: str
    due: str
    action: str
    fix: str


@dataclass(frozen=True)
class Tile:
    """One of the figures that decide.

    Attributes:
        before: the same in the seven days before the deployment, where it was measured; of what is otherwise now
            than over the window, both.
        trend: the values over the window, for a sparkline; empty where there is no series.
        anchor: the section of the page that holds its evidence.
    """

    title: str
    value: str
    limit: str
    before: str
    status: str
    judged: str
    trend: tuple[float, ...]
    anchor: str


@dataclass(frozen=True)
class Card:
    """The decision card.

    Attributes:
        sentence: the verdict and what explains it, worst first.
        advice: what to do with the deployment.
        causes: at most three; `others` names the rest of them.
        dates: deployment, report and next check in one line.
        unknown: what could not be seen, in one sentence; empty where everything was.
        confidence: how sure the verdict is, and why it is no surer.
    """

    status: str
    sentence: str
    advice: str
    causes: tuple[Told, ...]
    others: tuple[Told, ...]
    tiles: tuple[Tile, ...]
    dates: str
    unknown: str
    confidence: str

    def plain(self) -> dict[str, Any]:
        """The card as `report.json` has it, and as every layout takes it."""
        return asdict(self)


def card_of(verdict: Verdict) -> Card:
    """The card of a verdict."""
    told = [_told(verdict, place, cause) for place, cause in enumerate(verdict.causes, 1)]
    return Card(
        status=verdict.status.value,
        sentence=_sentence(verdict),
        advice=_advice(verdict),
        causes=tuple(told[:MOST_CAUSES]),
        others=tuple(told[MOST_CAUSES:]),
        tiles=tuple(_tiles(verdict)),
        dates=_dates(verdict),
        unknown=_unknown(verdict),
        confidence=_confidence(verdict),
    )


def lines(card: Mapping[str, Any]) -> list[str]:
    """The card of `report.json` as plain lines, for a terminal and for programs that show no more."""
    told = [card["sentence"], card["advice"]]
    for cause in card["causes"]:
        since = f", {cause['since']}" if cause["since"] else ""
        told.append(f"{cause['number']}. {cause['said']} ({cause['priority']}{since})")
        told.append(f"   {cause['owner']}, by {cause['due']}: {cause['action']}")
        told += [f"   {line}" for line in cause["fix"].splitlines()]
    if card["others"]:
        brief = ("priority", "since", "owner", "due")
        named = "; ".join(f"{c['said']} ({', '.join(filter(None, map(c.get, brief)))})" for c in card["others"])
        told.append(f"And {len(card['others'])} more: {named}")
    figures = (" ".join(f"{t['title']} {t['value']} {t['judged']}".split()) for t in card["tiles"])
    told += [" · ".join(figures), card["dates"]]
    return told + ([f"Not known: {card['unknown']}"] if card["unknown"] else [])


def _sentence(verdict: Verdict) -> str:
    """The status and its reason: the worst cause that is new, else what is over, else what is not known."""
    fresh = [cause for cause in verdict.causes if cause.decides]
    over = [cause for cause in verdict.causes if cause.status is CauseStatus.RECOVERED]
    holds_now = verdict.recommendation is Recommendation.ROLLBACK
    if verdict.case.scope.phase.named_window and over and over[0].priority is Priority.P0 and not holds_now:
        return f"{verdict.status}. {over[0].sentence}; it is over."
    head, missing = verdict.status.value, [r for r in verdict.unknown if r.key]
    if fresh and verdict.status is not ReportStatus.GREEN:
        return f"{head}. {_began(verdict, fresh[0])}."
    if verdict.status is ReportStatus.UNKNOWN and missing:
        return f"{head}. Nobody can say yet: {missing[0].title} was not measured ({missing[0].reason})."
    if over and verdict.status is not ReportStatus.GREEN:
        return f"{head}. {over[0].sentence}; it is over."
    if verdict.status is ReportStatus.GREEN:
        if verdict.case.scope.phase.named_window:
            return (
                f"{head}. No incident was found in this window, and {_held(verdict, 'was', 'every limit held')}."
            )
        holds = _held(verdict, "is", "every limit holds")
        return f"{head}. {holds[:1].upper()}{holds[1:]}, and nothing was found that began with the deployment."
    return f"{head}. {_troubled(verdict)}."


def _held(verdict: Verdict, verb: str, all_of_them: str) -> str:
    """How the limits of a report that is GREEN were held; what was beyond one before may still be."""
    if not all(reading.unsure for reading in verdict.beyond):
        return f"no limit {verb} broken that held before the deployment"
    return f"no limit {verb} surely broken" if _perhaps_beyond(verdict) else all_of_them


def _perhaps_beyond(verdict: Verdict) -> bool:
    """Whether a rate is beyond a limit of its own, if only by what chance may bring."""
    case = verdict.case
    limits = {m.id: for_case(case, m).limits for m in metrics_in(case)}
    return any(r.unsure and any(limit.holds(r.value) for limit in limits.get(r.id, ())) for r in verdict.readings)


def _troubled(verdict: Verdict) -> str:
    named = ", ".join(
        f"{r.title} {amount(r.value, r.unit)} (target {words.target(r)})" for r in verdict.beyond[:2]
    )
    if named:
        return f"Beyond a limit: {named}"
    ended = all(incident["end"] for incident in verdict.incidents)
    return f"An incident in the window {'has recovered' if ended else 'is not over'}"


def _began(verdict: Verdict, cause: Cause) -> str:
    """A cause with its time inside the sentence, before the explanation."""
    since = "" if " since " in cause.said else _since(verdict, cause)
    joint = " since " if since == WITH_IT and "," not in cause.said else ", since "
    return replace(cause, said=f"{cause.said}{joint}{since}" if since else cause.said).sentence


def _since(verdict: Verdict, cause: Cause) -> str:
    """When a cause began, in words; with the deployment only where it is not told more exactly."""
    deployed, zone = verdict.case.scope.deployed_at, verdict.case.site.zone
    if cause.since is None or cause.waits:
        return ""
    began = spoken(cause.since, zone)
    if cause.status is CauseStatus.STANDING:
        return f"{began}, before the deployment"
    return WITH_IT if abs(cause.since - deployed) <= ROLL_OUT else began


def _told(verdict: Verdict, number: int, cause: Cause) -> Told:
    return Told(
        number=number,
        anchor=f"cause-{number}",
        priority=cause.priority.value,
        said=cause.sentence,
        since=_state(verdict, cause),
        owner=cause.owner or "nobody yet",
        due=spoken_day(pd.Timestamp(cause.due).date()),
        # The statement stands below, to be copied.
        action=cause.action.removesuffix(f": {cause.fix}") if cause.fix else cause.action,
        fix=cause.fix if cause.fix and not cause.waits else "",
    )


def _state(verdict: Verdict, cause: Cause) -> str:
    since = _since(verdict, cause)
    if cause.waits:
        return "there before the deployment"
    if not since:
        return "over" if cause.status is CauseStatus.RECOVERED else ""
    began = f"began with {since}" if since == WITH_IT else f"began {since}"
    return f"{began}, over" if cause.status is CauseStatus.RECOVERED else f"since {since}"


def _advice(verdict: Verdict) -> str:
    """The recommendation; a week or month that is over says first how the deployment went."""
    told = f"{verdict.recommendation_text}."
    if verdict.recommendation is Recommendation.ROLLBACK:
        held = next(alert for alert in verdict.alerts if alert.rollback)
        found = next((f for f in (*verdict.findings, *verdict.symptoms) if f.id == held.id and f.said), None)
        why = lowered(found.said if found else held.title)
        return f"Roll back now, the guide says, as long as this holds: {why}."
    if verdict.outcome is None:
        return told
    complete = verdict.case.scope.complete
    ended = {
        Outcome.SUCCESSFUL: "The deployment was a success.",
        Outcome.PARTIAL: "The deployment was a partial success.",
        Outcome.FAILED: "The deployment failed.",
        Outcome.UNKNOWN: "Whether the deployment succeeds is not known" + ("." if complete else " yet."),
    }
    return f"{ended[verdict.outcome]} {told}"


def _dates(verdict: Verdict) -> str:
    scope, zone = verdict.case.scope, verdict.case.site.zone
    part = "" if scope.complete else f" ({scope.so_far})"
    span = f"{spoken(scope.window.start, zone)} to {spoken(scope.window.end, zone)}{part}"
    return (
        f"Deployed {words.deployed(verdict.case)} · looks at {span} · "
        f"next check {spoken(verdict.next_check, zone)}"
    )


def _unknown(verdict: Verdict) -> str:
    """What was not read, not understood or not measured, the first of each by name."""
    case = verdict.case
    silent = [_unread(c) for c in case.collection.coverage if c.status is not Answer.OK]
    unclear = [f"{called(row['source'])} {row['item']} (not understood)" for row in verdict.not_understood]
    deaf = {c.source for c in case.collection.coverage if not c.status.heard} | set(case.site.without)
    lost = [r for r in verdict.unknown if r.measurement.source not in deaf and r.id != "sources_read"]
    parts = [(not r.key, r.title) for r in lost] + [
        (False, part) for part in filter(None, map(_part, verdict.readings))
    ]
    told = [*silent, *unclear, *(name for _, name in sorted(parts, key=lambda part: part[0]))]
    names = [words.one_line(name, 120) for name in dict.fromkeys(told)]
    more = f" and {len(names) - MOST_UNKNOWN} more" if len(names) > MOST_UNKNOWN else ""
    return ", ".join(names[:MOST_UNKNOWN]) + more


def _part(reading: Reading) -> str:
    """A reading that decides and was measured in a part of the window; empty where it was in all of it."""
    covered = reading.measurement.coverage_pct
    if reading.id not in KEY_READINGS or reading.value is None or covered is None or covered >= WHOLE_PCT:
        return ""
    return f"{reading.title} (measured in {covered:.1f} % of the window)"


def _unread(row: Coverage) -> str:
    """A source that did not answer, and why; one that answered in part has its details under Sources."""
    why = "partly read" if row.status.heard else f"not read: {words.one_line(row.brief, MOST_REASON)}"
    return f"{called(row.source)}{aside(why)}"


def _confidence(verdict: Verdict) -> str:
    # What was not read stands beside it, each source with its reason.
    brief = (r.partition(":")[0] if r.startswith(NOT_READ) else r for r in verdict.confidence_reasons)
    first, *rest = [words.one_line(reason, 160) for reason in brief]
    return f"{verdict.confidence.value}: {first}{f', and {len(rest)} more reasons' if len(rest) > 1 else ''}"


def _tiles(verdict: Verdict) -> Iterable[Tile]:
    """Uptime, errors, p95, cron and integrations, as far as the phase and the site have them."""
    up = "uptime_pct" if verdict.reading("uptime_pct") else "app_up"
    for name, title in ((up, "Uptime"), ("error_rate_pct", "Errors"), ("latency_p95_ms", "p95")):
        reading = verdict.reading(name)
        if reading is not None:
            yield _measured(verdict, reading, title)
    yield from _together(verdict, "Cron", ("cron_runs_failed", "cron_runs_missed"), "cron_runs_ok")
    found = [r for r in verdict.readings if r.id.startswith("integration_")]
    if found:
        yield _integrations(found)


def _measured(verdict: Verdict, reading: Reading, title: str) -> Tile:
    flag, known = reading.unit == "bool", reading.value is not None
    unit = reading.unit.removesuffix(" of requests")
    value = words.as_word(reading, "up", "down") if flag and known else amount(reading.value, unit)
    status, before = reading.status, "" if flag else _before(verdict, reading, unit)
    now = next((a for a in verdict.alerts if a.id == reading.id and a.window and not (flag or a.unsure)), None)
    ended = verdict.case.scope.after.seconds  # what came after an incident has its own table
    if now and not ended and (present := amount(now.value, unit)) != value:  # a mean of the window hides it
        before = " · ".join(filter(None, (f"{value} in {how_long(verdict.case.window)}", before)))
        value, status = f"{present} now", Status.WARN if now.priority is Priority.P2 else Status.FAIL
    return Tile(
        title=title,
        value=value,
        limit="" if flag else f"target {words.target(reading)} {unit}",
        before=before,
        status=status.value,
        judged=words.marked(status),
        trend=_trend(verdict.case, reading.id) if known else (),
        anchor=reading.section,
    )


def _before(verdict: Verdict, reading: Reading, unit: str) -> str:
    """The same metric over the seven days before the deployment."""
    metric = next((m for m in metrics_in(verdict.case) if m.id == reading.id), None)
    if metric is None:
        return ""
    before = verdict.case.at(verdict.case.scope.before)
    found = metric.of(before)
    whole = found.state is State.MEASURED and found.window == before.window
    return f"before {amount(found.value, unit)}" if whole else ""


def _together(verdict: Verdict, title: str, bad: Iterable[str], good: str) -> Iterable[Tile]:
    """Runs that went well of those expected, judged by those that did not, and unknown where jobs never logged."""
    found = [reading for reading in (verdict.reading(name) for name in bad) if reading]
    ok, due = verdict.reading(good), verdict.reading("cron_runs_expected")
    if not found or ok is None or due is None:
        return
    worst = min(found, key=lambda reading: _rank(reading.status))
    known = ok.value is not None and due.value is not None
    unheard = (due.measurement.samples or 0) - (ok.measurement.samples or 0) if known else 0
    if unheard and worst.status is Status.PASS:
        worst = replace(worst, status=Status.UNKNOWN)
    yield Tile(
        title=title,
        value=f"{amount(ok.value)} of {amount(due.value)}" if known else "not measured",
        limit="no run failed or missed",
        before=" · ".join(
            [f"{amount(r.value)} {r.id.rpartition('_')[2]}" for r in found if r.value]
            + [f"{amount(unheard)} never logged"] * (unheard > 0)
        ),
        status=worst.status.value,
        judged=words.judged(worst),
        trend=(),
        anchor=worst.section,
    )


def _integrations(found: Sequence[Reading]) -> Tile:
    worst = min(found, key=lambda reading: _rank(reading.status))
    well = sum(reading.status is Status.PASS for reading in found)
    return Tile(
        title="Integrations",
        value=f"{well} of {len(found)}" if any(r.value is not None for r in found) else "not known",
        limit="all operational",
        before=", ".join(r.title for r in found if r.status in BAD),
        status=worst.status.value,
        judged=words.judged(worst),
        trend=(),
        anchor=worst.section,
    )


def _rank(status: Status) -> int:
    return BAD.index(status) if status in BAD else len(BAD)


def _trend(case: Case, name: str) -> tuple[float, ...]:
    """The series that the page's chart of the reading draws, in at most so many steps: the worst of each."""
    if name == "uptime_pct":
        return _ups(case)
    column = {"error_rate_pct": "error_rate_pct", "latency_p95_ms": "p95"}.get(name)
    values = [float(value) for value in hourly(case)[column].dropna()] if column else []
    step = max(1, -(-len(values) // POINTS))
    return tuple(round(max(values[at : at + step]), 3) for at in range(0, len(values), step))


def _ups(case: Case) -> tuple[float, ...]:
    """Percent of each piece of the window in which no probe found it down."""
    found, window = uptime_segments(case), case.window
    down = found[found["state"] == Probe.DOWN]
    outages = [Window(start, end) for start, end in zip(down["start"], down["end"], strict=True)]
    length = (window.end - window.start) / POINTS
    if found.empty or not length:
        return ()
    pieces = [Window(window.start + at * length, window.start + (at + 1) * length) for at in range(POINTS)]
    return tuple(round(100 - 100 * sum(o.clip(p).seconds for o in outages) / p.seconds, 3) for p in pieces)
