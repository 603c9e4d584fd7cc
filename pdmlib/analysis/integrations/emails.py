"""Emails: bounced, complained of, failed, and refused when they were handed over."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pandas as pd

from pdmlib.analysis import limits
from pdmlib.analysis.integrations import since
from pdmlib.analysis.integrations.shares import (
    CHECK,
    LOSSES,
    PRESENT_EMAILS,
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
from pdmlib.analysis.traffic.tiling import ending, tile
from pdmlib.frames.case import Case, once
from pdmlib.frames.readings import Limit, Measurement, Priority, State, Status
from pdmlib.phases.window import Window

SECTION = "integrations"
HANDED_OVER = "handed over"  # what nobody counts: the emails that were to be sent
HOUR_S, DAY_S = 3600.0, 86_400.0
DELAYED_PCT = 5.0  # mail hosts that throttle a sender put off one in twenty and more
CHECK_ADDRESSES = "Look at whom these emails were for: a list of old or wrong addresses looks like this"
SENDING = r"POST /emails(?:/batch)?"  # the calls that hand emails over


@once
def counted(case: Case) -> dict[str, int | None]:
    """Emails of the window by what became of them; None where some part of the window was not told."""
    rows = tile(ending(case["email_counts"]), case.window)
    counts = [name for name in rows.columns if name not in ("at", "interval_s", "end_at")]
    sums = {name: rows[name].sum(skipna=False) for name in counts}
    return {name: None if rows.empty or pd.isna(total) else int(total) for name, total in sums.items()}


def email_bounce_pct(case: Case) -> Measurement:
    """Emails bounced, in percent of those sent."""
    return _pct(case, BOUNCED, f"emails bounced{_kinds(case)}")


def email_complaint_pct(case: Case) -> Measurement:
    """Emails that the recipient called spam, in percent of those delivered."""
    return _pct(case, COMPLAINED, "emails were called spam")


def email_failed_pct(case: Case) -> Measurement:
    """Emails that were never sent, in percent of those handed over."""
    return _pct(case, FAILED, "emails failed")


def email_suppressed_pct(case: Case) -> Measurement:
    """Emails that Resend kept back for what their address did before, in percent of those handed over."""
    return _pct(case, SUPPRESSED, "emails were kept back, since their address bounced or complained before")


def _pct(case: Case, metric: Metric, words: str) -> Measurement:
    part = _PARTS[metric.id]
    if not case.answered("resend", "email_counts"):
        return case.missing("resend", "email_counts", "no email is known")
    now = _share(case, *part)
    if now is None:
        return _untold(case, part)
    before = _share(case.at(case.scope.before), *part) or Share(0, 0)
    if now.trials == 0:
        return nothing(case, "resend", "email_counts", week=before.trials, what=f"email was {part[1]}")
    return share_pct(case, metric, "resend", shares=(now, before), words=words, jumps=metric is SUPPRESSED)


def _untold(case: Case, part: tuple[str, str]) -> Measurement:
    """Why a share is not known: counts that are not, or events of emails that were sent before the window."""
    events, trials = (counted(case).get(name) for name in part)
    if events is not None and trials is not None:
        words = f"{events} {part[0]} and {trials} {part[1]} in the window: these are of emails sent before it"
        return Measurement.missing(State.NO_DATA, words, "resend")
    why = case.unclear("resend", "email_metrics")
    if why:
        return Measurement.missing(State.NOT_UNDERSTOOD, why, "resend")
    return case.missing("resend", "email_counts", "no email was sent in the window")


def _share(case: Case, event: str, trial: str) -> Share | None:
    """A share of the emails of the window; None where a side is not known, or a part is more than the whole.

    Nobody says whether what failed is among what was sent: `handed over` is the most of both readings.
    """
    found = counted(case)
    events, trials = found[event], found["sent"] if trial == HANDED_OVER else found[trial]
    if events is None or trials is None:
        return None
    if trial == HANDED_OVER:
        arrived = (found["delivered"] or 0) + (found["bounced"] or 0)
        trials = max(trials, arrived + events)
    return Share(events, trials) if events <= trials else None


def _losing_since(event: str, trial: str) -> Callable[[Case], Began | None]:
    """Since when as many emails go wrong as they do now: by the day before the deployment, then by the hour."""

    @once
    def found(case: Case) -> Began | None:
        rows, scope = ending(case["email_counts"]), case.scope
        parts = ((scope.before, DAY_S), (Window(scope.before.end, scope.present.end), HOUR_S))
        tiles = [tile(rows[rows["interval_s"] <= longest], window) for window, longest in parts]
        rows = pd.concat(tiles, ignore_index=True)
        trials = rows["sent"] if trial == HANDED_OVER else rows[trial]
        counts = pd.DataFrame({"at": rows["at"], "events": rows[event], "trials": trials}).dropna()
        # An event may be of an email that was sent an hour before: then it is told with more than were sent.
        return since.of_counts(case, counts.assign(events=counts[["events", "trials"]].min(axis=1)))

    return lambda case: found(case.at(case.scope.window))


def _kinds(case: Case) -> str:
    """Bounces by kind, and what was not tried or is still tried, in brackets."""
    found = counted(case)
    said = (
        ("for good", found["bounced_permanent"]),
        ("for now", found["bounced_transient"]),
        ("suppressed", found["suppressed"]),
        ("delayed", found["delivery_delayed"]),
    )
    told = ", ".join(f"{n} {words}" for words, n in said if n)
    return f" ({told})" if told else ""


def refused(case: Case) -> pd.DataFrame:
    """Emails of the window that Resend did not take when they were handed over."""
    rows = case.within("vendor_errors", "at")
    rows = rows[(rows["vendor"] == "resend") & (rows["kind"] == "call")]
    return rows[rows["place"].str.fullmatch(SENDING).fillna(False).astype(bool)]


def causes(case: Case) -> Iterator[Cause]:
    """Why Resend has issues: emails bounced, complained of, failed or refused."""
    for metric, what in ((BOUNCED, "bounced"), (COMPLAINED, "were called spam"), (FAILED, "failed")):
        share, most = _share(case, *_PARTS[metric.id]), limits.target_of(case, metric)
        if share is not None and share.trials:
            yield from surely_above(
                case, share, most, noun="emails", what=f"of emails {what}", since=metric.began(case)
            )
    yield from _delayed(case)
    rows = refused(case)
    share = Share(len(rows), len(rows) + (counted(case)["sent"] or 0))
    most = limits.target_of(case, FAILED)
    for cause in surely_above(case, share, most, noun="emails", what="of emails were refused when handed over"):
        codes = ", ".join(f"{n} with status {code}" for code, n in rows["code"].value_counts().head(3).items())
        last = rows["at"].max()
        over = bool(last < case.scope.present.start)
        yield Cause(f"{cause.words}: {codes}", cause.goal, newest_run(rows["at"]), over=over)


def _delayed(case: Case) -> Iterator[Cause]:
    """Emails that are still tried: of those that were delayed, what neither arrived nor bounced since."""
    found = counted(case)
    delayed, sent, arrived, bounced = (found[n] for n in ("delivery_delayed", "sent", "delivered", "bounced"))
    if delayed is None or sent is None or arrived is None or bounced is None:
        return
    share = Share(max(min(delayed, sent - arrived - bounced), 0), sent)
    if share.trials:
        yield from surely_above(
            case, share, DELAYED_PCT, noun="emails", what="of emails were delayed and have not arrived"
        )


# What the large mailbox providers ask of senders: below 0.1 % complaints, and never 0.3 % (Gmail's and Yahoo's
# sender guidelines); beyond it they turn emails away.
_COMPLAINTS = (
    Limit(">", 0.3, Status.FAIL, priority=Priority.P1, action=CHECK, of="low"),
    Limit(">", 0.1, Status.WARN, priority=Priority.P1, action=CHECK, of="low"),
    Limit(">", 0.1, Status.WARN, action=CHECK),
)
_FAILURES = (
    Limit(">", 2, Status.FAIL, priority=Priority.P1, action=CHECK, of="low"),
    Limit(">", REFUSED_PCT, Status.WARN, priority=Priority.P1, action=CHECK, of="low"),
    Limit(">", REFUSED_PCT, Status.WARN, action=CHECK),
)

# What each is a share of.
_PARTS = {
    "email_bounce_pct": ("bounced", "sent"),
    "email_complaint_pct": ("complained", "delivered"),
    "email_failed_pct": ("failed", HANDED_OVER),
    "email_suppressed_pct": ("suppressed", HANDED_OVER),
}

BOUNCED = Metric(
    "email_bounce_pct",
    "Emails bounced",
    "%",
    section=SECTION,
    measure=email_bounce_pct,
    limits=LOSSES,
    target="<= 2",
    better="lower",
    rate="emails",
    events=PRESENT_EMAILS,
    began=_losing_since(*_PARTS["email_bounce_pct"]),
)
COMPLAINED = Metric(
    "email_complaint_pct",
    "Emails called spam",
    "%",
    section=SECTION,
    measure=email_complaint_pct,
    limits=_COMPLAINTS,
    target="<= 0.1",
    better="lower",
    rate="emails",
    events=PRESENT_EMAILS,
    began=_losing_since(*_PARTS["email_complaint_pct"]),
)
FAILED = Metric(
    "email_failed_pct",
    "Emails failed",
    "%",
    section=SECTION,
    measure=email_failed_pct,
    limits=_FAILURES,
    target="<= 0.5",
    better="lower",
    rate="emails",
    events=PRESENT_EMAILS,
    began=_losing_since(*_PARTS["email_failed_pct"]),
)
SUPPRESSED = Metric(
    "email_suppressed_pct",
    "Emails suppressed",
    "%",
    section=SECTION,
    measure=email_suppressed_pct,
    limits=jump(CHECK_ADDRESSES),
    target="no jump",
    better="lower",
    events=PRESENT_EMAILS,
    began=_losing_since(*_PARTS["email_suppressed_pct"]),
)
METRICS: tuple[Metric, ...] = (BOUNCED, COMPLAINED, FAILED, SUPPRESSED)
