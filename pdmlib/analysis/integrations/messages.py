"""Text messages: lost by our fault or the carrier's, refused on the recipient's side, and never sent at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pandas as pd

from pdmlib.analysis import limits
from pdmlib.analysis.integrations import since
from pdmlib.analysis.integrations.shares import (
    LOSSES,
    PRESENT_MESSAGES,
    REFUSED_PCT,
    Cause,
    Share,
    jump,
    nothing,
    share_pct,
    surely_above,
)
from pdmlib.analysis.metric import Began, Metric
from pdmlib.analysis.traffic.onset import newest_run
from pdmlib.frames.case import Case, once
from pdmlib.frames.readings import FEWEST_EVENTS, Measurement, counted

SECTION = "integrations"
DONE, LOST = ("delivered", "read", "sent", "partially_delivered"), ("failed", "undelivered")
WAITING = ("queued", "accepted", "sending")
LONG = timedelta(days=2)  # from which people count days
STUCK = timedelta(minutes=15)  # Twilio sends within seconds; a burst over the sender's rate waits for minutes
QUEUED_AT_MOST = timedelta(days=1)  # Twilio gives a message up after its validity period, at most ten hours
CHECK_NUMBERS = "Look at the error codes in Twilio, and at how numbers are stored: a wrong format looks like this"
SHOWN = 4  # codes that a line can name


def sms_failed_pct(case: Case) -> Measurement:
    """Outbound messages lost by our fault or the carrier's, in percent of those with an end."""
    return _lost_pct(case, FAILED, "ours", "messages were lost by our fault or the carrier's")


def sms_refused_pct(case: Case) -> Measurement:
    """Outbound messages lost on the recipient's side (landline, opted out, unreachable), in percent likewise."""
    return _lost_pct(case, REFUSED, "recipient", "messages were lost on the recipient's side")


def _lost_pct(case: Case, metric: Metric, fault: str, words: str) -> Measurement:
    if not case.answered("twilio", "messages"):
        return case.missing("twilio", "messages", "no text message is known")
    now, before = lost(case, fault), lost(case.at(case.scope.before), fault)
    if now.trials == 0:
        return nothing(case, "twilio", "messages", week=before.trials, what="outbound text message came to an end")
    told = f"{words}{_codes(case, fault)}"
    return share_pct(case, metric, "twilio", shares=(now, before), words=told, jumps=metric is REFUSED)


@once
def outbound(case: Case) -> pd.DataFrame:
    """Messages of the window that were sent by us; one whose time or direction is not understood may have been."""
    undated = case["messages"][case["messages"]["created_at"].isna()]
    return _outbound(pd.concat([case.within("messages", "created_at"), undated], ignore_index=True))


def moments(case: Case) -> pd.Series | None:
    """When messages were sent, as far back as they are known; None where nobody tells of them."""
    return _outbound(case["messages"])["created_at"] if case.answered("twilio", "messages") else None


def _outbound(rows: pd.DataFrame) -> pd.DataFrame:
    return rows[rows["direction"].isna() | rows["direction"].str.startswith("outbound", na=False)]


def _losing_since(fault: str) -> Callable[[Case], Began | None]:
    """Since when messages are lost by one side's fault as often as they are now."""

    @once
    def found(case: Case) -> Began | None:
        rows = _outbound(case["messages"])
        ended = rows[rows["status"].isin((*LOST, *DONE))]
        wrong = ended["status"].isin(LOST) & (ended["fault"] == fault)
        return since.of_events(case, ended["created_at"], wrong)

    return lambda case: found(case.at(case.scope.window))


@once
def lost(case: Case, fault: str) -> Share:
    """Messages of the window that were lost by one side's fault, of those with an end."""
    rows = outbound(case)
    gone, odd = rows["status"].isin(LOST), rows["status"].isna() | rows["created_at"].isna()
    told = gone & rows["direction"].notna() & ~odd & rows["fault"].notna()
    ended = gone | rows["status"].isin(DONE) | odd
    unknown = case.entries_lost("twilio", "messages", "sid")
    unclear = int(((gone | odd) & ~told).sum()) + unknown
    return Share(int((told & (rows["fault"] == fault)).sum()), int(ended.sum()) + unknown, unclear)


def _codes(case: Case, fault: str) -> str:
    """The most frequent error codes of one side, in brackets."""
    rows = outbound(case)
    codes = rows.loc[rows["fault"] == fault, "error_code"].dropna().value_counts().head(SHOWN)
    return f" ({', '.join(f'{n} of code {code}' for code, n in codes.items())})" if len(codes) else ""


def causes(case: Case) -> Iterator[Cause]:
    """Why Twilio has issues: messages lost, messages that wait, webhooks of ours that do not answer."""
    most = limits.target_of(case, FAILED)
    share = lost(case, "ours")
    yield from surely_above(
        case, share, most, noun="messages", what="of text messages failed", since=LOST_SINCE(case)
    )
    yield from _stuck(case)
    yield from _alerts(case)


def _stuck(case: Case) -> Iterator[Cause]:
    """Messages that were to be sent long before the window's end and still wait, those from before it too.

    A backlog is a state, which no window sees a part of.
    """
    rows, now = _outbound(case["messages"]), outbound(case)
    waiting = rows["status"].isin(WAITING) & (rows["created_at"] < case.window.end - STUCK)
    waiting &= rows["created_at"] >= case.window.start - QUEUED_AT_MOST
    earlier = waiting & (rows["created_at"] < case.window.start)
    share = Share(int(waiting.sum()), len(now) + int(earlier.sum()))
    most = limits.target_of(case, FAILED)
    for cause in surely_above(case, share, most, noun="messages", what="of text messages still wait to be sent"):
        oldest = case.window.end - rows.loc[waiting, "created_at"].min()
        goal = f"no message waits longer than {STUCK / timedelta(minutes=1):g} minutes (now {share.events})"
        days, hours = oldest / timedelta(days=1), oldest / timedelta(hours=1)
        age = f"{hours:.1f} h" if oldest < LONG else f"{days:.1f} days"
        yield Cause(f"{cause.words}, the oldest for {age}", goal)


def _alerts(case: Case) -> Iterator[Cause]:
    """Errors that Twilio met when it called us: of as many calls, at least, as there were messages."""
    rows = case.within("vendor_errors", "at")
    rows = rows[(rows["vendor"] == "twilio") & (rows["kind"] == "webhook")]
    share = Share(len(rows), max(len(rows), len(outbound(case))))
    last, began = rows["at"].max(), newest_run(rows["at"])
    fine = int((outbound(case)["created_at"] > last).sum())
    over = bool(last < case.scope.present.start) or fine >= FEWEST_EVENTS
    for _ in surely_above(case, share, REFUSED_PCT, noun="calls", what="failed"):
        places = ", ".join(rows["place"].dropna().value_counts().head(SHOWN).index)
        words = f"{share.events:,} calls to our webhooks failed, beside {counted(len(outbound(case)), 'message')}"
        goal = f"Twilio meets no error at our webhooks (now {share.events})"
        yield Cause(
            f"{words}: {alerts(rows)}{f' at {places}' if places else ''}",
            goal,
            began,
            over=over,
            calls=share.events,
        )


def alerts(rows: pd.DataFrame) -> str:
    """Errors by their code, the most frequent first."""
    found = rows["code"].fillna("without a code").value_counts().head(SHOWN)
    return ", ".join(f"{n:,} of code {code}" for code, n in found.items())


LOST_SINCE, REFUSED_SINCE = _losing_since("ours"), _losing_since("recipient")
FAILED = Metric(
    "sms_failed_pct",
    "Text messages lost",
    "%",
    section=SECTION,
    measure=sms_failed_pct,
    limits=LOSSES,
    target="<= 2",
    better="lower",
    rate="messages",
    events=PRESENT_MESSAGES,
    began=LOST_SINCE,
)
REFUSED = Metric(
    "sms_refused_pct",
    "Text messages refused",
    "%",
    section=SECTION,
    measure=sms_refused_pct,
    limits=jump(CHECK_NUMBERS),
    target="no jump",
    better="lower",
    events=PRESENT_MESSAGES,
    began=REFUSED_SINCE,
)

METRICS: tuple[Metric, ...] = (FAILED, REFUSED)
