"""The statements that changed, one by one, and the tables of a page that a click sorts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import nbformat
import pytest
from playwright.sync_api import Page, sync_playwright

from pdmlib.report import page, tables
from pdmlib.report.html import Html
from pdmlib.report.regressions import regressions

CHROMIUM = Path("/usr/bin/chromium")
CHICAGO = ZoneInfo("America/Chicago")
HOSTILE = "SELECT '<img src=x onerror=alert(1)>' FROM orders"


def a_row(query: str, verdict: str, **changes: Any) -> dict[str, Any]:
    row = {"query": query, "role": "app", "verdict": verdict, "reason": "x", "waits": "", "latency_ms": 1.0}
    figures = {"before_per_min": 12.0, "per_min": 12.5, "before_mean_ms": 0.06, "mean_ms": 0.9}
    return {**row, **figures, "share_before_pct": 1.25, "share_pct": 38.4, "volume_ms": 0.0, **changes}


def a_plan(since: str, until: str, plan: str) -> dict[str, Any]:
    return {"query": HOSTILE, "role": "app", "since": since, "until": until, "plan": plan, "reason": None}


def shown(rows: list[dict[str, Any]], plans: Any = (), advice: Any = ()) -> str:
    return regressions(rows, plans, advice, CHICAGO).html


def test_a_regression_stands_with_its_load_plans_waits_and_the_index_to_make() -> None:
    """15:00 UTC on 3 March is 09:00 in Chicago."""
    plans = [
        a_plan("2025-03-01T15:00:00Z", "2025-03-03T15:00:00Z", "Index Scan using a on orders"),
        a_plan("2025-03-04T15:00:00Z", "2025-03-04T15:00:00Z", "Seq Scan on orders"),
    ]
    advice = {
        "table": "public.orders",
        "keys": "a",
        "why": HOSTILE,
        "tested": "untested",
        "script": "CREATE INDEX a;",
    }
    lost = {**advice, "why": "public.b is gone", "tested": "it served before", "script": "CREATE INDEX b;"}
    other = {**advice, "why": "public.c is gone", "script": "CREATE INDEX c;"}
    changed = a_row(
        HOSTILE, "REGRESSED", waits="Lock: tuple 3 of 4", reason="index public.b on t (b) is gone since"
    )
    html = shown([changed], plans, [advice, lost, other])
    text = " ".join(re.sub(r"<[^>]+>", " ", html).split())
    assert "Share of all time 1.2 % 38.4 %" in text
    assert "Calls a minute 12 12.5" in text
    assert "Waits on: Lock: tuple 3 of 4" in text
    assert "Sat 1 Mar 09:00 CST to Mon 3 Mar 09:00 CST: Index Scan using a on orders" in text
    assert "Tue 4 Mar 09:00 CST: Seq Scan on orders" in text
    assert "Index to make on public.orders (untested): CREATE INDEX a;" in text
    assert "(it served before): CREATE INDEX b;" in text
    assert "CREATE INDEX c;" not in text
    assert "<img" not in html
    assert 'data-n="1 0 0"' in html


def test_the_worst_come_first_and_what_did_not_change_stays_out() -> None:
    rows = [
        a_row("SELECT 1", "STABLE"),
        a_row("SELECT 2", "IMPROVED"),
        a_row("SELECT 3", "REGRESSED", latency_ms=5.0),
        a_row("SELECT 4", "REGRESSED", latency_ms=50.0),
    ]
    found = re.findall(r"<summary>.*?SELECT (\d)", shown(rows), re.DOTALL)
    assert found == ["4", "3", "2"]
    assert shown(rows).count('<details class="statement" open>') == 1
    assert "No statement changed" in shown(rows[:1])


@pytest.fixture(scope="module")
def browser_page() -> Iterator[Page]:
    if not CHROMIUM.exists():
        reason = f"no browser at {CHROMIUM}: pages are not looked at"
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser.new_page()
        browser.close()


def opened(browser_page: Page, path: Path, *pieces: Html) -> list[str]:
    """Opens a page of some pieces; what the browser complains of."""
    complaints: list[str] = []
    browser_page.on("console", lambda message: complaints.append(message.text))
    browser_page.on("pageerror", lambda error: complaints.append(str(error)))
    cells = [nbformat.v4.new_markdown_cell("## Statements")]
    for piece in pieces:
        output = nbformat.v4.new_output("display_data", data={"text/html": piece._repr_html_()})
        cells.append(nbformat.v4.new_code_cell("x", outputs=[output], execution_count=1))
    page.write_page(nbformat.v4.new_notebook(cells=cells), path, "Shop", sorts=True)
    browser_page.goto(f"file://{path}")
    browser_page.evaluate("document.querySelectorAll('details.section').forEach(e => { e.open = true })")
    return complaints


FIRST = "[...document.querySelectorAll('.scroll tbody tr')].map(e => e.cells[0].textContent.trim().slice(-1))"


@pytest.mark.slow
def test_a_click_on_a_title_sorts_by_the_amount_and_brings_what_was_folded(
    browser_page: Page, tmp_path: Path
) -> None:
    """Means of 900 ms, 1.2 s, 0.5 ms and 30 ms, of which two rows are folded."""
    means = {"1": 900.0, "2": 1200.0, "3": 0.5, "4": 30.0}
    rows = [
        {**a_row(f"SELECT {n}", "STABLE", mean_ms=mean), "regressed": n in "12", "calls": 30, "change_pct": 1.0}
        for n, mean in means.items()
    ]
    complaints = opened(browser_page, tmp_path / "a.html", tables.table("queries", rows, CHICAGO))
    assert browser_page.evaluate(FIRST) == ["1", "2", "3", "4"]
    title = browser_page.locator("th button", has_text="Mean now").first
    title.click()
    assert browser_page.evaluate(FIRST) == ["2", "1", "4", "3"]
    title.press("Enter")
    assert browser_page.evaluate(FIRST) == ["3", "4", "1", "2"]
    assert browser_page.locator("details.rest").count() == 0
    assert browser_page.evaluate("document.querySelectorAll('[aria-sort=ascending]').length") == 1
    browser_page.locator("th button", has_text="Query").first.click()
    assert browser_page.evaluate(FIRST) == ["1", "2", "3", "4"]
    assert complaints == []


@pytest.mark.slow
def test_one_click_opens_all_statements_and_one_folds_them(browser_page: Page, tmp_path: Path) -> None:
    rows = [a_row(f"SELECT {n}", "REGRESSED") for n in range(3)]
    opened(browser_page, tmp_path / "b.html", regressions(rows, [], [], CHICAGO))
    count = "document.querySelectorAll('details.statement[open]').length"
    assert browser_page.evaluate(count) == 1
    button = browser_page.get_by_role("button", name="Open all")
    button.click()
    assert browser_page.evaluate(count) == 3
    browser_page.get_by_role("button", name="Fold all").click()
    assert browser_page.evaluate(count) == 0
