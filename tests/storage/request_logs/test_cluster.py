"""The same table from a cluster as from one process, also when a worker dies in the middle."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pdmlib.errors import SourceError
from pdmlib.phases.phase import phase_named
from pdmlib.phases.scope import scope_of
from pdmlib.storage.request_logs import workers
from pdmlib.storage.request_logs.figures import collect
from pdmlib.storage.request_logs.ingest import ingest
from tests.storage.request_logs.logs import START, site_of, table_of, traffic, write

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, memory_limit=0
    ) as running:
        yield running


def drain(folder: Path, files: int, seed: int) -> Path:
    rows = traffic(150 * files, seed)
    for number in range(files):
        write(folder / f"{number:02d}.ndjson.gz", rows[number * 150 : number * 150 + 180])
    write(folder / "broken.ndjson.gz", [])
    (folder / "broken.ndjson.gz").write_bytes(b"no gzip")
    return folder


def elsewhere(cluster: Any) -> Any:
    return site_of(engine=cluster.scheduler_address.replace("tcp://", "dask://"))


@pytest.mark.slow
def test_every_number_is_that_of_one_process(cluster: Any, tmp_path: Path) -> None:
    logs = drain(tmp_path / "drain", 6, 3)
    here = ingest(site_of(), [logs], tmp_path / "here")
    there = ingest(elsewhere(cluster), [logs], tmp_path / "there")
    assert (here.lines, here.requests, here.duplicates) == (there.lines, there.requests, there.duplicates)
    assert [name for name, _ in there.failed] == ["broken.ndjson.gz"] == [name for name, _ in here.failed]
    assert table_of(tmp_path / "here") == table_of(tmp_path / "there")
    scope = scope_of(site_of().zone, phase_named("day1"), START, START.replace(hour=23))
    frames = collect(site_of(), scope, tmp_path / "here")
    for name, table in collect(site_of(), scope, tmp_path / "there").items():
        assert table.equals(frames[name]), name


@pytest.mark.slow
def test_a_worker_that_dies_in_the_middle_changes_nothing(cluster: Any, tmp_path: Path) -> None:
    logs = drain(tmp_path / "drain", 16, 5)
    victim = next(iter(cluster.workers.values())).pid
    read: list[float] = []
    killer = threading.Thread(target=_kill_when, args=(victim, read))
    killer.start()
    report = ingest(elsewhere(cluster), [logs], tmp_path / "there", lambda p: read.append(p.bytes_done))
    killer.join()
    ingest(site_of(), [logs], tmp_path / "here")
    assert not _runs(victim)
    assert report.files == 16
    assert table_of(tmp_path / "here") == table_of(tmp_path / "there")


def test_a_scheduler_that_does_not_answer_is_one_clear_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "ANSWER_S", 0.5)
    log = write(tmp_path / "log.ndjson", traffic(5))
    with pytest.raises(SourceError, match="no Dask scheduler answers"):
        ingest(site_of(engine="dask://127.0.0.1:1"), [log], tmp_path / "store")
    assert table_of(tmp_path / "store") == []


def _kill_when(pid: int, read: list[float]) -> None:
    for _ in range(2000):
        if len(read) >= 3:
            break
        time.sleep(0.005)
    os.kill(pid, signal.SIGKILL)


def _runs(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
