"""The guide's templates filled in as Markdown, and the sentences that a verdict yields."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Mapping, Sequence
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template, TemplateNotFound
from markupsafe import Markup

from pdmlib.analysis import performance
from pdmlib.analysis.database.statements import SLOW_MS
from pdmlib.analysis.own import SECTION as OWN
from pdmlib.analysis.product.features import underused
from pdmlib.errors import ReportError
from pdmlib.frames.readings import Answer, Priority, Status, aside, counted, significant
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import iso, parse_time, spoken
from pdmlib.report import words
from pdmlib.report.card import card_of
from pdmlib.site.notes import Notes
from pdmlib.verdict.causes import Cause, CauseStatus, telling
from pdmlib.verdict.symptoms import called
from pdmlib.verdict.verdict import Verdict

TRIED = "Tried in a notebook, in no site file"
MOST_UNCLEAR = 12  # rows of what was not understood, the most frequent first: a version nobody knows brings dozens


def report_markdown(verdict: Verdict, notes: Notes, tried: Sequence[str] = ()) -> str:
    """The phase's template of the guide, filled in; lines about what the site does not have are left out.

    Args:
        tried: what was moved or added by hand and is in no site file, each in words.
    """
    site, scope = verdict.case.site, verdict.case.scope
    zone = site.zone
    template = _template(f"{scope.phase.name}.md.j2")
    text = template.render(
        v=verdict,
        site=site,
        scope=scope,
        notes=notes,
        tables=verdict.tables,
        card=card_of(verdict),
        r=verdict.reading,
        prepared_by=notes.prepared_by or site.people.prepared_by,
        local=lambda moment, pattern="%a %-d %b %Y %H:%M %Z": words.local(moment, zone, pattern),
        deployed=words.deployed(verdict.case),
        later=lambda soon, after: soon if _soon(scope) else after,
        highlights=[*notes.highlights, *highlights(verdict)],
        next_steps=notes.next_steps or next_steps(verdict),
        issues={p.value: issue_lines(verdict, notes, p) for p in Priority},
        nothing=nothing(verdict),
        none_found=none_found(verdict),
        all_read=all(_answers(verdict)),
        unmeasured=unmeasured(verdict),
        probed=probed(verdict),
        slow_ms=SLOW_MS,
    )
    lines = [line for line in text.split("\n") if words.ABSENT not in line]
    said = [f"**{TRIED}**: {'; '.join(tried)}.", ""] if tried else []
    return "\n".join([*lines[:2], *said, *lines[2:], *_own(verdict)]) + "\n"


def probed(verdict: Verdict) -> dict[str, str]:
    """What the probes of the deployment found of each vendor, none where there was no probe."""
    found = defaultdict[str, str](str)
    for row in verdict.case["deployment_probes"].to_dict("records"):
        said = f"{row['what']} {row['state']}: {row['evidence']}"
        found[row["vendor"]] = "; ".join(filter(None, (found[row["vendor"]], said)))
    return found


def _own(verdict: Verdict) -> list[str]:
    """The readings that an analyst added, which no template of a phase knows."""
    found = [
        f"- {words.markdown(r.title)}: {words.markdown(words.shown(r))} {words.judged(r)}"
        + (f" (target {words.markdown(words.target(r))})" if r.target else "")
        for r in verdict.section(OWN)
    ]
    return ["## Measured in the Notebook", "", *found] if found else []


def _soon(scope: Scope) -> bool:
    """Whether the report is of when its window ended, give or take a tenth of it."""
    return scope.as_of - scope.window.end <= (scope.window.end - scope.window.start) / 10


def card_markdown(card: Mapping[str, Any]) -> str:
    """The card of a `report.json` as Markdown, as it opens each report."""
    return str(_environment().get_template("card.md.j2").render(card=card, notes=Notes()))


def good(verdict: Verdict) -> list[str]:
    """What went well, each as one line of facts."""
    missed = verdict.reading("cron_runs_missed")
    ran = ("cron_runs_failed",) if missed and missed.status is Status.PASS else ()
    lines = [
        f"✓ {r.title}: {words.number(r.value, r.unit)} (target {words.target(r)})"
        for r in verdict.readings
        if r.id in ("uptime_pct", "error_rate_pct", "latency_p95_ms", *ran) and r.status is Status.PASS
    ]
    met = [row for row in verdict.tables["feature_adoption"] if row.get("target_met")]
    if met:
        lines.append(
            f"✓ {counted(len(met), 'feature')} at or above target: " + ", ".join(str(row["title"]) for row in met)
        )
    return lines


def highlights(verdict: Verdict) -> list[str]:
    """What went well and what did not, each as one line of facts."""
    bad = [
        f"⚠️ {cause.sentence}{'; it is over' if cause.status is CauseStatus.RECOVERED else ''}"
        for cause in verdict.causes
        if cause.priority is not Priority.P2 and not cause.waits
    ]
    return good(verdict) + bad + [f"⚠️ {_incident(verdict, row)}" for row in _untold(verdict)]


def nothing(verdict: Verdict) -> str:
    """What an empty list of highlights means: that nothing stands out, or that nothing was looked at."""
    answers = _answers(verdict)
    return "Nothing stands out" if any(answers) or not answers else UNREAD


NONE, UNREAD = "None", "Not known: no source was read"


def none_found(verdict: Verdict) -> str:
    """What an empty list of faults means, by how much was looked at."""
    answers = _answers(verdict)
    return NONE if all(answers) else "None in what could be read" if any(answers) else UNREAD


def _answers(verdict: Verdict) -> list[bool]:
    """Whether each source that was asked gave anything."""
    rows = verdict.case.collection.coverage
    return [row.status.heard for row in rows if row.status is not Answer.NOT_CONFIGURED]


def unmeasured(verdict: Verdict) -> list[str]:
    """What could not be measured, a line for each reason; a source that was not read is told once."""
    collection = verdict.case.collection
    deaf = {
        row.source: (row.brief, collection.gap(row.source)) for row in collection.coverage if not row.status.heard
    }
    unread: dict[str, list[str]] = {}
    others: dict[str, list[str]] = {}
    for reading in verdict.unknown:
        source, reason = reading.measurement.source or "", reading.reason or "not known why"
        brief, gap = deaf.get(source, (None, None))
        if brief == reason or (gap and gap[1] == reason):
            silent = f"{called(source)} could not be read ({reason})"
            unread.setdefault(silent, []).append(reading.title)
        elif reading.id != "sources_read" or not deaf:
            others.setdefault(reason, []).append(reading.title)
    told = [f"{reason}: {', '.join(dict.fromkeys(titles))}" for reason, titles in unread.items()]
    return told + [f"{', '.join(dict.fromkeys(titles))}: {reason}" for reason, titles in others.items()]


def _untold(verdict: Verdict, noted: Container[str] = ()) -> list[Mapping[str, Any]]:
    """Incidents that no cause tells of: one that is not over is told by a cause of now that has its reading.

    Args:
        noted: ids of incidents of which a person says something, which is told in any case.
    """
    told = {name for cause in verdict.causes for name in cause.chain}
    now = {name for cause in verdict.causes if cause.status is CauseStatus.NEW for name in cause.chain}
    doubted = {iso(c.since) for c in verdict.causes if c.id == "app:unconfirmed" and c.since}
    return [
        row
        for row in verdict.incidents
        if (name := f"incident:{row['start']}") not in told
        and (row["end"] or row["reading"] not in now or name in noted)
        and not (row["start"] in doubted and name not in noted)
    ]


def _incident(verdict: Verdict, row: Mapping[str, Any]) -> str:
    zone, app = verdict.case.site.zone, verdict.reading("app_up")
    what = "of downtime" if row["reading"] == "app_up" else "in which too many requests failed"
    start, minutes = spoken(parse_time(row["start"]), zone), words.lasting(row["minutes"])
    if row["end"]:
        return f"{minutes} {what}, {start} to {spoken(parse_time(row['end']), zone)}, {row['status']}"
    sure = row["reading"] != "app_up" or (app is not None and app.value is False)
    return f"{minutes} {what} since {start}, {'not over' if sure else 'not confirmed'}"


def next_steps(verdict: Verdict) -> list[str]:
    """The first things to do."""
    steps = [str(action["action"]) for action in verdict.actions[:3]]
    return steps or [
        f"{verdict.recommendation_text}; next check {spoken(verdict.next_check, verdict.case.site.zone)}"
    ]


BECAME = {
    CauseStatus.NEW: "{} the case.",
    CauseStatus.STANDING: "There before the deployment.",
    CauseStatus.RECOVERED: "It is over; nothing is noted of it yet.",
}


def issue_lines(verdict: Verdict, notes: Notes, priority: Priority) -> list[str]:
    """Causes and incidents of a priority, each with what became of it."""
    lines = [
        _incident(verdict, row) + _noted(notes, f"incident:{row['start']}")
        for row in _untold(verdict, notes.issues)
        if row["priority"] == priority.value
    ]
    still = "Still" if _soon(verdict.case.scope) else "At the end of the window still"
    return [_issue(cause, notes, still) for cause in verdict.causes if cause.priority is priority] + lines


def _noted(notes: Notes, name: str) -> str:
    return f": {notes.issues[name]}" if name in notes.issues else ""


def _issue(cause: Cause, notes: Notes, still: str) -> str:
    """A cause in Markdown: what, what to do, when it is over, and under it the evidence."""
    fix = Markup(" Fix: ") + words.code(cause.fix) if cause.fix else ""
    green = "" if cause.status is CauseStatus.RECOVERED else f" {becomes_green(cause)}."
    asked = cause.id == "sources_read"  # when it was asked is told, and has nothing to do with the window
    became = notes.issues.get(cause.id) or ("" if asked else BECAME[cause.status].format(still))
    action = cause.action.removesuffix(f": {cause.fix}").rstrip(".")
    told = words.markdown(" ".join(filter(None, (f"{cause.sentence}.", became, f"{action}.{green}"))))
    more = [step for step in telling(cause.steps) if step.evidence.rstrip(".") not in cause.sentence]
    lines = [words.markdown(f"{step.title}: {step.evidence}") for step in more]
    return Markup(told + fix + Markup("").join(Markup("\n  - ") + line for line in lines))


def becomes_green(cause: Cause) -> str:
    """The criterion with its label, so that nobody takes it for a fact."""
    return f"Becomes GREEN when {cause.becomes_green.rstrip('.')}"


def _template(name: str) -> Template:
    try:
        return _environment().get_template(name)
    except TemplateNotFound as error:
        raise ReportError(f"there is no template {error.name} in pdmlib/report/templates/") from None


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("pdmlib.report"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=words.markdown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "shown": words.shown,
        "judged": words.judged,
        "arrow": words.arrow,
        "number": words.number,
        "significant": significant,
        "signed": words.signed,
        "one_line": words.one_line,
        "of_limit": words.of_limit,
        "as_word": words.as_word,
        "or_none": words.or_none,
        "in_brackets": words.in_brackets,
        "held_against": words.held_against,
        "target": words.target,
        "in_words": words.in_words,
        "code": words.code,
        "day": words.day,
        "day_or_words": words.day_or_words,
        "counted": counted,
        "aside": aside,
    }
    made.filters.update(filters)
    made.globals.update(OPEN=words.OPEN, LIGHTS=words.LIGHTS, STABILITY=words.STABILITY, OUTCOMES=words.OUTCOMES)
    made.globals.update(PERFORMANCE=performance.SHOWN, MOST_UNCLEAR=MOST_UNCLEAR, underused=underused)
    return made
