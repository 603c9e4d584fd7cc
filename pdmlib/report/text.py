"""The guide's templates filled in as Markdown, and the sentences that a verdict yields."""

from __future__ import annotations

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from pdmlib.frames.readings import Priority, Status
from pdmlib.report import words
from pdmlib.site.notes import Notes
from pdmlib.verdict.verdict import Verdict


def report_markdown(verdict: Verdict, notes: Notes) -> str:
    """The phase's template of the guide, filled in; lines about what the site does not have are left out."""
    site, scope = verdict.case.site, verdict.case.scope
    zone = site.zone
    template = _environment().get_template(f"{scope.phase.name}.md.j2")
    text = template.render(
        v=verdict, site=site, scope=scope, notes=notes, tables=verdict.tables,
        r=verdict.reading, prepared_by=notes.prepared_by or site.people.prepared_by,
        local=lambda moment, pattern="%a %-d %b %Y %H:%M %Z": words.local(moment, zone, pattern),
        highlights=[*notes.highlights, *highlights(verdict)], next_steps=notes.next_steps or next_steps(verdict),
        issues={p.value: issue_lines(verdict, notes, p) for p in Priority},
    )  # fmt: skip
    return "\n".join(line for line in text.split("\n") if words.ABSENT not in line) + "\n"


def highlights(verdict: Verdict) -> list[str]:
    """What went well and what did not, each as one sentence of facts."""
    good = [
        f"✓ {r.title}: {words.number(r.value, r.unit)} (target {r.target})"
        for r in verdict.readings
        if r.id in ("uptime_pct", "error_rate_pct", "latency_p95_ms", "cron_runs_failed")
        and r.status is Status.PASS
    ]
    met = [row for row in verdict.tables["feature_adoption"] if row.get("target_met")]
    if met:
        good.append(f"✓ {len(met)} features reached their target: " + ", ".join(str(row["title"]) for row in met))
    bad = [f"⚠️ {f.title}: {f.evidence}" for f in verdict.findings if f.priority is not Priority.P2]
    down = [
        f"⚠️ {words.number(i['minutes'], 'min')} of downtime from {i['start']}, {i['status']}"
        for i in verdict.incidents
    ]
    return good + down + bad


def next_steps(verdict: Verdict) -> list[str]:
    """The first things to do."""
    steps = [str(action["action"]) for action in verdict.actions[:3]]
    return steps or [f"{verdict.recommendation_text}; next check {verdict.next_check:%Y-%m-%d %H:%M} UTC"]


def issue_lines(verdict: Verdict, notes: Notes, priority: Priority) -> list[str]:
    """Findings and incidents of a priority, each with what became of it."""
    lines = [
        f"{words.number(i['minutes'], 'min')} of downtime, {i['start']} to {i['end'] or 'now'}: "
        + (notes.issues.get(f"incident:{i['start']}") or str(i["status"]))
        for i in verdict.incidents
        if i["priority"] == priority.value
    ]
    return lines + [
        f"{f.title}. {f.evidence} {f.action}. {_capital(f.becomes_green)}. "
        + (notes.issues.get(f.id) or ("Still so." if f.active else "Over; " + words.OPEN + "."))
        for f in verdict.findings
        if f.priority is priority
    ]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".")


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("pdmlib.report"), autoescape=True, undefined=StrictUndefined, finalize=words.markdown,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    filters: dict[str, Any] = {
        "shown": words.shown, "judged": words.judged, "arrow": words.arrow, "number": words.number,
        "signed": words.signed, "one_line": words.one_line, "of_limit": words.of_limit,
        "as_word": words.as_word, "in_brackets": words.in_brackets,
    }  # fmt: skip
    made.filters.update(filters)
    made.globals.update(OPEN=words.OPEN, LIGHTS=words.LIGHTS, STABILITY=words.STABILITY, OUTCOMES=words.OUTCOMES)
    return made
