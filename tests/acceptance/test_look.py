"""Pages look as they did when somebody last looked at them: `make pictures` keeps a new look."""

from __future__ import annotations

import pytest
from PIL import Image, ImageChops

from tests.acceptance.conftest import Reports
from tests.pictures import CHROMIUM, KEPT, LOOKS, chromium, look

DARKER = 60  # of 255: a box or a line that came, went or moved; what the demo measures anew moves less
MOST = 0.02  # of the pixels: a paragraph that moved by a line is more


@pytest.mark.slow
def test_pages_look_as_they_did(reports: Reports):
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}: pages are not looked at")
    changed = {}
    with chromium() as browser:
        for name in LOOKS:
            seen = look(browser, reports.folder("week1") / "report.html", name)
            differing = ImageChops.difference(seen, Image.open(KEPT / f"week1-{name}.png")).histogram()[DARKER:]
            changed[name] = sum(differing) / (seen.width * seen.height)
    assert {name: share for name, share in changed.items() if share > MOST} == {}, (
        "`make pictures` keeps a new look"
    )
