"""Pieces of HTML: rows under columns, lists, and the templates that they are written with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import escape

from pdmlib.frames.states import ReportStatus
from pdmlib.phases.window import iso
from pdmlib.report import words
from pdmlib.report.columns import Column


@dataclass(frozen=True)
class Html:
    """A piece of HTML that a notebook shows; everything in it is escaped already."""

    html: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return "HTML"


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
    columns = list(columns)
    cells = [[(column, column.show(row.get(column.key))) for column in columns] for row in rows]
    told = {column for row in cells for column, text in row if text}
    shown = [
        {"anchor": row.get("anchor"), "cells": [(column, text) for column, text in found if column in told]}
        for row, found in zip(rows, cells, strict=True)
    ]
    at_once = len(shown) if most is None else most
    columns = [column for column in columns if column in told]
    return render("table.html.j2", columns=columns, rows=shown, empty=empty, most=at_once, rest=rest)


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
