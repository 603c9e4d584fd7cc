"""A site of another shape: true by its site file alone, and no wrong statement when that declares nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from pdmlib.frames.case import Case
from pdmlib.frames.readings import Status
from pdmlib.phases.phase import PHASES
from pdmlib.report.text import report_markdown
from pdmlib.site.load import load_site
from pdmlib.site.notes import Notes
from pdmlib.site.site import Site
from pdmlib.sources import catalogue
from pdmlib.storage.request_logs.ingest import ingest
from pdmlib.verdict.verdict import Verdict, judge
from pdmlib.workbook.gather import requests_folder, with_requests
from pdmlib.workbook.scope import scope_for
from tests.acceptance import helpdesk
from tests.acceptance.conftest import pdm
from tests.servers import MONITOR, Bench, Database
from tests.sources.loopback import Reply, Vendor, routed, vendor

WEEK = f"BETWEEN timestamptz '{helpdesk.DEPLOYED}' AND timestamptz '{helpdesk.AS_OF}' - interval '1 microsecond'"
FAULTS = f"SELECT count(*) FROM desk.questions WHERE topic = 'Bug Report' AND asked::timestamptz {WEEK}"
NOT_FOUND = Reply("no page here, only an interface", 404, {"Content-Type": "text/plain"})


@pytest.fixture(scope="module")
def desk(bench: Bench) -> Iterator[Database]:
    with bench.database() as made:
        made.run(helpdesk.TABLES)
        yield made


@pytest.fixture(scope="module")
def app() -> Iterator[Vendor]:
    """Its health check says OK as text, and it has no page at all."""
    with vendor(routed({"/healthz": Reply("OK", 200, {"Content-Type": "text/plain"})}, NOT_FOUND)) as running:
        yield running


Load = Callable[[dict[str, Any]], Site]
Judge = Callable[..., Verdict]


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("nginx") / "access.log"
    path.write_text("".join(f"{line}\n" for line in helpdesk.access_log()), encoding="utf-8")
    return path


@pytest.fixture
def loaded(desk: Database, tmp_path: Path) -> Load:
    def loaded(tree: dict[str, Any]) -> Site:
        path = tmp_path / "helpdesk.yaml"
        path.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
        return load_site(path, {"BENCH_URL": desk.url(MONITOR)})

    return loaded


@pytest.fixture
def judged(loaded: Load, tmp_path: Path) -> Judge:
    def judged(tree: dict[str, Any], phase: str = "week1", log: Path | None = None) -> Verdict:
        site = loaded(tree)
        scope = scope_for(site, phase, helpdesk.AS_OF)
        if log is not None:
            taken = ingest(site, [log], requests_folder(site, tmp_path))
            assert (taken.rejected, taken.failed) == (0, ())
        collected = with_requests(catalogue.collect(site, scope), site, scope, tmp_path)
        return judge(Case(site, scope, collected, scope.window))

    return judged


def counted(desk: Database, query: str) -> Any:
    """One number by SQL on the tables themselves, their times read as what they are: Kolkata's."""
    with desk.admin() as connection:
        connection.execute("SET TIME ZONE 'Asia/Kolkata'")
        return connection.execute(query.encode()).fetchone()[0]  # type: ignore[index]


def value(verdict: Verdict, name: str) -> Any:
    reading = verdict.reading(name)
    assert reading is not None, name
    assert reading.status is not Status.UNKNOWN, (name, reading.reason)
    return reading.value


def test_declared_it_reaches_a_report_whose_numbers_are_those_counted_by_sql(
    judged: Judge, desk: Database, app: Vendor
) -> None:
    verdict = judged(helpdesk.declared(app.url))
    assert verdict.case["not_understood"].empty
    assert verdict.case["gaps"].empty
    down = counted(
        desk, f"SELECT count(*) FROM desk.pulse WHERE state IN ('error', 'timeout') AND seen::timestamptz {WEEK}"
    )
    looks = counted(desk, f"SELECT count(*) FROM desk.pulse WHERE seen::timestamptz {WEEK}")
    assert (down, looks) == (108, 10080)
    assert value(verdict, "uptime_pct") == pytest.approx(100 * (looks - down) / looks)
    assert value(verdict, "downtime_minutes") == pytest.approx(108)
    assert value(verdict, "app_up") is True and value(verdict, "health_ok") is True
    outage = max(verdict.incidents, key=lambda row: row["minutes"])
    assert (outage["start"], outage["minutes"]) == ("2025-11-05T08:40:00Z", 48.0)  # 14:10 in Kolkata
    ran = counted(desk, f"SELECT count(*) FROM desk.chores WHERE began::timestamptz {WEEK}")
    # 96 quarters of an hour on 7 days, 7 digests at nine and 5 at six: the 8th's is missed, one mail failed.
    assert (ran, value(verdict, "cron_runs_expected")) == (7 * 96 + 7 + 5 - 1, 7 * 96 + 7 + 5)
    assert (value(verdict, "cron_runs_ok"), value(verdict, "cron_runs_failed")) == (ran - 1, 1)
    assert value(verdict, "cron_runs_missed") == 1
    for name, query in {
        "tickets_total": f"SELECT count(*) FROM desk.questions WHERE asked::timestamptz {WEEK}",
        "tickets_bug": FAULTS,
        "feature_replies": f"SELECT count(*) FROM desk.replies WHERE written::timestamptz {WEEK}",
        "feature_faults": FAULTS,
        "unique_users": f"SELECT count(DISTINCT who) FROM desk.visits WHERE came::timestamptz {WEEK}",
        "page_views": f"SELECT sum(seen_pages) FROM desk.visits WHERE came::timestamptz {WEEK}",
        "session_duration_s": "SELECT 240",
    }.items():
        assert value(verdict, name) == counted(desk, query), name
    stars = counted(desk, f"SELECT avg(stars)::float8 FROM desk.questions WHERE asked::timestamptz {WEEK}")
    assert value(verdict, "support_rating") == pytest.approx(stars)
    # The guide's week has the days of the site: replies of 4 November, from midnight to midnight in Kolkata.
    row = next(r for r in verdict.tables["feature_adoption"] if r["feature"] == "replies")
    fourth = counted(desk, "SELECT count(*) FROM desk.replies WHERE written::date = '2025-11-04'")
    assert (row["dates"][1], row["days"][1]) == ("2025-11-04", fourth)
    assert {f.id for f in verdict.findings if f.id.startswith("cron:")} == {
        "cron:fetch mail:failed",
        "cron:digest:missed",
    }
    assert verdict.recommendation != "rollback"


def test_with_nothing_declared_nothing_wrong_is_said_and_what_to_declare_is_named(
    judged: Judge, app: Vendor
) -> None:
    verdict = judged(helpdesk.undeclared(app.url))
    assert verdict.status == "UNKNOWN"
    assert verdict.findings == () and verdict.alerts == () and verdict.incidents == ()
    assert value(verdict, "health_ok") is True
    for name in (
        "uptime_pct",
        "downtime_minutes",
        "cron_runs_failed",
        "cron_runs_missed",
        "cron_runs_ok",
        "tickets_total",
        "tickets_bug",
        "feature_replies",
        "feature_faults",
        "unique_users",
        "page_views",
        "support_rating",
    ):
        reading = verdict.reading(name)
        assert reading is not None
        assert (reading.status, reading.value) == (Status.UNKNOWN, None), name
        assert "time_zone" in str(reading.reason), (name, reading.reason)
    mends = [yaml.safe_load(mend) for mend in verdict.case["not_understood"]["mend"]]
    for block in ("uptime", "cron", "tickets", "activity"):
        assert {block: {"time_zone": helpdesk.ZONE}} in mends
    for name in ("replies", "faults"):
        assert {"features": [{"name": name, "time_zone": helpdesk.ZONE}]} in mends
    assert {"sources": {"app": {"expect": {"/": {"status": [404]}}}}} in mends
    assert "- Issues: not known" in report_markdown(verdict, Notes())  # of the cron jobs


@pytest.mark.slow
def test_with_only_its_zone_declared_its_words_are_counted_and_their_readings_unknown_and_bounded(
    judged: Judge, app: Vendor
) -> None:
    site = helpdesk.declared(app.url)
    for block in ("uptime", "cron", "tickets"):
        del site[block]["words"]
    del site["tickets"]["categories"]
    verdict = judged(site)
    rows = verdict.case["not_understood"].set_index(["item", "example"])["count"]
    assert rows["uptime.status", "error"] == 48
    assert {e for i, e in rows.index if i == "uptime.status"} == {"alive", "error", "timeout", "slow"}
    assert {e for i, e in rows.index if i == "cron.status"} == {"true", "false"}
    assert {e for i, e in rows.index if i == "tickets.category"} == {"Bug Report", "How To"}
    uptime = verdict.reading("uptime_pct")
    assert uptime is not None
    assert (uptime.status, uptime.value) == (Status.UNKNOWN, None)
    # All but the second that our own look at its health vouches for.
    assert (uptime.measurement.low, uptime.measurement.high) == (pytest.approx(0, abs=0.001), 100)
    for name in ("cron_runs_ok", "cron_runs_failed", "tickets_bug"):
        reading = verdict.reading(name)
        assert reading is not None
        assert (reading.status, reading.value) == (Status.UNKNOWN, None), name
    assert value(verdict, "cron_runs_missed") == 1  # which slots had a run is known whatever its word
    assert not [f for f in verdict.findings if f.id.endswith(":failed") or f.id == "tickets:urgent:open"]
    assert verdict.incidents == ()


@pytest.mark.slow
def test_up_and_error_in_an_uptime_log_are_known_and_unknown_time_with_bounds_that_hold_both(
    judged: Judge, app: Vendor
) -> None:
    """48 + 60 of 10,080 minutes lie under words that nobody declared: 98.93 % if they were down, 100 % if up."""
    site = helpdesk.declared(app.url)
    site["uptime"]["words"] = {"up": ["alive"], "degraded": ["slow"]}
    uptime = judged(site).reading("uptime_pct")
    assert uptime is not None
    assert (uptime.status, uptime.value) == (Status.UNKNOWN, None)
    assert uptime.measurement.low == pytest.approx(100 * (10080 - 108) / 10080)
    assert uptime.measurement.high == 100
    assert "'error'" in str(uptime.reason) and "'timeout'" in str(uptime.reason)


LINE = re.compile(r'\[(.+?)\] "GET (\S+) HTTP/1\.1" (\d{3}) \d+ "-" "(.+)"$')


def counted_by_hand(log: Path) -> tuple[int, int]:
    """Requests of people in the week, and those of them that failed, by a look at each line."""
    start, end = (datetime.fromisoformat(text) for text in (helpdesk.DEPLOYED, helpdesk.AS_OF))
    statuses = [
        int(status)
        for at, path, status, agent in (LINE.search(line).groups() for line in log.read_text().splitlines())  # type: ignore[union-attr]
        if start <= datetime.strptime(at, "%d/%b/%Y:%H:%M:%S %z") < end
        if path != "/healthz" and "Googlebot" not in agent
    ]
    return len(statuses), sum(status >= 500 for status in statuses)


@pytest.mark.slow
def test_an_access_log_gives_the_requests_and_errors_counted_by_hand_and_no_response_time(
    judged: Judge, app: Vendor, log: Path
) -> None:
    requests, failed = counted_by_hand(log)
    assert (requests, failed) == (7 * 288, 7 * 12)  # one each five minutes, of which an hour a day fails
    site = helpdesk.declared(app.url) | {"requests": {"format": "combined", "health_paths": ["/healthz"]}}
    verdict = judged(site, log=log)
    assert verdict.case["not_understood"].empty
    assert value(verdict, "requests_total") == requests
    assert value(verdict, "error_rate_pct") == pytest.approx(100 * failed / requests)
    # Its own looks, the table of the uptime log, have times; they are called so and are not those of users.
    probed = verdict.reading("probe_p95_ms")
    assert probed is not None
    assert probed.measurement.source == "probe" and "not of users' requests" in str(probed.measurement.evidence)
    for name in ("latency_avg_ms", "latency_p50_ms", "latency_p95_ms", "latency_p99_ms"):
        reading = verdict.reading(name)
        assert reading is not None
        assert (reading.status, reading.value) == (Status.UNKNOWN, None), name
        assert "response times" in str(reading.reason), (name, reading.reason)
    assert not [f for f in verdict.findings if "latency" in f.id]


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["declared", "undeclared"])
def test_an_access_log_without_a_word_of_its_health_checks_counts_them_apart_all_the_same(
    judged: Judge, app: Vendor, log: Path, shape: str
) -> None:
    """`sources.app.health` names the path already."""
    verdict = judged(getattr(helpdesk, shape)(app.url) | {"requests": {"format": "combined"}}, log=log)
    requests, failed = counted_by_hand(log)
    assert value(verdict, "requests_total") == requests
    assert value(verdict, "error_rate_pct") == pytest.approx(100 * failed / requests)
    latency = verdict.reading("latency_p95_ms")
    assert latency is not None
    assert latency.status is Status.UNKNOWN and "$request_time" in str(latency.reason)


@pytest.mark.slow
def test_an_access_log_whose_format_is_not_declared_is_rejected_line_by_line_and_gives_no_number(
    loaded: Load, judged: Judge, app: Vendor, log: Path, tmp_path: Path
) -> None:
    site = loaded(helpdesk.undeclared(app.url) | {"requests": {}})
    taken = ingest(site, [log], requests_folder(site, tmp_path))
    assert taken.requests == 0
    assert taken.failed or taken.rejected == len(log.read_text().splitlines())
    verdict = judged(helpdesk.undeclared(app.url) | {"requests": {}})
    for name in ("requests_total", "error_rate_pct", "latency_p95_ms"):
        reading = verdict.reading(name)
        assert reading is not None
        assert (reading.status, reading.value) == (Status.UNKNOWN, None), name
    assert verdict.findings == () and verdict.status == "UNKNOWN"


@pytest.mark.slow
def test_an_access_log_that_was_not_taken_in_is_a_gap_and_no_quiet_week(judged: Judge, app: Vendor) -> None:
    verdict = judged(helpdesk.undeclared(app.url) | {"requests": {"format": "combined"}})
    for name in ("requests_total", "error_rate_pct"):
        reading = verdict.reading(name)
        assert reading is not None
        assert (reading.status, reading.value) == (Status.UNKNOWN, None), name
    assert "no request log was ingested" in " ".join(verdict.case["gaps"]["reason"])


VENDORS = ("Sentry", "Vercel", "Supabase", "Stripe", "Twilio", "Resend")


@pytest.mark.slow
@pytest.mark.parametrize("phase", [phase.name for phase in PHASES])
def test_sources_that_the_site_does_without_have_no_reading_and_no_table_row(
    judged: Judge, app: Vendor, phase: str
) -> None:
    verdict = judged(helpdesk.declared(app.url), phase)
    unused = set(verdict.case.site.unused)
    assert [r.id for r in verdict.readings if r.measurement.source in unused] == []
    assert verdict.tables["integrations"] == []
    told = f"{report_markdown(verdict, Notes())} {verdict.tables['action_items']} {verdict.tables['checklist']}"
    assert [name for name in (*VENDORS, "does without") if name.lower() in told.lower()] == []


@pytest.mark.slow
def test_a_report_shows_in_all_its_files_what_was_not_understood_and_the_line_that_explains_it(
    desk: Database, app: Vendor, tmp_path: Path
) -> None:
    """By the command, as a person runs it: the words of a stranger are escaped where they could do harm."""
    site = tmp_path / "helpdesk.yaml"
    tree = helpdesk.declared(app.url)
    tree["uptime"]["words"] = {"up": ["alive"], "degraded": ["slow"]}
    site.write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    done = pdm(
        "report",
        "week1",
        "--site",
        site,
        "--as-of",
        helpdesk.AS_OF,
        "--out",
        tmp_path,
        environ={"BENCH_URL": desk.url(MONITOR)},
    )
    assert done.code == 0, done.stderr
    folder = tmp_path / "helpdesk/week1/latest"
    content = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    found = {row["example"]: row for row in content["not_understood"]}
    assert {example: row["count"] for example, row in found.items()} == {"error": 48, "timeout": 60}
    assert (content["status"], found["error"]["item"]) == ("YELLOW", "uptime.status")
    assert next(r for r in content["readings"] if r["id"] == "sources_read")["status"] == "unknown"
    for name in ("report.html", "report.md"):
        text = (folder / name).read_text(encoding="utf-8")
        assert "uptime.status" in text and "words" in text and "timeout" in text, name
    assert "## Not Understood" in (folder / "report.md").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "code"), [("declared", 0), ("undeclared", 1)])
def test_the_doctor_fails_as_long_as_something_is_not_understood(
    desk: Database, app: Vendor, tmp_path: Path, shape: str, code: int
) -> None:
    site = tmp_path / "helpdesk.yaml"
    site.write_text(yaml.safe_dump(getattr(helpdesk, shape)(app.url), sort_keys=False), encoding="utf-8")
    done = pdm(
        "doctor", "--site", site, "--as-of", helpdesk.AS_OF, "--json", environ={"BENCH_URL": desk.url(MONITOR)}
    )
    assert done.code == code, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert bool(told["not_understood"]) == bool(code)
