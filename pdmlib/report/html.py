"""Pieces of HTML: rows under columns, lists, and the templates that they are written with.

A notebook shows each output alone, without the style of a page: there each piece brings its own, and a page, which
has it once, takes it off again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from html import unescape
from importlib.resources import files
from typing import Any, NoReturn

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import escape

from pdmlib.errors import CallError, Spelt
from pdmlib.frames.readings import counted
from pdmlib.frames.states import ReportStatus
from pdmlib.phases.window import iso
from pdmlib.report import words
from pdmlib.report.columns import Column
from pdmlib.report.words import one_line

_CLOSING = "</div><!-- pdm-o -->"
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_TAG = re.compile(r"<[^>]*>")
SAID = 100  # characters of what a piece shows that its one line repeats
MOST_ROWS = 1000  # of a table in one output, which a browser holds at once


@dataclass(frozen=True)
class Html(Spelt):
    """A piece of HTML that a notebook shows; everything in it is escaped already."""

    html: str

    @classmethod
    def _called(cls) -> str:
        return "a table" if cls.__name__ == "Table" else "a piece of HTML"

    def _repr_html_(self) -> str:
        return dressed(self.html)

    def __repr__(self) -> str:
        words = unescape(" ".join(_TAG.sub(" ", self.html).split()))
        return f"{type(self).__name__}({words if len(words) <= SAID else words[: SAID - 1] + '…'})"


@dataclass(frozen=True, repr=False)
class Table(Html):
    """A table that a notebook shows, and its rows as a pandas frame.

    Attributes:
        rows: as in `report.json`: times as ISO text in UTC, None for what is not known.
        keys: the columns of a table without rows.
    """

    rows: Sequence[Mapping[str, Any]] = ()
    keys: Sequence[str] = ()

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The rows as a pandas frame, a column a key, times in UTC; what is not known is missing, never 0."""
        table = pd.DataFrame([dict(row) for row in self.rows], columns=None if self.rows else list(self.keys))
        for column in table:
            told = [value for value in table[column] if value is not None]
            if told and all(isinstance(value, str) and _MOMENT.fullmatch(value) for value in told):
                table[column] = pd.to_datetime(table[column], utc=True)
        return table

    def __len__(self) -> int:
        return len(self.rows)

    def __bool__(self) -> bool:
        return True  # also without a row: it says why it has none

    def __getitem__(self, name: object) -> NoReturn:
        raise CallError(f"a table is shown and not indexed: .frame[{name!r}] is of it as pandas, .rows its rows")

    def __iter__(self) -> NoReturn:
        raise CallError("a table is shown and not run through: .rows are its rows, .frame is it as pandas")

    def _where_is(self, name: str) -> str:
        return f".frame.{name}, since .frame is it as pandas" if hasattr(pd.DataFrame, name) else ""

    def __repr__(self) -> str:
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        return one_line(f"Table({counted(len(self.rows), 'row')}: {', '.join(columns) or 'nothing'})", 2 * SAID)


def dressed(html: str) -> str:
    """A piece of HTML with its looks, for a notebook."""
    return f"{_opening()}{html}{_CLOSING}"


def bare(html: str) -> str:
    """The HTML of outputs without the looks that each brought, for a page that has them once."""
    return html.replace(_opening(), "").replace(_CLOSING, "")


@cache
def _opening() -> str:
    # Nested, so that nothing of it reaches the rest of the notebook; its colours are those of JupyterLab's theme.
    return f'<div class="pdm-o"><style>.pdm-o {{ {style("output.css")}{style("parts.css")} }}</style>'


def style(*names: str) -> str:
    """Style sheets of the package, one after the other."""
    folder = files("pdmlib.report").joinpath("templates")
    return "".join(folder.joinpath(name).read_text(encoding="utf-8") for name in names)


def grid(
    columns: Iterable[Column],
    rows: Sequence[Mapping[str, Any]],
    empty: str,
    most: int | None = None,
    rest: str = "",
) -> Html:
    """Rows under columns as HTML; a column in which no row has anything is left out.

    Args:
        most: rows that are seen at once; the others are folded, and a slide says how many the report has.
        rest: what the folded rows are; without it how many.
    """
    columns, over, rows = list(columns), len(rows) - MOST_ROWS, rows[:MOST_ROWS]
    cells = [[(column, column.show(v := row.get(column.key)), v) for column in columns] for row in rows]
    told = {column for row in cells for column, text, _ in row if text}
    shown = [
        {"anchor": row.get("anchor"), "cells": [cell for cell in found if cell[0] in told]}
        for row, found in zip(rows, cells, strict=True)
    ]
    at_once = len(shown) if most is None else most
    columns = [column for column in columns if column in told]
    table = render("table.html.j2", columns=columns, rows=shown, empty=empty, most=at_once, rest=rest)
    more = f'<p class="empty">and {over:,} more rows, which report.json and `.frame` have</p>'
    return Html(table.html + more) if over > 0 else table


def bullets(items: Iterable[str], empty: str, most: int | None = None) -> Html:
    """A list, each item on one line; a sentence where there are none; `most` as for `grid`."""
    shown = [words.sentences(item) for item in items]
    return render("list.html.j2", items=shown, empty=empty, most=most or len(shown))


def part(html: Html, wrong: int = 0, unknown: int = 0, well: int = 0) -> Html:
    """A piece of HTML with what its section counts of it: what is beyond a limit, not known, and well."""
    return Html(f'<div class="part" data-n="{wrong} {unknown} {well}">{html.html}</div>')


def folded(summary: str, shown: Any) -> Html:
    """Something that a notebook shows, folded under a line."""
    return Html(f'<details class="rest"><summary>{escape(summary)}</summary>{shown._repr_html_()}</details>')


def card(values: Mapping[str, Any], summary: str = "") -> Html:
    """The decision card for a page, with the analyst's own summary under it."""
    shape = words.SHAPES[ReportStatus(values["status"])]
    return render("card.html.j2", card=values, shape=shape, summary=summary)


def mail(values: Mapping[str, Any], title: str, address: str = "") -> Html:
    """The decision card with its looks in each element: mail programs and notebooks know no style sheet."""
    return render("mail.html.j2", card=values, title=title, address=address)


@cache
def environment() -> Environment:
    """The one environment of the HTML templates: everything is escaped, nothing may be undefined."""
    loaded = Environment(
        loader=PackageLoader("pdmlib.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    loaded.filters.update(iso=iso)
    return loaded


def _template(name: str) -> Any:
    return environment().get_template(name)


def render(name: str, **values: Any) -> Html:
    """A template of the package as HTML."""
    return Html(_template(name).render(**values))
