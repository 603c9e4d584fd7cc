"""Payments: those that fail by our fault and those that are declined, disputes, webhooks not delivered.

Stripe tells of payments where the site uses it, else the application's own table.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import NamedTuple

import pandas as pd

from pdmlib import stats
from pdmlib.analysis.integrations import since
from pdmlib.analysis.integrations.shares import CHECK, PRESENT_PAYMENTS, Cause, Share, jump, nothing, share_pct
from pdmlib.analysis.metric import Began, Metric
from pdmlib.frames.case import NOT_UNDERSTOOD, Case, once
from pdmlib.frames.readings import Finding, Limit, Measurement, Priority, State, Status, counted
from pdmlib.phases.window import spoken

SECTION = "integrations"
FAILURES = "payment_failures"
FIX_PAYMENTS = "Check the payment integration (Stripe or the bank), fix immediately"
CHECK_DECLINES = "Look at the decline reasons, and try a payment: a form that spoils card data looks like this"
ANSWER = "Answer the disputes in Stripe while evidence is taken"
DELIVERY_GRACE = timedelta(minutes=5)
MOST_PCT = 70.0  # as the ladder of declined payments has it: nine of nine is the first that surely lies above
UNTOLD = "; say which of the table's words are payments declined by the bank: payments: {words: {declined: [..]}}"
SHOWN = 4  # reasons that a line can name


class _Teller(NamedTuple):
    """Who tells of payments.

    Attributes:
        item: of its gap.
        rows: its name in the frame.
        listed: what its list is called.
        doubts: what the fields begin with that say what became of a payment.
        time: the field that places it.
    """

    source: str
    item: str
    rows: str
    listed: str
    doubts: str
    time: str


_STRIPE = _Teller("stripe", "payments", rows="stripe", listed="charges", doubts="charges", time="charges.created")


def _teller(case: Case) -> _Teller:
    table = case.site.block("payments")
    if table is None or case.site.source("stripe") is not None:
        return _STRIPE
    return _Teller(
        "postgres",
        f"table:{table.table}",
        rows="database",
        listed="payments",
        doubts="payments.status",
        time="payments.created_at",
    )


def payment_failures(case: Case) -> Measurement:
    """Payments that failed for another reason than the customer's card, bank account or risk rules.

    A declined card is a customer's failure: it is told in the evidence and not counted. A failure whose reason is
    not understood is neither; but when nearly all of the newest payments fail, it is no customer's card.
    """
    source, item, *_ = _teller(case)
    if not case.answered(source, item):
        return case.missing(source, item, "no payment is known")
    payments = _blamed(case, _attempts(case))
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
    source, item, *_ = teller = _teller(case)
    if not case.answered(source, item):
        return case.missing(source, item, "no payment is known")
    shares = now, before = _declines(case), _declines(case.at(case.scope.before))
    if now.trials == 0:
        return nothing(case, source, item, week=before.trials, what="payment came to an end")
    untold = _failed_untold(case)
    words = f"payments were declined by the customer's bank or by risk rules{untold and f', or failed{untold}'}"
    return share_pct(case, DECLINED, source, shares=shares, words=words, jumps=True, fields=teller.doubts)


def _failed_untold(case: Case) -> str:
    """That a table does not tell what failed from what was declined; empty where it does."""
    payments = _attempts(case)
    untold = (payments["status"] == "failed") & payments["fault"].isna()
    return UNTOLD if _teller(case) is not _STRIPE and untold.any() else ""


def _blamed(case: Case, payments: pd.DataFrame) -> pd.DataFrame:
    """Payments, those that failed for a reason that a table does not tell as ours where nearly all fail."""
    if _teller(case) is _STRIPE or not _nearly_all_fail(case):
        return payments
    unknown = (payments["status"] == "failed") & payments["fault"].isna()
    return payments.assign(fault=payments["fault"].mask(unknown, "ours"))


def _nearly_all_fail(case: Case) -> bool:
    """Whether surely most of the payments fail: those of the window, or the newest where it ends now."""
    ends_now = case.window.end >= case.scope.window.end
    windows = [case.window, *([case.with_events(PRESENT_PAYMENTS)] if ends_now else [])]
    shares = (_attempts(case.at(window)) for window in windows)
    found = ((int((rows["status"] == "failed").sum()), len(rows)) for rows in shares)
    return any(n and stats.wilson(failed, n, case.level)[0] > MOST_PCT / 100 for failed, n in found)


def _attempts(case: Case) -> pd.DataFrame:
    return _told(case, case.within("payments", "created_at"))


def moments(case: Case) -> pd.Series | None:
    """When payments were attempted, as far back as they are known; None where nobody tells of them."""
    source, item, *_ = _teller(case)
    return _told(case, case["payments"])["created_at"] if case.answered(source, item) else None


def _told(case: Case, payments: pd.DataFrame) -> pd.DataFrame:
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
    teller = _teller(case)
    count = int(_unclear(payments).sum()) + case.entries_lost(teller.source, teller.listed)
    if not count and not case.unclear(teller.source, teller.time):
        return None
    why = case.unclear(teller.source, teller.doubts) or "the reason is not known"
    why = f"{why}{_failed_untold(case)}"
    return f"{count or 'some'} of the payments are not understood: {why.removeprefix(NOT_UNDERSTOOD)}"


def _declines(case: Case) -> Share:
    payments, teller = _attempts(case), _teller(case)
    ended = payments[payments["status"] != "pending"]
    unclear = _unclear(ended) if teller is _STRIPE else ended["status"].isna()
    lost = case.entries_lost(teller.source, teller.listed)
    return Share(int(_is_declined(case, ended).sum()), len(ended) + lost, int(unclear.sum()) + lost)


def _is_declined(case: Case, payments: pd.DataFrame) -> pd.Series:
    """Which payments the customer's side declined; of a table that does not tell them apart, all that failed."""
    fault = payments["fault"]
    theirs = fault == "customer" if _teller(case) is _STRIPE else fault != "ours"
    return (payments["status"] == "failed") & theirs


def _reasons(payments: pd.DataFrame) -> str:
    """The most frequent reasons of some failures, in brackets; the outcome where there is no code."""
    found = payments["failure_code"].fillna(payments["outcome"]).dropna().value_counts().head(SHOWN)
    return f" ({', '.join(f'{n} {reason}' for reason, n in found.items())})" if len(found) else ""


def failed_payments(case: Case) -> Iterator[Cause]:
    """The cause that payments fail in Stripe's integration."""
    found = payment_failures(case)
    if found.value and found.source == _STRIPE.source:
        began = failing_since(case)
        until = _ours(_attempts(case))["created_at"].max() + case.scope.phase.latest
        yield Cause.dated(
            f"{found.value} payments failed in the integration",
            f"no payment fails in the integration until {spoken(until, case.site.zone)}",
            began,
        )


def late_events(case: Case) -> Iterator[Cause]:
    """The cause that webhook events are not delivered."""
    found = webhooks_pending(case)
    if found.value:
        late, began = f"{found.value} webhook events are not delivered", undelivered_since(case)
        yield Cause(late, f"these {found.value} events are delivered", began and began.moment)


def webhooks_pending(case: Case) -> Measurement:
    """Events since the deployment that still wait at the end of the window, five minutes of grace given."""
    if not case.answered("stripe", "webhook_events"):
        return case.missing("stripe", "webhook_events", "no webhook event is known")
    late, doubt = _undelivered(case), _not_understood(case, _untold(case), "events")
    if late.empty and doubt:
        return Measurement.missing(State.NOT_UNDERSTOOD, doubt, "stripe")
    types = ", ".join(sorted(late["type"].dropna().unique())[:3])
    oldest = f"; the oldest from {spoken(late['created_at'].min(), case.site.zone)} ({types})" if len(late) else ""
    return Measurement(
        State.MEASURED,
        len(late),
        samples=len(_events(case)),
        source="stripe",
        window=case.window,
        evidence="; ".join(filter(None, (f"{len(late)} not delivered{oldest}", doubt))),
    )


def _undelivered(case: Case) -> pd.DataFrame:
    events = _events(case)
    return events[(events["pending"] > 0).fillna(False)]


def _untold(case: Case) -> int:
    """Events of which nobody can tell whether they wait; one without a time may be of any window."""
    undated = int(case["webhook_events"]["created_at"].isna().sum())
    return undated + int(_events(case)["pending"].isna().sum()) + case.entries_lost("stripe", "events")


def _not_understood(case: Case, number: int, listed: str) -> str:
    """That so many of a list are not understood, and why; empty where all are."""
    why = case.unclear("stripe", listed) or "what became of them is not known"
    return f"{number} of the {listed} are not understood: {why.removeprefix(NOT_UNDERSTOOD)}" if number else ""


def _events(case: Case) -> pd.DataFrame:
    """Events since the deployment up to the end of the window, without those that are being delivered just now."""
    events = case["webhook_events"]
    events = events[events["vendor"] == "stripe"]
    made = events["created_at"]
    return events[(made >= case.scope.deployment_or_start) & (made < case.window.end - DELIVERY_GRACE)]


@once
def failing_since(case: Case) -> Began | None:
    """Since when payments fail by our fault as often as they do now."""
    payments = _blamed(case, _told(case, case["payments"]))
    wrong = (payments["status"] == "failed") & (payments["fault"] == "ours")
    return since.of_events(case, payments["created_at"], wrong)


@once
def _declined_since(case: Case) -> Began | None:
    payments = _told(case, case["payments"])
    ended = payments[payments["status"] != "pending"]
    return since.of_events(case, ended["created_at"], _is_declined(case, ended))


@once
def undelivered_since(case: Case) -> Began | None:
    """The oldest event that waits, also of the day before the deployment."""
    oldest = _waiting(case)["created_at"].min()
    return None if pd.isna(oldest) else Began(oldest.to_pydatetime())


def _waiting(case: Case) -> pd.DataFrame:
    """Events that wait at the end of the window, five minutes of grace given, also of before the deployment."""
    events = case["webhook_events"]
    late = (events["vendor"] == "stripe") & (events["pending"] > 0).fillna(False)
    return events[late & (events["created_at"] < case.window.end - DELIVERY_GRACE)]


def disputes_open(case: Case) -> Measurement:
    """Disputes that wait for an answer now, with the date until which the first takes evidence."""
    if not case.answered("stripe", "disputes"):
        return case.missing("stripe", "disputes")
    if not case.answered("stripe", "live"):
        return case.missing("stripe", "live")
    disputes = case["disputes"]
    open_now = disputes[disputes["status"] == "open"]
    unclear = int(disputes["status"].isna().sum()) + case.entries_lost("stripe", "disputes")
    doubt = _not_understood(case, unclear, "disputes")
    if open_now.empty and doubt:
        return Measurement.missing(State.NOT_UNDERSTOOD, doubt, "stripe")
    return Measurement(
        State.MEASURED,
        len(open_now),
        samples=len(disputes),
        source="stripe",
        window=case.window,
        evidence="; ".join(filter(None, (_disputes(case, disputes, open_now), doubt))),
    )


def _disputed_since(case: Case) -> Began | None:
    """When the first of the disputes that wait now was opened."""
    oldest = case["disputes"].loc[case["disputes"]["status"] == "open", "created_at"].min()
    return None if pd.isna(oldest) else Began(oldest.to_pydatetime())


def _disputes(case: Case, disputes: pd.DataFrame, open_now: pd.DataFrame) -> str:
    """How many wait for whom, why, and until when."""
    reviewed = int((disputes["status"] == "under_review").sum())
    said = f"{len(open_now)} wait for an answer, {reviewed} are being reviewed"
    reasons = open_now["reason"].dropna().value_counts().head(SHOWN)
    why = f" ({', '.join(f'{n} {reason}' for reason, n in reasons.items())})" if len(reasons) else ""
    return "; ".join([said + why, *_due(case, open_now["due_at"].dropna())])


def _due(case: Case, due: pd.Series) -> Iterator[str]:
    """Until when the next can be answered, and since when others no longer can."""
    ahead, past = due[due >= case.scope.as_of], due[due < case.scope.as_of]
    if len(ahead):
        yield f"evidence is due until {spoken(ahead.min(), case.site.zone)}"
    if len(past):
        which = f" for {len(past)} of them" if len(ahead) else ""
        yield f"evidence was due until {spoken(past.max(), case.site.zone)}{which}"


def findings(case: Case) -> Iterator[Finding]:
    """One finding for the disputes that wait for an answer, and one for events from before the deployment."""
    yield from _disputed(case)
    yield from _late_before(case)


def _late_before(case: Case) -> Iterator[Finding]:
    """Events from before the deployment that still wait, where none since does: with those they are one cause."""
    late = _waiting(case)
    late = late[late["created_at"] < case.scope.deployment_or_start]
    if late.empty or not _undelivered(case).empty:
        return
    several, began = len(late) > 1, late["created_at"].min().to_pydatetime()
    types = ", ".join(sorted(late["type"].dropna().unique())[:3])
    yield Finding(
        id="webhook_events:before",
        title=f"{counted(len(late), 'webhook event')} of before the deployment "
        f"{'are' if several else 'is'} not delivered",
        priority=Priority.P2,
        reading="webhooks_pending",
        evidence=f"the oldest from {spoken(began, case.site.zone)} ({types}), none since the deployment.",
        action=CHECK,
        becomes_green=f"{'these events are' if several else 'this event is'} delivered",
        since=began,
        value=len(late),
        threshold="> 0",
        owner=case.site.people.owners.get("integrations"),
    )


def _disputed(case: Case) -> Iterator[Finding]:
    found = disputes_open(case)
    if not found.value:
        return
    waiting = case["disputes"]
    waiting = waiting[waiting["status"] == "open"].sort_values("due_at")
    several, began = len(waiting) > 1, _disputed_since(case)
    yield Finding(
        id="disputes:open",
        title=f"{found.value} disputes of payments wait for an answer"
        if several
        else "1 dispute of a payment waits for an answer",
        priority=Priority.P2,
        reading="disputes_open",
        evidence=f"{found.evidence}: {', '.join(waiting['dispute'].dropna().head(SHOWN))}.",
        action=ANSWER,
        becomes_green="the disputes are answered",
        since=began and began.moment,
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
    began=_declined_since,
)

METRICS: tuple[Metric, ...] = (
    Metric(
        FAILURES,
        "Payment failures",
        "count",
        adds_up=True,
        section=SECTION,
        measure=payment_failures,
        limits=_PAYMENTS,
        target="0",
        better="lower",
        events=PRESENT_PAYMENTS,
        began=failing_since,
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
        began=undelivered_since,
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
        began=_disputed_since,
    ),
)
