"""Notes are found beside the site file and in params/notes, or it is said where they were looked for."""

from pathlib import Path

import pytest

from pdmlib.site.load import load_site
from pdmlib.site.notes import load_notes, notes_path

SITE = "site: shop\ntitle: Shop\ntime_zone: UTC\ndeployed_at: 2025-03-03T00:00:00Z\nsources: {}\n"


@pytest.mark.parametrize("place", ["sites/notes", "params/notes"])
def test_notes_are_found_beside_the_site_file_and_in_params(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("sites", place):
        Path(folder).mkdir(parents=True, exist_ok=True)
    Path("sites/shop.yaml").write_text(SITE)
    Path(place, "shop-week1.yaml").write_text("summary: All well.\n")
    assert load_notes(notes_path(load_site("sites/shop.yaml"), "week1")).summary == "All well."


def test_notes_of_nothing_but_comments_are_no_notes(tmp_path: Path) -> None:
    path = tmp_path / "shop-week1.yaml"
    path.write_text("# summary: ..\n")
    assert load_notes(path).summary is None
