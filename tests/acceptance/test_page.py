"""The pages in a real browser with the network off: nothing leaves, nothing runs, everything fits."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.acceptance.conftest import PHASES, Reports

CHROMIUM = Path("/usr/bin/chromium")

OVERFLOWING = """() => [...document.querySelectorAll('.slide')].flatMap(slide => {
  const content = slide.querySelector('.content'), frame = content.getBoundingClientRect()
  const outside = [...content.querySelectorAll('*')].filter(e => {
    const box = e.getBoundingClientRect()
    return box.width && box.height && !e.closest('td > div') &&
      (box.bottom > frame.bottom + 1 || box.right > frame.right + 1 || box.top < frame.top - 1)
  })
  const cut = [...content.querySelectorAll('.scroll, table, ul')].filter(e => e.scrollHeight > e.clientHeight + 1)
  const flat = [...content.querySelectorAll('img')].filter(e => e.getBoundingClientRect().height < 200)
  return content.scrollHeight > content.clientHeight || outside.length || cut.length || flat.length
    ? [`${slide.id}: ${content.innerText.slice(0, 60)}`] : []
})"""


@dataclass
class Opened:
    """A page and what happened while it was opened."""

    page: Page
    left: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    def all(self, script: str) -> Any:
        return self.page.evaluate(script)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        reason = f"no browser at {CHROMIUM}: pages are not looked at"
        print(reason)
        pytest.fail(reason) if os.environ.get("CI") == "true" else pytest.skip(reason)
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Opened]:
    context = browser.new_context(viewport={"width": 1280, "height": 720}, offline=True)
    found = Opened(context.new_page())
    found.page.on("request", lambda r: r.url.startswith(("file:", "data:")) or found.left.append(r.url))
    found.page.on("console", lambda m: m.type in ("error", "warning") and found.complaints.append(m.text))
    found.page.on("pageerror", lambda error: found.complaints.append(str(error)))
    found.page.on("dialog", lambda dialog: (found.complaints.append(dialog.message), dialog.dismiss()))
    yield found
    context.close()


@pytest.mark.slow
@pytest.mark.parametrize("phase", PHASES)
def test_a_report_opens_without_a_network_a_script_or_a_complaint(reports: Reports, opened: Opened, phase: str):
    opened.page.goto(f"file://{reports.folder(phase)}/report.html")
    assert opened.left == opened.complaints == []
    assert opened.all("document.scripts.length") == 0
    assert opened.all("document.documentElement.scrollWidth") <= 1280
    pictures = opened.all("[...document.images].map(i => [i.alt.trim().length > 20, i.naturalWidth > 0])")
    assert all(described and drawn for described, drawn in pictures)
    assert opened.all("document.querySelectorAll('h1').length") == 1


def test_a_hostile_title_is_text(reports: Reports, opened: Opened):
    opened.page.goto(f"file://{reports.folder('week1')}/report.html")
    assert "<img src=x onerror=alert(document.domain)>" in opened.page.inner_text("main")
    assert opened.all("[...document.images].filter(i => !i.src.startsWith('data:image/')).length") == 0
    assert opened.all("document.querySelectorAll('[onerror], [onload], iframe, object, embed').length") == 0


def test_every_slide_of_the_weekly_review_fits_the_screen(reports: Reports, opened: Opened):
    opened.page.goto(f"file://{reports.folder('weekly-review')}/slides.html")
    assert opened.left == opened.complaints == []
    assert opened.all("document.querySelectorAll('.slide').length") >= 10
    assert opened.all("[...new Set([...document.querySelectorAll('.slide')].map(s => s.clientHeight))]") == [720]
    assert opened.all(OVERFLOWING) == []
    sizes = "[...document.querySelectorAll('.slide td')].map(e => parseFloat(getComputedStyle(e).fontSize))"
    assert min(opened.all(sizes)) >= 16
