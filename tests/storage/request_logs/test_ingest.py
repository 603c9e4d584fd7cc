"""What goes into the store: each request once, whatever is delivered, in whatever order, however often."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import textwrap
import time
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from pdmlib.errors import CallError, SiteError, SourceError
from pdmlib.site.site import Site
from pdmlib.storage.request_logs.ingest import follow, ingest
from pdmlib.storage.request_logs.progress import IngestReport, Progress
from tests.storage.request_logs.logs import (
    CRAWLER,
    START,
    Oracle,
    grouped,
    line,
    site_of,
    table_of,
    traffic,
    write,
)


def counted(store: Path) -> int:
    return sum(row[2] in ("user", "cron") for row in table_of(store))


def settled(path: Path) -> Path:
    """The file as one that nobody has written to for a while."""
    os.utime(path, (time.time() - 60, time.time() - 60))
    return path


def test_a_request_of_many_lines_counts_once(tmp_path: Path) -> None:
    rows = [line("a"), line("a", message="second line"), line("a", at=START, message="third"), line("b")]
    report = ingest(site_of(), [write(tmp_path / "log.ndjson", rows)], tmp_path / "store")
    assert (report.lines, report.requests, report.duplicates, report.rejected) == (4, 2, 2, 0)
    assert len(table_of(tmp_path / "store")) == 2


def test_lines_of_no_request_are_left_out_and_crashes_are_failures(tmp_path: Path) -> None:
    rows = [
        line("built", source="build", proxy=None),
        line("revalidated", proxied={"statusCode": -1}),
        line("preview", environment="preview"),
        line("stdout only", proxy=None),
        line("crashed", status=200, statusCode=-1),
        line("crashed behind a 502", status=502, statusCode=-1),
        line("good"),
    ]
    report = ingest(site_of(), [write(tmp_path / "log.ndjson", rows)], tmp_path / "store")
    assert (report.lines, report.excluded, report.requests) == (7, 4, 3)
    assert grouped(table_of(tmp_path / "store"), 3) == {-1: 1, 502: 1, 200: 1}


def test_a_crash_told_by_a_later_line_or_a_later_file_makes_the_request_a_failure(tmp_path: Path) -> None:
    first = write(tmp_path / "1.ndjson", [line("a"), line("b")])
    second = write(tmp_path / "2.ndjson", [line("a", statusCode=-1, message="Runtime exited")])
    ingest(site_of(), [first], tmp_path / "store")
    report = ingest(site_of(), [second], tmp_path / "store")
    assert (report.requests, report.duplicates) == (0, 1)
    assert grouped(table_of(tmp_path / "store"), 3) == {-1: 1, 200: 1}


def test_users_bots_health_checks_and_cron_calls_are_kept_apart(tmp_path: Path) -> None:
    rows = [
        line("1"),
        line("2", agent=CRAWLER),
        line("3", path="/api/health?deep=1"),
        line("4", agent="Mozilla/5.0+(compatible; UptimeRobot/2.0; http://www.uptimerobot.com/)"),
        line("5", path="/api/cron/process-referrals"),
        line("6", path="/api/nightly", agent="vercel-cron/1.0"),
        line("7", agent="Stripe/1.0 (+https://stripe.com/docs/webhooks)"),
        line("8", agent="Mozilla/5.0 (X11; Linux) AppleWebKit/537.36 HeadlessChrome/131.0 Safari/537.36"),
    ]
    ingest(site_of(), [write(tmp_path / "log.ndjson", rows)], tmp_path / "store")
    assert grouped(table_of(tmp_path / "store"), 2) == {"user": 2, "bot": 2, "health": 2, "cron": 2}


def test_rejected_lines_are_counted_and_shown_without_what_they_say(tmp_path: Path) -> None:
    cut = '{"id":"1","timestamp":1773093600000,"message":"anna@example.com 203.0.113.9","proxy":{"status'
    rows = [
        line("a"),
        cut,
        '"just text"',
        "",
        "[1, 2]",
        "not json; DROP TABLE merged; --",
        line("b", status=99),
        line("c"),
    ]
    report = ingest(site_of(), [write(tmp_path / "log.ndjson", rows)], tmp_path / "store")
    assert (report.lines, report.rejected, report.requests, report.unclear) == (7, 4, 3, 1)
    shown = "\n".join(report.examples)
    assert len(report.examples) >= 3
    assert "log.ndjson" in shown
    assert '"message":' in shown
    assert not any(word in shown for word in ("anna", "203", "DROP", "just"))


def test_a_folder_of_packed_drains_gives_the_figures_of_a_plain_loop(tmp_path: Path) -> None:
    rows = traffic(600)
    write(tmp_path / "drain" / "a.ndjson.gz", rows[:300])
    write(tmp_path / "drain" / "deep" / "b.json.gz", rows[250:600])
    write(tmp_path / "drain" / "c.ndjson", rows[600:])
    (tmp_path / "drain" / "readme.md").write_text("no log")
    report = ingest(site_of(), [tmp_path / "drain"], tmp_path / "store")
    assert report.files == 3
    assert report.skipped == ("readme.md",)
    assert report.lines == len(rows) + 50
    assert counted(tmp_path / "store") == len(Oracle(rows).requests)
    assert report.requests + report.duplicates == report.lines
    assert report.days == ("2026-03-09", "2026-03-10")


def test_running_again_adds_nothing_whatever_the_files_are_called(tmp_path: Path) -> None:
    rows = traffic(200)
    log = write(tmp_path / "log.ndjson.gz", rows)
    first = ingest(site_of(), [log], tmp_path / "store")
    before = table_of(tmp_path / "store")
    log.rename(tmp_path / "renamed.ndjson.gz")
    again = ingest(site_of(), [tmp_path / "*.ndjson.gz"], tmp_path / "store")
    delivered_again = write(tmp_path / "redelivered.ndjson", rows[20:120])
    redelivered = ingest(site_of(), [delivered_again], tmp_path / "store")
    assert first.requests > 0
    assert (again.files, again.files_known, again.requests) == (0, 1, 0)
    assert (redelivered.requests, redelivered.duplicates) == (0, 100)
    assert table_of(tmp_path / "store") == before


def test_late_lines_go_to_their_own_day_in_any_order(tmp_path: Path) -> None:
    old = [line(f"old{i}", at=START - timedelta(days=3, seconds=i)) for i in range(5)]
    new = [line(f"new{i}", at=START + timedelta(seconds=i)) for i in range(5)]
    store = tmp_path / "store"
    ingest(site_of(), [write(tmp_path / "new.ndjson", new)], store)
    report = ingest(site_of(), [write(tmp_path / "old.ndjson", list(reversed(old)))], store)
    assert (report.requests, report.late) == (5, 5)
    both = ingest(site_of(), [write(tmp_path / "all.ndjson", old + new)], tmp_path / "other")
    assert both.requests == 10
    assert table_of(store) == table_of(tmp_path / "other")


def test_of_a_file_that_grew_only_the_new_lines_are_read(tmp_path: Path) -> None:
    rows = traffic(300)
    log = write(tmp_path / "log.ndjson", rows[:200])
    ingest(site_of(), [log], tmp_path / "store")
    write(log, rows)
    report = ingest(site_of(), [log], tmp_path / "store")
    assert report.lines == len(rows) - 200
    assert counted(tmp_path / "store") == len(Oracle(rows).requests)


def test_a_last_line_without_its_end_is_read_and_not_counted_twice_later(tmp_path: Path) -> None:
    log = write(tmp_path / "log.ndjson", [line("a"), line("b")])
    log.write_bytes(log.read_bytes()[:-1])
    first = ingest(site_of(), [log], tmp_path / "store")
    again = ingest(site_of(), [log], tmp_path / "store")
    write(log, [line("a"), line("b"), line("c")])
    grown = ingest(site_of(), [log], tmp_path / "store")
    assert (first.requests, again.requests, grown.requests) == (2, 0, 1)
    assert len(table_of(tmp_path / "store")) == 3


def test_a_file_at_rest_is_read_where_it_lies(tmp_path: Path) -> None:
    log = settled(write(tmp_path / "log.ndjson", traffic(50)))
    assert ingest(site_of(), [log], tmp_path / "store").requests == 50


def test_a_file_that_nobody_touched_is_not_read_again(tmp_path: Path) -> None:
    log = write(tmp_path / "log.ndjson", [line("a")])
    ingest(site_of(), [log], tmp_path / "store")
    stat = log.stat()
    log.write_bytes(b"x" * stat.st_size)
    os.utime(log, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert ingest(site_of(), [log], tmp_path / "store").files_known == 1
    log.touch()
    assert ingest(site_of(), [log], tmp_path / "store").rejected == 1


NGINX = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" '
NGINX += '"$http_user_agent" $request_time'
COMBINED = (
    '203.0.113.{n} - - [09/Mar/2026:22:00:0{s} +0000] "GET {path} HTTP/1.1" {status} 512 "-" "curl/8" {took}'
)


def test_alike_lines_without_ids_are_several_requests_and_stay_so(tmp_path: Path) -> None:
    rows = [COMBINED.format(n=1, s=s, path="/portal", status=200, took="0.120") for s in (1, 1, 1, 2)]
    log = write(tmp_path / "access.log", rows)
    asked = site_of(log_format=NGINX, columns={})
    first = ingest(asked, [log], tmp_path / "store")
    again = ingest(asked, [log], tmp_path / "store")
    write(log, [*rows, rows[0], rows[3]])
    grown = ingest(asked, [log], tmp_path / "store")
    other_server = ingest(asked, [write(tmp_path / "server2.log", rows[:2])], tmp_path / "store")
    assert (first.requests, again.requests, grown.requests) == (4, 0, 2)
    assert other_server.requests == 2
    assert {row[4] for row in table_of(tmp_path / "store")} == {120.0}


def test_a_packed_file_that_grew_adds_only_what_is_new(tmp_path: Path) -> None:
    rows = [COMBINED.format(n=1, s=s, path="/portal", status=200, took="0.5") for s in (1, 1, 2)]
    log = write(tmp_path / "access.log.gz", rows)
    asked = site_of(format="combined", columns={})
    ingest(asked, [log], tmp_path / "store")
    log.write_bytes(log.read_bytes() + gzip.compress((rows[0] + "\n").encode()))
    report = ingest(asked, [log], tmp_path / "store")
    assert (report.requests, report.duplicates) == (1, 3)


def test_a_file_that_cannot_be_unpacked_is_named_and_the_others_are_taken(tmp_path: Path) -> None:
    whole = write(tmp_path / "drain" / "whole.ndjson.gz", [line("a"), line("b")])
    (tmp_path / "drain" / "cut.ndjson.gz").write_bytes(write(tmp_path / "x.gz", traffic(400)).read_bytes()[:-4000])
    report = ingest(site_of(), [tmp_path / "drain"], tmp_path / "store")
    assert (report.files, report.requests) == (1, 2)
    assert [name for name, _ in report.failed] == ["cut.ndjson.gz"]
    whole.unlink()
    write(tmp_path / "drain" / "cut.ndjson.gz", traffic(400))
    assert ingest(site_of(), [tmp_path / "drain"], tmp_path / "store").requests == 400


def test_hostile_names_and_lines_are_data(tmp_path: Path) -> None:
    rows = [
        line("'; DROP TABLE merged; --", path="/portal/'; DROP TABLE merged; --"),
        line("2", path="/x\x00y", agent="' OR 1=1 --", executionRegion="'); COPY x TO 'y"),
        line("3", path="/" + "a/" * 4000),
    ]
    log = write(tmp_path / "it's [a] drain*?.ndjson", rows)
    report = ingest(site_of(columns={"duration_ms": 'durationMs"; --'}), [log], tmp_path / "st'ore")
    assert report.requests == 3
    assert {row[1] for row in table_of(tmp_path / "st'ore")} >= {"/portal/[id]", "/[id]"}


def test_nothing_is_left_in_the_spill_folder_and_no_raw_path_on_disk(tmp_path: Path) -> None:
    spill = tmp_path / "spill"
    rows = [line("a", path="/reset/tokenABCDEF1234567890tokenABC?email=anna@example.com")]
    ingest(site_of(spill=str(spill)), [write(tmp_path / "log.ndjson", rows)], tmp_path / "store")
    assert list(spill.iterdir()) == []
    held = b"".join(path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file())
    assert not any(word in held for word in (b"tokenABC", b"anna", b"203.0.113"))


def test_a_site_without_requests_a_path_without_files_and_s3_without_its_reader_say_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = Site.model_validate({"site": "x", "title": "X", "time_zone": "UTC", "sources": {}})
    with pytest.raises(SiteError, match="requests: is required"):
        ingest(bare, [tmp_path], tmp_path / "store")
    with pytest.raises(CallError, match="no such file"):
        ingest(site_of(), [tmp_path / "nothing.ndjson"], tmp_path / "store")
    monkeypatch.setitem(sys.modules, "pdmlib.storage.request_logs.s3", None)
    with pytest.raises(SourceError, match=r"s3:// needs pip install pdmlib\[s3\]"):
        ingest(site_of(), ["s3://logs/2026/"], tmp_path / "store")


def test_two_ingests_at_once_are_refused(tmp_path: Path) -> None:
    from pdmlib.storage.request_logs.manifests import BusyError, locked

    with locked(tmp_path / "store"), pytest.raises(BusyError, match="another ingest"):
        ingest(site_of(), [write(tmp_path / "log.ndjson", [line("a")])], tmp_path / "store")


@pytest.mark.parametrize("place", ["store", "spill"])
def test_a_place_that_nobody_can_write_to_is_named(tmp_path: Path, place: str) -> None:
    write(tmp_path / "file", [""])
    log = write(tmp_path / "log.ndjson", [line("a")])
    with pytest.raises(SourceError, match=r"file/here.*: cannot be written"):
        ingest(site_of(**{place: str(tmp_path / "file" / "here")}), [log], tmp_path / "store")


def test_following_waits_while_another_ingest_writes(tmp_path: Path) -> None:
    from pdmlib.storage.request_logs.manifests import locked

    log = write(tmp_path / "log.ndjson", [line("a")])
    with ExitStack() as other:
        other.enter_context(locked(tmp_path / "store"))
        rounds = iter((other.close, None))

        def stop() -> bool:
            end = next(rounds)
            if end:
                end()
            return end is None

        reports = list(follow(site_of(), [log], tmp_path / "store", every_s=0, stop=stop))
    assert [report.requests for report in reports] == [1]


def test_following_goes_on_while_a_log_is_rotated(tmp_path: Path) -> None:
    """It is renamed, and its successor comes a moment later; the other log grows meanwhile."""
    log, other = write(tmp_path / "a.ndjson", [line("a")]), write(tmp_path / "b.ndjson", [line("b")])

    def grow() -> None:
        log.rename(tmp_path / "a.ndjson.1")
        write(other, [line("b"), line("c")])

    rounds = iter((grow, lambda: None, lambda: write(log, [line("d")]), None))

    def stop() -> bool:
        step = next(rounds)
        if step:
            step()
        return step is None

    reports = list(follow(site_of(), [log, other], tmp_path / "store", every_s=0, stop=stop))
    assert [report.requests for report in reports] == [2, 1, 1]
    assert [report.failed for report in reports] == [(), (("a.ndjson", "No such file or directory"),), ()]
    with pytest.raises(CallError):
        list(follow(site_of(), [tmp_path / "none"], tmp_path / "store", every_s=0, stop=lambda: True))


def test_progress_ends_with_everything_read(tmp_path: Path) -> None:
    seen: list[Progress] = []
    log = write(tmp_path / "log.ndjson", traffic(100))
    ingest(site_of(), [log], tmp_path / "store", seen.append)
    assert seen[-1].bytes_done == seen[-1].bytes_total == log.stat().st_size
    assert "100 %" in str(seen[-1])


def test_following_takes_whole_lines_as_they_come(tmp_path: Path) -> None:
    folder = tmp_path / "drain"
    log = write(folder / "a.ndjson", [line("a"), line("b")])
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"id":"half')
    reports: list[IngestReport] = []
    rounds = iter((b'"}\n', whole.replace(b'"a"', b'"c"'), b""))
    over = False

    def stop() -> bool:
        nonlocal over
        grown = next(rounds)
        over = not grown
        with log.open("ab") as file:
            file.write(grown)
        return over

    reports += follow(site_of(), [folder], tmp_path / "store", every_s=0, stop=stop)
    assert [(r.requests, r.rejected) for r in reports] == [(2, 0), (0, 0), (1, 0)] or [
        r.requests for r in reports
    ] == [2, 0, 1]
    assert len(table_of(tmp_path / "store")) == 3


KILLED = """
    import sys
    from pathlib import Path
    from pdmlib.storage.request_logs import ingest, workers
    from tests.storage.request_logs.logs import site_of
    workers.BATCH_BYTES = ingest.COMMIT_BYTES = 1
    print("ready", flush=True)
    ingest.ingest(site_of(), [sys.argv[1]], Path(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("after_files", [0, 1, 3])
def test_a_kill_in_the_middle_loses_nothing_and_doubles_nothing(tmp_path: Path, after_files: int) -> None:
    rows = traffic(1200)
    for number in range(6):
        write(tmp_path / "drain" / f"{number}.ndjson.gz", rows[number * 300 : (number + 1) * 300 + 50])
    store, manifest = tmp_path / "store", tmp_path / "store" / "manifest.json"
    script = textwrap.dedent(KILLED)
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "drain"), str(store)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    while child.poll() is None and _files_in(manifest) < after_files:
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    done = _files_in(manifest)
    report = ingest(site_of(), [tmp_path / "drain"], store)
    ingest(site_of(), [tmp_path / "drain"], tmp_path / "straight")
    assert report.files + report.files_known == 6
    assert report.files_known >= done
    assert table_of(store) == table_of(tmp_path / "straight")
    assert not [p for p in store.iterdir() if p.name.startswith(".pdm-spill")]


def _files_in(manifest: Path) -> int:
    import json

    return len(json.loads(manifest.read_text())["files"]) if manifest.exists() else 0


def test_a_store_that_cannot_be_written_or_read_says_so_and_stays_as_it_was(tmp_path: Path) -> None:
    store = tmp_path / "store"
    first = write(tmp_path / "one.ndjson", [line("a")])
    ingest(site_of(), [first], store)
    (held,) = (store / "requests").iterdir()
    whole, manifest = held.read_bytes(), (store / "manifest.json").read_bytes()
    held.write_bytes(whole[:100])
    later = line("b", START + timedelta(days=1))
    second = write(tmp_path / "two.ndjson", [later, line("c")])
    with pytest.raises(SourceError, match="store"):
        ingest(site_of(), [second], store)
    assert (store / "manifest.json").read_bytes() == manifest
    assert [len(list((store / table).iterdir())) for table in ("requests", "buckets")] == [1, 1]
    held.write_bytes(whole)
    assert ingest(site_of(), [second], store).requests == 2


@pytest.mark.parametrize(
    "damaged",
    [
        '{"version": 2, "counted": [], "requests": [], "views": {}, "files": []}',
        '{"version": 2, "counted": [], "requests": {}, "views": {}, "files": [{"x": 1}]}',
        "[]",
    ],
)
def test_a_damaged_manifest_is_named(tmp_path: Path, damaged: str) -> None:
    write(tmp_path / "store" / "manifest.json", [damaged])
    with pytest.raises(SourceError, match=r"manifest\.json: is damaged"):
        ingest(site_of(), [write(tmp_path / "one.ndjson", [line("a")])], tmp_path / "store")


def test_a_file_whose_last_line_has_no_end_is_one_file(tmp_path: Path) -> None:
    log = write(tmp_path / "log.ndjson", [line("a"), line("b")])
    log.write_bytes(log.read_bytes()[:-1])
    report = ingest(site_of(), [log], tmp_path / "store")
    assert (report.requests, report.files) == (2, 1)


def test_a_log_that_was_rotated_and_packed_after_it_was_taken_adds_its_tail_alone(tmp_path: Path) -> None:
    def lines(*seconds: int) -> str:
        start = "203.0.113.5 - - [09/Mar/2026:12:00:"
        return "".join(f'{start}{s:02d} +0000] "GET /a HTTP/1.1" 200 5\n' for s in seconds)

    def taken() -> tuple[int, int]:
        report = ingest(site_of(format="combined", columns={}), [logs], tmp_path / "store")
        return report.requests, report.files

    logs, log = tmp_path / "logs", tmp_path / "logs" / "access.log"
    logs.mkdir()
    log.write_text(lines(1, 2, 2, 3))
    assert taken() == (4, 1)
    (logs / "access.log.1.gz").write_bytes(gzip.compress(log.read_bytes() + lines(3, 4).encode()))
    log.write_text(lines(5))
    assert taken() == (3, 2)
    assert taken() == (0, 0)
    (logs / "access.log.2.gz").write_bytes(gzip.compress(log.read_bytes(), 1))
    log.write_text(lines(6))
    assert taken() == (1, 1)
    assert len(table_of(tmp_path / "store")) == 8
