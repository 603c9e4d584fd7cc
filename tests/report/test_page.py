"""A page of cells, which a person may have filled with whatever a library draws."""

from __future__ import annotations

from html.parser import HTMLParser

import nbformat
import pytest

from pdmlib.report.page import body


class Pictures(HTMLParser):
    """The words of each picture of a page, as a browser reads it: of an attribute given twice the first counts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.words.append(dict(reversed(attrs)).get("alt"))


def shown(html: str) -> str:
    """The page of one cell whose output is a piece of HTML."""
    output = nbformat.v4.new_output("display_data", {"text/html": html})
    found: str = body(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("", outputs=[output])]))
    return found


@pytest.mark.parametrize("picture", ["<img src='a.png'>", "<IMG SRC='a.png'>", "<img\nsrc='a.png'/>", "<img/>"])
def test_a_picture_without_words_is_said_to_be_one(picture: str) -> None:
    assert Pictures(shown(picture)).words == ["a picture without a description"]


@pytest.mark.parametrize(
    "picture", ["<img src='a.png' alt='b'>", '<img title="a > b" alt="b">', "<img src=a\nALT=b>"]
)
def test_a_picture_keeps_the_words_that_it_has(picture: str) -> None:
    assert Pictures(shown(picture)).words == ["b"]


def test_a_script_that_draws_pictures_is_left_as_it_is() -> None:
    script = """<script>draw("<img src='" + name + "'>")</script>"""
    assert script in shown(script)
