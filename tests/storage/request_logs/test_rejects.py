"""Lines that are rejected are neither requests nor nothing: no report on many of them is GREEN."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml

from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection
from pdmlib.frames.readings import Answer
from pdmlib.frames.states import ReportStatus
from pdmlib.phases.phase import phase_named
from pdmlib.phases.scope import scope_of
from pdmlib.storage.request_logs import manifests
from pdmlib.storage.request_logs.ingest import ingest
from pdmlib.storage.request_logs.progress import IngestReport
from pdmlib.verdict.verdict import Verdict, judge
from pdmlib.workbook.gather import requests_folder, with_requests
from tests.storage.request_logs.test_silences import DAY, END, HOUR, MINUTE, SITE, every, loud

ROOT = Path(__file__).parents[3]
DEPLOYED = END - 12 * HOUR


def other(times: Iterable[datetime]) -> list[tuple[datetime, str]]:
    """Lines of a second server, whose format is another one."""
    return [(t, f'10.0.0.2 - - [{t:%d/%b/%Y:%H:%M:%S} +0000] "GET /b HTTP/1.1" 500 9 rt=0.1') for t in times]


def taken(tmp_path: Path, *logs: list[tuple[datetime, str]], name: str = "access.log") -> IngestReport:
    file = tmp_path / name
    file.write_text("".join(f"{line}\n" for _, line in sorted(row for log in logs for row in log)))
    return ingest(SITE, [file], requests_folder(SITE, tmp_path))


def judged(tmp_path: Path, phase: str = "day1", as_of: datetime = END, deployed: datetime = DEPLOYED) -> Verdict:
    scope = scope_of(SITE.zone, phase_named(phase), deployed, as_of)
    found = with_requests(Collection(), SITE, scope, tmp_path)
    return judge(Case(SITE, scope, found, scope.window))


def test_half_of_all_lines_since_the_deployment_are_rejected(tmp_path: Path) -> None:
    """Twelve hours of two good and two strange lines a minute: 1,440 of 2,880 in the window."""
    report = taken(tmp_path, loud(), other(every(MINUTE / 2, DEPLOYED, END)))
    assert (report.rejected, report.good) == (1440, False), "of 41,760 lines 3.4 %"
    assert "many lines were rejected" in str(report)
    verdict = judged(tmp_path)
    assert verdict.status is ReportStatus.UNKNOWN
    (row,) = verdict.not_understood
    assert (row["source"], row["item"], row["count"], row["what"]) == (
        "requests",
        "requests.log_format",
        1440,
        "rejected lines, of 2,880",
    )
    assert row["example"] == 'access.log: 99.9.9.9 - - [99/xxx/9999:99:99:99 +9999] "xxx /x xxxx/9.9" 999 9 xx=9.9'
    assert list(yaml.safe_load(row["mend"])["requests"]) == ["log_format"]
    (coverage,) = [c for c in verdict.case.collection.coverage if c.source == "requests"]
    assert coverage.status is Answer.PARTIAL
    assert "1,440 lines of the request log were rejected (50 % of them)" in (coverage.detail or "")


def test_lines_of_before_the_window_are_none_of_its_own(tmp_path: Path) -> None:
    taken(tmp_path, loud(), other(every(MINUTE / 2, END - 3 * DAY, END - 2 * DAY)))
    verdict = judged(tmp_path)
    assert (verdict.status, verdict.not_understood) == (ReportStatus.GREEN, [])


def test_a_few_broken_lines_are_a_note(tmp_path: Path) -> None:
    """Two of 2,882 in a day: 0.07 %."""
    broken = [(END - HOUR, "\x16\x03\x01"), (END - 2 * HOUR, f"{END - 2 * HOUR:%d/%b/%Y:%H:%M:%S +0000} cut")]
    assert taken(tmp_path, loud(), broken).good
    verdict = judged(tmp_path, deployed=END - DAY)
    assert (verdict.status, verdict.not_understood) == (ReportStatus.GREEN, [])
    assert any("2 lines of the request log were rejected" in why for why in verdict.confidence_reasons)


def test_lines_without_a_time_belong_to_the_time_of_their_file(tmp_path: Path) -> None:
    """1,000 lines without a time among 480 of the file's four hours, and no word of them two days later."""
    strange = [(END - 4 * HOUR + n * timedelta(seconds=14), f'{{"n": {n}}}') for n in range(1000)]
    taken(tmp_path, loud(end=END - 4 * HOUR))
    report = taken(tmp_path, loud(END - 4 * HOUR, END), strange, name="today.log")
    assert (report.rejected, report.good) == (1000, False)
    verdict = judged(tmp_path)
    assert verdict.status is ReportStatus.UNKNOWN
    assert [row["count"] for row in verdict.not_understood] == [1000]
    taken(tmp_path, loud(END, END + 2 * DAY), name="later.log")
    later = judged(tmp_path, "daily", as_of=END + 2 * DAY)
    assert (later.status, later.not_understood) == (ReportStatus.GREEN, [])


def test_a_file_of_broken_lines_is_not_hidden_among_older_ones_taken_with_it(tmp_path: Path) -> None:
    """100 of 1,540 lines of the newest file have no time; of all 41,700 they would be too few to tell (0.24 %)."""
    older, newest = tmp_path / "logs" / "b.log", tmp_path / "logs" / "a.log"
    older.parent.mkdir()
    older.write_text("".join(f"{line}\n" for _, line in loud(end=DEPLOYED)))
    newest.write_text("{}\n" * 100 + "".join(f"{line}\n" for _, line in loud(DEPLOYED, END)))
    assert ingest(SITE, [older.parent], requests_folder(SITE, tmp_path)).rejected == 100
    assert [row["count"] for row in judged(tmp_path).not_understood] == [100]


def test_a_file_that_grows_by_strange_lines_alone_tells_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """100 lines without a time, taken half an hour after the last request that was understood."""
    taken(tmp_path, loud())
    monkeypatch.setattr("pdmlib.storage.request_logs.ingest.now", lambda: END + HOUR / 2)
    file = tmp_path / "access.log"
    file.write_text(file.read_text() + "{}\n" * 100)
    assert ingest(SITE, [file], requests_folder(SITE, tmp_path)).rejected == 100
    assert [row["count"] for row in judged(tmp_path).not_understood] == [100]


def test_nothing_is_counted_twice_by_taking_a_file_again_or_as_it_grows(tmp_path: Path) -> None:
    log, bad = loud(), other(every(MINUTE, END - 2 * HOUR, END))
    taken(tmp_path, log, bad)
    taken(tmp_path, log, bad)
    taken(tmp_path, log, bad, loud(END, END + HOUR), other(every(MINUTE, END, END + HOUR / 2)))
    days = manifests.load(requests_folder(SITE, tmp_path)).rejected
    assert {day: row["hours"] for day, row in days.items()} == {"2026-11-30": {"9": 60, "10": 60, "11": 30}}


@pytest.mark.parametrize(
    ("text", "hour"),
    [
        ("x [30/Nov/2026:14:32:30 +0100] x", 13),
        ("2026-11-30T14:32:30.123Z x", 14),
        ("2026-11-30 14:32:30,1 +05:30 x", 9),
    ],
)
def test_a_strange_line_counts_in_the_hour_that_it_names(tmp_path: Path, text: str, hour: int) -> None:
    """14:32 in Berlin's winter is 13:32 UTC, and 14:32 in India is 9:02 UTC."""
    taken(tmp_path, loud(), [(END, text)])
    days = manifests.load(requests_folder(SITE, tmp_path)).rejected
    (found,) = [int(name) for row in days.values() for name in row["hours"]]
    assert found == hour


def second(tmp_path: Path, content: str, name: str = "access.log") -> Path:
    """The log of a second server, in a folder of its own."""
    file = tmp_path / "web2" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    return file


def text_of(rows: Iterable[tuple[datetime, str]]) -> str:
    return "".join(f"{line}\n" for _, line in rows)


def test_a_file_of_which_no_line_is_understood_is_told_beside_one_that_is(tmp_path: Path) -> None:
    """A second server fails each of its 1,440 requests of the window in a format that nobody declared."""
    file = second(tmp_path, text_of(other(every(MINUTE / 2, DEPLOYED, END))))
    for _ in range(2):  # it is tried again each time, and counts once
        assert taken(tmp_path, loud()).good
        assert ingest(SITE, [file], requests_folder(SITE, tmp_path)).skipped == ("access.log",)
    verdict = judged(tmp_path)
    assert verdict.status is ReportStatus.UNKNOWN
    (row,) = verdict.not_understood
    assert (row["what"], row["count"], row["item"]) == ("lines of access.log", 1440, "requests.log_format")
    assert row["example"] == 'access.log: 99.9.9.9 - - [99/xxx/9999:99:99:99 +9999] "xxx /x xxxx/9.9" 999 9 xx=9.9'
    assert any("of 1,440 lines of access.log none is understood" in why for why in verdict.confidence_reasons)
    before = judged(tmp_path, "daily", as_of=END - 2 * DAY, deployed=END - 3 * DAY)
    assert (before.status, before.not_understood) == (ReportStatus.GREEN, []), "it is of other days"


def test_what_was_not_understood_of_a_log_stays_as_it_is_begun_anew_and_goes_once_it_is_read(
    tmp_path: Path,
) -> None:
    store, old = requests_folder(SITE, tmp_path), every(MINUTE, END - DAY, END - DAY / 2)
    taken(tmp_path, loud())
    for times in (old, every(MINUTE, END - DAY / 2, END)):
        ingest(SITE, [second(tmp_path, text_of(other(times)))], store)
    (row,) = judged(tmp_path, "daily", deployed=END - 3 * DAY).not_understood
    assert row["count"] == 24 * 60
    ingest(SITE, [second(tmp_path, text_of(loud(END - HOUR, END)))], store)
    assert judged(tmp_path, "daily", deployed=END - 3 * DAY).not_understood == []


@pytest.mark.parametrize(
    "line",
    [
        '2026/11/30 10:59:00 [error] 7#7: *1 connect() failed, client: 10.0.0.1, request: "GET / HTTP/1.1"',
        "2026-11-30T10:59:00Z INFO worker 7 is ready",
    ],
)
def test_a_file_that_is_no_log_of_requests_is_none_of_which_no_line_is_understood(
    tmp_path: Path, line: str
) -> None:
    """An error log of nginx, which repeats what its access log has, and the log of a worker."""
    taken(tmp_path, loud())
    ingest(SITE, [second(tmp_path, f"{line}\n" * 1000, "error.log")], requests_folder(SITE, tmp_path))
    assert (judged(tmp_path).status, judged(tmp_path).not_understood) == (ReportStatus.GREEN, [])


def test_a_log_that_cannot_be_read_is_told_in_reports_of_its_time(tmp_path: Path) -> None:
    """A packed log that was cut within its first bytes; it changed with the last of the window."""
    taken(tmp_path, loud())
    file = second(tmp_path, "", "access.log.gz")
    file.write_bytes(b"\x1f\x8b\x08\x00broken")
    os.utime(file, (END.timestamp(), END.timestamp()))
    store = requests_folder(SITE, tmp_path)
    assert [name for name, _ in ingest(SITE, [file], store).failed] == ["access.log.gz"]
    verdict = judged(tmp_path)
    assert verdict.status is ReportStatus.UNKNOWN
    (row,) = verdict.not_understood
    assert (row["what"], row["count"]) == ("log files that cannot be read", 1)
    assert row["example"].startswith("access.log.gz: ")
    assert judged(tmp_path, "daily", as_of=END - 2 * DAY, deployed=END - 3 * DAY).not_understood == []
    file.write_bytes(gzip.compress(text_of(loud(END - HOUR, END)).encode()))
    assert ingest(SITE, [file], store).failed == ()
    assert judged(tmp_path).not_understood == []


def test_a_log_that_cannot_be_read_for_days_is_told_in_reports_of_all_of_them(tmp_path: Path) -> None:
    """It was found so on the day of the report, and is written to until two days later."""
    taken(tmp_path, loud())
    file, store = second(tmp_path, "", "access.log.gz"), requests_folder(SITE, tmp_path)
    file.write_bytes(b"\x1f\x8b\x08\x00broken")
    for at in (END, END + 2 * DAY):
        os.utime(file, (at.timestamp(), at.timestamp()))
        ingest(SITE, [file], store)
    assert [row["what"] for row in judged(tmp_path).not_understood] == ["log files that cannot be read"]


def test_a_log_that_could_not_be_read_is_the_same_however_its_path_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken(tmp_path, loud())
    file, store = second(tmp_path, "", "access.log.gz"), requests_folder(SITE, tmp_path)
    file.write_bytes(b"\x1f\x8b\x08\x00broken")
    os.utime(file, (END.timestamp(), END.timestamp()))
    monkeypatch.chdir(tmp_path)
    ingest(SITE, ["web2"], store)
    assert judged(tmp_path).status is ReportStatus.UNKNOWN
    file.write_bytes(gzip.compress(text_of(loud(END - HOUR, END)).encode()))
    assert ingest(SITE, [file], store).failed == ()
    assert judged(tmp_path).not_understood == []


# As the account of a schedule, which may read what others let it; `root` may read all.
UNPRIVILEGED = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all")


@pytest.mark.skipif(os.getuid() != 0 or shutil.which("setpriv") is None, reason="needs root and setpriv")
@pytest.mark.parametrize("pattern", [".", "*/*.log", "web?/*.log", "web2/access.log"])
def test_a_folder_that_cannot_be_looked_into_fails_by_its_name_and_the_rest_is_taken(
    tmp_path: Path, pattern: str
) -> None:
    """The folder of the second server belongs to another account, until it is let in."""
    file = second(tmp_path, text_of(loud()))
    first = tmp_path / "web1/access.log"
    first.parent.mkdir()
    first.write_text(text_of(loud(END - DAY, END)))
    os.chown(file.parent, 65534, 65534)
    file.parent.chmod(0o700)
    program = """
import sys
from pathlib import Path
from pdmlib.storage.request_logs.ingest import ingest
from tests.storage.request_logs.test_silences import SITE
report = ingest(SITE, sys.argv[1:], Path("store"))
print(report.failed, report.requests, report.good)
"""
    call = [*UNPRIVILEGED, sys.executable, "-c", program, "web1", pattern]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(call, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True)
    name = file.name if pattern == "web2/access.log" else file.parent.name
    assert done.stdout.split("\n")[0] == f"(('{name}', 'Permission denied'),) {len(loud(END - DAY, END))} False"
    assert manifests.load(tmp_path / "store").unread
    file.parent.chmod(0o755)
    subprocess.run(call, cwd=tmp_path, env=environ, capture_output=True, check=True)
    assert not manifests.load(tmp_path / "store").unread


def test_an_ingest_says_that_a_log_stays_as_the_site_file_said_before(tmp_path: Path) -> None:
    """The unit of its times was wrong: after it is mended the store still holds seconds for milliseconds."""
    taken(tmp_path, loud())
    file, store = tmp_path / "access.log", requests_folder(SITE, tmp_path)
    assert SITE.requests
    requests = SITE.requests.model_copy(update={"duration_unit": "ms"})
    mended = SITE.model_copy(update={"requests": requests})
    kept = SITE.model_copy(update={"requests": SITE.requests.model_copy(update={"memory_limit": "800MB"})})
    assert "remove" not in str(ingest(kept, [file], store)), "it is read alike"
    report = ingest(mended, [file], store)
    assert (report.files_known, report.good) == (1, True)
    assert f"remove {store} and take the logs in again" in str(report)
    shutil.rmtree(store)
    assert "remove" not in str(ingest(mended, [file], store))
