"""What a person reads of every phase of the rough demo and of some phases of every other scenario: no slip."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pdmlib.demo import adopt_history, start
from pdmlib.frames.case import Case
from pdmlib.report.document import document
from pdmlib.report.text import report_markdown
from pdmlib.site.load import load_site
from pdmlib.site.notes import Notes
from pdmlib.sources.once import Memory
from pdmlib.verdict.verdict import judge
from pdmlib.workbook.gather import gather, history_folder
from tests.acceptance.conftest import PHASES, Reports, demo_of, scope_of_phase

pytestmark = pytest.mark.slow

SLIPS = {
    "a count without its comma": r"(?<![\w.,:/$-])\d{4,} (?:[a-z]{3,}|ms|%)",
    "one of many": (
        r"(?<![\d.,])(?<!of )\b1 (?:runs|events|users|looks|probes|rows|requests|issues|states|times|features)\b"
    ),
    "a time of nothing": r"(?<![\d.,:])0\.0 (?:ms|s|%|MB|GB)",
    "a share without a space": r"\d%",
    "a word twice": r"\b([a-z]+) \1\b",
    "a zero of nothing": r"\d\.0 times",
    "a phrase twice": r"\b([a-z]+ [a-z]+): \1\b",
    "a verb twice": r"\b(?:is|are) (?:is|are|failed)\b",
    "no value": r"\bnan\b|\bNaT\b|\bNone\b(?! (?:proposed|in what|carried))",
    "a stop twice": r"(?<!\.)\.\.(?!\.)|;\.|\.;|,\.",
    "brackets in brackets": r"(?<=\s)\([A-Za-z0-9/][^()\n]* \((?![^()]*\)::)[^()\n]*\)",
    "a count behind its name": r"^[A-Z][a-z-]+(?: [a-z-]+)*s(?: [a-z]+)* \d[\d,]*$",
    "a chance with an exponent": r"\d(?:\.\d+)?e[-+]\d+ %",
    "since twice": r"\bsince [^.:;]*\bsince the deployment\b",
    "days in minutes": r"(?<![\d.,])\d,\d{3} min in which",
    "an order to whoever it may concern": r"\b[Mm]ake every\b|\b[Ll]ook into it\b|\b[Ff]ix everything\b",
    "before what": r"in the (?:7|seven) days before(?! the deployment)",
    "no time at all": r"\bfor 0 min\b",
    "beyond all there is": r"at most (\d+) of \d+, at",
    "a capital after when": (
        r"GREEN when (?!Twilio|Stripe|Resend|Supabase|Sentry|Opportunit|Promotion|Review|Loyalty|Portal)[A-Z][a-z]"
    ),
}
# Not our prose: texts of strangers, of the guide, of the database and of schedules.
NOT_OURS = (
    "box",
    "query",
    "before",
    "now",
    "fix",
    "id",
    "detail",
    "example",
    "mend",
    "schedule",
    "index",
    "what_if",
)


def prose(content: Any, key: str = "") -> Iterator[str]:
    """Every text of a `report.json` that is ours."""
    if isinstance(content, dict):
        for name, part in content.items():
            yield from prose(part, str(name))
    elif isinstance(content, list):
        for part in content:
            yield from prose(part, key)
    elif isinstance(content, str) and key not in NOT_OURS:
        yield content


def slips(content: Any) -> list[str]:
    """What nobody would say, with its kind."""
    return [
        f"{kind}: {text[max(0, found.start() - 40) : found.end() + 40]}"
        for text in dict.fromkeys(prose(content))
        for kind, pattern in SLIPS.items()
        for found in re.finditer(pattern, text)
    ]


# What only the layout of report.md can bring: a box whose own words end before a reason begins.
LAID_OUT = {
    "a box and its reason in one": r"^- \[ \] (?![^\n]* · )[^\n]*(?: a person decides|: failed)",
    "a backslash": r"\\(?=[^\w\s])",
    "an entity": r"&(?:amp|lt|gt|quot|#\d+);",
    "a day as programs write it": r"\b20\d\d-\d\d-\d\d\b(?!T)",
    "brackets in brackets of a line": r"^- (?!\[)[^`\n]*? \([A-Za-z/][^()`\n]* \((?![^()]*\)::)[^()\n]*\)",
    "a unit that the title has": r"(?i)per minute[a-z, ]*:? [\d.,]+ per min|/min: [\d.,]+ per",
    "a bracket behind a bracket": r"\([^()\n]*\) \((?!P\d)[^()\n]*\)",
    "a stop behind a stop": r"[;,]\.",
    "a rollback criterion as a fact": r"^- \[.\] (?:Payments|The health check|Connections .*) fails?: ",
}


def slips_of_markdown(text: str) -> list[str]:
    return [
        f"{kind}: {found[0][:120]}"
        for kind, pattern in LAID_OUT.items()
        for found in re.finditer(pattern, text, re.MULTILINE)
    ]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("brackets in brackets", "not measured (probes found it down (HTTP 503, unhealthy), while it served)"),
        ("a count behind its name", "Connection errors 3"),
        ("an order to whoever it may concern", "Make every source readable"),
        ("a chance with an exponent", "the chance of none is 1e-05 %"),
        ("days in minutes", "1,740 min in which too many requests failed"),
        ("since twice", "No payment has been attempted since Mon 3 Mar since the deployment"),
        ("one of many", "1 features reached their target"),
        ("before what", "9 events, 9 users in the window; 0 in the 7 days before"),
        ("no time at all", "down for 0 min of the window"),
        ("beyond all there is", "Connections in use, peak 100 %: at most 126 of 60, at Mon 10 Mar 09:25 CDT"),
        ("a capital after when", "Becomes GREEN when Response time p95 is under 1,000 ms"),
    ],
)
def test_a_slip_of_each_kind_is_seen(kind: str, text: str) -> None:
    assert [said.partition(":")[0] for said in slips({"text": text})] == [kind]


def test_a_slip_of_each_kind_of_the_layout_is_seen() -> None:
    shown = (
        "- [ ] Error rate: <0.5%: a person decides\na\\*b &lt; 2025-03-10\n"
        "- Stripe: ISSUES (the webhook is off (we_1); 9 wait)\n"
        "- Peak Requests/min: 47 per min\n(vercel: 503) (vercel) done;.\n- [ ] Payments fail: 503"
    )
    assert [said.partition(":")[0] for said in slips_of_markdown(shown)] == list(LAID_OUT)


@pytest.mark.parametrize("phase", PHASES)
def test_a_report_of_the_rough_demo_has_no_slip(reports: Reports, phase: str) -> None:
    assert slips(reports.content(phase)) == []
    assert slips_of_markdown(reports.read(phase, "report.md")) == []


# They have most of the sentences between them; all phases of all forty scenarios would take half an hour.
SOME = ("hour1", "week1", "database")
DIFFERENT = (
    "healthy",
    "app_down",
    "database_down",
    "all_down",
    "cron_hung",
    "email_bounces",
    "traffic_spike",
    "deploy_error",
    "vendors_later",
    "supabase_garbage",
)


# Boxes of the guide that a scenario's own description contradicts, or of which it leaves nothing to be known.
DATABASE = ("Database connections stable", "No connection errors", "Query performance acceptable")
UNTRUE = {
    "app_down": ("Application accessible at production URL", "No overnight outages", "No unusual spikes or drops"),
    "database_down": (
        *DATABASE,
        "No integration errors in logs",
        "Database health good",
        "Integration health good",
    ),
    "all_down": (
        *DATABASE,
        "Error rate < 0.5%",
        "No integration errors in logs",
        "Cron jobs executed successfully",
    ),
    "cron_hung": ("Cron jobs executed successfully",),
    "email_bounces": ("Integration health good",),  # the first hour was days before they began to bounce
    "traffic_spike": ("Traffic patterns normal", "No unusual spikes or drops"),
    "deploy_error": ("No deployment errors in Vercel logs",),
}


@pytest.mark.parametrize("scenario", DIFFERENT)
def test_a_scenario_has_no_slip(scenario: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    with start(scenario) as production:
        for name, value in production.environ.items():
            monkeypatch.setenv(name, value)
        site, memories = load_site(str(demo_of(tmp_path, scenario))), dict[Any, Memory]()
        adopt_history(production, history_folder(site, tmp_path))
        for phase in SOME:
            scope = scope_of_phase(site, phase)
            production.set_clock(scope.asked_at)
            with memories.setdefault(scope.asked_at, Memory()).used():
                collection = gather(site, scope, tmp_path)
            verdict = judge(Case(site, scope, collection, scope.window))
            found[phase] = slips(document(verdict, scope.as_of))
            found[phase] += slips_of_markdown(report_markdown(verdict, Notes()))
            ticked = {row["box"] for row in verdict.tables["checklist"] if row["state"] == "done"}
            found[phase] += [f"ticked: {box}" for box in UNTRUE.get(scenario, ()) if box in ticked]
    assert {phase: said for phase, said in found.items() if said} == {}
