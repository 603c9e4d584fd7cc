"""The decision card: five questions answered at one look, and the page that finds what it names."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import nbformat
import pytest

from pdmlib.frames.readings import Finding, Priority
from pdmlib.frames.states import ReportStatus, Usage
from pdmlib.phases.scope import incident_scope
from pdmlib.phases.window import Window
from pdmlib.report import html, page, tables
from pdmlib.report.card import Told, card_of, lines
from pdmlib.report.text import none_found
from pdmlib.verdict.causes import causes_of
from pdmlib.verdict.verdict import Verdict, judge
from tests.builders import DEPLOYED, WEEK_LATER, a_case, a_gap, a_site, at, every, the_probes

CREATE = "CREATE INDEX CONCURRENTLY ON public.orders (customer_id);"


def found(name: str, priority: str, **more: Any) -> Finding:
    text = {
        "title": name,
        "evidence": name,
        "action": "act",
        "becomes_green": "it is gone",
        "reading": name,
        **more,
    }
    return Finding(id=name, priority=Priority(priority), **text)


def troubled(*findings: Finding) -> Verdict:
    """A week of a running application in which so much was found."""
    verdict = judge(a_case({"probes": the_probes(5, DEPLOYED, WEEK_LATER, [])}))
    return replace(verdict, causes=causes_of(verdict.case, findings, ()))


SLOW = found(
    "route:GET /api/orders:slower", "P1", said="Customers wait 4.5 times longer on /api/orders", since=DEPLOYED
)
STRIPE = found("integration:stripe", "P1", said="Stripe: the webhook is disabled", since=at("2025-03-05T16:30"))
CRON = found("cron:nightly:missed", "P1", said="The job nightly missed 3 of its 7 runs", fix=CREATE)
FEATURE = found("feature:loyalty:abandoned", "P2", said="Nobody used Loyalty for 5 days")


def test_of_a_figure_that_was_measured_in_part_the_rest_is_not_known() -> None:
    """Two hours without a probe: the last one vouches for ten minutes, the rest is 110 of 10,080 minutes."""
    quiet = (at("2025-03-08T08:00"), at("2025-03-08T10:00"))
    probes = [p for p in the_probes(5, DEPLOYED, WEEK_LATER) if not quiet[0] < p["checked_at"] < quiet[1]]
    for looked, said in (
        (probes, "Uptime (measured in 98.9 % of the window)"),
        (the_probes(5, DEPLOYED, WEEK_LATER), ""),
    ):
        verdict = judge(a_case({"probes": looked}))
        alone = replace(verdict, readings=tuple(r for r in verdict.readings if r.id == "uptime_pct"))
        assert card_of(alone).unknown == said


def test_runs_of_jobs_that_never_logged_are_no_runs_that_went_well() -> None:
    """Of a day's slots 48 are of a job every half an hour, which all ran well, and one of a job unheard of."""
    runs = [
        {"job": "deliver", "started_at": moment, "completed_at": moment, "status": "completed", "duration_ms": 9}
        for moment in every(30, DEPLOYED - timedelta(days=3), DEPLOYED + timedelta(days=1))
    ]
    verdict = judge(a_case({"cron_logs": runs}, "day1", as_of=DEPLOYED + timedelta(days=1, hours=1)))
    (tile,) = (tile for tile in card_of(verdict).tiles if tile.title == "Cron")
    assert (tile.value, tile.before, tile.status) == ("48 of 49", "1 never logged", "unknown")


def test_the_card_says_what_broke_since_when_and_who_mends_it_by_when() -> None:
    """The week is over on Monday 10 March; a P1 is due a day later. Chicago is six hours behind in winter."""
    card = card_of(troubled(CRON, STRIPE, SLOW, FEATURE))
    assert card.sentence.endswith("Customers wait 4.5 times longer on /api/orders since the deployment.")
    assert [cause.said for cause in card.causes] == [SLOW.said, STRIPE.said, CRON.said]
    assert card.causes[1].since == "since Wed 5 Mar 10:30 CST"
    assert {cause.due for cause in card.causes} == {"Tue 11 Mar"}
    assert card.causes[2].fix == CREATE
    assert [cause.said for cause in card.others] == [FEATURE.said]


def test_a_time_stands_apart_from_what_is_so_now() -> None:
    """Nobody says that something is disabled since ten."""
    said = card_of(troubled(STRIPE)).sentence
    assert said.endswith("Stripe: the webhook is disabled, since Wed 5 Mar 10:30 CST.")


def test_a_sentence_says_once_since_when() -> None:
    said = "No payment has been attempted since Mon 3 Mar 08:59 CST"
    assert card_of(troubled(found("payments:stopped", "P1", said=said, since=DEPLOYED))).sentence.endswith(
        f". {said}."
    )


def test_what_customers_feel_is_told_before_what_they_do_not() -> None:
    paid = found("payment_failures", "P1", said="Payments fail")
    down = found("incident:2025-03-05T10:00:00Z", "P1", said="The application was down for 45 minutes")
    card = card_of(troubled(FEATURE, CRON, STRIPE, SLOW, paid, down))
    assert [cause.said for cause in (*card.causes, *card.others)] == [
        f.said for f in (down, paid, SLOW, STRIPE, CRON, FEATURE)
    ]


def test_every_cause_of_the_card_has_its_place() -> None:
    card = card_of(troubled(CRON, STRIPE, SLOW, FEATURE))
    assert [c.anchor for c in (*card.causes, *card.others)] == [f"cause-{n}" for n in range(1, 5)]


def test_a_terminal_hides_no_cause() -> None:
    said = "\n".join(lines(card_of(troubled(CRON, STRIPE, SLOW, FEATURE)).plain()))
    assert [f.said for f in (CRON, STRIPE, SLOW, FEATURE) if f.said not in said] == []
    assert CREATE in said


def test_an_outage_that_is_over_is_told_as_over() -> None:
    down = every(5, at("2025-03-05T10:00"), at("2025-03-05T10:45"))
    verdict = judge(a_case({"probes": the_probes(5, DEPLOYED, WEEK_LATER, down)}))
    told = [*card_of(verdict).causes, *card_of(verdict).others]
    assert [c.since for c in told if c.said == "The application was down for 45 minutes"] == [
        "began Wed 5 Mar 04:00 CST, over"
    ]


@pytest.mark.parametrize(("end", "told"), [("2025-03-05T10:45:00Z", "has recovered"), (None, "is not over")])
def test_only_an_incident_that_ended_has_recovered(end: str | None, told: str) -> None:
    row = {"start": "2025-03-05T10:00:00Z", "end": end, "reading": "app_up", "priority": "P0"}
    verdict = replace(judge(a_case()), status=ReportStatus.YELLOW, causes=(), readings=(), incidents=(row,))
    assert card_of(verdict).sentence == f"YELLOW. An incident in the window {told}."


def test_a_window_of_the_past_in_which_nothing_happened_says_so() -> None:
    window = Window(at("2025-03-04T19:00"), at("2025-03-04T20:00"))
    scope = incident_scope(a_site().zone, DEPLOYED, window, WEEK_LATER)
    case = a_case({"probes": the_probes(5, DEPLOYED, WEEK_LATER, [])})
    verdict = replace(judge(replace(case, scope=scope, window=window)), status=ReportStatus.GREEN)
    assert card_of(verdict).sentence == "GREEN. No incident was found in this window, and every limit held."


def test_what_calls_for_a_rollback_now_is_told_before_an_outage_that_is_over() -> None:
    """Ten minutes down in the window of an incident, and then all requests fail to its end."""
    start, end = at("2025-03-04T19:00"), at("2025-03-04T20:00")
    down = every(1, start + timedelta(minutes=5), start + timedelta(minutes=15))
    row = {"source": "vercel", "interval_s": 60.0, "sample_rate": 1.0, "requests": 100}
    counts = [
        row | {"at": moment, "status": 500 if moment >= start + timedelta(minutes=30) else 200}
        for moment in every(1, DEPLOYED - timedelta(days=7), end)
    ]
    scope = incident_scope(a_site().zone, DEPLOYED, Window(start, end), end)
    case = a_case({"probes": the_probes(1, DEPLOYED, end, down), "request_counts": counts})
    verdict = judge(replace(case, scope=scope, window=scope.window))
    card = card_of(verdict)
    assert card.advice.startswith("Roll back now")
    assert "it is over" not in card.sentence
    assert "100 % of requests fail" in card.sentence


def test_hostile_text_on_the_card_is_text() -> None:
    said = "<img src=x onerror=alert(1)>"
    card = card_of(troubled(found("issue:1:new", "P1", said=said, title=said))).plain()
    for shown in (html.card(card), html.mail(card, "Shop")):
        assert "<img" not in shown.html
        assert "&lt;img" in shown.html


def written(tmp_path: Path, *cells: Any, **how: Any) -> str:
    notebook = nbformat.v4.new_notebook(cells=list(cells))
    page.write_page(notebook, tmp_path / "report.html", "Shop: Week 1", **how)
    return (tmp_path / "report.html").read_text(encoding="utf-8")


def shows(text: str) -> Any:
    output = nbformat.v4.new_output("display_data", data={"text/html": text})
    return nbformat.v4.new_code_cell("week.readings()", outputs=[output], execution_count=1)


def test_a_section_is_folded_unless_something_in_it_is_wrong(tmp_path: Path) -> None:
    """Two parts of Cron: 1 wrong and 4 well, 2 unknown and 3 well."""
    parts = [html.part(html.Html("one"), 1, 0, 4), html.part(html.Html("two"), 0, 2, 3)]
    text = written(
        tmp_path,
        nbformat.v4.new_markdown_cell("# Week 1"),
        nbformat.v4.new_markdown_cell(
            "## Cron Jobs\n\n" + "Every slot of every schedule is matched with its run. " * 2
        ),
        *(shows(one.html) for one in parts),
        nbformat.v4.new_markdown_cell("## Database"),
        shows(html.part(html.Html("three"), 0, 0, 9).html),
        nbformat.v4.new_markdown_cell("## Timeline", metadata={"tags": ["open"]}),
    )
    folds = re.findall(r'<details class="section"( open)?><summary><h2>(.*?)</h2>', text)
    assert folds == [(" open", "Cron Jobs"), ("", "Database"), (" open", "Timeline")]
    contents = re.sub(r"<[^>]+>", " ", text[text.index("<nav") : text.index("</nav>")])
    assert contents.split() == [
        "Cron",
        "Jobs",
        "1",
        "wrong",
        "2",
        "unknown",
        "7",
        "pass",
        "Database",
        "9",
        "pass",
        "Timeline",
    ]
    assert "How to read it" in text


def test_no_link_of_a_page_leads_nowhere(tmp_path: Path) -> None:
    text = written(
        tmp_path,
        nbformat.v4.new_markdown_cell("## Cron Jobs"),
        shows('<a href="#r-cron">here</a> <a href="#nowhere">there</a><p id="r-cron">x</p>'),
    )
    links, names = set(re.findall(r'href="#([^"]+)"', text)), set(re.findall(r' id="([^"]+)"', text))
    assert links <= names
    assert "r-cron" in links


@pytest.mark.parametrize(("how", "scripts"), [({}, 0), ({"refresh_s": 60}, 1), ({"sorts": True}, 1)])
def test_only_the_wall_and_a_page_to_sort_run_a_script_and_only_their_own(
    tmp_path: Path, how: dict[str, Any], scripts: int
) -> None:
    text = written(tmp_path, nbformat.v4.new_markdown_cell("## Now"), **how)
    assert text.count("<script") == text.count("script-src 'sha256-") == scripts
    assert 'http-equiv="refresh"' not in text


def test_a_feature_that_could_not_be_read_is_unknown_and_not_wrong() -> None:
    """Of two features one is abandoned, and one could not be read."""
    row: dict[str, Any] = {"title": "Orders", "days": [], "cells": [], "total": None, "daily_avg": None}
    row |= {"trend": None, "target": None, "target_met": None}
    shown = tables.adoption([{**row, "state": Usage.ABANDONED}, {**row, "state": Usage.UNKNOWN}]).html
    assert '<div class="part" data-n="1 1 0">' in shown


def test_a_long_reason_is_cut_inside_its_bracket() -> None:
    """200 letters of a vendor: the bracket after them closes before the next of what is not known."""
    case = a_case(coverage={"stripe": "failed"})
    rows = [replace(row, detail="x" * 200) if row.source == "stripe" else row for row in case.collection.coverage]
    unread = replace(case, collection=replace(case.collection, coverage=tuple(rows)))
    unknown = card_of(judge(unread)).unknown
    assert "…), " in unknown
    assert unknown.count("(") == unknown.count(")")


TOLD = Told(4, "", "P1", said="It is slow", since="since Mon", owner="Ann", due="Tue 11 Mar", action="", fix="")
SOURCES = ("app", "sentry", "vercel", "supabase", "postgres", "stripe", "twilio", "resend")


def unread(*sources: str, **frames: Any) -> Verdict:
    """A week of which so many sources could not be read."""
    return judge(a_case(frames, coverage=dict.fromkeys(sources, "failed")))


def test_what_to_do_about_silent_sources_names_them_and_the_command_that_says_why() -> None:
    (cause,) = (c for c in unread("stripe").causes if c.id == "sources_read")
    assert "pdm doctor" in cause.action and "Stripe" in cause.action
    (cause,) = (c for c in unread(*SOURCES).causes if c.id == "sources_read")
    assert "network" in cause.action and "pdm doctor" in cause.action


def test_a_tracker_that_hears_nothing_is_to_be_looked_at_where_the_application_reports_to_it() -> None:
    (cause,) = (c for c in judge(a_case()).causes if c.id == "sources_read")
    assert cause.said.startswith("The error tracker has neither a trace nor an error")
    assert cause.action == "Look whether the application still reports to its error tracker"


def test_where_no_source_answers_the_last_answer_that_is_kept_says_since_when() -> None:
    gauge = {"metric": "db_up", "value": 1.0}
    kept = [{**gauge, "at": at("2025-03-09T10:00")}, {**gauge, "at": at("2025-03-10T12:30")}]
    said = card_of(unread(*SOURCES, host_metrics=kept)).sentence
    assert said.endswith("the last answer is of Mon 10 Mar 07:30 CDT.")
    assert "last answer" not in card_of(unread(*SOURCES)).sentence


def test_a_silent_source_is_told_with_the_moment_at_which_it_was_asked() -> None:
    said = card_of(unread("sentry")).sentence
    assert said.endswith(" Sentry could not be read at Mon 10 Mar 10:00 CDT.")


def test_a_part_that_could_not_be_read_is_named() -> None:
    reason = "row-level security hides public.cron_job_logs from role monitor"
    gaps = [a_gap("postgres", reason, "table:public.cron_job_logs")]
    counted = [{"start": DEPLOYED, "end": WEEK_LATER, "errors": 9}]
    verdict = judge(a_case({"gaps": gaps, "error_counts": counted}, coverage={"postgres": "partial"}))
    (cause,) = [cause for cause in verdict.causes if cause.id == "sources_read"]
    assert cause.said == "Row-level security hides cron_job_logs from role monitor"


def test_what_the_card_names_in_one_line_has_its_beginning_too() -> None:
    card = replace(card_of(judge(a_case())), causes=(), others=(TOLD, replace(TOLD, since="")))
    shown = [line for line in lines(card.plain()) if line.startswith("And 2 more")]
    assert shown == ["And 2 more: It is slow (P1, since Mon, Ann, Tue 11 Mar); It is slow (P1, Ann, Tue 11 Mar)"]


def test_a_figure_that_was_not_measured_has_no_line() -> None:
    """Probes that nobody understands draw no line of 100 % beside `not measured`."""
    assert [tile.trend for tile in card_of(unread(*SOURCES)).tiles if tile.value == "not measured"] != []
    assert all(tile.trend == () for tile in card_of(unread(*SOURCES)).tiles if tile.value == "not measured")


def test_no_cause_means_nothing_where_nobody_could_look() -> None:
    """`None.` under Critical would say that there is nothing critical."""
    empty = {name: tables.causes([], {}, {}, none_found(unread(*names))).html for name, names in LOOKED.items()}
    assert empty["all"].count("None.") == 1
    assert "None in what could be read." in empty["some"]
    assert "Not known: no source was read." in empty["none"] and "None." not in empty["none"]


LOOKED = {"all": (), "some": ("stripe",), "none": SOURCES}
