"""Readings beyond their limits as findings, and which faults were there before the deployment."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

import pandas as pd

from pdmlib.analysis.availability.stability import PREVENT, SYSTEM_DOWN
from pdmlib.analysis.errors import unheard
from pdmlib.analysis.integrations.operational import TITLES
from pdmlib.analysis.integrations.payments import FIX_PAYMENTS
from pdmlib.analysis.limits import in_force
from pdmlib.analysis.metric import Metric
from pdmlib.analysis.performance import P95, ROLLBACK
from pdmlib.analysis.traffic.onset import Onset, onset_of
from pdmlib.frames.case import NOT_UNDERSTOOD, Case
from pdmlib.frames.readings import (
    Answer,
    Finding,
    Priority,
    Reading,
    State,
    Status,
    amount,
    aside,
    counted_title,
    lowered,
    significant,
)
from pdmlib.phases.phase import HOUR, Topic
from pdmlib.phases.window import Window, spoken
from pdmlib.verdict.alerts import Alert
from pdmlib.verdict.ladder import reading_of, step_of, target_in_words
from pdmlib.verdict.present import Now, now_of

# Checks of the database that tell of its schema and settings, which a deployment finds as they are unless a look
# before it says otherwise; the others tell of now, or of a difference.
TIMELESS = re.compile(
    "bloat|dead_rows|feature_tables|horizon|invalid_objects|missing_index|policies|policy_cost|read_only|redundant_index"
    "|replication_slots|sequences|statistics|table_hygiene|unanalysed|unused_index|visibility"
)
CALLED = {**TITLES, "vercel": "Vercel", "postgres": "PostgreSQL"}  # sources, as a sentence names them
REMEMBERED = {"supabase": "host_metrics", "postgres": "database_gauges"}  # sources, by the history of their looks
NAMED = 3  # sources that a sentence has room for
DEAF = "Look whether the application still reports to its error tracker"
WAIT = "Wait until enough were counted to tell"
LONGER = "Look at a longer window: in this one too few were counted to tell"
LOOK = "Find out what it comes from"  # of a limit of somebody's own that says nothing of what to do
SHORT_HOURS, LONG_HOURS = 3, 48  # up to which people count minutes, and hours
LONGEST_ASIDE = 120  # characters of what a count is of, so that it stays one sentence
MUCH = 1.1  # times: less is the practical size of a change


def called(source: str) -> str:
    """A source's name inside a sentence."""
    return CALLED.get(source, source)


def symptoms_of(
    case: Case, metrics: Iterable[Metric], readings: Iterable[Reading], alerts: Iterable[Alert]
) -> list[Finding]:
    """A finding for each reading beyond its limit, in the window or at present; and for what was not read."""
    ladders = {metric.id: in_force(metric, case.site, case.scope.phase.name) for metric in metrics}
    firing = {alert.id: alert for alert in alerts if alert.id == alert.reading}
    return list(_symptoms(case, ladders, readings, firing))


def _symptoms(
    case: Case, ladders: dict[str, Metric], readings: Iterable[Reading], firing: dict[str, Alert]
) -> Iterator[Finding]:
    for reading in readings:
        alert, beyond = firing.get(reading.id), reading.status in (Status.WARN, Status.FAIL)
        if alert is not None or beyond:
            yield _symptom(case, ladders[reading.id], reading, alert)
        elif reading.id == "sources_read" and reading.status is Status.UNKNOWN:
            yield _unread(case, reading)


AT_ONCE = (FIX_PAYMENTS, ROLLBACK, SYSTEM_DOWN)  # nobody does at once what is against something that is over


def _symptom(case: Case, metric: Metric, reading: Reading, alert: Alert | None) -> Finding:
    urgent = any(limit.priority for limit in metric.limits) and metric.alerts
    now = now_of(case, metric) if urgent else None
    priority = alert.priority if alert else Priority.P1 if reading.status is Status.FAIL else Priority.P2
    present = case.at(alert.window) if alert and alert.window else None
    told = present and reading_of(metric, metric.of(present), case.site, case.scope.phase.name).becomes_green
    goal = (
        told
        or reading.becomes_green
        or f"{lowered(reading.title)} is {target_in_words(reading.target, reading.unit)} at present"
    )
    if alert is not None and _is_past(case) and reading.value is not None:
        alert = replace(alert, value=reading.value, window=None)  # what came after it has its own table
    title = _title(case, reading, alert)
    active = now is not None or _is_unsure(reading) or _lasts(case, metric) if urgent else True
    past = _is_past(case) or not active
    action = (alert.action if alert else reading.action) or _without_action(case, reading, alert)
    return Finding(
        id=reading.id,
        title=title,
        priority=priority,
        reading=reading.id,
        evidence=f"{title}: {_why(reading, alert, metric, present) or f'target {reading.target}'}."
        + _began(case, reading.id),
        action=PREVENT if action in AT_ONCE and not (active or alert) else action,
        becomes_green=goal,
        since=alert.since if alert else _since(case, metric, now),
        active=active,
        value=reading.value,
        size=_size(reading),
        absolute=now is not None and now.usual and any(limit.rollback for limit in metric.limits),
        threshold=alert.threshold if alert else reading.target or "its limit",
        said=(_said(alert, past) if alert else "") or _plain(reading, title, past),
    )


def _lasts(case: Case, metric: Metric) -> bool:
    """Whether the run of a share's events has not surely ended, though the newest few show it no more."""
    began = metric.began(case) if metric.unit == "%" else None
    return began is not None and began.moment is not None and not began.over


def _why(reading: Reading, alert: Alert | None, metric: Metric, present: Case | None) -> str | None:
    """What a reading is judged by; of one that only the present tells for sure, what was counted in that."""
    if alert and not alert.unsure and reading.few and present:
        return metric.of(present).evidence
    return reading.reason or reading.measurement.evidence


def _without_action(case: Case, reading: Reading, alert: Alert | None) -> str:
    """What to do where the limit says nothing of it: wait for more, if too few were counted to tell."""
    if not (alert.unsure if alert else _is_unsure(reading)):
        return LOOK
    return LONGER if _is_past(case) else WAIT


def _since(case: Case, metric: Metric, now: Now | None) -> datetime | None:
    """Since when what fires no alert is beyond its limit, by its own events; of response times, by looking back.

    What other readings measure is told of by findings, which know better than a look back since when.
    """
    if now is not None and metric.id.startswith("latency_"):
        return now.since
    began = metric.began(case)
    return began and began.moment


def _began(case: Case, reading: str) -> str:
    """When the reading's level began, where that was not with the deployment."""
    onset, deployed, zone = _onset(case, reading), case.scope.deployed_at, case.site.zone
    if onset is None or onset.holds(deployed):
        return ""
    first, last = (spoken(moment, zone) for moment in (onset.earliest, onset.latest))
    side = "before" if onset.latest < deployed else "after"
    return f" It began between {first} and {last}, {side} the deployment and not with it."


def _onset(case: Case, reading: str) -> Onset | None:
    return onset_of(case.at(case.scope.window), reading)


def _size(reading: Reading) -> tuple[str, float] | None:
    """How many requests failed of those that were looked at."""
    value, looked = reading.value, reading.measurement.samples
    known = reading.id == "error_rate_pct" and isinstance(value, int | float) and looked is not None
    return ("requests", float(value or 0) / 100 * (looked or 0)) if known else None


# What the alerts that decide mean, in a sentence: of now, and of what is over.
REQUESTS = "requests_per_min_avg"
MEANS = {
    "app_up": ("The application is down", "The application was down"),
    "health_ok": ("The health check fails", "The health check failed"),
    "db_connection_errors": ("The database cannot be reached", "The database could not be reached"),
    "payment_failures": ("Payments fail{recent}", "Payments failed{recent}"),
    "error_rate_pct": ("{} of requests fail", "{} of requests failed"),
    P95.id: ("One request in twenty takes longer than {}", "One request in twenty took longer than {}"),
    "email_bounce_pct": ("{} of emails bounce", "{} of emails bounced"),
    "sms_failed_pct": ("{} of text messages are lost", "{} of text messages were lost"),
    "db_cpu_pct": ("The database's CPU is at {}", "The database's CPU was at {}"),
}


def _is_past(case: Case) -> bool:
    """Whether even the present of a report is long over: that of an incident of another day."""
    return case.scope.as_of - case.scope.present.end > HOUR


def _said(alert: Alert, past: bool) -> str:
    if alert.unsure:
        return ""
    value = amount(alert.value, alert.unit.removesuffix(" of requests"))
    if alert.id == REQUESTS:
        return _traffic(alert, value)
    recent = f" ({value} of the last {alert.trials:,})" if alert.window and alert.trials else ""
    return MEANS.get(alert.id, ("", ""))[past].format(value, recent=recent)


def _traffic(alert: Alert, value: str) -> str:
    if not alert.value:
        return "No requests come any more"
    few = alert.threshold.startswith("<")
    times = f"{significant(alert.times, 2)} times as many as" if alert.times and not few else "far fewer than"
    come = "request a minute comes" if value == "1" else "requests a minute come"
    return f"{'Only ' * few}{value} {come}, {times} usual"


def _plain(reading: Reading, title: str, past: bool) -> str:
    """A number beyond its limit as a sentence."""
    value = amount(reading.value, reading.unit)
    if title != _with_value(reading, value):
        return title
    if reading.id == P95.id:
        return MEANS[P95.id][past].format(value)
    numbers = reading.target.startswith(("<", ">"))
    if numbers:
        target = target_in_words(reading.target, reading.unit)
        return f"{reading.title} {'was' if past else 'is'} {value}, and the target is {target}"
    told = reading.measurement.evidence or ""
    return title + (aside(told) if told and len(told) <= LONGEST_ASIDE and "; " not in told else "")


def _is_unsure(reading: Reading) -> bool:
    """Whether a rate is no fault that could be over: too few were counted to tell one from none."""
    return reading.status is Status.WARN and reading.unsure


def _title(case: Case, reading: Reading, alert: Alert | None) -> str:
    """A reading with its value; where it is another one now, both with what they were measured over."""
    whole = amount(reading.value, reading.unit)
    if alert.unsure if alert else _is_unsure(reading):
        return f"{reading.title} {whole}{'' if _is_past(case) else ' so far'}, too few to be sure"
    if alert is None or alert.window is None or amount(alert.value, alert.unit) == whole:
        return _with_value(reading, whole)
    if isinstance(alert.value, str):
        return f"{reading.title}: {alert.value.lower()} in the last {how_long(alert.window)}"
    now, span = amount(alert.value, alert.unit), how_long(case.window)
    return f"{reading.title}: {now} in the last {how_long(alert.window)}, {whole} in the {span} of this report"


def how_long(window: Window) -> str:
    """How long a window is, so that nobody takes its start for when something began."""
    hours = window.seconds / HOUR.total_seconds()
    if hours > LONG_HOURS:
        return amount(round(hours / 24), "days")
    return amount(round(60 * hours), "min") if hours < SHORT_HOURS else amount(round(hours), "h")


def _with_value(reading: Reading, value: str) -> str:
    """A reading with its value as a title: `Error rate 6 %`, or `3 connection errors` where none should be."""
    if reading.target == "0":
        return counted_title(float(reading.value or 0), reading.title)
    return f"{reading.title}{':' * isinstance(reading.value, bool)} {value}"


def _unread(case: Case, reading: Reading) -> Finding:
    asked = [c for c in case.collection.coverage if c.status is not Answer.NOT_CONFIGURED]
    silent = [c.source for c in asked if not c.status.heard]
    named = [called(source) for source in silent]
    return Finding(
        id=reading.id,
        title="Not every source could be read",
        priority=Priority.P1,
        reading=reading.id,
        evidence=f"{reading.reason}.",
        action=DEAF if reading.reason == f"sentry: {unheard(case)}" else _look(named, len(asked)),
        becomes_green=f"each source of the site file answers (now without: {_named(named)})"
        if silent
        else "all that was asked for is read and understood",
        value=", ".join(silent),
        threshold="all",
        said=_silent(case, silent, len(asked), reading.reason or ""),
    )


def _silent(case: Case, sources: list[str], asked: int, reason: str) -> str:
    """Who was silent, and when that was: nothing else tells since when."""
    if not sources:
        return _partly_read(case, reason)
    named = _named([called(source) for source in sources])
    who = "No source could" if len(sources) == asked else f"{named[:1].upper()}{named[1:]} could not"
    if all(map(case.collection.asked_later, sources)):
        return f"{who} be read when this report was made, long after its time"
    return f"{who} be read at {spoken(case.scope.as_of, case.site.zone)}{_last_heard(case, sources)}"


def _partly_read(case: Case, reason: str) -> str:
    """Why a part was not read, where that is one short reason; else whose answers were not understood."""
    told = reason.partition(": ")[2]
    if told and len(told) <= LONGEST_ASIDE and "; " not in told and NOT_UNDERSTOOD not in reason:
        return f"{told[:1].upper()}{told[1:]}"
    odd = dict.fromkeys(row["source"] for row in case.collection.not_understood)
    if not odd:
        return "Some of what was asked for could not be read"
    return f"Some answers of {_named([called(source) for source in odd])} were not understood"


def _last_heard(case: Case, sources: list[str]) -> str:
    """The newest look of a silent source that the history keeps, behind the moment at which it was silent.

    Of a window that is long over the history goes only as far as that.
    """
    kept = [case[name]["at"].max() for source, name in REMEMBERED.items() if source in sources]
    kept = [moment for moment in kept if not pd.isna(moment) and moment < case.scope.as_of]
    fresh = case.scope.as_of - case.scope.present.end <= HOUR
    return f"; the last answer is of {spoken(max(kept), case.site.zone)}" if kept and fresh else ""


def _look(silent: list[str], asked: int) -> str:
    """Who has to be asked what, so that a source is read again."""
    if len(silent) == asked:
        return "Look whether this machine reaches the network, then run pdm doctor: it says why each is silent"
    if not silent:
        return "Run pdm doctor --explain: it says what was asked for and could not be read or understood"
    return f"Run pdm doctor: it says why {_named(silent)} cannot be read, and what is missing"


def _named(sources: list[str]) -> str:
    shown, more = sources[:NAMED], len(sources) - NAMED
    *first, last = [*shown, f"{more} more"] if more > 0 else shown
    return f"{', '.join(first)} and {last}" if first else last


def is_standing(case: Case, finding: Finding, metrics: dict[str, Metric], appeared: str) -> bool:
    """Whether a fault was there before the deployment.

    Args:
        appeared: what the look at the schema says is new since the deployment.
    """
    if finding.priority is Priority.P0 or finding.rollback:
        return case.scope.precedes(finding.since)
    onset = _onset(case, finding.id)
    if onset is not None and onset.latest < case.scope.deployed_at:
        return True
    if finding.since is not None:
        return finding.since < case.scope.deployed_at
    check, _, name = finding.id.removeprefix("database:").partition(":")
    if finding.id.startswith("database:"):
        return TIMELESS.fullmatch(check) is not None and not (name and name.rpartition(" ")[2] in appeared)
    return finding.id in metrics and _was_so(case, metrics[finding.id])


def _was_so(case: Case, metric: Metric) -> bool:
    """Whether a reading stood on the same step of its ladder in the week before, and is not much worse now.

    That a feature is not used is what a deployment is asked about, and no fault of before.
    """
    if metric.topic is Topic.USE:
        return False
    before, now = metric.of(case.at(case.scope.before)), metric.of(case)
    if before.state is not State.MEASURED or before.window != case.scope.before:
        return False
    steps = [step_of(metric, found).step for found in (before, now)]
    if None in steps or steps[0] != steps[1] or steps[1] is None or steps[1].critical:
        return False
    return isinstance(before.value, int | float) and _not_worse(metric, before.value, now.value)


def _not_worse(metric: Metric, before: float, now: object) -> bool:
    if not isinstance(now, int | float):
        return False
    return now >= before / MUCH if metric.better == "higher" else now <= before * MUCH
