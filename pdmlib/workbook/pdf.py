"""The page of a report as PDF, printed by the Chromium of this machine."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from pdmlib.errors import CallError, SourceError

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SECONDS = 120.0


def check_pdf() -> str:
    """The browser's path; fails where there is none, before any source is asked.

    Raises:
        CallError: no Chromium is on the PATH.
    """
    found = next((path for path in map(shutil.which, BROWSERS) if path), None)
    if found is None:
        raise CallError(f"--pdf: none of {', '.join(BROWSERS)} is on the PATH")
    return found


def print_pdf(folder: Path) -> Path:
    """Prints `report.html` of a folder as `report.pdf` beside it.

    The page has no script and may load nothing, so that the browser needs no network.

    Raises:
        SourceError: the browser failed or took too long.
    """
    browser, target = check_pdf(), folder / "report.pdf"
    with TemporaryDirectory() as profile:
        call = [browser, "--headless", "--no-sandbox", f"--user-data-dir={profile}", "--no-pdf-header-footer"]
        call += [f"--print-to-pdf={target}", (folder / "report.html").resolve().as_uri()]
        try:
            subprocess.run(call, check=True, capture_output=True, timeout=SECONDS)
        except (subprocess.SubprocessError, OSError) as error:
            raise SourceError("pdf", f"not printed: {type(error).__name__}") from None
    return target
