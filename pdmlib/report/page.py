"""The executed notebook as files: `notebook.ipynb`, and HTML that needs nothing from elsewhere.

The page is made of the notebook's cells: a heading of the second level begins a section, which is folded unless
something in it is wrong, and what a text under a heading explains is folded too.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import nbformat
from nbconvert.exporters import HTMLExporter

from pdmlib.report.html import render

# What a piece of a report says of itself (`html.part`): how much is wrong, not known and well.
COUNTS = re.compile(r'<div class="part" data-n="(\d+) (\d+) (\d+)">')
SHOWS = re.compile(r"<(?:table|svg|li|article|section)\b")  # what a slide is there for
LINK, ANCHOR = re.compile(r' href="#([\w.-]+)"'), re.compile(r' id="([\w.-]+)"')


@dataclass
class Section:
    """A heading of the second level with all that stands under it."""

    title: str
    cells: list[Any] = field(default_factory=list)
    html: str = ""

    @property
    def anchor(self) -> str:
        """Its name in links, from its title alone: the same in every report."""
        return "s-" + re.sub(r"\W+", "-", self.title.lower()).strip("-")

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many readings and causes of it are wrong, not known, and well."""
        found = [tuple(map(int, parts)) for parts in COUNTS.findall(self.html)]
        wrong, unknown, well = (sum(column) for column in zip((0, 0, 0), *found, strict=True))
        return wrong, unknown, well


def write_notebook(notebook: Any, path: Path, moved: tuple[str, str]) -> None:
    """Writes the executed notebook, its folder named as it will be once the report is in place."""
    path.write_text(nbformat.writes(notebook).replace(*moved), encoding="utf-8")


def write_page(notebook: Any, path: Path, title: str, refresh_s: int = 0) -> None:
    """Writes the notebook as one self-contained page, code hidden.

    Args:
        refresh_s: for a screen on a wall: all of it at once, loaded anew so often.
    """
    footer = f"{title} · written by pdmlib · the code behind it is in notebook.ipynb beside this file"
    head, *sections = _sections(notebook)
    for section in (head, *sections):
        section.html = body(nbformat.v4.new_notebook(cells=_split(section.cells), metadata=notebook.metadata))
    script = f"setTimeout(() => location.reload(), {1000 * refresh_s})" if refresh_s else ""
    page = render(
        "page.html.j2",
        title=title,
        style=_style("page.css"),
        head=head,
        sections=sections,
        footer=footer,
        script=script,
        allowed=_allowed(script),
    )
    path.write_text(_linked(page.html), encoding="utf-8")


def _sections(notebook: Any) -> list[Section]:
    """What stands before the first section, and the sections."""
    found = [Section("")]
    for cell in notebook.cells:
        heading = re.match(r"## +(.+)", cell.source) if cell.cell_type == "markdown" else None
        if heading:
            found.append(Section(heading[1].strip()))
            cell = nbformat.v4.new_markdown_cell(cell.source.partition("\n")[2].strip(), id=cell.id)
        if cell.source:
            found[-1].cells.append(cell)
    return found


def _split(cells: Iterable[Any]) -> list[Any]:
    """The cells, of which each text that explains is a folded note of its own."""
    split: list[Any] = []
    for cell in cells:
        if cell.cell_type != "markdown" or cell.source.startswith("# "):
            split.append(cell)
            continue
        for number, block in enumerate(filter(None, re.split(r"\n{2,}", cell.source))):
            # Markdown inside a block of HTML is read as Markdown where an empty line stands before it.
            note = f'<details class="how"><summary>How to read it</summary>\n\n{block}\n\n</details>'
            long = not block.startswith("#") and len(block) > SHORT
            # The format's own ids are drawn at random, and the same report is to have the same bytes.
            split.append(nbformat.v4.new_markdown_cell(note if long else block, id=f"{cell.id}-{number}"))
    return split


def _allowed(script: str) -> str:
    """What a page's policy says of its one script: that it may run, and no other, by its digest."""
    digest = b64encode(sha256(script.encode()).digest()).decode()
    return f"; script-src 'sha256-{digest}'" if script else ""


SHORT = 60  # characters: a text that is no longer is a label and stays


def _linked(page: str) -> str:
    """The page without links that lead nowhere: a phase need not show what a card or a cause points to."""
    known = set(ANCHOR.findall(page))
    return LINK.sub(lambda link: link[0] if link[1] in known else "", page)


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

    Cells tagged `skip` stay out, and so do slides that show nothing. The arrow keys, page-down and scrolling move
    by one slide; left and right need the script.
    """
    made = (body(nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata)) for cells in _groups(notebook))
    script = _style("slides.js")
    page = render(
        "slides.html.j2",
        title=title,
        style=_style("page.css") + _style("slides.css"),
        slides=[_linked(slide) for slide in made if SHOWS.search(slide)],
        script=script,
        allowed=_allowed(script),
    )
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
