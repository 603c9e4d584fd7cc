"""The executed notebook as files: `notebook.ipynb`, and HTML that needs nothing from elsewhere.

The page is made of the notebook's cells: a heading of the second level begins a section, which is folded unless
something in it is wrong or its heading is tagged `open`, and what a text under a heading explains is folded too.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import nbformat
from markupsafe import escape
from nbconvert.exporters import HTMLExporter, TemplateExporter
from nbconvert.filters import Highlight2HTML
from nbconvert.filters.widgetsdatatypefilter import WidgetsDataTypeFilter

from pdmlib.phases.window import now, spoken
from pdmlib.report import ASK
from pdmlib.report.html import bare, render, style

# What a piece of a report says of itself (`html.part`): how much is wrong, not known and well.
COUNTS = re.compile(r'<div class="part" data-n="(\d+) (\d+) (\d+)">')
OPEN = "open"  # tag of the heading of a section that is not folded even where nothing in it is wrong
# What a slide is there for; a picture that only says why it is empty is not.
SHOWS = re.compile(r'<(?:table|li|article|section)\b|class="picture"')
MESSAGE = re.compile(r'<p class="message">(.*?)</p>', re.DOTALL)
AGENDA = re.compile(r"## +(.+?)(?: \((\d+) min\))?(?:\n|$)(.*)", re.DOTALL)  # a part, its minutes, what follows
TOPIC = re.compile(r"### +(.+?)(?:\n|$)(.*)", re.DOTALL)
# A picture without words, outside of scripts and comments: text in these is no element.
WORDLESS = re.compile(
    r"""(?P<other><(?P<tag>script|style)\b.*?</(?P=tag)|<!--.*?-->)"""
    r"""|<img(?=[\s/>])(?!(?:[^>"']|"[^"]*"|'[^']*')*?\salt\b)""",
    re.DOTALL | re.IGNORECASE,
)
LINK, ANCHOR = re.compile(r' href="#([\w.-]+)"'), re.compile(r' id="([\w.-]+)"')


@dataclass
class Section:
    """A heading of the second level with all that stands under it."""

    title: str
    cells: list[Any] = field(default_factory=list)
    html: str = ""
    open: bool = False

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


def write_page(
    notebook: Any, path: Path, title: str, *, refresh_s: int = 0, zone: tzinfo = UTC, sorts: bool = False
) -> None:
    """Writes the notebook as one self-contained page, code hidden.

    Args:
        refresh_s: for a screen on a wall: all of it at once, loaded anew so often, and how old it is.
        zone: in which it says when it was written.
        sorts: a click on the title of a column sorts its table; without the script the rows stand as they are.
    """
    written = now() if refresh_s else None
    footer = f"{title} · written by pdmlib · the code behind it is in notebook.ipynb beside this file"
    head, *sections = _sections(notebook)
    for section in (head, *sections):
        section.html = _made(_split(section.cells), notebook)
    script = style("wall.js") if refresh_s else style("sort.js") if sorts else ""
    page = render(
        "page.html.j2",
        title=title,
        style=style("parts.css", "page.css"),
        head=head,
        sections=sections,
        columns=_columns(sections) if refresh_s else [],
        footer=footer,
        refresh_s=refresh_s,
        written=written,
        written_words=spoken(written, zone) if written else "",
        script=script,
        allowed=_allowed(script),
    )
    path.write_text(_linked(page.html), encoding="utf-8")


def _columns(sections: list[Section]) -> list[list[Section]]:
    """The widgets of a wall in three columns of about the same height: the verdict and charts take most."""
    places = ((0, 3), (1, 2), range(4, len(sections)))
    return [[sections[i] for i in column if i < len(sections)] for column in places]


def _sections(notebook: Any) -> list[Section]:
    """What stands before the first section, and the sections."""
    found = [Section("")]
    for cell in notebook.cells:
        if ASK in cell.metadata.get("tags", ()):
            continue
        heading = re.match(r"## +(.+)", cell.source) if cell.cell_type == "markdown" else None
        if heading:
            found.append(Section(heading[1].strip(), open=OPEN in cell.metadata.get("tags", ())))
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


def _made(cells: list[Any], notebook: Any) -> str:
    """Some cells of a notebook as HTML."""
    return body(nbformat.v4.new_notebook(cells=cells, metadata=notebook.metadata))


def body(notebook: Any) -> str:
    """The cells' text and outputs as HTML."""
    text, _ = _exporter().from_notebook_node(notebook)
    return bare(str(text))


def warm() -> None:
    """Compiles the templates and patterns that every page needs."""
    body(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("#")]))


class _Cells(HTMLExporter):
    """HTML of cells as its templates make it.

    The exporter itself parses and writes each page once more to describe the pictures that have no words, which
    takes longer than all else that a page does.
    """

    def from_notebook_node(self, nb: Any, resources: Any = None, **kw: Any) -> tuple[Any, dict[str, Any]]:
        """The HTML, each picture with words."""
        data_type = WidgetsDataTypeFilter(notebook_metadata=nb.metadata, parent=self, resources={})
        self.register_filter("highlight_code", Highlight2HTML(pygments_lexer="text", parent=self))
        self.register_filter("filter_data_type", data_type)
        text, found = TemplateExporter.from_notebook_node(self, nb, resources, **kw)
        return WORDLESS.sub(_worded, text), found


def _worded(found: re.Match[str]) -> str:
    return found[0] if found["other"] else f'{found[0]} alt="a picture without a description"'


@cache
def _exporter() -> Any:
    return _Cells(
        template_name="basic",
        exclude_input=True,
        exclude_output_prompt=True,
        exclude_input_prompt=True,
        exclude_anchor_links=True,
        embed_images=False,
    )


@dataclass
class Slide:
    """One slide: its message is the title; the part of the agenda and the topic stand small above it."""

    part: str
    topic: str = ""
    minutes: tuple[int, int] | None = None
    cells: list[Any] = field(default_factory=list)
    spoken: list[Any] = field(default_factory=list)
    title: str = ""
    html: str = ""
    notes: str = ""


def write_slides(notebook: Any, path: Path, title: str) -> None:
    """Writes the cells tagged `slide`, and those after them, as 16:9 slides in one self-contained page.

    Cells tagged `skip` stay out, and so do slides that show nothing; what is tagged `notes` is for the presenter.
    The arrow keys move by one slide and N shows the notes; what does not fit goes on on a further slide. Without
    its script the page is one long list.
    """
    slides, script = _slides(notebook), style("slides.js")
    for slide in slides:
        made, slide.notes = (_made(cells, notebook) for cells in (slide.cells, slide.spoken))
        message = MESSAGE.search(made)
        slide.title = message[1] if message else str(escape(slide.topic or slide.part or title))
        slide.html = _linked(MESSAGE.sub("", made))
    shown = [slide for slide in slides if SHOWS.search(slide.html)]
    page = render(
        "slides.html.j2",
        title=title,
        style=style("parts.css", "page.css", "slides.css"),
        slides=shown,
        agenda=max((slide.minutes[1] for slide in slides if slide.minutes), default=0),
        script=script,
        allowed=_allowed(script),
    )
    path.write_text(page.html, encoding="utf-8")


def _slides(notebook: Any) -> list[Slide]:
    """The slides of a notebook, each with the part of the agenda that it belongs to and that part's minutes."""
    found: list[Slide] = []
    part, minutes = "", None
    for cell in notebook.cells:
        tags = set(cell.metadata.get("tags", []))
        if {"skip", "parameters", "injected-parameters", ASK} & tags:
            continue
        text = cell.source if cell.cell_type == "markdown" else ""
        heading = AGENDA.match(text)
        if heading:
            begun = minutes[1] if minutes else 0
            part, minutes = heading[1], (begun, begun + int(heading[2])) if heading[2] else None
            text = heading[3].strip()
        if "slide" in tags:
            topic = TOPIC.match(text)
            found.append(Slide(part, topic[1] if topic else "", minutes))
            text = topic[2].strip() if topic else text
        if found and (text or cell.cell_type == "code"):
            kept = cell if cell.cell_type == "code" else nbformat.v4.new_markdown_cell(text, id=cell.id)
            (found[-1].spoken if "notes" in tags else found[-1].cells).append(kept)
    return found
