"""The watch: it keeps the pace, says what it slept through, and what fails does not stop it."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
import yaml
from rich.console import Console

from pdmlib.cli.live_table import clock, missed, picture
from pdmlib.frames.collection import Collection
from pdmlib.frames.frame import frame
from pdmlib.phases.phase import PHASES
from pdmlib.phases.window import Window, iso
from pdmlib.site.load import load_site
from pdmlib.site.site import OPTIONAL, Site
from pdmlib.storage import history, sampled
from pdmlib.storage.request_logs.ingest import ingest
from pdmlib.workbook.gather import gather, history_folder, requests_folder
from pdmlib.workbook.watch import Pace, Round, Watch, rounds_between

START = datetime(2025, 3, 10, 15, tzinfo=UTC)
FIVE = timedelta(minutes=5)
EVER = Window(datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))
PDM = str(Path(sys.executable).with_name("pdm"))


class Machine:
    """A machine's two clocks; asleep, only the wall's goes on."""

    def __init__(self) -> None:
        self.wall, self.steady, self.naps = START, 0.0, 0
        self.closed_after, self.closed_for = -1, timedelta(0)
        self.set_back = timedelta(0)

    def sleep(self, seconds: float) -> None:
        self.naps += 1
        self.wall += timedelta(seconds=seconds) - self.set_back
        self.steady += seconds
        self.set_back = timedelta(0)
        if self.naps == self.closed_after:
            self.wall += self.closed_for

    def pace(self) -> Pace:
        return Pace(lambda: self.wall, lambda: self.steady, self.sleep)


def test_a_round_is_due_a_pace_after_the_last_began() -> None:
    machine, left = Machine(), []
    pace = machine.pace()
    machine.sleep(60)
    pace.wait(FIVE, left.append)
    assert machine.wall == START + FIVE
    assert (left[0], left[-1]) == (timedelta(minutes=4), timedelta(seconds=1))


def test_a_laptop_that_opens_again_collects_at_once() -> None:
    machine = Machine()
    machine.closed_after, machine.closed_for = 10, timedelta(hours=3)
    machine.pace().wait(FIVE, lambda _: None)
    assert machine.naps == 10
    assert machine.wall == START + timedelta(hours=3, seconds=10)


def test_a_clock_that_is_set_back_does_not_delay_the_round() -> None:
    machine = Machine()
    machine.set_back = timedelta(hours=2)
    machine.pace().wait(FIVE, lambda _: None)
    assert machine.steady == 300


def test_the_rounds_missed_are_those_between_the_last_sample_and_this_round() -> None:
    assert rounds_between(None, START, FIVE) == ()
    assert rounds_between(START, START + FIVE, FIVE) == ()
    assert rounds_between(START, START + timedelta(minutes=7), FIVE) == ()
    assert rounds_between(START, START + timedelta(minutes=15), FIVE) == (START + FIVE, START + 2 * FIVE)


def test_what_was_missed_says_what_stays_unknown() -> None:
    seen = Round(START, PHASES[0], missed=(START, START + FIVE))
    assert missed(seen) == (
        "? 2 rounds missed (2025-03-10 15:00 to 2025-03-10 15:05 UTC): logs and vendors' records were read back; "
        "probes from here and gauges of the host stay unknown for that time"
    )


def test_a_round_without_verdict_says_why_and_when_it_tries_again() -> None:
    console = Console(width=100, file=StringIO(), record=True)
    console.print(picture(Round(START, PHASES[0], troubles=("nothing collected: vercel: 500\x1b[2J",)), FIVE))
    text = console.export_text()
    assert "✗ nothing collected: vercel: 500 [2J" in text
    assert "next round in 5:00" in text


def test_a_time_left_reads_as_a_clock() -> None:
    assert [clock(timedelta(seconds=s)) for s in (0.4, 59, 61, 3661)] == ["0:00", "0:59", "1:01", "1:01:01"]


def a_watch(site: Site, out: Path, machine: Machine, **options: object) -> Watch:
    return Watch(site, out, "2025-03-10T15:00:00Z", every=FIVE, dashboard=False, pace=machine.pace(), **options)  # type: ignore[arg-type]


def run(watch: Watch, rounds: int) -> list[Round]:
    seen: list[Round] = []
    watch.run(lambda round_, _: None if round_ in seen[-1:] else seen.append(round_), rounds)
    return seen


def a_site_of(tmp_path: Path, *sources: str) -> Site:
    """The demo's site with a few of its sources."""
    tree = yaml.safe_load(Path("params/demo.yaml").read_text(encoding="utf-8"))
    tree["unused"] = [name for name in tree["sources"] if name not in sources]
    tree["sources"] = {name: block for name, block in tree["sources"].items() if name in sources}
    (tmp_path / "site.yaml").write_text(yaml.safe_dump(tree), encoding="utf-8")
    return load_site(tmp_path / "site.yaml")


@pytest.mark.slow
@pytest.mark.usefixtures("demo_environ")
def test_each_round_adds_to_the_history_and_a_long_sleep_is_told(tmp_path: Path) -> None:
    machine = Machine()
    machine.closed_after, machine.closed_for = 310, timedelta(minutes=20)
    first, second, third = run(a_watch(a_site_of(tmp_path, "app", "supabase"), tmp_path, machine), 3)
    assert (first.missed, second.missed) == ((), ())
    assert len(third.missed) == 3
    assert first.added > 0 and second.added > 0 and third.added > 0
    assert third.verdict is not None
    assert third.verdict.case.scope.as_of == START + timedelta(minutes=25, seconds=10)
    assert first.phase.name == "month1"


@pytest.mark.slow
@pytest.mark.usefixtures("demo_environ")
def test_rounds_that_a_round_itself_outlasts_are_not_missed_and_it_says_that_it_was_slow(tmp_path: Path) -> None:
    machine, told = Machine(), []

    def slowly(moment: datetime) -> None:
        """A round of twelve minutes, where one is due every five."""
        machine.sleep(720)

    watch = a_watch(a_site_of(tmp_path, "app"), tmp_path, machine, follow=slowly)
    seen = run(watch, 2)
    told = [trouble for round_ in seen for trouble in round_.troubles]
    assert [round_.missed for round_ in seen] == [(), ()]
    slow = "this round took 720 s, longer than the 300 s between rounds: the next begins at once"
    assert told == [slow, slow]


@pytest.mark.usefixtures("demo_environ")
def test_whatever_breaks_while_a_round_is_shown_or_told_the_watch_goes_on(tmp_path: Path) -> None:
    machine, said = Machine(), []

    def broken(*_: object) -> None:
        raise OverflowError("cannot convert float infinity to integer")

    def later(moment: datetime) -> None:
        if moment > START:
            broken()

    watch = a_watch(a_site_of(tmp_path, "app"), tmp_path, machine, follow=later, say=said.append)
    assert watch.run(broken, 3) == 3
    assert any(text.startswith("this round cannot be shown: ") for text in said)


@pytest.mark.slow
@pytest.mark.usefixtures("demo_environ")
def test_a_failing_source_is_told_and_the_others_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PDM_DEMO_SUPABASE_METRICS_KEY", "wrong")
    (seen,) = run(a_watch(a_site_of(tmp_path, "app", "supabase"), tmp_path, Machine()), 1)
    assert seen.verdict is not None
    answered = {row.source: row.status for row in seen.verdict.case.collection.coverage}
    assert answered["app"] == "ok"
    assert answered["supabase"] in ("failed", "partial")
    assert seen.verdict.status != "GREEN"


@pytest.mark.slow
@pytest.mark.usefixtures("demo_environ")
def test_a_history_that_cannot_be_written_is_told_and_the_round_is_judged(tmp_path: Path) -> None:
    site, machine = a_site_of(tmp_path, "app"), Machine()
    watch = a_watch(site, tmp_path, machine)
    folder = tmp_path / "demo" / "history-rough"
    folder.parent.mkdir()
    folder.write_text("in the way", encoding="utf-8")
    (seen,) = run(watch, 1)
    assert seen.troubles[0].startswith(f"{watch.waiting()} samples wait in memory for the next round: ")
    assert seen.verdict is not None


@pytest.mark.slow
@pytest.mark.usefixtures("demo_environ")
def test_infinite_samples_of_the_past_do_not_stop_the_watch(tmp_path: Path) -> None:
    """`+Inf` is a legal value of Prometheus' text format, and was kept once."""
    site, names = a_site_of(tmp_path, "app", "supabase"), ("connections", "max_connections", "cpu_all_s")
    rows = [
        {"metric": name, "at": START - timedelta(minutes=n), "value": float("inf")}
        for name in names
        for n in range(3, 6)
    ]
    history.append(history_folder(site, tmp_path), Collection({"host_metrics": frame("host_metrics", rows)}))
    (seen,) = run(a_watch(site, tmp_path, Machine()), 1)
    assert seen.troubles == ()
    assert seen.verdict is not None


@pytest.mark.slow
@pytest.mark.usefixtures("demo_environ")
def test_what_could_not_be_written_is_written_by_the_next_round(tmp_path: Path) -> None:
    watch = a_watch(a_site_of(tmp_path, "app"), tmp_path, Machine())
    folder = tmp_path / "demo" / "history-rough"
    folder.parent.mkdir()
    folder.write_text("in the way", encoding="utf-8")
    seen: list[Round] = []

    def show(round_: Round, _: timedelta) -> None:
        if round_ not in seen[-1:]:
            seen.append(round_)
            if folder.is_file():
                folder.unlink()

    watch.run(show, 2)
    assert (seen[0].added, seen[1].troubles, watch.waiting()) == (0, (), 0)
    kept = history.recall(folder, EVER, ("probes",))
    assert kept["probes"]["checked_at"].dt.floor("5min").nunique() == 2
    assert seen[1].added == sum(len(table) for table in history.recall(folder, EVER).values())


@pytest.mark.slow
@pytest.mark.usefixtures("demo_environ")
def test_a_gap_of_days_is_read_back_from_the_applications_own_log(tmp_path: Path) -> None:
    """The log has a probe every five minutes; a round by itself looks two days back."""
    machine = Machine()
    machine.closed_after, machine.closed_for = 1, timedelta(days=4)
    site = a_site_of(tmp_path, "app", "postgres")
    watch = replace(a_watch(site, tmp_path, machine), as_of="2025-03-05T15:00:00Z")
    first, second = run(watch, 2)
    # It slept in the first of four seconds between the looks at what sessions wait for; the round ends with them.
    assert (first.added > 0, second.at) == (True, datetime(2025, 3, 9, 15, 0, 4, tzinfo=UTC))
    probes = history.recall(tmp_path / "demo" / "history-rough", EVER, ("probes",))["probes"]
    log = probes[probes["target"] == "uptime_logs"]["checked_at"].sort_values()
    assert log.diff().max() < timedelta(hours=2, minutes=6)
    assert (log.min() < datetime(2025, 3, 4, tzinfo=UTC), log.max() > datetime(2025, 3, 9, tzinfo=UTC)) == (
        True,
        True,
    )


def a_site_of_a_log(tmp_path: Path) -> Site:
    """A site of which nothing is known but its log: two requests a minute before START, every tenth one failed."""
    tree = {"site": "shop", "title": "Shop", "time_zone": "UTC", "sources": {}, "requests": {"format": "json"}}
    tree |= {"deployed_at": "2025-03-08T15:00:00Z", "unused": [*OPTIONAL]}
    file = tmp_path / "shop.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    site, log = load_site(file), tmp_path / "log.ndjson"
    row = {"path": "/", "duration_ms": 100}
    rows = [
        {**row, "time": iso(START - timedelta(seconds=30 * n)), "status": 200 if n % 10 else 500}
        for n in range(1, 2 * 60 * 48)
    ]
    log.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    ingest(site, [log], requests_folder(site, tmp_path))
    return site


def test_a_watch_judges_on_the_requests_that_the_dashboard_judges_on(tmp_path: Path) -> None:
    site = a_site_of_a_log(tmp_path)
    (seen,) = run(a_watch(site, tmp_path, Machine()), 1)
    assert seen.verdict is not None
    case = seen.verdict.case
    assert [row.source for row in case.collection.coverage] == ["requests"]
    shown = {reading.id: reading.measurement.value for reading in seen.verdict.readings}
    assert (shown["error_rate_pct"], shown["latency_p95_ms"]) == (pytest.approx(10, abs=0.1), pytest.approx(100))
    told = gather(site, case.scope, tmp_path)
    assert {name: len(table) for name, table in case.collection.frames.items()} == {
        name: len(table) for name, table in told.frames.items()
    }


@pytest.mark.slow
@pytest.mark.usefixtures("demo_environ")
def test_each_round_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    told: list[datetime] = []
    watch = a_watch(a_site_of(tmp_path, "app"), tmp_path, Machine(), follow=told.append)
    run(watch, 2)
    assert told == [START, START + FIVE]


@pytest.mark.slow
@pytest.mark.usefixtures("demo_environ")
def test_a_webhook_that_fails_does_not_stop_the_watch(tmp_path: Path) -> None:
    site = a_site_of(tmp_path, "app", "supabase")
    said = {"phases": {"dashboard": {"status": "GREEN", "as_of": "2025-03-10T14:00:00Z"}}, "alerts": {}}
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / ".notified.json").write_text(json.dumps(said), encoding="utf-8")
    watch = a_watch(site, tmp_path, Machine(), webhook="http://127.0.0.1:9/services/verysecretword")
    (seen,) = run(watch, 1)
    assert seen.troubles == ("webhook: not notified: the connection failed: [Errno 111] Connection refused",)


def a_site_elsewhere(tmp_path: Path) -> Path:
    """A site file with one source and no demo of its own, so that the command asks it as of now."""
    file = Path(a_site_of(tmp_path, "app").file)
    tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    del tree["demo"]
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return file


@pytest.mark.slow
@pytest.mark.usefixtures("demo_environ")
def test_the_command_shows_each_round_rewrites_the_page_and_stops_by_itself(tmp_path: Path) -> None:
    file = a_site_elsewhere(tmp_path)
    options = ["--site", str(file), "--out", str(tmp_path), "--rounds", "1"]
    done = subprocess.run(
        [PDM, "watch", *options], capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "140"}
    )
    assert done.returncode == 0, done.stderr
    assert "✓ ok" in done.stdout
    assert "phase ongoing: next round in 24:00:00" in done.stdout
    assert (tmp_path / "demo" / "dashboard" / "latest" / "report.html").exists()
    assert sampled.newest(tmp_path / "demo" / "history") is not None


@pytest.mark.slow
@pytest.mark.usefixtures("demo_environ")
def test_ctrl_c_stops_cleanly_and_keeps_what_was_collected(tmp_path: Path) -> None:
    file = a_site_elsewhere(tmp_path)
    options = ["--site", str(file), "--out", str(tmp_path), "--no-dashboard"]
    with subprocess.Popen(
        [PDM, "watch", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "next round" in line:
                break
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=600)
    assert process.returncode == 0
    assert errors == "stopped; every sample collected so far is kept\n"
    assert sampled.newest(tmp_path / "demo" / "history") is not None
    assert not list(tmp_path.rglob("*.part"))
