"""Hostile texts through everything that a person reads: page, Markdown, JSON, JupyterLab, terminal, Slack."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import mistune
from playwright.sync_api import sync_playwright
from rich.console import Console

from pdmlib.cli.live_table import picture
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.frame import frame
from pdmlib.frames.readings import Answer
from pdmlib.frames.schemas import SCHEMAS
from pdmlib.phases.phase import PHASES
from pdmlib.phases.scope import Scope
from pdmlib.site.load import load_site
from pdmlib.site.site import GUIDE_SOURCES, Site
from pdmlib.verdict.verdict import judge
from pdmlib.workbook.execute import write_report
from pdmlib.workbook.kernel import Kernel
from pdmlib.workbook.lab import command, settings
from pdmlib.workbook.notify import blocks, news
from pdmlib.workbook.scope import scope_for
from pdmlib.workbook.watch import Round
from tests.hostile.texts import PERSON, TEXTS
from tests.hostile.vendors import DEMO

CHROMIUM = Path("/usr/bin/chromium")
WIDTH = 1280
MOST_BYTES = 3 * 2**20  # of each file: what a mail server takes
LAB_MS = 180_000  # for JupyterLab to show a notebook, on a busy machine
Fact = tuple[str, str]  # what was looked at, and what was wrong with it; empty: nothing


def hostile(scope: Scope) -> Collection:
    """Every text in every column of prose, and in those that name something."""
    moment = scope.window.end - timedelta(minutes=20)
    words = {"level": "error", "status": "failed", "state": "ERROR", "target": "production", "kind": "webhook"}
    words |= {
        "vendor": "stripe",
        "source": "vercel",
        "substatus": "new",
        "priority": "high",
        "metric": "connections",
    }
    words["query"] = "SELECT 1"  # statements are freed of their values where they are read
    frames = {}
    for name, schema in SCHEMAS.items():
        if name in ("not_understood", "gaps", "query_plans", "query_timings"):
            continue
        rows = [
            {c: _value(kind, words.get(c), text, moment) for c, kind in schema.columns.items()}
            for text in TEXTS.values()
        ]
        frames[name] = frame(name, rows)
    answers = tuple(Coverage(name, Answer.FAILED, 1, 0.1, detail=TEXTS["script"]) for name in GUIDE_SOURCES)
    return Collection(frames, answers)


def _value(kind: str, word: str | None, text: str, moment: Any) -> Any:
    if kind == "text":  # an address of a machine names what is ours, such as a component
        return word or text.replace("203.0.113.9", "")
    if kind == "prose":
        return text
    return moment if kind == "time" else True if kind == "bool" else 7


def shown(environ: Mapping[str, str], folder: Path, phase: str = "week1") -> Iterator[Fact]:
    """Writes a report of hostile texts, and looks at all of it."""
    site = load_site(DEMO, environ)
    scope = scope_for(site, phase)
    collection = hostile(scope)
    with Kernel() as kernel:
        written = write_report(site, scope, folder, collection=collection, kernel=kernel)
    yield from files(written.folder)
    yield from in_lab(written.folder / "notebook.ipynb", folder / "lab")
    yield from told(site, scope, collection, written.content)


def files(folder: Path) -> Iterator[Fact]:
    """What a browser and a reader of Markdown make of the files."""
    yield from _in_browser(folder / "report.html")
    text = (folder / "report.md").read_text(encoding="utf-8")
    page = str(mistune.create_markdown(plugins=["url", "table", "strikethrough", "math"], escape=False)(text))
    for sign in ("<script", "<img", "<iframe", "<svg", "<base", "<form", "onerror=", 'href="http', "<math"):
        yield f"Markdown: {sign}", "it is there" if _tag(page, sign) else ""
    control = [c for c in text if not c.isprintable() and c != "\n"]
    yield "Markdown: control characters", f"{control[:3]}" if control else ""
    for path in sorted(folder.glob("report.*")):
        size = path.stat().st_size
        yield f"{path.name}: size", f"{size} bytes" if size > MOST_BYTES else ""
        content = path.read_text(encoding="utf-8")
        for name in ("142 now", "555-0142", "ada.lovelace@", "Old Mill Road", "203.0.113.9", "c4n4ry-t0ken"):
            yield f"{path.name}: {name}", "a person's data or a key is shown" if name in content else ""


def _tag(page: str, sign: str) -> bool:
    """Whether a sign stands in the page as markup, not as its own text."""
    plain = page.replace("&lt;", "").replace("&quot;", "")
    return sign in plain and (sign.startswith("<") or f" {sign}" in plain.split(">")[0])


def _in_browser(path: Path) -> Iterator[Fact]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(viewport={"width": WIDTH, "height": 720}, offline=True).new_page()
        asked: list[str] = []
        page.on("request", lambda r: r.url.startswith(("file:", "data:")) or asked.append(r.url))
        page.on("dialog", lambda dialog: (asked.append("dialog"), dialog.dismiss()))
        page.goto(f"file://{path}")
        looked = {
            "page: nothing ran": "'HACKED' in window",
            "page: nothing is wider than the window": f"document.documentElement.scrollWidth > {WIDTH}",
            "page: nothing makes it endless": "document.documentElement.scrollHeight > 200000",
            "page: no element of a stranger": "document.querySelectorAll('script, iframe, object, embed, form, "
            "base, [onerror], [onload], [onmouseover]').length > 0",
            "page: no link of a stranger": "[...document.links].some(a => a.protocol !== 'file:')",
            "page: no picture of a stranger": "[...document.images].some(i => !i.src.startsWith('data:image/'))",
            "page: it is all visible": "getComputedStyle(document.body).display === 'none'",
        }
        for name, script in looked.items():
            yield name, "it is not so" if page.evaluate(script) else ""
        yield "page: nothing is asked of a network", ", ".join(asked)
        browser.close()


@contextmanager
def lab(folder: Path) -> Iterator[str]:
    """The address of a JupyterLab that shows every cell at once, with its token."""
    settings(folder)
    shown = {"@jupyterlab/notebook-extension:tracker": {"windowingMode": "none"}}
    overrides = folder / ".settings/labconfig/default_setting_overrides.json"
    overrides.write_text(json.dumps({**json.loads(overrides.read_text("utf-8")), **shown}), "utf-8")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    options = ("--no-browser", "--allow-root", f"--ServerApp.port={port}", "--IdentityProvider.token=looked")
    environ = {**os.environ, **settings_of(folder)}
    process = subprocess.Popen(
        command(folder, options), env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            with suppress(httpx.HTTPError):
                if httpx.get(f"{url}/api?token=looked").is_success:
                    break
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def settings_of(folder: Path) -> dict[str, str]:
    """A JupyterLab of its own: what it trusts and how it is set lies in the folder."""
    return {
        "JUPYTER_CONFIG_PATH": str(folder / ".settings"),
        "JUPYTER_DATA_DIR": str(folder / ".data"),
        "JUPYTER_CONFIG_DIR": str(folder / ".config"),
    }


def in_lab(notebook: Path, folder: Path) -> Iterator[Fact]:
    """What JupyterLab makes of an executed notebook that it trusts, as it does of one that a person has run."""
    folder.mkdir()
    shutil.copy(notebook, folder / "notebook.ipynb")
    environ = {**os.environ, **settings_of(folder)}
    trust = [sys.executable, "-m", "jupyter", "trust", str(folder / "notebook.ipynb")]
    subprocess.run(trust, check=True, capture_output=True, env=environ)
    cells = json.loads((folder / "notebook.ipynb").read_text("utf-8"))["cells"]
    most = sum(bool(cell.get("outputs")) for cell in cells)
    with lab(folder) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page, asked = browser.new_page(viewport={"width": WIDTH, "height": 720}), list[str]()
        page.on("request", lambda r: r.url.startswith((url, "data:", "blob:", "ws:")) or asked.append(r.url))
        page.on("dialog", lambda dialog: (asked.append("dialog"), dialog.dismiss()))
        page.goto(f"{url}/lab/tree/notebook.ipynb?token=looked")
        ready = f"document.querySelectorAll('.jp-Notebook .jp-OutputArea-output').length >= {most}"
        page.wait_for_function(ready, timeout=LAB_MS)
        page.wait_for_timeout(2000)  # for a script that would run, or a picture that would be loaded
        inside = "'.jp-OutputArea-output '"
        for name, script in {
            "nothing ran": "'HACKED' in window",
            "no element of a stranger": "['script', 'iframe', 'object', 'embed', 'form', 'base', '[onerror]', "
            f"'[onload]', '[onmouseover]'].some(e => document.querySelector({inside} + e))",
            "no link of a stranger": f"[...document.querySelectorAll({inside} + 'a')]"
            ".some(a => a.href && a.hostname !== location.hostname)",
            "no picture of a stranger": f"[...document.querySelectorAll({inside} + 'img')]"
            ".some(i => !/^(data|blob):/.test(i.src))",
            "it is visible": "getComputedStyle(document.querySelector('.jp-Notebook')).display === 'none'",
        }.items():
            yield f"JupyterLab: {name}", "it is not so" if page.evaluate(script) else ""
        yield "JupyterLab: nothing is asked of a network", ", ".join(asked)
        browser.close()


def told(site: Site, scope: Scope, collection: Collection, content: Mapping[str, Any]) -> Iterator[Fact]:
    """What a terminal and Slack are given."""
    from pdmlib.frames.case import Case

    verdict = judge(Case(site, scope, collection, scope.window))
    screen = Console(width=140, file=StringIO(), force_terminal=False)
    troubles = tuple(TEXTS.values())
    screen.print(picture(Round(scope.as_of, PHASES[0], verdict=verdict, troubles=troubles), timedelta(minutes=1)))
    text = screen.file.getvalue()  # type: ignore[attr-defined]
    control = [c for c in text if not c.isprintable() and c != "\n"]
    yield "terminal: control characters", f"{control[:3]}" if control else ""
    alert = {"id": "x", "priority": "P0", "reading": "x"}
    for name, hostile_text in TEXTS.items():
        said = {**content, "alerts": [{**alert, "title": hostile_text, "action": hostile_text}], "title": "Shop"}
        lines, _ = news({"phases": {}, "alerts": {}}, said, None)
        message = json.dumps(lines)
        bad = "<" in message or "\\u001b" in message or len(message) > 4000
        yield f"Slack: {name}", message[:100] if bad else ""
    yield from _slack_blocks(content)


def _slack_blocks(content: Mapping[str, Any]) -> Iterator[Fact]:
    """What Slack draws: plain text of the lengths that it takes (docs.slack.dev/reference/block-kit/blocks)."""
    drawn = blocks(content["card"], "\n".join(TEXTS.values()))
    texts = [part for block in drawn for part in _texts_of(block)]
    kinds = {part["type"] for part in texts}
    yield "Slack: every text is plain", f"{kinds}" if kinds != {"plain_text"} else ""
    yield (
        "Slack: no text is longer than it takes",
        f"{[len(p['text']) for p in texts if len(p['text']) > 3000]}"[2:-2],
    )
    yield "Slack: fifty blocks at most", f"{len(drawn)}" if len(drawn) > 50 else ""


def _texts_of(block: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from [block["text"]] if "text" in block else []
    yield from (*block.get("fields", ()), *block.get("elements", ()))


__all__ = ["PERSON", "shown"]
