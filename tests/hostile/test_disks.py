"""Some of the trials on disks of `make faults`: skipped where no disk can be mounted."""

from __future__ import annotations

from pathlib import Path

import pytest

from pdmlib.demo import Production
from tests.hostile import disks

WHY_NOT = disks.why_not()


@pytest.mark.slow
@pytest.mark.skipif(bool(WHY_NOT), reason=WHY_NOT)
def test_a_command_on_a_disk_that_is_not_well_says_so_and_loses_nothing(
    production: Production, tmp_path: Path
) -> None:
    disks.seeded(production.environ, tmp_path)
    for name, state in (("collect", "full"), ("ingest", "read-only"), ("compact", "full"), ("ingest", "vanished")):
        assert disks.attempt(name, state, production.environ, tmp_path).why == ""


@pytest.mark.slow
def test_two_of_a_command_at_once_lose_nothing(production: Production, tmp_path: Path) -> None:
    disks.seeded(production.environ, tmp_path)
    for name in ("ingest", "compact"):
        assert disks.pair(name, production.environ, tmp_path).why == ""
