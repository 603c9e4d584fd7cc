"""Integrations, each OPERATIONAL or with ISSUES and their causes.

They are Stripe, Twilio, Resend, Supabase and Sentry, and whatever else the application itself checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import pandas as pd

from pdmlib import stats
from pdmlib.analysis.errors import much_dropped, unheard
from pdmlib.analysis.integrations import emails, messages, payments, since, stopped
from pdmlib.analysis.integrations.shares import (
    CHECK,
    PRESENT_EMAILS,
    PRESENT_MESSAGES,
    PRESENT_PAYMENTS,
    Cause,
)
from pdmlib.analysis.metric import Began, Metric
from pdmlib.frames.case import Case, once
from pdmlib.frames.readings import Finding, Limit, Measurement, Priority, State, Status, counted
from pdmlib.frames.states import Probe, Proof
from pdmlib.site.terms import word

SECTION = "integrations"
OPERATIONAL, ISSUES = "OPERATIONAL", "ISSUES"
TITLES = {"stripe": "Stripe", "twilio": "Twilio", "resend": "Resend", "supabase": "Supabase", "sentry": "Sentry"}
BROKEN_KINDS = ("account", "service", "webhook", "domain", "payout")
TOLD_KINDS = (*BROKEN_KINDS, "webhook elsewhere", "balance", "key")  # what the table tells of a vendor
UNWELL = (Probe.DEGRADED, Probe.DOWN)
DEEDS = ("failed",)  # a vendor's states that are told as what something did
SHOWN = 6  # states that a line can hold
MOST_CHECKED = 30  # names of one table: more are no integrations, and the table's last row says how many there are
TITLE = 60  # characters of a stranger's name that a row can hold
_SIGNS_OF_LIFE = {
    "stripe": ("payments", "created_at"),
    "twilio": ("messages", "created_at"),
    "resend": ("email_counts", "at"),
    "supabase": ("host_metrics", "at"),
    "sentry": ("error_counts", "start"),
}
_OTHER_NAMES = {"resend": ("email",), "supabase": ("database",)}
_CAUSES: Mapping[str, tuple[Callable[[Case], Iterator[Cause]], ...]] = {
    "stripe": (payments.failed_payments, payments.late_events),
    "twilio": (messages.causes,),
    "resend": (emails.causes,),
}
# What has to be understood before a vendor is called operational: readings, and what it reports of now.
_RESTS_ON: Mapping[str, tuple[Callable[[Case], Measurement], ...]] = {
    "stripe": (payments.payment_failures, payments.webhooks_pending),
    "twilio": (messages.sms_failed_pct,),
    "resend": (emails.email_bounce_pct, emails.email_complaint_pct, emails.email_failed_pct),
}
_REPORTED = {
    "stripe": ("account", "webhook_endpoints", "payouts"),
    "twilio": ("account", "alerts"),
    "resend": ("domains", "webhook_endpoints", "logs"),
    "supabase": ("project", "services"),
    "sentry": ("issues", "errors", "stats_v2"),
}


@once
def integration(case: Case, name: str) -> Measurement:
    """OPERATIONAL or ISSUES, with the causes as evidence; unknown when nothing tells, or not in words we know."""
    alone = not _is_asked(case, name) and name in checked(case)
    source = "postgres" if alone else name
    # Payments of the application's own table tell nothing of a vendor that the site does without.
    quiet = stopped.findings(case).get(name) if _is_now(case) and _is_asked(case, name) else None
    causes = "; ".join([*(cause.words for cause in causes_of(case, name)), *([quiet.said] if quiet else [])])
    if causes:
        return Measurement(State.MEASURED, ISSUES, causes, source=source, window=case.window, evidence=causes)
    doubts = "; ".join(dict.fromkeys(_doubts(case, name)))
    if doubts:
        return Measurement.missing(State.NOT_UNDERSTOOD, doubts, source)
    if alone:
        return _by_checks(case, name)
    if not case.answered(name):
        return case.missing(name, otherwise=f"nothing was heard of {TITLES[name]}")
    broken = "; ".join(case.collection.unread_parts(name))
    if broken:
        return Measurement.missing(State.ERROR, broken, name)
    if not _heard(case, name):
        never = stopped.unused(case).get(name, f"nothing was heard of {TITLES[name]} in the window")
        return case.missing(name, "live", never)
    return Measurement(
        State.MEASURED,
        OPERATIONAL,
        source=name,
        window=case.window,
        evidence="; ".join(_told(case, name)) or None,
    )


def _is_asked(case: Case, name: str) -> bool:
    return name in TITLES and case.site.source(name) is not None


def _by_checks(case: Case, name: str) -> Measurement:
    """An integration that nobody but the application's own checks tells of, and no cause of issues is known."""
    number = len(_checks(case, name))
    if not number:
        return case.missing("postgres", "integration_checks", "the application did not check it in the window")
    text = f"by {number:,} checks of the application alone"
    return Measurement(
        State.MEASURED, OPERATIONAL, samples=number, source="postgres", window=case.window, evidence=text
    )


def checked(case: Case) -> Mapping[str, str]:
    """Our name of each integration that the application checks -> its title."""
    return {name: TITLES.get(name, said[:TITLE]) for name, said in _every_name(case).items()}


@once
def _every_name(case: Case) -> Mapping[str, str]:
    known = {other: name for name, others in _OTHER_NAMES.items() for other in others}
    names = case["integration_checks"]["integration"].dropna().value_counts().index[:MOST_CHECKED]
    return {known.get(ours, ours): str(said).strip() for said in names if (ours := word(said))}


def _titles(case: Case) -> Mapping[str, str]:
    """Every integration: the vendors that are known, then those that the application checks besides."""
    return {**TITLES, **checked(case)}


def _heard(case: Case, name: str) -> bool:
    """Whether anything of the window speaks for the vendor: a state of now, or something it did.

    An account that is active through which nothing ever went is no sign that the application can use it.
    """
    if name == "sentry" and unheard(case):
        return False
    if name in stopped.unused(case):
        return len(_checks(case, name)) > 0
    said = [row for row in _states(case, name) if row["kind"] != "key"]
    frame, column = _SIGNS_OF_LIFE[name]
    return (_is_now(case) and len(said) > 0) or len(case.within(frame, column)) > 0 or len(_checks(case, name)) > 0


def _is_now(case: Case) -> bool:
    return case.window.end >= case.scope.window.end


@once
def causes_of(case: Case, name: str) -> tuple[Cause, ...]:
    """Why an integration has issues, in the window or now, which a long one hides; nothing when none is known."""
    told = (_broken_states, _dropped_errors, _failing_checks, _unwell_component, _failed_probes)
    now = _at_present(case, name)
    found = (
        *(c for tell in told for c in tell(case, name)),
        *(c for tell in _CAUSES.get(name, ()) for c in tell(case)),
    )
    return found if found or now.window == case.window else tuple(c for c in causes_of(now, name) if not c.over)


def _at_present(case: Case, name: str) -> Case:
    """The end of the window: the last hour of data, or the newest of what happens seldom."""
    events = {"stripe": PRESENT_PAYMENTS, "twilio": PRESENT_MESSAGES, "resend": PRESENT_EMAILS}.get(name)
    return case.at(case.with_events(events)) if events and case.window == case.scope.window else case


def _doubts(case: Case, name: str) -> Iterator[str]:
    """What of a vendor is not understood, where its being operational rests on it."""
    for measure in _RESTS_ON.get(name, ()) if _is_asked(case, name) else ():
        found = measure(case)
        if found.state is State.NOT_UNDERSTOOD and found.reason:
            yield found.reason
    unclear = int(_checks(case, name)["success"].isna().sum())
    if unclear:
        yield f"{unclear} checks by the application ended in a word that is not understood"
    if _is_now(case):
        yield from _untold_states(case, name)
        yield from filter(None, (case.unclear(name, item) for item in _REPORTED.get(name, ())))


def _broken_states(case: Case, name: str, kinds: tuple[str, ...] = BROKEN_KINDS) -> Iterator[Cause]:
    """States that the vendor reports now; they say nothing of a window that ended earlier."""
    if not _is_now(case):
        return
    for row in _states(case, name):
        if row["kind"] in kinds and not pd.isna(row["ok"]) and not row["ok"]:
            what, more, status = *_named(row), row["status"]
            yield Cause(f"{what} {_is(status)}{more}", f"{what} is no longer {status}")


def _states(case: Case, name: str) -> Sequence[Mapping[Any, Any]]:
    """The states that a vendor reports, which are the same for every window."""
    return _all_states(case.at(case.scope.window)).get(name, ())


@once
def _all_states(case: Case) -> Mapping[str, Sequence[Mapping[Any, Any]]]:
    states: dict[str, list[Mapping[Any, Any]]] = {}
    for row in case["vendor_states"].to_dict("records"):
        states.setdefault(row["vendor"], []).append(row)
    return states


def _dropped_errors(case: Case, name: str) -> Iterator[Cause]:
    """Errors that Sentry did not take, as beyond a quota: what nobody sees any more is no health."""
    lost = much_dropped(case) if name == "sentry" and _is_now(case) else None
    if lost:
        yield Cause(lost, "Sentry takes every error")


def _untold_states(case: Case, name: str) -> Iterator[str]:
    """States by which the vendor says that it does not know itself."""
    untold = (row for row in _states(case, name) if row["kind"] == "service" and pd.isna(row["ok"]))
    yield from (f"service {row['item']} is {row['status']}" for row in untold)


def _is(status: object) -> str:
    """A state as what is so of something, or what it did."""
    return str(status) if status in DEEDS else f"is {status}"


def _named(row: Mapping[Any, Any]) -> tuple[str, str]:
    """What a state is of, and in brackets what tells it from others of its kind."""
    kind, item = str(row["kind"]), str(row["item"])
    if pd.isna(row["detail"]):
        return f"{kind} {item}", ""
    host, slash, path = str(row["detail"]).partition("/")
    if kind.startswith("webhook"):
        where = "webhook" if kind == "webhook" else "elsewhere a webhook"
        return f"{where} {slash}{path}", f" ({item} at {host})"
    return f"{kind} {item}", f" ({row['detail']})"


def _failing_checks(case: Case, name: str) -> Iterator[Cause]:
    """Checks by the application: an issue when the newest failed, or surely more than one in twenty did."""
    checks = _checks(case, name)
    if checks.empty:
        return
    bad = checks[checks["success"] == False]  # noqa: E712
    enough = stats.trials_to_doubt(len(bad), len(checks), 0.05, case.level)
    known = checks["success"].dropna()
    if bad.empty or (bool(known.iloc[-1]) and enough == len(checks)):
        return
    error = bad["error"].dropna()
    last = f" (last: {error.iloc[-1]})" if len(error) else ""
    every = _of(case["integration_checks"], name)
    began = since.of_events(case, every["at"], every["success"] == False)  # noqa: E712
    yield Cause.dated(
        f"{len(bad)} of {len(checks)} checks by the application failed{last}",
        f"the next {max(enough - len(checks), 1)} checks by the application succeed",
        began,
    )


@once
def _checks(case: Case, name: str) -> pd.DataFrame:
    """Checks by the application, oldest first."""
    return _of(case.within("integration_checks", "at"), name)


def _of(checks: pd.DataFrame, name: str) -> pd.DataFrame:
    if checks.empty:
        return checks
    mine = checks["integration"].map(word).isin([name, *_OTHER_NAMES.get(name, ())])
    return checks[mine].sort_values("at")


def _unwell_component(case: Case, name: str) -> Iterator[Cause]:
    """The component of that name in a health endpoint, when its newest word is one that says it is not well."""
    names = [name, *_OTHER_NAMES.get(name, ())]
    if _components(case.at(case.scope.window)).isdisjoint(names):
        return
    found = case.within("health_checks", "checked_at").sort_values("checked_at")
    found = found[found["component"].isin(names)].groupby("component").tail(1)
    for row in found[found["status"].isin(UNWELL)].to_dict("records"):
        detail = "" if pd.isna(row["detail"]) else f" ({row['detail']})"
        says = f"the health endpoint says {row['component']} is"
        yield Cause(f"{says} {row['status']}{detail}", f"{says} up")


@once
def _components(case: Case) -> frozenset[str]:
    """The components that a health endpoint ever told of."""
    return frozenset(case["health_checks"]["component"].dropna().unique())


def _failed_probes(case: Case, name: str) -> Iterator[Cause]:
    """What a probe of the deployment, such as a test payment, found to fail."""
    rows = case.within("deployment_probes", "at")
    if rows.empty:
        return
    for row in rows[(rows["vendor"] == name) & (rows["state"] == Proof.FAILED)].to_dict("records"):
        yield Cause(f"the test {row['what']} failed ({row['evidence']})", f"a test {row['what']} works")


def webhooks_off(case: Case) -> str:
    """The endpoints for events that a vendor has switched off now; empty where none is, or nobody can tell."""
    return "; ".join(cause.words for name in TITLES for cause in _broken_states(case, name, ("webhook",)))


def recorded(case: Case) -> str:
    """Which vendors' logs hold errors of the window, and how many; empty where none does."""
    vendors = case.within("vendor_errors", "at")["vendor"].value_counts()
    return "; ".join(f"{TITLES.get(name, name)} recorded {counted(n, 'error')}" for name, n in vendors.items())


def _told(case: Case, name: str) -> Iterator[str]:
    """What a vendor that is well tells of itself: errors that it recorded, and its states of now."""
    rows = case.within("vendor_errors", "at")
    rows = rows[rows["vendor"] == name] if len(rows) else rows
    for kind, place in rows[["kind", "place"]].drop_duplicates().head(SHOWN).itertuples(index=False):
        mine = rows[(rows["kind"] == kind) & (rows["place"].fillna("") == ("" if pd.isna(place) else place))]
        yield f"recorded errors of a {kind}{'' if pd.isna(place) else f' ({place})'}: {messages.alerts(mine)}"
    if _is_now(case):
        states = [row for row in _states(case, name) if row["kind"] in TOLD_KINDS]
        named = ((*_named(row), row["status"]) for row in states[:SHOWN])
        yield from (f"{what} {_is(status)}{more}" for what, more, status in named)
        yield from [f"and {counted(len(states) - SHOWN, 'more state')}"] if len(states) > SHOWN else []


def table(case: Case) -> list[dict[str, Any]]:
    """Rows of `integrations`: integration, status, notes, source."""
    found = {title: integration(case, name) for name, title in _titles(case).items()}
    rows = [_row(title, one) for title, one in found.items() if not case.is_without(one)]
    more = case["integration_checks"]["integration"].nunique() - MOST_CHECKED
    if more > 0:
        notes = f"{more} more names in the table of checks, which are not shown"
        rows.append({"integration": "others", "status": None, "notes": notes, "source": "postgres"})
    return rows


def _row(title: str, found: Measurement) -> dict[str, Any]:
    notes = found.reason or found.evidence
    return {"integration": title, "status": found.value, "notes": notes, "source": found.source}


def _still(case: Case, name: str) -> bool:
    """Whether an integration has issues now: in the last hour of data, or in the newest of what happens seldom.

    A share of which the run is dated has not surely ended, however few the last hour had.
    """
    if any(cause.since and not cause.over for cause in causes_of(case, name)):
        return True
    now = _at_present(case, name)
    return any(not cause.over for cause in causes_of(now if now is not case else case.latest(), name))


def findings(case: Case) -> list[Finding]:
    """One for each integration with issues, one for disputes, and one for each stream that stopped."""
    return [*_issues(case), *payments.findings(case), *stopped.findings(case).values()]


def _issues(case: Case) -> Iterator[Finding]:
    for name, title in _titles(case).items():
        causes = causes_of(case, name)
        if causes:
            yield Finding(
                id=f"integration:{name}",
                title=f"{title} has issues",
                priority=Priority.P1,
                reading=_id(name),
                evidence=f"{'; '.join(cause.words for cause in causes)}.",
                action=CHECK,
                becomes_green=" and ".join(
                    filter(None, (", ".join(c.goal for c in causes[:-1]), causes[-1].goal))
                ),
                since=_since(case, causes),
                active=_still(case, name),
                value=ISSUES,
                threshold=f"== {ISSUES}",
                size=("calls", sum(c.calls for c in causes)) if all(c.calls for c in causes) else None,
                owner=case.site.people.owners.get("integrations"),
                said=f"{title}: {causes[0].words}",
            )


def _since(case: Case, causes: Iterable[Cause]) -> datetime | None:
    """Since when it has issues: of those that began with the deployment or after it, where there are any.

    None where that is not known of one of them, which may be the deployment's.
    """
    moments = [cause.since for cause in causes]
    known = [moment for moment in moments if moment is not None]
    ours = [moment for moment in known if not case.scope.precedes(moment)]
    return None if len(known) < len(moments) and not ours else min(ours or known)


_TROUBLED = (Limit("==", ISSUES, Status.FAIL, priority=Priority.P1, action=CHECK),)


def _id(name: str) -> str:
    return f"integration_{re.sub(r'[^0-9a-z]+', '_', name)}"


def _began(case: Case, name: str) -> Began | None:
    """When the issues of now began, where their causes tell it."""
    causes = causes_of(case, name)
    moment = _since(case, causes) if causes else None
    return Began(moment) if moment else None


def _metric(name: str, title: str) -> Metric:
    return Metric(
        _id(name),
        title,
        "",
        section=SECTION,
        measure=partial(integration, name=name),
        limits=_TROUBLED,
        target=OPERATIONAL,
        began=partial(_began, name=name),
    )


def further(case: Case) -> tuple[Metric, ...]:
    """The metrics of integrations that only the application's own checks know."""
    return tuple(_metric(name, title) for name, title in checked(case).items() if name not in TITLES)


METRICS: tuple[Metric, ...] = (
    *(_metric(name, title) for name, title in TITLES.items()),
    *payments.METRICS,
    *messages.METRICS,
    *emails.METRICS,
)
