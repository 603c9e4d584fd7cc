"""Some of the kills and power cuts of `make faults`, and that the look at them would see a loss."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from tests.builders import slowly
from tests.hostile import kills


@pytest.mark.parametrize("what", ["report", *slowly("notify", "compact")])
def test_a_process_that_is_killed_leaves_what_it_acknowledged_whole(tmp_path: Path, what: str) -> None:
    for place in range(2):
        kill = kills.kill_once(what, tmp_path, Random(place), place)
        assert (kill.acknowledged > 0, kill.why) == (True, "")


@pytest.mark.slow
def test_no_acknowledged_sample_is_lost_in_a_power_cut_and_without_waiting_for_the_disk_some_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [cut.why for cut in kills.power_cuts(3, tmp_path / "synced", 1)] == ["", "", ""]
    careless = "from pdmlib.storage import durable\ndurable.sync = lambda path: None\n" + kills.APPEND
    monkeypatch.setattr(kills, "APPEND", careless)
    lost = [cut.why for cut in kills.power_cuts(2, tmp_path / "not", 1)]
    assert all("acknowledged samples are lost" in why for why in lost)
