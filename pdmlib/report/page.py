"""The executed notebook as files: `notebook.ipynb`, and HTML that needs nothing from elsewhere."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import HTMLExporter

from pdmlib.report.html import render


def write_notebook(notebook: Any, path: Path, moved: tuple[str, str]) -> None:
    """Writes the executed notebook, its folder named as it will be once the report is in place."""
    path.write_text(nbformat.writes(notebook).replace(*moved), encoding="utf-8")


def write_page(notebook: Any, path: Path, title: str, refresh_s: int = 0) -> None:
    """Writes the notebook as one self-contained page, code hidden; with `refresh_s`, one that reloads itself."""
    footer = f"{title} · written by pdmlib · the code behind it is in notebook.ipynb beside this file"
    page = render(
        "page.html.j2",
        title=title,
        style=_style("page.css"),
        body=body(notebook),
        footer=footer,
        refresh_s=refresh_s,
    )
    path.write_text(page.html, encoding="utf-8")


def body(notebook: Any) -> str:
    """The cells' text and outputs as HTML."""
    text, _ = _exporter().from_notebook_node(notebook)
    return str(text)


def warm() -> None:
    """Compiles the templates and patterns that every page needs."""
    body(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("#")]))


@cache
def _exporter() -> Any:
    return HTMLExporter(
        template_name="basic",
        exclude_input=True,
        exclude_output_prompt=True,
        exclude_input_prompt=True,
        exclude_anchor_links=True,
        embed_images=False,
    )


def _style(name: str) -> str:
    return files("pdmlib.report").joinpath("templates", name).read_text(encoding="utf-8")


def write_slides(notebook: Any, path: Path, title: str) -> None:
    """Writes the cells tagged `slide`, and those after them, as 16:9 slides in one self-contained page.

    Cells tagged `skip` stay out. Page-down, the arrow keys and scrolling move by one slide; no script.
    """
    slides = [
        body(nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)) for cells in _groups(notebook)
    ]
    page = render("slides.html.j2", title=title, style=_style("page.css") + _style("slides.css"), slides=slides)
    path.write_text(page.html, encoding="utf-8")


def _groups(notebook: Any) -> list[list[Any]]:
    groups: list[list[Any]] = []
    for cell in notebook.cells:
        tags = cell.metadata.get("tags", [])
        if {"skip", "parameters", "injected-parameters"} & set(tags):
            continue
        if "slide" in tags:
            groups.append([])
        if groups:
            groups[-1].append(cell)
    return groups
