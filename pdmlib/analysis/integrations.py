"""Integrations: Stripe, Twilio, Resend, Supabase and Sentry, each OPERATIONAL or with ISSUES and their causes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import pandas as pd

from pdmlib import stats
from pdmlib.analysis import limits
from pdmlib.analysis.compare.baseline import change
from pdmlib.analysis.compare.change import beside, practical_pct, rate_before
from pdmlib.analysis.errors import unheard
from pdmlib.analysis.metric import Metric
from pdmlib.analysis.traffic.populations import ending, tile
from pdmlib.frames.case import Case
from pdmlib.frames.readings import FEWEST_EVENTS, Finding, Limit, Measurement, Priority, State, Status
from pdmlib.phases.window import iso

SECTION = "integrations"
OPERATIONAL, ISSUES = "OPERATIONAL", "ISSUES"
CHECK = "Check integration status and logs"
FIX_PAYMENTS = "Check Stripe integration, fix immediately"
TITLES = {"stripe": "Stripe", "twilio": "Twilio", "resend": "Resend", "supabase": "Supabase", "sentry": "Sentry"}
DECLINED = ("issuer_declined", "blocked")
BROKEN_KINDS = ("account", "service", "webhook", "domain")
UNWELL = ("degraded", "down")
SMS_DONE, SMS_LOST = ("delivered", "read", "sent"), ("failed", "undelivered")
# Of ten payments in a row one fails with 65 % where one in ten does, and of sixty messages the lower bound of 10 %
# lost lies above the 2 % that carriers lose: fewer tell nothing, more is no longer the present.
PRESENT_PAYMENTS = ("payments", "created_at", 10)
PRESENT_MESSAGES = ("messages", "created_at", 60)
_DELIVERY_GRACE = timedelta(minutes=5)
_SIGNS_OF_LIFE = {
    "stripe": ("payments", "created_at"),
    "twilio": ("messages", "created_at"),
    "resend": ("email_counts", "at"),
    "supabase": ("host_metrics", "at"),
    "sentry": ("error_counts", "start"),
}
_OTHER_NAMES = {"resend": ("email",), "supabase": ("database",)}


def integration(case: Case, name: str) -> Measurement:
    """OPERATIONAL or ISSUES, with the causes as evidence; unknown when nothing tells."""
    causes = "; ".join(cause.words for cause in causes_of(case, name))
    if causes:
        return Measurement(State.MEASURED, ISSUES, causes, source=name, window=case.window, evidence=causes)
    if not case.answered(name):
        return case.missing(name, otherwise=f"nothing was heard of {TITLES[name]}")
    unclear = int(_checks(case, name)["success"].isna().sum())
    if unclear:
        why = f"{unclear} checks by the application ended in a word that is not understood"
        return Measurement.missing(State.NOT_UNDERSTOOD, why, "postgres")
    if not _heard(case, name):
        return case.missing(name, "live", f"nothing was heard of {TITLES[name]} in the window")
    logs = case["vendor_states"]
    logs = logs[(logs["vendor"] == name) & (logs["kind"] == "log")]
    noted = "; ".join(f"{i}: {d}" for i, d in zip(logs["item"], logs["detail"], strict=True))
    return Measurement(
        State.MEASURED,
        OPERATIONAL,
        source=name,
        window=case.window,
        evidence=f"in its log {noted}" if noted else None,
    )


def _heard(case: Case, name: str) -> bool:
    """Whether anything of the window speaks for the vendor: a state of now, or something it did."""
    if name == "sentry" and unheard(case):
        return False
    states = case["vendor_states"]
    now = case.window.end >= case.scope.window.end and bool((states["vendor"] == name).any())
    frame, column = _SIGNS_OF_LIFE[name]
    return now or len(case.within(frame, column)) > 0 or len(_checks(case, name)) > 0


class Cause(NamedTuple):
    """Why an integration has issues, and what would have to be seen for it to have none."""

    words: str
    goal: str


def causes_of(case: Case, name: str) -> Iterator[Cause]:
    """Why an integration has issues; nothing when none is known."""
    yield from _broken_states(case, name)
    yield from _failing_checks(case, name)
    yield from _unwell_component(case, name)
    if name == "stripe":
        yield from _failed_payments(case)
        yield from _late_events(case)
    if name == "twilio":
        yield from _surely_above(case, SMS_FAILED, sms_failed_pct(case), "messages", "of text messages failed")
    if name == "resend":
        yield from _surely_above(case, EMAIL_BOUNCE, email_bounce_pct(case), "emails", "of emails bounced")


def _broken_states(case: Case, name: str) -> Iterator[Cause]:
    """States that the vendor reports now; they say nothing of a window that ended earlier."""
    if case.window.end < case.scope.window.end:
        return
    states = case["vendor_states"]
    bad = states[(states["vendor"] == name) & states["kind"].isin(BROKEN_KINDS) & (states["ok"] == False)]  # noqa: E712
    for kind, item, status in zip(bad["kind"], bad["item"], bad["status"], strict=True):
        yield Cause(f"{kind} {item} is {status}", f"{kind} {item} is no longer {status}")


def _failing_checks(case: Case, name: str) -> Iterator[Cause]:
    """Checks by the application: an issue when the newest failed, or surely more than one in twenty did."""
    checks = _checks(case, name)
    bad = checks[checks["success"] == False]  # noqa: E712
    enough = stats.trials_to_doubt(len(bad), len(checks), 0.05, case.level)
    known = checks["success"].dropna()
    if bad.empty or (bool(known.iloc[-1]) and enough == len(checks)):
        return
    error = bad["error"].dropna()
    last = f" (last: {error.iloc[-1]})" if len(error) else ""
    yield Cause(
        f"{len(bad)} of {len(checks)} checks by the application failed{last}",
        f"the next {max(enough - len(checks), 1)} checks by the application succeed",
    )


def _checks(case: Case, name: str) -> pd.DataFrame:
    checks = case.within("integration_checks", "at").sort_values("at")
    return checks[checks["integration"].str.lower().isin([name, *_OTHER_NAMES.get(name, ())])]


def _unwell_component(case: Case, name: str) -> Iterator[Cause]:
    names = [name, *_OTHER_NAMES.get(name, ())]
    checks = case.within("health_checks", "checked_at").sort_values("checked_at")
    checks = checks[checks["component"].isin(names)].groupby("component").tail(1)
    for row in checks[checks["status"].isin(UNWELL)].to_dict("records"):
        detail = "" if pd.isna(row["detail"]) else f" ({row['detail']})"
        says = f"the health endpoint says {row['component']} is"
        yield Cause(f"{says} {row['status']}{detail}", f"{says} up")


def _failed_payments(case: Case) -> Iterator[Cause]:
    found = payment_failures(case)
    if found.value:
        until = _lost_payments(case)["created_at"].max() + case.scope.phase.latest
        yield Cause(
            f"{found.value} payments failed in the integration",
            f"no payment fails in the integration until {iso(until)}",
        )


def _late_events(case: Case) -> Iterator[Cause]:
    found = webhooks_pending(case)
    if found.value:
        yield Cause(f"{found.value} webhook events are not delivered", f"these {found.value} events are delivered")


def _surely_above(case: Case, metric: Metric, found: Measurement, noun: str, what: str) -> Iterator[Cause]:
    most = limits.target_of(case, metric)
    if most is None or found.low is None or found.low <= most or not isinstance(found.value, float):
        return
    trials = found.samples or 0
    lost = round(found.value * trials / 100)
    if lost < FEWEST_EVENTS:
        return
    enough = stats.trials_to_doubt(lost, trials, most / 100, case.level)
    yield Cause(f"{found.value:.1f} % {what} ({found.evidence})", f"{enough - trials} more {noun} without a loss")


def payment_failures(case: Case) -> Measurement:
    """Payments that failed for another reason than the customer's bank or Stripe's risk rules.

    A declined card is a customer's failure: it is told in the evidence and not counted.
    """
    if not case.answered("stripe", "payments"):
        return case.missing("stripe", "payments", "no payment is known")
    payments = case.within("payments", "created_at")
    payments = payments[payments["source"] == "stripe"]
    if payments.empty:
        return _none(case, "stripe", "payments", _attempts(case.at(case.scope.before)), "payment was attempted")
    lost = _lost_payments(case)
    declined = int((payments["status"] == "failed").sum()) - len(lost)
    codes = lost["failure_code"].dropna().unique()
    why = f" ({', '.join(sorted(codes))})" if len(codes) else ""
    return Measurement(
        State.MEASURED,
        len(lost),
        samples=len(payments),
        source="stripe",
        window=case.window,
        evidence=f"{len(lost)} of {len(payments)} payments failed in the integration{why}; "
        f"{declined} were declined by the customer's bank or by risk rules",
    )


def _first_lost(case: Case) -> datetime | None:
    lost = _lost_payments(case)["created_at"]
    return lost.min().to_pydatetime() if len(lost) else None


def _oldest_undelivered(case: Case) -> datetime | None:
    late = _undelivered(case)["created_at"]
    return late.min().to_pydatetime() if len(late) else None


def _attempts(case: Case) -> int:
    return int((case.within("payments", "created_at")["source"] == "stripe").sum())


def _none(case: Case, source: str, item: str, week: int, what: str) -> Measurement:
    """Nothing in the window: not due where the week before makes that likely, else silence that tells nothing.

    Args:
        week: how many there were in the week before the deployment.
    """
    due = week * case.window.seconds / case.scope.before.seconds
    words = f"no {what} in the window, where {due:,.1f} were due by the week before"
    if case.collection.gap(source, item) is None and stats.chance_of_none(due) >= stats.LEVEL:
        return Measurement.missing(State.NOT_DUE, words, source)
    return case.missing(source, item, words)


def _lost_payments(case: Case) -> pd.DataFrame:
    payments = case.within("payments", "created_at")
    lost = (payments["source"] == "stripe") & (payments["status"] == "failed")
    return payments[lost & ~payments["outcome"].isin(DECLINED)]


def sms_failed_pct(case: Case) -> Measurement:
    """Outbound text messages failed or undelivered, in percent of those with an end; in-flight ones left out."""
    if not case.answered("twilio", "messages"):
        return case.missing("twilio", "messages", "no text message is known")
    now = _sms(case)
    if now[1] == 0:
        due = _sms(case.at(case.scope.before))[1]
        return _none(case, "twilio", "messages", due, "outbound text message came to an end")
    return _rate(case, "sms_failed_pct", "twilio", now, _sms(case.at(case.scope.before)), "messages")


def _sms(case: Case) -> tuple[int, int]:
    messages = case.within("messages", "created_at")
    messages = messages[messages["direction"].isna() | messages["direction"].str.startswith("outbound", na=False)]
    lost = int(messages["status"].isin(SMS_LOST).sum())
    return lost, lost + int(messages["status"].isin(SMS_DONE).sum())


def email_bounce_pct(case: Case) -> Measurement:
    """Emails bounced, in percent of those sent."""
    if not case.answered("resend", "email_counts"):
        return case.missing("resend", "email_counts", "no email is known")
    now = _emails(case)
    if now[1] == 0:
        return _none(case, "resend", "email_counts", _emails(case.at(case.scope.before))[1], "email was sent")
    return _rate(case, "email_bounce_pct", "resend", now, _emails(case.at(case.scope.before)), "emails")


def _emails(case: Case) -> tuple[int, int]:
    counts = tile(ending(case["email_counts"]), case.window)
    return int(counts["bounced"].sum()), int(counts["sent"].sum())


def _rate(
    case: Case, metric: str, source: str, now: tuple[int, int], before: tuple[int, int], what: str
) -> Measurement:
    low, high = stats.wilson(*now, case.level)
    base, looks = rate_before(now[1], *before), case.scope.phase.looks
    seen = change(now[0], base, "lower", practical_pct(case, metric), looks)
    was = f"; before the deployment {before[0]} of {before[1]}" if before[1] else ""
    found = Measurement(
        State.MEASURED,
        100 * now[0] / now[1],
        samples=now[1],
        low=100 * low,
        high=100 * high,
        source=source,
        window=case.window,
        evidence=f"{now[0]} of {now[1]} {what}{was}{case.many_looks}",
    )
    return beside(found, seen, 100 * before[0] / before[1] if before[1] else None)


def webhooks_pending(case: Case) -> Measurement:
    """Events of the phase that are still not delivered at the end of the window, five minutes of grace given."""
    if not case.answered("stripe", "webhook_events"):
        return case.missing("stripe", "webhook_events", "no webhook event is known")
    late = _undelivered(case)
    types = ", ".join(sorted(late["type"].dropna().unique())[:3])
    oldest = f"; the oldest from {late['created_at'].min():%Y-%m-%d %H:%M} UTC ({types})" if len(late) else ""
    return Measurement(
        State.MEASURED,
        len(late),
        source="stripe",
        window=case.window,
        evidence=f"{len(late)} not delivered{oldest}",
    )


def _undelivered(case: Case) -> pd.DataFrame:
    events = case["webhook_events"]
    made = events["created_at"]
    inside = (made >= case.scope.window.start) & (made < case.window.end - _DELIVERY_GRACE)
    return events[inside & (events["pending"].isna() | (events["pending"] > 0))]


def table(case: Case) -> list[dict[str, Any]]:
    """Rows of `integrations`: integration, status, notes, source."""
    found = {title: integration(case, name) for name, title in TITLES.items()}
    return [_row(title, one) for title, one in found.items() if not case.is_without(one)]


def _row(title: str, found: Measurement) -> dict[str, Any]:
    return {"integration": title, "status": found.value, "notes": found.reason, "source": found.source}


def _still(case: Case, name: str) -> bool:
    """Whether an integration has issues now: in the last hour of data, or in the newest of what happens seldom."""
    events = {"stripe": PRESENT_PAYMENTS, "twilio": PRESENT_MESSAGES}.get(name)
    now = case.at(case.with_events(events)) if events else case.latest()
    return any(causes_of(now, name))


def findings(case: Case) -> list[Finding]:
    """One finding for each integration with issues in the window."""
    return [
        Finding(
            id=f"integration:{name}",
            title=f"{title} has issues",
            priority=Priority.P1,
            reading=f"integration_{name}",
            evidence=f"{title}: {'; '.join(cause.words for cause in causes)}.",
            action=CHECK,
            becomes_green="; ".join(cause.goal for cause in causes),
            active=_still(case, name),
            value=ISSUES,
            threshold=f"== {ISSUES}",
            owner=case.site.people.owners.get("integrations"),
        )
        for name, title in TITLES.items()
        if (causes := list(causes_of(case, name)))
    ]


_TROUBLED = (Limit("==", ISSUES, Status.FAIL, Priority.P1, CHECK),)
_PAYMENTS = (Limit(">", 0, Status.FAIL, Priority.P0, FIX_PAYMENTS, critical=True, rollback=True),)
# The guide gives no edge: carriers lose about one message in fifty, mail hosts throttle from one in twenty on.
_LOSSES = (
    Limit(">", 5, Status.FAIL, Priority.P1, CHECK, of="low"),
    Limit(">", 2, Status.WARN, Priority.P1, CHECK, of="low"),
    Limit(">", 2, Status.WARN, action=CHECK),
)
_UNDELIVERED = (Limit(">", 0, Status.WARN, Priority.P1, CHECK),)

SMS_FAILED = Metric(
    "sms_failed_pct",
    "Text messages lost",
    "%",
    SECTION,
    sms_failed_pct,
    _LOSSES,
    "<= 2",
    "lower",
    "messages",
    events=PRESENT_MESSAGES,
)
EMAIL_BOUNCE = Metric(
    "email_bounce_pct", "Emails bounced", "%", SECTION, email_bounce_pct, _LOSSES, "<= 2", "lower", "emails"
)

METRICS: tuple[Metric, ...] = (
    *(
        Metric(f"integration_{name}", title, "", SECTION, partial(integration, name=name), _TROUBLED, OPERATIONAL)
        for name, title in TITLES.items()
    ),
    Metric(
        "payment_failures",
        "Payment failures",
        "count",
        SECTION,
        payment_failures,
        _PAYMENTS,
        "0",
        "lower",
        events=PRESENT_PAYMENTS,
        began=_first_lost,
    ),
    SMS_FAILED,
    EMAIL_BOUNCE,
    Metric(
        "webhooks_pending",
        "Webhooks not delivered",
        "count",
        SECTION,
        webhooks_pending,
        _UNDELIVERED,
        "0",
        "lower",
        began=_oldest_undelivered,
    ),
)
