"""The pictures of the README, a gallery of every chart, and how pages looked last: `make pictures`.

Needs Chromium. The kept pictures are small and grey, of the first screens of a page: enough to see that its look
changed, not what its letters say. The font that they are drawn with is kept beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

from pdmlib.demo import start
from pdmlib.frames.case import Case
from pdmlib.report.charts.catalogue import CHARTS, picture
from pdmlib.site.load import load_site
from pdmlib.storage.history import load_collection
from pdmlib.workbook.scope import scope_for
from tests.acceptance.conftest import DEMO, ROOT, Reports, write_all

CHROMIUM = Path("/usr/bin/chromium")
DOCS, KEPT = ROOT / "docs", ROOT / "tests/acceptance/kept"
A4 = 794  # pixels: the width of a sheet at 96 to the inch
LOOKS = {"390": (390, "screen"), "768": (768, "screen"), "1280": (1280, "screen"), "1920": (1920, "screen")}
LOOKS["print"] = (A4, "print")
COLOURS = 192  # of a picture in the documents: with fewer a small red word takes the yellow of the frame
SCREENS = 3  # as high as wide, of which the look is kept
SHRUNK = 160  # pixels wide: a letter is gone, a line and a box are seen
FONT = KEPT / "font.txt"  # that the kept pictures are drawn with: another one moves every line


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser of this machine."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def look(browser: Browser, path: Path, name: str) -> Image.Image:
    """The first screens of a page in one of the `LOOKS`, small and grey."""
    width, media = LOOKS[name]
    page = browser.new_context(viewport={"width": width, "height": SCREENS * width}, offline=True).new_page()
    page.emulate_media(media=media)  # type: ignore[arg-type]
    page.goto(f"file://{path}")
    seen = Image.open(BytesIO(page.screenshot())).convert("L")
    page.context.close()
    return seen.resize((SHRUNK, SCREENS * SHRUNK), Image.Resampling.BOX)


def font(browser: Browser, path: Path) -> str:
    """The font in which this machine draws the heading of a page, as the browser tells it."""
    page = browser.new_context(offline=True).new_page()
    page.goto(f"file://{path}")
    asked = page.context.new_cdp_session(page)
    for domain in ("DOM", "CSS"):
        asked.send(f"{domain}.enable")
    root = asked.send("DOM.getDocument")["root"]["nodeId"]
    heading = asked.send("DOM.querySelector", {"nodeId": root, "selector": "h1"})
    found = asked.send("CSS.getPlatformFontsForNode", heading)["fonts"]
    page.context.close()
    return str(found[0]["familyName"])


def _shot(browser: Browser, path: Path, target: Path, size: tuple[int, int], scheme: str = "light") -> None:
    """A picture of a page's first screen in 64 colours."""
    view = {"width": size[0], "height": size[1]}
    page = browser.new_context(viewport=view, color_scheme=scheme, offline=True).new_page()  # type: ignore[arg-type]
    page.goto(f"file://{path}")
    _small(page.screenshot(), target)
    page.context.close()


def _small(png: bytes, target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    image = Image.open(BytesIO(png)).convert("RGB")
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)


def _gallery(case: Case) -> str:
    """Every chart of a case as a picture, and the page that shows them with what they say."""
    shown = [
        "# Every chart",
        "",
        "Of the demo's first week (`make pictures`), each with the words that stand for it.",
    ]
    for name in CHARTS:
        drawn = picture(case, name)
        _small(drawn.png(80), DOCS / "pictures" / f"chart-{name}.png")
        shown += ["", f"## {name}", "", f"![{name}](pictures/chart-{name}.png)", "", drawn.alt.replace("|", "\\|")]
    return "\n".join(shown) + "\n"


def main() -> None:
    """Makes all of them anew."""
    with TemporaryDirectory() as folder, start("rough") as production, chromium() as browser:
        out = Path(folder)
        write_all(production, out, ("week1", "weekly-review", "dashboard"))
        reports = Reports(out, production.environ)
        week, review, wall = (reports.folder(name) for name in ("week1", "weekly-review", "dashboard"))
        _shot(browser, week / "report.html", DOCS / "report.png", (1280, 860))
        pictures = DOCS / "pictures"
        _shot(browser, week / "report.html", pictures / "dark.png", (1280, 860), scheme="dark")
        _shot(browser, week / "report.html", pictures / "phone.png", (390, 844))
        _shot(browser, review / "slides.html", pictures / "slide.png", (1280, 720))
        _shot(browser, wall / "report.html", pictures / "wall.png", (1920, 1080))
        site = load_site(str(DEMO), production.environ)
        scope = scope_for(site, "week1")
        case = Case(site, scope, load_collection(week / "collection"), scope.window)
        (DOCS / "gallery.md").write_text(_gallery(case), encoding="utf-8")
        KEPT.mkdir(exist_ok=True)
        FONT.write_text(f"{font(browser, week / 'report.html')}\n", encoding="utf-8")
        for name in LOOKS:
            look(browser, week / "report.html", name).save(KEPT / f"week1-{name}.png", optimize=True)


if __name__ == "__main__":
    main()
