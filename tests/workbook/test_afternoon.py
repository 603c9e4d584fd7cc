"""An analyst's afternoon in JupyterLab, played through in Chromium: each step shows what one hopes for.

Pictures of each step lie in the folder of the test (`--basetemp` keeps it).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, TimeoutError, sync_playwright

from tests.workbook.conftest import TOKEN, Server

CHROMIUM = Path("/usr/bin/chromium")
ZOOM, PAN = re.compile("^Zoom to rectangle"), re.compile("^Left button pans")  # the tools of matplotlib's charts
LONG_MS = 300_000  # a machine that is busy, and four reports in one notebook
# Cells that hold something have their numbers, or wait behind one that failed; one that runs has a star.
DONE = """() => {
  const filled = cell => cell.querySelector('.cm-content')?.innerText.trim()
  const cells = [...document.querySelectorAll('.jp-CodeCell')].filter(filled)
  const prompts = cells.map(cell => cell.querySelector('.jp-InputPrompt').innerText)
  const failed = document.querySelector('[data-mime-type="application/vnd.jupyter.stderr"]')
  return !prompts.some(text => text.includes('*')) && (failed || prompts.every(text => /\\d/.test(text)))
}"""


class Afternoon:
    """A notebook in a browser, and what its cells show."""

    def __init__(self, page: Page, server: Server, shots: Path) -> None:
        self.page, self.server, self.shots = page, server, shots
        shots.mkdir()

    def open(self, name: str) -> None:
        self.page.goto(f"{self.server.url}/lab/tree/{name}?token={TOKEN}")
        self.page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=LONG_MS)
        self.page.wait_for_selector("text=(ipykernel) | Idle", timeout=LONG_MS)
        self._shoot("opened")

    def run_all(self) -> None:
        self.page.get_by_role("menuitem", name="Run", exact=True).click()
        self.page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        self._until_done()

    def ask(self, code: str) -> str:
        """What a new cell at the end shows."""
        self._new_cell(code)
        self.page.keyboard.press("Shift+Enter")
        self._until_done()
        return self._shown()

    def completed(self, code: str) -> list[str]:
        """What Tab offers behind the code: JupyterLab waits a second for it, so a busy machine is asked again."""
        self._new_cell(code)
        offers = self.page.locator(".jp-Completer-item").first
        for _ in range(20):
            self.page.keyboard.press("Tab")
            with suppress(TimeoutError):
                offers.wait_for(timeout=5000)
                break
        self._shoot("completed")
        offered = self.page.locator(".jp-Completer-item .jp-Completer-match").all_inner_texts()
        self.page.keyboard.press("Escape")
        return offered

    def cell(self, code: str) -> Locator:
        """The cell that holds some code, scrolled into sight: JupyterLab draws those around it, and all move."""
        found = self.page.locator(".jp-CodeCell").filter(has_text=code).first
        for _ in range(3):
            found.scroll_into_view_if_needed()
            self.page.wait_for_timeout(500)
        found.locator(".jp-InputPrompt").click()
        self.page.wait_for_timeout(500)
        return found

    def slide(self, cell: Locator, places: int) -> None:
        """Moves the first handle of a cell's slider to the right, by the keyboard."""
        cell.locator(".noUi-handle").first.focus()
        for _ in range(places):
            self.page.keyboard.press("ArrowRight")
        self.page.wait_for_timeout(2000)
        self._shoot("slid")

    def drag(self, cell: Locator, tool: str, start: tuple[int, int], end: tuple[int, int]) -> None:
        """Drags over a cell's chart with a tool, from and to a place in pixels of the chart."""
        cell.get_by_title(tool).click()
        chart = cell.locator("canvas").first.bounding_box()
        assert chart is not None
        self.page.mouse.move(chart["x"] + start[0], chart["y"] + start[1])
        self.page.mouse.down()
        self.page.mouse.move(chart["x"] + end[0], chart["y"] + end[1], steps=5)
        self.page.mouse.up()
        self.page.wait_for_timeout(2000)
        self._shoot("dragged")

    def pointed(self, cell: Locator, x: int, y: int) -> str:
        """What a cell's chart says of a place under the pointer."""
        chart = cell.locator("canvas").first.bounding_box()
        assert chart is not None
        self.page.mouse.move(chart["x"] + x, chart["y"] + y)
        self.page.mouse.move(chart["x"] + x + 1, chart["y"] + y)
        self.page.wait_for_timeout(1000)
        self._shoot("pointed")
        return cell.inner_text()

    def errors(self) -> list[str]:
        return self.page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').all_inner_texts()

    def _new_cell(self, code: str) -> None:
        self.page.get_by_role("menuitem", name="Edit", exact=True).click()
        self.page.keyboard.press("Escape")
        self.page.locator(".jp-Notebook .jp-Cell").last.click(position={"x": 2, "y": 2})
        for key in ("Escape", "b", "Enter"):
            self.page.keyboard.press(key)
        self.page.keyboard.insert_text(code)

    def _until_done(self) -> None:
        """Until every cell has its number, or one has failed and those behind it are not run."""
        self.page.wait_for_timeout(500)
        self.page.wait_for_function(DONE, timeout=LONG_MS)
        self.page.wait_for_timeout(500)

    def _shown(self) -> str:
        cells = self.page.locator(".jp-CodeCell").filter(has=self.page.locator(".jp-OutputArea-output"))
        cells.last.scroll_into_view_if_needed()
        self._shoot("asked")
        return cells.last.locator(".jp-OutputArea").inner_text()

    def _shoot(self, name: str) -> None:
        count = len(list(self.shots.iterdir()))
        self.page.screenshot(path=self.shots / f"{count:02}-{name}.png")


@pytest.fixture
def afternoon(server: Server, tmp_path: Path) -> Iterator[Afternoon]:
    if not CHROMIUM.exists():
        reason = f"no browser at {CHROMIUM}: no afternoon is played"
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield Afternoon(browser.new_page(viewport={"width": 1400, "height": 1000}), server, tmp_path / "shots")
        browser.close()


@pytest.mark.slow
def test_an_afternoon_shows_at_each_step_what_one_hopes_for(afternoon: Afternoon, tmp_path: Path) -> None:
    afternoon.open("explore.ipynb")
    afternoon.run_all()

    last = afternoon.ask("print('it ran to the end', mine)")
    assert "it ran to the end Report(demo week1: YELLOW" in last, last
    assert [text for text in afternoon.errors() if "Error" in text] == []

    wrong = afternoon.ask('week.table("rotes")')
    assert wrong.strip() == f"CallError: 'rotes' is not a table of week1; did you mean routes? {lists(wrong)}"
    wrong = afternoon.ask('week["latency_p59"]')
    assert wrong.count("\n") <= 2 and "did you mean latency_p99_ms or latency_p95_ms" in wrong, wrong
    assert "latency_p95_ms" in afternoon.completed('week["latency_p9')

    by_hour = afternoon.ask('week.slice("latencies", by="hour")')
    assert "13:00" in by_hour and "America/Chicago" in by_hour
    both = afternoon.ask('compare(week, open_report(site, "daily", as_of, deployed_at, out=out))')
    assert "no, beyond chance" in both and "compared by the hour" in both
    moved = afternoon.ask('week.limits("latency_p95_ms", 1500)')
    assert "Tried in this notebook, in no site file: latency_p95_ms < 1500 ms" in moved
    own = afternoon.ask('week.add("carts", 1300, "count", "> 1200 fail P1").readings("own")')
    assert "1,300" in own and "FAIL" in own
    written = afternoon.ask('week.add("carts", 1300, "count", "> 1200 fail P1").write(f"{out}/afternoon")')
    assert "report.json is written" in written
    content = json.loads((tmp_path / "out/afternoon/report.json").read_text(encoding="utf-8"))
    assert {r["id"]: r["status"] for r in content["readings"]}["carts"] == "fail"
    exported = afternoon.ask('week.export(f"{out}/afternoon", "latencies", "readings")')
    assert "latencies.csv" in exported
    assert (tmp_path / "out/afternoon/latencies.csv").read_text(encoding="utf-8").startswith("source,start,end,")


@pytest.mark.slow
def test_sliders_and_charts_are_moved_by_hand(afternoon: Afternoon) -> None:
    """The demo's p95 is 1,081 ms; its chart shows fourteen days, the deployment in the middle of 750 pixels."""
    asked: list[str] = []
    afternoon.page.on("request", lambda request: asked.append(request.url))
    afternoon.open("explore.ipynb")
    afternoon.run_all()

    limit = afternoon.cell("week.slide_limit")
    assert "latency_p95_ms < 1000 ms: warn; the whole report: YELLOW" in limit.inner_text()
    afternoon.slide(limit, 30)
    assert (
        "ms: pass; the whole report: YELLOW" in limit.inner_text()
        and "latency_p95_ms < 1000 ms" not in limit.inner_text()
    )

    chart = afternoon.cell("week.zoom")
    assert "Mon 3 Mar" in (whole := afternoon.pointed(chart, 453, 150)), whole
    afternoon.drag(chart, ZOOM, (453, 120), (523, 200))
    zoomed = afternoon.pointed(chart, 600, 150)
    assert "Tue 4 Mar" in zoomed, zoomed  # before it was Thu 6 Mar
    afternoon.drag(chart, PAN, (400, 150), (600, 150))
    assert afternoon.pointed(chart, 600, 150) != zoomed
    chart.get_by_title("Reset original view").click()
    assert afternoon.pointed(chart, 453, 150) == whole

    window = afternoon.cell("week.slide_window")
    assert "from Mon 3 Mar 09:00 CST to Mon 10 Mar 10:00 CDT" in window.inner_text()
    afternoon.slide(window, 48)
    assert "from Wed 5 Mar 09:00 CST to Mon 10 Mar 10:00 CDT" in window.inner_text()
    window.get_by_role("button", name="Judge it").click()
    window.locator(".card").wait_for(timeout=LONG_MS)
    assert "looks at Wed 5 Mar 09:00 CST to Mon 10 Mar 10:00 CDT" in window.inner_text()

    elsewhere = [url for url in asked if not url.startswith((afternoon.server.url, "data:", "blob:"))]
    assert elsewhere == []


@pytest.mark.slow
def test_what_moved_yesterday_is_seen_today_without_a_kernel(afternoon: Afternoon) -> None:
    """A notebook that was run and saved, its kernel ended, and opened again: each says what it said."""
    afternoon.open("gallery.ipynb")
    afternoon.run_all()
    afternoon.ask('week.zoom("response_time")')
    afternoon.ask('week.slide_limit("latency_p95_ms")')
    afternoon.page.keyboard.press("Control+s")
    afternoon.page.wait_for_timeout(3000)
    for session in afternoon.server.ask("api/sessions"):
        afternoon.server.ask(f"api/sessions/{session['id']}", "DELETE")

    afternoon.page.goto(f"{afternoon.server.url}/lab/workspaces/today/tree/gallery.ipynb?token={TOKEN}")
    afternoon.page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=LONG_MS)
    for code, said in (("week.zoom", "highest p95"), ("week.slide_limit", "latency_p95_ms < 1000 ms: warn")):
        cell = afternoon.cell(code)
        cell.get_by_text(said).first.wait_for(timeout=30_000)
        assert "model not found" not in cell.inner_text()


@pytest.mark.slow
def test_outputs_can_be_read_in_the_dark(afternoon: Afternoon) -> None:
    """Words of charts and tables stand out from the ground of JupyterLab's dark theme by 4.5 to 1 (WCAG 1.4.3)."""
    afternoon.server.set_theme("JupyterLab Dark")
    afternoon.open("gallery.ipynb")
    afternoon.run_all()
    afternoon.ask("week")
    assert afternoon.page.evaluate("document.body.dataset.jpThemeLight") == "false"
    for place in (".picture svg.wide text", ".card .sentence", "table.pdm td"):
        shown = afternoon.page.locator(place).first
        shown.scroll_into_view_if_needed()
        afternoon.page.wait_for_timeout(1000)
        dark, light = ends_of(shown.screenshot())
        assert contrast(dark, light) >= 4.5, place
        assert dark < 0.02, place


def ends_of(picture: bytes) -> tuple[float, float]:
    """The luminance of a picture's ground, its commonest, and of the lightest hundredth of it (WCAG 2.2)."""
    pixels = np.asarray(Image.open(BytesIO(picture)).convert("RGB")) / 255
    linear = np.where(pixels <= 0.04045, pixels / 12.92, ((pixels + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    return float(np.median(luminance)), float(np.quantile(luminance, 0.99))


def contrast(dark: float, light: float) -> float:
    return (light + 0.05) / (dark + 0.05)


def lists(text: str) -> str:
    """The end of a line that says where all names are; how many there are is not this test's."""
    return text[text.index("report.tables lists all") :].strip()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["gallery", "compare", "week1"])
def test_a_notebook_runs_from_top_to_bottom_in_a_browser(afternoon: Afternoon, name: str) -> None:
    afternoon.open(f"{name}.ipynb")
    afternoon.run_all()
    assert "to the end" in afternoon.ask("print('to the end')")
    assert [text for text in afternoon.errors() if "Error" in text] == []
