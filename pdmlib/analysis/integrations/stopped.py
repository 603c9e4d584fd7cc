"""Payments, text messages and emails that no longer come at all, of which no share of failures tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import pandas as pd

from pdmlib.analysis.integrations import messages, payments
from pdmlib.frames.case import Case, once
from pdmlib.frames.readings import Finding, Priority, counted
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import spoken

# Twice as long as ever before, nights and weekends too, and so long that twenty were due: by chance not one in a
# million times.
LONGER, FEWEST_DUE = 2, 20
MINUTE, MANY_MINUTES = timedelta(minutes=1), 120  # more are told as hours


class _Stream(NamedTuple):
    """What comes all the time through a vendor; `counts` has a row for each moment: at, amount."""

    vendor: str
    name: str
    noun: str
    verb: str
    counts: pd.DataFrame
    action: str


class _Silence(NamedTuple):
    last: datetime
    length: timedelta
    longest: timedelta
    due: float


def findings(case: Case) -> Mapping[str, Finding]:
    """Vendor -> its stream that stopped, dated by the last that came, or by the deployment right after."""
    return _stopped(case.at(case.scope.window))  # whatever window asks: what came is known as a whole


@once
def _stopped(whole: Case) -> Mapping[str, Finding]:
    silences = ((stream, _silence(stream.counts, whole.scope)) for stream in _streams(whole))
    return {stream.vendor: _told(whole, stream, found) for stream, found in silences if found is not None}


@once
def unused(case: Case) -> Mapping[str, str]:
    """Vendor -> that nothing ever went through it, so that nothing shows that it works."""
    streams = _streams(case.at(case.scope.window))
    never = (s for s in streams if not s.counts[s.counts["at"] < case.window.end]["amount"].any())
    return {s.vendor: f"no {s.noun} is known, so that nothing shows that it works" for s in never}


@once
def _streams(whole: Case) -> tuple[_Stream, ...]:
    return tuple(_told_of(whole))


def _told_of(case: Case) -> Iterator[_Stream]:
    if (paid := payments.moments(case)) is not None:
        check = "Try to pay as a customer does"
        yield _Stream("stripe", "payments", "payment", "attempted", counts=_single(paid), action=check)
    if (sent := messages.moments(case)) is not None:
        check = "Look at what sends text messages: a job, a queue, its key"
        yield _Stream("twilio", "sms", "text message", "sent", counts=_single(sent), action=check)
    if case.answered("resend", "email_counts"):
        counts = case["email_counts"][["at", "sent"]].rename(columns={"sent": "amount"}).fillna({"amount": 0})
        check = "Look at what sends emails: a job, a queue, its key"
        yield _Stream("resend", "email", "email", "sent", counts=counts, action=check)


def _single(at: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"at": at, "amount": 1.0})


def _silence(counts: pd.DataFrame, scope: Scope) -> _Silence | None:
    """The time since the last one, where it is far longer than any before it; None where that may be chance.

    Nothing is read between the week before the deployment and a window that begins later.
    """
    now, later = scope.present.end, scope.known.start > scope.before.end
    if counts["at"].isna().any():
        return None
    came = counts[(counts["amount"] > 0) & (counts["at"] < now)].sort_values("at")
    if len(came) < 2:
        return None
    read = came.groupby((came["at"] >= scope.known.start) & later)["at"]
    seen, longest = (read.max() - read.min()).sum(), read.diff().max()
    last = max(came["at"].iloc[-1], pd.Timestamp(scope.known.start)) if later else came["at"].iloc[-1]
    length = now - last
    due = came["amount"].sum() * (length / seen) if seen else 0.0
    if not (length > LONGER * longest and due >= FEWEST_DUE):
        return None
    return _Silence(last.to_pydatetime(), length.to_pytimedelta(), longest.to_pytimedelta(), float(due))


def _lasting(length: timedelta) -> str:
    minutes = round(length / MINUTE)
    return counted(minutes, "minute") if minutes < MANY_MINUTES else counted(round(minutes / 60), "hour")


def _told(case: Case, stream: _Stream, found: _Silence) -> Finding:
    since, deployed = spoken(found.last, case.site.zone), case.scope.deployed_at
    usual = timedelta(0) <= deployed - found.last <= found.longest  # a pause as before: nothing was missing yet
    return Finding(
        id=f"{stream.name}:stopped",
        title=f"No {stream.noun} since {since}",
        priority=Priority.P1,
        reading=payments.FAILURES if case.site.source(stream.vendor) is None else f"integration_{stream.vendor}",
        evidence=f"No {stream.noun} was {stream.verb} for {_lasting(found.length)}; before that never for more "
        f"than {_lasting(found.longest)}, and about {found.due:,.0f} were due.",
        action=stream.action,
        becomes_green=f"a {stream.noun} is {stream.verb}",
        since=deployed if usual else found.last,
        value=0,
        threshold="> 0",
        owner=case.site.people.owners.get("integrations"),
        said=f"No {stream.noun} has been {stream.verb} since {since}",
    )
