"""Each field that any source reads: what is unknown, null or out of range is not understood, whatever its case."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pdmlib.frames.understanding import Kind, Unclear, Vocabulary
from pdmlib.site.terms import TERMS
from pdmlib.site.vendors import App
from pdmlib.sources import app
from pdmlib.sources.fields import Answer
from pdmlib.sources.health import Shot, judged
from pdmlib.sources.postgres.mapping import NUMBERS
from pdmlib.storage.request_logs.ingest import ingest
from tests.sources.reads import ODD_NUMBERS, ODD_TYPES, UNKNOWN_WORDS, Read, reads
from tests.storage.request_logs.logs import site_of, write

VENDORS = ("sentry", "vercel", "supabase", "stripe", "twilio", "resend")


def models(source: str) -> tuple[type[Answer], ...]:
    return tuple(importlib.import_module(f"pdmlib.sources.specifications.{source}").ASKED)


def fields(source: str) -> Iterator[tuple[type[Answer], str, Read]]:
    """Model, our name and row of the table of each word and number that is read of a vendor."""
    rows = {(row.listed, row.field): row for row in reads(source)}
    for model in models(source):
        for ours, rule in model.rules.items():
            if rule.form in (Kind.WORD, Kind.NUMBER):
                yield model, ours, rows[model.item, rule.name]


def understood(model: type[Answer], ours: str, row: Read, values: Iterable[Any]) -> tuple[list[Any], int]:
    """What the values of one field are taken for, and how many of them were not understood."""
    unclear = Unclear(row.source)
    found = [getattr(model.read({row.field: value}, unclear), ours) for value in values]
    notes = unclear.frames().get("not_understood")
    return found, 0 if notes is None else int(notes[notes["item"] == f"{row.listed}.{row.field}"]["count"].sum())


@pytest.mark.parametrize("source", VENDORS)
def test_every_word_and_number_that_is_read_stands_in_the_table_and_nothing_else(source: str) -> None:
    assert {row for _, _, row in fields(source)} == set(reads(source))


@pytest.mark.parametrize("source", VENDORS)
def test_rule_14_known_words_are_understood_in_any_case_and_numbers_to_their_edges(source: str) -> None:
    for model, ours, row in fields(source):
        cased = [(w, said) for w in row.words for said in (w, w.upper(), w.lower(), f" {w} ")]
        edges = [(n, said) for n in (row.low, row.high) for said in (n, str(n))]
        pairs = cased if row.words else edges
        assert understood(model, ours, row, [said for _, said in pairs]) == ([one for one, _ in pairs], 0), row


@pytest.mark.parametrize("source", VENDORS)
def test_rule_14_an_unknown_word_a_null_another_type_and_a_number_that_cannot_be_are_none_and_told(
    source: str,
) -> None:
    for model, ours, row in fields(source):
        odd: list[Any] = [*UNKNOWN_WORDS, *ODD_NUMBERS, *ODD_TYPES, *(() if row.words else (row.low - 1,))]
        assert understood(model, ours, row, odd) == ([None] * len(odd), len(odd)), row
        assert understood(model, ours, row, [None]) == ([None], 0 if row.null else 1), row


def test_every_word_and_number_of_a_table_of_the_application_stands_in_the_table() -> None:
    named = {(row.listed, row.field) for row in reads("postgres")}
    assert {(terms.block, column) for terms in TERMS for column in terms.words} <= named
    ranges = {(row.listed, row.field): (row.low, row.high) for row in reads("postgres") if not row.words}
    for block, columns in NUMBERS.items():
        for column, limits in columns.items():
            assert ranges[block, column] == pytest.approx(limits), (block, column)


def test_rule_14_words_of_a_table_are_understood_in_any_case_and_no_other() -> None:
    known = {(terms.block, column): words for terms in TERMS for column, words in terms.words.items()}
    for row in reads("postgres"):
        declared = known.get((row.listed, row.field), ())
        if declared:
            vocabulary = Vocabulary({word.name: (word.name, *word.usual) for word in declared})
            for word in row.words:
                assert {vocabulary.of(w) for w in (word, word.upper(), f" {word.title()} ")} == {word}
            assert {vocabulary.of(odd) for odd in (*UNKNOWN_WORDS, *ODD_NUMBERS, None)} == {None}


def test_rule_14_the_body_of_a_health_check_is_up_or_what_its_known_word_says() -> None:
    """No word that is not known, no number and no null makes an application of a 2xx down."""
    endpoint = app.endpoint_of(App(base_url="https://shop.example"), "/health", True)

    def taken_for(status: Any) -> str | None:
        body = json.dumps({"status": status}).encode("utf-8", "surrogatepass")
        return judged(endpoint, Shot(200, body, 1.0), Unclear("app"))[0]

    (row,) = reads("app")
    meanings = {taken_for(word) for word in row.words}
    assert meanings == {"up", "degraded", "down"}
    for word in row.words:
        assert taken_for(word.upper()) == taken_for(f" {word} ") == taken_for(word)
    for odd in (*UNKNOWN_WORDS, *ODD_NUMBERS, *(one for one in ODD_TYPES if one is not True), None):
        assert taken_for(odd) == "up", odd


def test_rule_14_a_log_line_of_an_impossible_status_or_duration_counts_and_that_is_not_known_of_it(
    tmp_path: Path,
) -> None:
    """A null says nothing of a request that is there; whatever else is odd is told, and the request counts."""
    ranges = {row.field: row for row in reads("requests")}
    well: dict[str, Any] = {"time": "2026-03-09T22:00:00Z", "path": "/a", "status": 200, "duration_ms": 5}
    edges = [{field: edge} for field, row in ranges.items() for edge in (row.low, row.high, None)]
    odd = [
        {field: value}
        for field, row in ranges.items()
        for value in (row.low - 1.0, row.high * 2, "NaN", "zzz", "-Infinity")
    ]
    lines = [{**well, **one, "request_id": str(n)} for n, one in enumerate([*edges, *odd])]
    report = ingest(site_of(format="json", columns={}), [write(tmp_path / "log.jsonl", lines)], tmp_path / "store")
    assert (report.lines, report.rejected, report.unclear) == (len(edges) + len(odd), 0, len(odd))
