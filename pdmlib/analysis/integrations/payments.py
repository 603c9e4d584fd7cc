"""Payments: those that fail by our fault and those that are declined, disputes, webhooks not delivered.

Stripe tells of payments where the site uses it, else the application's own table.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import pandas as pd

from pdmlib.analysis.integrations.shares import CHECK, PRESENT_PAYMENTS, Cause, Share, jump, nothing, share_pct
from pdmlib.analysis.metric import Metric
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Finding, Limit, Measurement, Priority, State, Status
from pdmlib.phases.window import spoken

SECTION = "integrations"
FIX_PAYMENTS = "Check the payment integration (Stripe or the bank), fix immediately"
CHECK_DECLINES = "Look at the decline reasons, and try a payment: a form that spoils card data looks like this"
ANSWER = "Answer the disputes in Stripe while evidence is taken"
DELIVERY_GRACE = timedelta(minutes=5)
SHOWN = 4  # reasons that a line can name


class _Teller(NamedTuple):
    """Who tells of payments: its source, the item of its gap, what its fields begin with, its rows' name of it."""

    source: str
    item: str
    fields: str
    rows: str


_STRIPE = _Teller("stripe", "payments", "charges", "stripe")


def _teller(case: Case) -> _Teller:
    table = case.site.block("payments")
    if table is None or case.site.source("stripe") is not None:
        return _STRIPE
    return _Teller("postgres", f"table:{table.table}", "payments", "database")


def payment_failures(case: Case) -> Measurement:
    """Payments that failed for another reason than the customer's card, bank account or risk rules.

    A declined card is a customer's failure: it is told in the evidence and not counted. A failure whose reason is
    not understood is neither.
    """
    source, item, *_ = _teller(case)
    if not case.answered(source, item):
        return case.missing(source, item, "no payment is known")
    payments = _attempts(case)
    ours, doubt = _ours(payments), _doubtful(case, payments)
    if payments.empty and not doubt:
        week = len(_attempts(case.at(case.scope.before)))
        return nothing(case, source, item, week=week, what="payment was attempted")
    if doubt and ours.empty:
        return Measurement.missing(State.NOT_UNDERSTOOD, doubt, source)
    declined = _failed(payments, "customer")
    said = f"{len(ours)} of {len(payments)} payments failed in the integration{_reasons(ours)}"
    theirs = f"{len(declined)} were declined by the customer's bank or by risk rules{_reasons(declined)}"
    return Measurement(
        State.MEASURED,
        len(ours),
        samples=len(payments),
        source=source,
        window=case.window,
        evidence="; ".join(part for part in (said, theirs, doubt) if part),
    )


def payments_declined_pct(case: Case) -> Measurement:
    """Payments that the customer's bank or the risk rules declined, in percent of those with an end."""
    source, item, fields, _ = _teller(case)
    if not case.answered(source, item):
        return case.missing(source, item, "no payment is known")
    shares = now, before = _declines(case), _declines(case.at(case.scope.before))
    if now.trials == 0:
        return nothing(case, source, item, week=before.trials, what="payment came to an end")
    words = "payments were declined by the customer's bank or by risk rules"
    return share_pct(case, DECLINED, source, shares=shares, words=words, jumps=True, fields=fields)


def _attempts(case: Case) -> pd.DataFrame:
    payments = case.within("payments", "created_at")
    return payments[payments["source"] == _teller(case).rows]


def _ours(payments: pd.DataFrame) -> pd.DataFrame:
    return _failed(payments, "ours")


def _failed(payments: pd.DataFrame, fault: str) -> pd.DataFrame:
    return payments[(payments["status"] == "failed") & (payments["fault"] == fault)]


def _unclear(payments: pd.DataFrame) -> pd.Series:
    """Which attempts are not understood: their status is not, or they failed for a reason that is not."""
    return payments["status"].isna() | ((payments["status"] == "failed") & payments["fault"].isna())


def _doubtful(case: Case, payments: pd.DataFrame) -> str | None:
    """What of the window's payments is not understood, in words; attempts without a time may lie in any window."""
    count = int(_unclear(payments).sum())
    source, fields = (teller := _teller(case)).source, teller.fields
    unplaced = case.unclear(source, f"{fields}.created") or case.unclear(source, f"{fields}.id")
    if not count and not unplaced:
        return None
    why = case.unclear(source, f"{fields}.") or "the reason is not known"
    return f"{count or 'some'} of the payments are not understood: {why}"


def _declines(case: Case) -> Share:
    payments = _attempts(case)
    ended = payments[payments["status"] != "pending"]
    return Share(len(_failed(ended, "customer")), len(ended), int(_unclear(ended).sum()))


def _reasons(payments: pd.DataFrame) -> str:
    """The most frequent reasons of some failures, in brackets; the outcome where there is no code."""
    found = payments["failure_code"].fillna(payments["outcome"]).dropna().value_counts().head(SHOWN)
    return f" ({', '.join(f'{n} {reason}' for reason, n in found.items())})" if len(found) else ""


def failed_payments(case: Case) -> Iterator[Cause]:
    """The cause that payments fail in Stripe's integration."""
    found = payment_failures(case)
    if found.value and found.source == _STRIPE.source:
        until = _ours(_attempts(case))["created_at"].max() + case.scope.phase.latest
        yield Cause(
            f"{found.value} payments failed in the integration",
            f"no payment fails in the integration until {spoken(until, case.site.zone)}",
        )


def late_events(case: Case) -> Iterator[Cause]:
    """The cause that webhook events are not delivered."""
    found = webhooks_pending(case)
    if found.value:
        yield Cause(f"{found.value} webhook events are not delivered", f"these {found.value} events are delivered")


def webhooks_pending(case: Case) -> Measurement:
    """Events of the phase that are still not delivered at the end of the window, five minutes of grace given."""
    if not case.answered("stripe", "webhook_events"):
        return case.missing("stripe", "webhook_events", "no webhook event is known")
    late, unclear = _undelivered(case), _untold(case)
    if late.empty and unclear:
        why = case.unclear("stripe", "events") or "how many wait is not known"
        return Measurement.missing(State.NOT_UNDERSTOOD, f"{unclear} events are not understood: {why}", "stripe")
    types = ", ".join(sorted(late["type"].dropna().unique())[:3])
    oldest = f"; the oldest from {spoken(late['created_at'].min(), case.site.zone)} ({types})" if len(late) else ""
    return Measurement(
        State.MEASURED,
        len(late),
        source="stripe",
        window=case.window,
        evidence=f"{len(late)} not delivered{oldest}",
    )


def _undelivered(case: Case) -> pd.DataFrame:
    events = _events(case)
    return events[(events["pending"] > 0).fillna(False)]


def _untold(case: Case) -> int:
    """Events of which nobody can tell whether they wait; one without a time may be of any window."""
    undated = case["webhook_events"]["created_at"].isna()
    return int(undated.sum()) + int(_events(case)["pending"].isna().sum())


def _events(case: Case) -> pd.DataFrame:
    """Events of the phase up to the end of the window, those left out that are being delivered just now."""
    events = case["webhook_events"]
    events = events[events["vendor"] == "stripe"]
    made = events["created_at"]
    return events[(made >= case.scope.window.start) & (made < case.window.end - DELIVERY_GRACE)]


def _first_failed(case: Case) -> datetime | None:
    failed = _ours(_attempts(case))["created_at"]
    return failed.min().to_pydatetime() if len(failed) else None


def _oldest_undelivered(case: Case) -> datetime | None:
    late = _undelivered(case)["created_at"]
    return late.min().to_pydatetime() if len(late) else None


def disputes_open(case: Case) -> Measurement:
    """Disputes that wait for an answer now, with the date until which the first takes evidence."""
    if not case.answered("stripe", "disputes"):
        return case.missing("stripe", "disputes")
    if not case.answered("stripe", "live"):
        return case.missing("stripe", "live")
    disputes = case["disputes"]
    open_now, unclear = disputes[disputes["status"] == "open"], int(disputes["status"].isna().sum())
    if open_now.empty and (unclear or case.unclear("stripe", "disputes.id")):
        why = case.unclear("stripe", "disputes")
        return Measurement.missing(State.NOT_UNDERSTOOD, f"not all disputes are understood: {why}", "stripe")
    return Measurement(
        State.MEASURED,
        len(open_now),
        samples=len(disputes),
        source="stripe",
        window=case.window,
        evidence=_disputes(case, disputes, open_now),
    )


def _disputes(case: Case, disputes: pd.DataFrame, open_now: pd.DataFrame) -> str:
    """How many wait for whom, why, and until when."""
    reviewed = int((disputes["status"] == "under_review").sum())
    said = f"{len(open_now)} wait for an answer, {reviewed} are being reviewed"
    reasons = open_now["reason"].dropna().value_counts().head(SHOWN)
    why = f" ({', '.join(f'{n} {reason}' for reason, n in reasons.items())})" if len(reasons) else ""
    due = open_now["due_at"].dropna()
    return f"{said}{why}{f'; {_due(case, due.min())}' if len(due) else ''}"


def _due(case: Case, due: pd.Timestamp) -> str:
    verb = "is due until" if due >= case.scope.as_of else "was due until"
    return f"evidence {verb} {spoken(due, case.site.zone)}"


def findings(case: Case) -> Iterator[Finding]:
    """One finding for the disputes that wait for an answer."""
    found = disputes_open(case)
    if not found.value:
        return
    waiting = case["disputes"]
    waiting = waiting[waiting["status"] == "open"].sort_values("due_at")
    began = waiting["created_at"].min()
    yield Finding(
        id="disputes:open",
        title=f"{found.value} disputes of payments wait for an answer",
        priority=Priority.P2,
        reading="disputes_open",
        evidence=f"{found.evidence}: {', '.join(waiting['dispute'].dropna().head(SHOWN))}.",
        action=ANSWER,
        becomes_green="the disputes are answered",
        since=None if pd.isna(began) else began.to_pydatetime(),
        value=found.value,
        threshold="> 0",
        owner=case.site.people.owners.get("integrations"),
    )


_PAYMENTS = (Limit(">", 0, Status.FAIL, priority=Priority.P0, action=FIX_PAYMENTS, critical=True, rollback=True),)
_UNDELIVERED = (Limit(">", 0, Status.WARN, priority=Priority.P1, action=CHECK),)
_DISPUTES = (Limit(">", 0, Status.WARN, priority=Priority.P2, action=ANSWER),)

DECLINED = Metric(
    "payments_declined_pct",
    "Payments declined",
    "%",
    section=SECTION,
    measure=payments_declined_pct,
    limits=jump(CHECK_DECLINES),
    target="no jump",
    better="lower",
    events=PRESENT_PAYMENTS,
)

METRICS: tuple[Metric, ...] = (
    Metric(
        "payment_failures",
        "Payment failures",
        "count",
        section=SECTION,
        measure=payment_failures,
        limits=_PAYMENTS,
        target="0",
        better="lower",
        events=PRESENT_PAYMENTS,
        began=_first_failed,
    ),
    DECLINED,
    Metric(
        "webhooks_pending",
        "Webhooks not delivered",
        "count",
        section=SECTION,
        measure=webhooks_pending,
        limits=_UNDELIVERED,
        target="0",
        better="lower",
        began=_oldest_undelivered,
    ),
    Metric(
        "disputes_open",
        "Disputes to answer",
        "count",
        section=SECTION,
        measure=disputes_open,
        limits=_DISPUTES,
        target="0",
        better="lower",
    ),
)
