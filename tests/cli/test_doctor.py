"""The doctor goes on, says all that is wrong at once with what mends it, and shows no secret of a row."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from pdmlib.cli.main import application
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.frame import frame
from pdmlib.frames.readings import Answer
from pdmlib.site.masking import masked
from pdmlib.workbook.doctor import Examination
from tests.builders import a_scope, a_site, at
from tests.servers import BLIND, MONITOR, Database
from tests.sources.loopback import Reply, routed, vendor

TICKETS = """
CREATE TABLE public.support_tickets
  (id int, raised timestamp, status text, customer_rating int, escalation_reason text)
"""
ROWS = """
INSERT INTO public.support_tickets VALUES
  (1, '2026-01-05 09:00', 'Open', NULL, 'write to ana@example.com or +49 170 1234567'),
  (2, '2026-01-05 10:30', 'zzz', 5, 'token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl')
"""


@pytest.fixture
def helpdesk(database: Database) -> Database:
    """Two tickets in a table with other names, which the monitoring role may read."""
    database.run(TICKETS, ROWS, f"GRANT SELECT ON public.support_tickets TO {MONITOR}")
    return database


@contextmanager
def _application() -> Iterator[str]:
    with vendor(routed({"/": Reply("<h1>Hello</h1>"), "/api/health": {"status": "ok"}})) as running:
        yield running.url


def _file(folder: Path, url: str, **changes: Any) -> Path:
    tree = {
        "site": "desk",
        "title": "Desk",
        "time_zone": "Asia/Kolkata",
        "unused": ["vercel", "supabase", "stripe", "twilio", "resend"],
        "sources": {
            "app": {"base_url": url, "detailed": None, "probes": 1},
            "postgres": {"url_env": "DESK_DATABASE_URL", "sslmode": "disable"},
        },
        **changes,
    }
    path = folder / "desk.yaml"
    path.write_text(yaml.safe_dump(tree))
    return path


def _doctor(path: Path, *options: str) -> Result:
    arguments = ["doctor", "--site", str(path), "--out", str(path.parent / "out"), *options]
    return CliRunner().invoke(application(), arguments, env={"COLUMNS": "200"})


def _told(path: Path, *options: str) -> dict[str, Any]:
    return dict(json.loads(_doctor(path, "--json", *options).stdout))


def test_a_missing_variable_is_named_and_the_other_sources_are_still_asked(tmp_path: Path) -> None:
    with _application() as url:
        path = _file(tmp_path, url)
        told = _told(path)
    answered = {row["source"]: row["status"] for row in told["sources"]}
    assert answered == {"app": "ok", "sentry": "not_configured", "postgres": "failed"}
    assert told["variables_to_set"] == ["DESK_DATABASE_URL"]
    assert next(r["detail"] for r in told["sources"] if r["source"] == "postgres") == "set DESK_DATABASE_URL"


def test_a_source_that_failed_or_a_word_that_is_not_understood_is_exit_code_1(tmp_path: Path) -> None:
    with _application() as url:
        assert _doctor(_file(tmp_path, url)).exit_code == 1
        assert _doctor(_file(tmp_path, url, sources={"app": {"base_url": url, "detailed": None}})).exit_code == 0
        assert _doctor(_file(tmp_path, url, sources={"postgres": {"url_env": "NOT_SET_AT_ALL"}})).exit_code == 1
        assert _doctor(_file(tmp_path, url, sources={})).exit_code == 3


REFUSED = [
    ("sentry", "issues", "403: You do not have permission", "`event:read`: issues", "no issue"),
    ("vercel", "latencies:2025-03-03T15:00:00Z", "402: required", "Observability Plus", "no requests"),
    ("supabase", "disk", "403: Forbidden", "`infra_disk_config_read`", "no disk"),
    ("stripe", "disputes", "403: The provided key", "*read* for Disputes", "no disputes to answer"),
    ("twilio", "alerts", "401: Authenticate", "*read* for Monitor alerts", "not whether our webhooks answer"),
    ("resend", None, "401: restricted_api_key", "a full-access key", "nothing is read"),
    ("supabase", "refusals", None, "`analytics_logs_read`", "not how many connections"),
    # The words of Sentry's own test of a range beyond what is kept, and of a day whose log is empty.
    (
        "sentry",
        "latencies:baseline",
        "400: Invalid date range. Please try a more recent date range",
        "spans kept for the window",
        "the weeks before",
    ),
    (
        "supabase",
        "refusals",
        "the server's log of Sat 1 Mar is empty, or no longer kept",
        "`analytics_logs_read`, and days that the plan keeps",
        "not how many",
    ),
]


@pytest.mark.parametrize(("source", "item", "reason", "needs", "lost"), REFUSED)
def test_what_a_key_or_a_plan_does_not_allow_is_told_with_what_it_needs(
    source: str, item: str | None, reason: str | None, needs: str, lost: str
) -> None:
    """The needs are those of the vendors' own pages on scopes and plans, of which the documentation tells."""
    gap = {"source": source, "item": item, "state": "error", "reason": reason}
    key = {
        "vendor": source,
        "kind": "key",
        "item": item,
        "status": "not readable with this key",
        "detail": "403: x",
    }
    frames = {"gaps": frame("gaps", [gap])} if reason else {"vendor_states": frame("vendor_states", [key])}
    found = Examination(a_site(), a_scope(), Collection(frames))
    (row,) = found.refused()
    assert (row["source"], row["says"]) == (source, reason or "403: x")
    assert row["needs"].startswith(needs)
    assert ("RESEND_API_KEY holds may be mistyped" in row["needs"]) == (source == "resend")
    assert row["lost"].startswith(lost)
    assert found.as_json()["refused"] == [row]


def test_a_key_of_the_test_mode_is_told_and_is_exit_code_1() -> None:
    """Stripe: a test key reads test payments alone, and every call of it succeeds."""
    state = {"vendor": "stripe", "kind": "account", "item": "stripe", "status": "in test mode", "ok": False}
    answered = (Coverage("stripe", Answer.OK, 2, 1.0),)
    found = Examination(
        a_site(), a_scope(), Collection({"vendor_states": frame("vendor_states", [state])}, answered)
    )
    (row,) = found.refused()
    assert (row["says"], row["needs"]) == ("the account is in test mode", "a key of the live mode")
    assert found.code == 1


def test_a_vendor_that_fails_is_not_said_to_need_another_key() -> None:
    gap = {"source": "vercel", "item": "costs", "state": "error", "reason": "503: Service Unavailable"}
    assert Examination(a_site(), a_scope(), Collection({"gaps": frame("gaps", [gap])})).refused() == []


def test_an_application_that_nobody_finds_up_is_told_and_is_exit_code_1() -> None:
    site = a_site(sources={"app": {"base_url": "https://nobody.invalid"}}, unused=[])
    failed = {"status": "down", "detail": "the connection failed", "checked_at": at("2025-03-03T15:01")}
    probes = [{**failed, "target": "/"}, {**failed, "target": "/api/health"}]
    answered = (Coverage("app", Answer.OK, 2, 1.0),)

    def examined(*more: dict[str, Any]) -> Examination:
        frames = {"probes": frame("probes", [*probes, *more])}
        return Examination(site, a_scope(), Collection(frames, answered))

    assert examined().down() == [("/", "the connection failed"), ("/api/health", "the connection failed")]
    assert (examined().code, examined().as_json()["healthy"]) == (1, False)
    once_up = examined(
        {"target": "/", "status": "up", "checked_at": at("2025-03-03T15:02")},
        {"target": "/api/health", "status": "up", "checked_at": at("2025-03-03T15:02")},
    )
    assert (once_up.down(), once_up.code) == ([], 0)


def test_all_columns_that_are_missing_are_named_at_once_with_those_that_are_there(
    tmp_path: Path, helpdesk: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_DATABASE_URL", helpdesk.url(MONITOR))
    with _application() as url:
        path = _file(tmp_path, url, uptime={"table": "public.support_tickets", "columns": {"status": "state"}})
        told = _told(path, "--explain")
    table = next(t for t in told["tables"] if t["key"] == "uptime")
    for name in ("checked_at", "status (looked for state)", "raised", "customer_rating"):
        assert name in table["problem"]
    assert table["mend"] == "uptime: {columns: {checked_at: <its name>, status: <its name>}}"


def test_a_misspelt_column_of_a_feature_is_told_with_the_nearest_and_a_line_that_the_site_file_takes(
    tmp_path: Path, helpdesk: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_DATABASE_URL", helpdesk.url(MONITOR))
    feature = {"name": "raised", "title": "Raised", "kind": "create", "table": "public.support_tickets"}
    with _application() as url:
        told = _told(_file(tmp_path, url, features=[{**feature, "time_column": "raisd"}]), "--explain")
        (table,) = [t for t in told["tables"] if t["key"] == "features.raised"]
        assert "did you mean raised?" in table["problem"]
        (block,) = yaml.safe_load(table["mend"].replace("<its name>", "raised"))["features"]
        mended = _told(_file(tmp_path, url, features=[{**feature, **block, "time_zone": "UTC"}]), "--explain")
    assert [t["problem"] for t in mended["tables"] if t["key"] == "features.raised"] == [None]


MISSPELT = {
    "tickets": {"table": "public.suport_tickets"},
    "features": [
        {"name": name, "title": name, "kind": "create", "table": "public.support_tickets", "time_column": column}
        for name, column in (("raised", "raisd"), ("rated", "customer_ratin"))
    ],
    "queries": [
        {
            "name": "open_ones",
            "title": "Open tickets",
            "sql": "SELECT statu FROM public.support_tickets AS t",
            "limit_ms": 50,
        }
    ],
}


def test_each_error_names_its_feature_query_or_table_and_what_was_meant_and_json_has_it_whole(
    tmp_path: Path, helpdesk: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_DATABASE_URL", helpdesk.url(MONITOR))
    with _application() as url:
        path = _file(tmp_path, url, **MISSPELT)
        told = _told(path)
    detail = next(row["detail"] for row in told["sources"] if row["source"] == "postgres")
    for said in (
        "feature raised: public.support_tickets has no column raisd; did you mean raised?",
        "feature rated: public.support_tickets has no column customer_ratin; did you mean customer_rating?",
        'query open_ones: as pdm_monitor: column "statu" does not exist',
        'Perhaps you meant to reference the column "t.status"',
        "public.suport_tickets does not exist (named by tickets.table in the site file); "
        "did you mean public.support_tickets?",
    ):
        assert said in detail
    assert len(detail) > 400 and "…" not in detail


def test_a_row_is_shown_as_understood_with_its_time_in_the_zone_of_the_site(
    tmp_path: Path, helpdesk: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_DATABASE_URL", helpdesk.url(MONITOR))
    block = {"table": "public.support_tickets", "columns": {"created_at": "raised"}, "time_zone": "UTC"}
    with _application() as url:
        shown = _doctor(_file(tmp_path, url, tickets=block), "--explain")
    # 10:30 UTC is 16:00 in Kolkata, which is five hours and a half ahead the year round.
    assert "Mon 05 Jan 2026 16:00:00 IST" in shown.stdout
    words = [
        line.split("│")[2:5] for line in shown.stdout.splitlines() if line.count("│") == 5 and "status" in line
    ]
    assert sorted(tuple(cell.strip() for cell in row) for row in words if row[1].strip() == "1") == [
        ("Open", "1", "open"),
        ("zzz", "1", "NOT UNDERSTOOD"),
    ]
    assert "eyJ" not in shown.stdout and "(token)" in shown.stdout
    assert "ana@example.com" not in shown.stdout


def test_a_naive_time_without_a_declared_zone_is_said_to_be_unread(
    tmp_path: Path, helpdesk: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_DATABASE_URL", helpdesk.url(MONITOR))
    block = {"table": "public.support_tickets", "columns": {"created_at": "raised"}}
    with _application() as url:
        shown = _doctor(_file(tmp_path, url, tickets=block), "--explain")
    assert "not read: say in which zone its times are" in shown.stdout


@pytest.mark.parametrize("hidden", ["denied", "filtered"])
def test_the_sql_that_would_let_the_role_see_a_table_is_printed(
    tmp_path: Path, helpdesk: Database, monkeypatch: pytest.MonkeyPatch, hidden: str
) -> None:
    role = BLIND if hidden == "denied" else MONITOR
    if hidden == "filtered":
        helpdesk.run("ALTER TABLE public.support_tickets ENABLE ROW LEVEL SECURITY")
    monkeypatch.setenv("DESK_DATABASE_URL", helpdesk.url(role))
    with _application() as url:
        told = _told(_file(tmp_path, url, tickets={"table": "public.support_tickets"}), "--explain")
    mends = [row["mend"] for row in told["not_seen"] if row["object"] == "public.support_tickets"]
    assert len(mends) == 1
    statement = mends[0].split(" -- ")[0]
    helpdesk.run(statement)
    assert not [r for r in _again(tmp_path)["not_seen"] if r["object"] == "public.support_tickets"]


def _again(folder: Path) -> dict[str, Any]:
    path = folder / "desk.yaml"
    tree = yaml.safe_load(path.read_text())
    del tree["sources"]["app"]  # it no longer answers, and that it is asked again takes ten seconds
    path.write_text(yaml.safe_dump(tree))
    return _told(path)


def test_a_line_that_mends_is_not_broken_on_a_narrow_screen(
    tmp_path: Path, helpdesk: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_DATABASE_URL", helpdesk.url(BLIND))
    with _application() as url:
        path = _file(tmp_path, url, tickets={"table": "public.support_tickets"})
        shown = CliRunner().invoke(
            application(), ["doctor", "--site", str(path), "--out", str(tmp_path)], env={"COLUMNS": "40"}
        )
    assert f"  mend: GRANT SELECT ON public.support_tickets TO {BLIND};" in shown.stdout.splitlines()


def test_json_holds_no_text_of_a_row(tmp_path: Path, helpdesk: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESK_DATABASE_URL", helpdesk.url(MONITOR))
    block = {"table": "public.support_tickets", "columns": {"created_at": "raised"}, "time_zone": "UTC"}
    with _application() as url:
        shown = _doctor(_file(tmp_path, url, tickets=block), "--explain", "--json").stdout
    assert "write to" not in shown
    table = json.loads(shown)["tables"][0]
    assert table["columns"]["created_at"] == "raised" and table["columns"]["priority"] is None
    row = {said["ours"]: (said["kind"], said["value"], said["taken_for"]) for said in table["row"]}
    assert row["created_at"] == ("moment", "2026-01-05 10:30:00", "Mon 05 Jan 2026 16:00:00 IST")
    assert row["summary"] == ("free text", None, "as it is")


# Two messages and an account as Twilio's specification (api_v2010) writes them.
MESSAGE = {"sid": "SM" + "0" * 32, "direction": "outbound-api", "body": "see you at nine", "error_code": None}
MESSAGES = [
    {**MESSAGE, "date_created": "Mon, 10 Mar 2025 14:58:35 +0000", "status": "delivered"},
    {
        **MESSAGE,
        "sid": "SM" + "1" * 32,
        "date_created": "Mon, 10 Mar 2025 14:30:00 +0000",
        "status": "undelivered",
        "error_code": 30003,
    },
    {**MESSAGE, "sid": "SM" + "2" * 32, "date_created": "Mon, 10 Mar 2025 14:00:00 +0000", "status": "teleported"},
]


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A site in Kolkata whose one source is Twilio, which has three messages."""
    account = "/2010-04-01/Accounts/AC1"
    answers = {
        f"{account}/Messages.json": {"messages": MESSAGES, "next_page_uri": None},
        f"{account}/Usage/Records/Daily.json": {"usage_records": [], "next_page_uri": None},
        "/v1/Alerts": {"alerts": [], "meta": {"next_page_url": None}},
        f"{account}.json": {"status": "active"},
        f"{account}/Balance.json": {"balance": "12.5", "currency": "USD"},
    }
    monkeypatch.setenv("TWILIO_API_KEY", "SKx")
    monkeypatch.setenv("TWILIO_API_SECRET", "a-secret-of-twilio")
    with vendor(routed(answers)) as running:
        block = {"base_url": running.url, "monitor_url": running.url, "account_sid": "AC1"}
        yield _file(tmp_path, running.url, sources={"twilio": block}, unused=[])


LATER = ("--as-of", "2025-03-10T15:00:00Z")


def test_a_vendors_newest_object_is_shown_as_understood_in_the_zone_of_the_site(texts: Path) -> None:
    shown = _doctor(texts, "--explain", *LATER).stdout
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown.splitlines() if "│" in line]
    assert "sources.twilio: messages" in shown
    # 14:58:35 UTC is 20:28:35 in Kolkata. The row is the newest of the three, and its words are Twilio's own.
    assert [row[:4] for row in rows if row[:1] == ["date_created"]] == [
        ["date_created", "date_created", "Mon, 10 Mar 2025 14:58:35 +0000", "Mon 10 Mar 2025 20:28:35 IST"]
    ]
    assert ["status", "status", "delivered", "delivered"] in [row[:4] for row in rows]
    assert "see you at nine" not in shown and "0" * 32 not in shown


def test_the_words_of_a_vendor_are_counted_with_what_each_was_taken_for(texts: Path) -> None:
    told = _told(texts, "--explain", *LATER)
    messages, came_to = (
        {
            (w["ours"], w["theirs"]): (w["count"], w["taken_for"])
            for t in told["tables"]
            if t["table"] == name
            for w in t["words"]
        }
        for name in ("messages", "what that came to")
    )
    assert messages == {
        ("direction", "outbound-api"): (3, "outbound-api"),
        ("status", "delivered"): (1, "delivered"),
        ("status", "undelivered"): (1, "undelivered"),
        ("status", "teleported"): (1, None),
        # 30003 is "unreachable destination handset" in Twilio's error dictionary.
        ("error_code", "30003"): (1, "recipient"),
    }
    assert came_to == {("account", "active"): (1, "well"), ("balance", "12.50 USD"): (1, "not judged")}


def test_json_tells_each_field_of_a_vendor_and_no_text_of_it(texts: Path) -> None:
    told = _told(texts, "--explain", *LATER)
    (table,) = [t for t in told["tables"] if (t["key"], t["table"]) == ("sources.twilio", "messages")]
    row = {said["theirs"]: said for said in table["row"]}
    assert row["status"]["value"] == "delivered"
    assert row["date_created"]["taken_for"] == "Mon 10 Mar 2025 20:28:35 IST"
    assert row["sid"]["value"] is None and row["sid"]["means"] == "the message"


def test_without_explain_no_example_is_kept(texts: Path) -> None:
    assert _told(texts, *LATER)["tables"] == []


@pytest.mark.parametrize(
    ("text", "gone"),
    [
        ("mail Ana.Lee+x@mail.example.co.uk", "example"),
        ("call (415) 555-2671", "555"),
        ("call +91 98765 43210", "98765"),
        ("9876543210", "98765"),
        ("key sk_live_4eC39HqLyjWDarjtT1zdp7dc", "4eC39"),
        ("postgresql://u:hunter22@db.example.com/x", "hunter22"),
        ("from 203.0.113.7", "203.0"),
        ("from 2001:db8:85a3:0:0:8a2e:370:7334", "8a2e"),
        ("3f2504e0-4f89-41d3-9a0c-0305e82c3301", "9a0c"),
        ("a\x1b[31mb\u202ec", "\x1b"),
    ],
)
def test_what_names_a_person_or_opens_a_door_is_hidden(text: str, gone: str) -> None:
    assert gone not in masked(text)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-28 19:00:00.123+00",
        "1234.50",
        "TKT-2025-000123",
        "nightly-report-for-customers",
        "Timeout after 30000 ms",
    ],
)
def test_what_harms_nobody_is_shown_as_it_is(text: str) -> None:
    assert masked(text) == text


def test_a_long_text_is_cut() -> None:
    assert len(masked("word " * 100_000)) == 60
