"""What was acknowledged survives: a kill at any step, a damaged file, a re-run."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from pdmlib.errors import ReportError
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.frame import frame
from pdmlib.frames.readings import Answer
from pdmlib.phases.window import Window, stamp
from pdmlib.storage import durable, engine, history
from pdmlib.storage.reports import last_deployment, previous_report
from pdmlib.workbook.gather import with_past
from tests.builders import DEPLOYED, WEEK_LATER, a_scope, a_site


def probes(minutes: int) -> Collection:
    row = {"target": "/", "checked_at": DEPLOYED + timedelta(minutes=minutes), "status": "up"}
    return Collection({"probes": frame("probes", [row])})


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"x" * 500, None], ids=["empty", "cut", "other", "middle"])
def test_a_damaged_file_of_the_history_is_set_aside_and_said_and_the_rest_is_read(
    tmp_path: Path, damage: bytes | None
) -> None:
    site, folder = a_site(), tmp_path / "shop" / "history"
    for minutes in (1, 2, 3):
        history.append(folder, probes(minutes))
    victim = sorted(folder.glob("probes/*/*.parquet"))[1]
    whole = victim.read_bytes()
    victim.write_bytes(whole[:20] + bytes(len(whole) - 40) + whole[-20:] if damage is None else damage)
    found = with_past(Collection({}), site, a_scope(site), tmp_path)
    assert len(found["probes"]) == 2
    (row,) = (c for c in found.coverage if c.source == "history")
    assert (row.status, row.detail) == (
        "partial",
        f"1 damaged files were set aside and what they held is missing: probes/2025-03/{victim.name}.damaged",
    )
    assert history.append(folder, probes(4)) == 1
    assert history.compact(folder) == 2
    assert len(history.recall(folder, Window(DEPLOYED, WEEK_LATER))["probes"]) == 3


REPORT = {"as_of": "2025-03-04T15:00:00Z", "deployed_at": "2025-03-03T15:00:00Z", "status": "GREEN"}


@pytest.mark.parametrize(
    "damaged",
    [
        '{"as_of": "2025-03-0',
        "[]",
        "{}",
        json.dumps({**REPORT, "as_of": 5}),
        json.dumps({**REPORT, "deployed_at": "then"}),
        json.dumps({**REPORT, "status": "BLUE"}),
    ],
)
def test_a_damaged_report_is_set_aside_and_the_one_before_counts(tmp_path: Path, damaged: str) -> None:
    phase = tmp_path / "day1"
    for day, text in ((1, json.dumps(REPORT)), (2, damaged)):
        folder = phase / stamp(DEPLOYED + timedelta(days=day))
        folder.mkdir(parents=True)
        (folder / "report.json").write_text(text)
    assert last_deployment(tmp_path) == DEPLOYED
    assert previous_report(phase, WEEK_LATER) == REPORT
    assert len(list(phase.glob("*/report.json.damaged"))) == 1


@pytest.mark.parametrize("damage", ["coverage.json", "probes.parquet"])
def test_a_collection_that_is_damaged_is_no_collection_and_says_which(tmp_path: Path, damage: str) -> None:
    history.save_collection(tmp_path, Collection(probes(1).frames, (Coverage("app", Answer.OK, 1, 0.1),)))
    assert history.load_collection(tmp_path).coverage == (Coverage("app", Answer.OK, 1, 0.1),)
    (tmp_path / damage).write_text('[{"source": "app", "status": "o')
    with pytest.raises(ReportError, match="no whole collection"):
        history.load_collection(tmp_path)


def test_an_error_of_the_disk_is_told_in_the_systems_words() -> None:
    """As DuckDB 2.0 writes what one of its threads met on a full disk."""
    told = json.dumps('Could not write file "/o/x": No space left on device')
    inner = f'{{"exception_type":"IO","exception_message":{told},"errno":"28"}}'
    error = OSError(f"IO Error: Async write failed for range [offset=0, size=317]: {inner}")
    assert engine.reason(error) == 'Could not write file "/o/x": No space left on device'
    assert engine.reason(OSError(28, "No space left on device")) == "[Errno 28] No space left on device"


def test_a_report_takes_the_place_of_another_in_one_step(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    for folder in (new, old):
        folder.mkdir()
        (folder / "name").write_text(folder.name)
    durable.exchange(new, old)
    assert ((old / "name").read_text(), (new / "name").read_text()) == ("new", "old")


def test_a_file_that_is_not_finished_leaves_the_old_one_and_nothing_beside(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), durable.replacing(path) as beside:
        beside.write_text("ne")
        raise ZeroDivisionError
    assert (path.read_text(), list(tmp_path.iterdir())) == ("old", [path])
    with durable.replacing(path) as beside:
        beside.write_text(json.dumps("new"))
    assert path.read_text() == '"new"'
