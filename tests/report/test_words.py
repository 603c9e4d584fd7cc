"""Words of a report: numbers readable, strangers' text harmless."""

import re
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from markupsafe import Markup

import pdmlib
from pdmlib.frames.readings import Measurement, Reading, State, Status, counted, significant, written
from pdmlib.frames.states import Usage
from pdmlib.report import messages, tables, words
from pdmlib.report.words import markdown, number, of_limit, one_line, sentences
from pdmlib.verdict.verdict import judge
from tests.builders import a_case

UTC = ZoneInfo("UTC")
HOSTILE = "<img src=x onerror=alert(1)>|[a](javascript:x) `code` *b*\n# head\x00"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (None, "ms", "not measured"),
        (0.0, "count", "0"),
        (0.0042, "ms", "0.004 ms"),
        (0.003, "% of requests", "0.003 % of requests"),
        (99.7651, "%", "99.77 %"),
        (1234.5, "ms", "1,234 ms"),
        (4.6, "USD", "4.60 USD"),
        (859.894, "currency", "859.89"),
        (3, "count", "3"),
        (True, "bool", "yes"),
        ("OPERATIONAL", "", "OPERATIONAL"),
    ],
)
def test_a_number_has_the_precision_a_reader_can_use(value: object, unit: str, text: str) -> None:
    assert number(value, unit) == text


def a_reading(name: str, unit: str, found: Measurement) -> Reading:
    return Reading(
        name,
        name,
        unit,
        section="stability",
        status=Status.INFO,
        target="",
        measurement=found,
        reason=found.reason,
    )


def test_what_could_not_be_read_names_its_source_once() -> None:
    lost = Measurement(State.ERROR, reason="503: Service Unavailable", source="supabase")
    named = replace(lost, reason="supabase: 503")
    assert a_reading("up", "", lost).why == "supabase: 503: Service Unavailable"
    assert a_reading("up", "", named).why == "supabase: 503"


def test_hostile_text_becomes_plain_text_in_markdown() -> None:
    text = str(markdown(HOSTILE))
    assert "<img" not in text
    assert "\\|" in text
    assert "\\[a\\]" in text
    assert "`code`" in text, "nothing acts in a span of code"
    assert not any(line.startswith("# ") for line in text.split("\n"))


def test_what_opens_no_tag_stays_readable() -> None:
    assert str(markdown('p95 < 1000, >= 99.9 & it\'s "ok"')) == 'p95 < 1000, >= 99.9 & it\'s "ok"'
    assert str(markdown("<b>&lt;&#60;</b>")).count("<") == 0
    assert str(markdown("<https://x>")) == r"‹https\://x>"
    assert str(markdown("<img src=x>")) == "‹img src=x>", "a chat shows &lt; as it is"
    assert str(markdown("> quoted")) == "› quoted"
    assert str(markdown("&lt;script&gt;")) == "&amp;lt;script&amp;gt;"


def test_markup_of_our_own_passes_as_it_is() -> None:
    assert markdown(Markup("| a |")) == "| a |"


def test_text_is_cut_and_stripped_of_control_characters() -> None:
    assert one_line("a\x1b[31m\nb") == "a [31m b"
    assert len(one_line("x" * 1000)) == 300


def test_a_share_stands_in_brackets_only_where_it_was_measured() -> None:
    share = Reading(
        "x", "x", "%", section="s", status=Status.INFO, target="", measurement=Measurement(State.MEASURED, 45.0)
    )
    assert of_limit(share, "the limit") == "(45 % of the limit)"
    unknown = Reading(
        "x", "x", "%", section="s", status=Status.UNKNOWN, target="", measurement=Measurement(State.NO_DATA)
    )
    assert of_limit(unknown, "the limit") == of_limit(None, "the limit") == ""


def test_a_space_beside_a_value_stays() -> None:
    assert str(markdown(" ")) == " "
    assert str(markdown(" - failed:  twice\t")) == " - failed: twice "


def test_a_sentence_is_not_cut_where_a_title_is() -> None:
    assert sentences("x" * 1000) == "x" * 1000
    assert len(sentences("x" * 9000)) == len(str(markdown("x" * 9000))) == 1500


@pytest.mark.parametrize(
    ("value", "text"), [(0.0132, "0.0132"), (0.00004, "0.00004"), (2.6, "2.6"), (1234.56, "1,235"), (0.0, "0")]
)
def test_rule_22_a_limit_is_never_under_nothing(value: float, text: str) -> None:
    assert significant(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(20, "20"), (4.5, "4.5"), (1_234_567, "1,234,567"), (1234.5678, "1,234.57"), (20_000_000.0, "20,000,000")],
)
def test_a_number_is_written_as_people_do_and_never_with_an_exponent(value: float, text: str) -> None:
    assert written(value) == text


def test_no_sentence_is_made_by_a_format_that_writes_large_numbers_with_an_exponent() -> None:
    """Two digits by `g` make 1e+02 of a hundred (Python, "Format Specification Mini-Language"); pixels may be."""
    few = re.compile(r"\{[^{}]*:[+,]*\.[1-5]g\}")
    made = ((path, few.search(path.read_text())) for path in Path(pdmlib.__file__).parent.rglob("*.py"))
    own = ("picture.py", "questions.py")  # an axis below ten, and steps of a slider that are read back as numbers
    assert [path.name for path, bad in made if bad and path.name not in own] == []


def test_rule_22_no_change_in_percent_stands_beside_an_arrow_for_flat() -> None:
    row = {"date": "2025-03-04", "requests": 37, "requests_7day": 100.0, "requests_vs_7day_pct": -63.0}
    assert "-63" not in tables.table("daily", [row | {"requests_trend": "flat"}], UTC).html
    assert "-63 %" in tables.table("daily", [row | {"requests_trend": "down"}], UTC).html


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("[a](b)", r"\[a\](b)"),
        ("[a][b]", r"\[a\]\[b\]"),
        ("[a]: b", r"\[a\]: b"),
        ("p95 of GET /customers/[id]: 241 ms", "p95 of GET /customers/[id]: 241 ms"),
        ("longer on /customers/[id] (P1)", "longer on /customers/[id] (P1)"),
    ],
)
def test_brackets_of_a_route_stay_and_those_of_a_link_do_not(text: str, written: str) -> None:
    """CommonMark 0.31: a target right behind the bracket (6.3), a definition at the start of a line (4.7)."""
    assert markdown(text) == written


def test_a_text_that_is_too_long_is_cut_between_two_words() -> None:
    assert one_line("it asks to wait, more than is left", 31) == "it asks to wait, more than is …"
    assert one_line("https://shop.example.com/orders", 20) == "https://shop.exampl…"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("see https://evil.example/a", r"see https\://evil.example/a"),
        ("FTP://x and www.evil.example", r"FTP\://x and www\.evil.example"),
        ("mailto:a", r"mailto\:a"),
        ("at 12:30: feature:orders is https", "at 12:30: feature:orders is https"),
    ],
)
def test_a_bare_address_of_a_stranger_is_no_link(text: str, written: str) -> None:
    """GitHub Flavored Markdown 0.29, 6.9 (autolinks extension) makes links of these; a backslash escapes (6.1)."""
    assert markdown(text) == written


@pytest.mark.parametrize(
    ("target", "unit", "text"),
    [
        ("< 1000", "ms", "< 1,000"),
        (">= 99.95", "%", ">= 99.95"),
        ("< 0.0132", "ms", "< 0.0132"),
        ("true", "bool", "yes"),
        ("0.5 to 2x baseline", "per min", "0.5 to 2x baseline"),
        ("OPERATIONAL", "", "OPERATIONAL"),
    ],
)
def test_a_target_is_written_as_the_value_beside_it(target: str, unit: str, text: str) -> None:
    shown = Reading(
        "x",
        "x",
        unit,
        section="s",
        status=Status.INFO,
        target=target,
        measurement=Measurement(State.MEASURED, 1.0),
    )
    assert words.target(shown) == text


def test_words_of_programs_are_said_in_plain_letters() -> None:
    row = {"title": "x", "class": "STALE_CLIENT", "events": 1, "users": 1, "new": False, "security": False}
    assert ">stale client<" in tables.table("top_errors", [row], UTC).html


@pytest.mark.parametrize(
    ("count", "noun", "many", "text"),
    [(1, "run", "", "1 run"), (2016, "probe", "", "2,016 probes"), (3, "stretch", "stretches", "3 stretches")],
)
def test_a_count_agrees_with_its_noun(count: int, noun: str, many: str, text: str) -> None:
    assert counted(count, noun, many) == text


NAMED = {"Orders": Usage.USED, "Loyalty": Usage.ABANDONED}


def said(topic: str, rows: list[dict[str, object]], table: str = "") -> str:
    verdict = judge(a_case())
    return messages.message(replace(verdict, tables={**verdict.tables, table or topic: rows}), topic)


def a_statement(before: float | None, now: float | None) -> dict[str, object]:
    return {"query": "SELECT 1", "regressed": False, "before_mean_ms": before, "mean_ms": now}


def test_that_nothing_became_slower_is_said_only_of_what_was_compared() -> None:
    assert said("queries", [a_statement(1.0, 1.0)]) == "None of 1 statement became slower"
    seen = said("queries", [a_statement(1.0, 1.0), a_statement(2.0, 2.0), a_statement(None, 1.0)])
    assert seen == "None of 2 statements became slower, 1 cannot be compared"
    assert said("queries", [a_statement(None, 1.0)] * 8) == "Not known whether one of 8 statements became slower"


def test_features_that_nobody_could_count_are_not_said_to_be_unused() -> None:
    unknown, used = ({"title": "Orders", "state": state} for state in (Usage.UNKNOWN, Usage.USED))
    assert said("feature_adoption", [unknown] * 10) == "Not known whether 10 features are used"
    assert said("feature_adoption", [unknown, used]) == "1 of 2 features used as expected, 1 not known"


@pytest.mark.parametrize(
    ("up", "minutes", "outages", "text"),
    [
        (True, 0.0, 0, "Up now, and never down in this window"),
        (True, 25.0, 1, "Up now; down for 25 min in 1 outage"),
        (False, 40.0, 2, "Down now; down for 40 min in 2 outages"),
        (None, None, None, "Not known whether it is up now; how long it was down is not known"),
    ],
)
def test_the_slide_of_the_systems_health_says_what_came_of_it(
    up: bool | None, minutes: float | None, outages: int | None, text: str
) -> None:
    values = {"app_up": (up, "bool"), "downtime_minutes": (minutes, "min"), "downtime_events": (outages, "count")}
    found = [a_reading(name, unit, Measurement(State.MEASURED, value)) for name, (value, unit) in values.items()]
    assert messages.message(replace(judge(a_case()), readings=tuple(found)), "health") == text


def test_the_slide_of_the_database_says_what_is_beyond_a_limit_first() -> None:
    well = a_reading("db_cpu_peak_pct", "%", Measurement(State.MEASURED, 38.0))
    refused = a_reading("db_connections_refused", "count", Measurement(State.MEASURED, 463))
    refused = replace(refused, title="Connections refused", target="0", section="database", status=Status.WARN)
    verdict = replace(judge(a_case()), readings=(replace(well, section="database"), refused))
    assert messages.message(verdict, "database") == "463 connections refused"
    assert messages.message(replace(verdict, readings=(well,)), "database") == "db_cpu_peak_pct 38 %"


def test_the_slide_of_idle_features_names_them() -> None:
    used, left = ({"title": name, "state": state, "target_met": None} for name, state in NAMED.items())
    assert (
        said("underused", [used, left], table="feature_adoption")
        == "1 feature to promote, mend or remove: Loyalty"
    )
    assert said("underused", [used], table="feature_adoption") == ""
