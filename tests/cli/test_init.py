"""`pdm init` knows what a database of any shape holds, writes a file that loads and lists what is left."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from pdmlib.cli.main import application
from pdmlib.site.load import load_site
from pdmlib.site.site import Site
from pdmlib.sources.postgres.survey import supabase_ref
from pdmlib.workbook.init import DATABASE_VARIABLES, VENDOR_VARIABLES, text_of
from pdmlib.workbook.site_draft import BlockDraft, Draft, Told, Words
from pdmlib.workbook.survey.guess import Guess
from tests.servers import ADMIN, MONITOR, Database
from tests.sources.loopback import Reply, routed, vendor
from tests.workbook.worlds import DJANGO, HELPDESK, MONITORS, PAGILA, PRISMA, QUEUES, RAILS


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, in an environment without any address or key."""
    for name in (*DATABASE_VARIABLES, *VENDOR_VARIABLES, "SENTRY_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _init(*options: str, answers: str = "") -> Result:
    arguments = ["init", *options]
    return CliRunner().invoke(application(), arguments, env={"COLUMNS": "200"}, input=answers or None)


def _drafted(
    database: Database, world: Sequence[str], monkeypatch: pytest.MonkeyPatch, *options: str
) -> tuple[Result, Site]:
    """What `init --yes` prints for a world, and the site of the file that it writes."""
    database.run(*world, "ANALYZE")
    monkeypatch.setenv("DATABASE_URL", database.url(MONITOR))
    done = _init("--yes", "--site", "params/other.yaml", *options)
    assert done.exit_code == 0, done.output
    return done, load_site("params/other.yaml", offline=True)


def _counted(site: Site) -> dict[str | None, str | None]:
    return {feature.table: feature.time_column for feature in site.features}


def _doctor() -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(application(), ["doctor", "--site", "params/other.yaml", "--json"])
    return done.exit_code, json.loads(done.stdout)


@contextmanager
def _text_health() -> Iterator[str]:
    """An application whose page is not there by design, and whose health check answers `OK` as text."""
    text = {"Content-Type": "text/plain"}
    with vendor(routed({"/healthz": Reply("OK", 200, text)}, Reply("nothing here", 404, text))) as running:
        yield running.url


def test_a_helpdesk_with_other_names_and_words_is_recognised_by_its_rows(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, site = _drafted(database, HELPDESK, monkeypatch)
    assert site.time_zone == "Asia/Kolkata"
    uptime, cron, tickets, payments = site.uptime, site.cron, site.tickets, site.payments
    assert uptime and cron and tickets and payments
    assert (uptime.table, uptime.interval_s, uptime.time_zone) == ("desk.beats", 60, "Asia/Kolkata")
    assert uptime.columns == {"checked_at": "seen_at", "status": "result", "response_ms": "took_ms"}
    assert uptime.words == {"up": ("ok",), "degraded": ("slow",), "down": ("fail",)}
    assert (cron.table, cron.columns["job"], cron.columns["started_at"]) == ("desk.task_runs", "task", "began")
    assert (cron.columns["completed_at"], cron.columns["status"]) == ("ended", "outcome")
    assert cron.words == {"completed": ("done",), "failed": ("crash",)}
    assert {job.name: job.schedules for job in cron.jobs} == {
        "sync-mails": ("*/10 * * * *",),
        "daily-digest": ("30 3 * * *",),
    }
    assert (tickets.table, tickets.columns["created_at"], tickets.columns["resolved_at"]) == (
        "desk.cases",
        "raised_on",
        "solved_on",
    )
    assert tickets.words["closed"] == ("solved",) and tickets.words["urgent"] == ("p1",)
    assert (payments.table, payments.columns["created_at"], payments.columns["status"]) == (
        "desk.payments_in",
        "paid_on",
        "state",
    )
    assert payments.words == {"succeeded": ("paid",)}
    assert _counted(site) == {"desk.articles_read": "read_on"}


def test_the_doctor_passes_once_the_listed_questions_are_answered(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with _text_health() as url:
        done, site = _drafted(database, HELPDESK, monkeypatch, "--url", url)
        listed = done.stdout.split("Still to be told", 1)[1]
        assert site.sources.app is not None and site.sources.app.health == "/healthz"
        questions = [line for line in listed.splitlines() if line.startswith("  - ")]
        assert (
            len(questions) == 2 and "uptime.words: zz" in questions[0] and "tickets.words: IN WORK" in questions[1]
        )
        code, told = _doctor()
        assert code == 1 and {row["example"] for row in told["not_understood"]} == {"zz", "IN WORK"}
        file = Path("params/other.yaml")
        answered = file.read_text().replace("    down:", "    maintenance: [zz]\n    down:", 1)
        file.write_text(answered.replace("    closed:", "    open: [in work]\n    closed:", 1))
        assert _doctor()[0] == 0


PORTUGUESE = (
    "CREATE TABLE monitor (id int PRIMARY KEY, verificado_em timestamptz NOT NULL, situacao text, tempo_ms int)",
    # One probe every five minutes for a month; an hour of trouble two weeks ago.
    "INSERT INTO monitor SELECT n, now() - n * interval '5 minutes', "
    "CASE WHEN n BETWEEN 4000 AND 4011 THEN 'Fora do Ar' ELSE 'no ar' END, 90 FROM generate_series(1, 8640) AS n",
    "CREATE TABLE tarefas (id int PRIMARY KEY, tarefa text, inicio timestamptz, fim timestamptz, resultado text)",
    "INSERT INTO tarefas SELECT n, 'envio', now() - n * interval '1 hour', "
    "now() - n * interval '1 hour' + interval '9 s', CASE WHEN n = 400 THEN 'falhou' ELSE 'feito' END "
    "FROM generate_series(1, 500) AS n",
    "INSERT INTO tarefas SELECT 1000 + n, 'limpeza', now() - n * interval '1 day', "
    "now() - n * interval '1 day' + interval '60 s', 'feito' FROM generate_series(1, 30) AS n",
    f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {MONITOR}",
)


def test_tables_in_another_language_are_known_by_their_rows_and_rare_words_are_asked_about(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, site = _drafted(database, PORTUGUESE, monkeypatch)
    assert site.uptime and site.uptime.table == "public.monitor"
    assert (site.uptime.columns["checked_at"], site.uptime.columns["status"]) == ("verificado_em", "situacao")
    assert site.cron and (site.cron.table, site.cron.columns["job"]) == ("public.tarefas", "tarefa")
    for word in ("no ar", "Fora do Ar", "feito", "falhou"):
        assert word in done.output


def test_an_address_that_answers_nothing_but_404_is_not_taken_for_what_is_usual(folder: Path) -> None:
    with vendor(routed({}, Reply("nothing here", 404))) as running:
        assert _init("--yes", "--site", "params/other.yaml", "--url", running.url).exit_code == 0
    site = load_site("params/other.yaml", offline=True)
    app = site.sources.app
    assert app and (app.page, app.health, app.expect) == (None, None, {})


def test_pagila_gives_the_tables_that_have_a_time_of_their_own(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, site = _drafted(database, PAGILA, monkeypatch)
    # `last_update` tells when a row was changed, so films and actors count nothing; a partition is its parent.
    assert _counted(site) == {
        "public.rental": "rental_date",
        "public.payment": "payment_date",
        "public.customer": "create_date",
    }
    assert not any((site.uptime, site.cron, site.tickets, site.payments, site.activity))
    text = Path("params/other.yaml").read_text()
    assert "# not counted, no time of its own: public.actor, public.customer_list, public.film" in text
    assert "payment_p2022" not in text + done.stdout


def test_rails_keeps_utc_in_columns_without_a_zone_and_its_bookkeeping_is_left_out(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, site = _drafted(database, RAILS, monkeypatch, "--time-zone", "America/New_York")
    assert _counted(site) == {"public.orders": "created_at"}
    # Orders are made from 9 to 20 of New York: only read as UTC do its nights stay empty.
    assert site.features[0].time_zone == "UTC"
    assert not {"ar_internal_metadata", "schema_migrations"} & {f.table for f in site.features}


def test_django_gives_orders_and_users(database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done, site = _drafted(database, DJANGO, monkeypatch)
    assert _counted(site) == {"public.auth_user": "date_joined", "public.shop_order": "created"}
    assert "django_" not in Path("params/other.yaml").read_text() + done.stdout


def test_prismas_mixed_case_names_and_enums_are_read(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, site = _drafted(database, PRISMA, monkeypatch)
    assert site.uptime is not None
    assert (site.uptime.table, site.uptime.interval_s, site.uptime.time_zone) == ("public.HealthCheck", 30, "UTC")
    assert site.uptime.columns == {
        "checked_at": "checkedAt",
        "response_ms": "responseTimeMs",
        "errors": "errorText",
    }
    # An order that was cancelled is no payment that failed.
    assert site.payments is None
    assert _counted(site) == {"public.User": "createdAt", "public.Order": "createdAt"}
    assert 'GRANT SELECT ON public."HealthCheck" TO pdm_monitor;' in done.stdout
    assert _doctor()[0] == 0


@pytest.mark.parametrize("world", [HELPDESK, PRISMA], ids=["helpdesk", "prisma"])
def test_the_sql_of_the_role_runs_and_grants_exactly_the_tables_of_the_file(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch, world: Sequence[str]
) -> None:
    done, site = _drafted(database, world, monkeypatch)
    lines = [
        line for line in done.stdout.splitlines() if line.startswith("GRANT") or line.startswith("CREATE POLICY")
    ]
    database.run("CREATE ROLE pdm_exact", *(line.replace("pdm_monitor", "pdm_exact") for line in lines))
    try:
        with database.admin() as connection:
            rows = connection.execute(
                "SELECT n.nspname || '.' || c.relname FROM pg_class AS c "
                "JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') "
                "AND n.nspname IN ('public', 'desk') AND has_table_privilege('pdm_exact', c.oid, 'SELECT')"
            ).fetchall()
    finally:
        database.run("DROP OWNED BY pdm_exact", "DROP ROLE pdm_exact")
    blocks = (site.uptime, site.cron, site.tickets, site.payments)
    assert {row[0] for row in rows} == {b.table for b in blocks if b} | {f.table for f in site.features}


def test_a_file_that_is_there_is_not_overwritten_without_being_told(folder: Path) -> None:
    Path("mine.yaml").write_text("site: mine\n")
    refused = _init("--yes", "--site", "mine.yaml")
    assert refused.exit_code == 2 and "--overwrite" in refused.stderr
    assert Path("mine.yaml").read_text() == "site: mine\n"
    assert _init("--yes", "--site", "mine.yaml", "--overwrite").exit_code == 0
    assert load_site("mine.yaml", offline=True).site == "mine"


def test_nothing_at_all_gives_a_file_that_loads_and_says_what_is_needed(folder: Path) -> None:
    done = _init("--yes")
    assert done.exit_code == 0
    assert load_site("params/site.yaml", offline=True).unused
    assert "DATABASE_URL is not set" in done.stderr


def test_answers_are_taken_instead_of_the_guesses(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(*PRISMA, "ANALYZE")
    monkeypatch.setenv("DATABASE_URL", database.url(MONITOR))
    # The title, the zone, that the checks are not the uptime log, one feature only, and the zone of its times;
    # what cannot be right is asked again.
    done = _init(
        "--site",
        "params/other.yaml",
        answers="Other Shop\nMars/Base\nEurope/Berlin\nno\nordr\norder\nParis\nEurope/Paris\n",
    )
    assert done.exit_code == 0, done.output
    site = load_site("params/other.yaml", offline=True)
    assert (site.title, site.time_zone, site.uptime) == ("Other Shop", "Europe/Berlin", None)
    assert _counted(site) == {"public.Order": "createdAt"}
    assert site.features[0].time_zone == "Europe/Paris"


def test_schedules_of_the_platform_are_joined_to_the_jobs_of_the_log(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crons = [
        {"path": "/api/cron/sync_mails", "schedule": "*/10 * * * *"},
        {"path": "/api/cron/never-seen?x=1", "schedule": "0 4 * * *"},
    ]
    Path("vercel.json").write_text(json.dumps({"crons": crons}))
    _, site = _drafted(database, HELPDESK, monkeypatch)
    assert site.cron is not None
    paths = {job.name: job.path for job in site.cron.jobs}
    assert paths == {"sync-mails": "/api/cron/sync_mails", "daily-digest": None}
    assert "/api/cron/never-seen?x=1 at 0 4 * * *" in Path("params/other.yaml").read_text()


@pytest.mark.parametrize("content", ["{", "[]", '{"crons": 1}', '{"crons": [1, {"path": "/a"}]}'])
def test_a_vercel_json_without_schedules_that_can_be_read_is_no_traceback(folder: Path, content: str) -> None:
    Path("vercel.json").write_text(content)
    done = _init("--yes")
    assert done.exit_code == (2 if content == "{" else 0)
    assert "Traceback" not in done.output


def test_an_application_of_one_page_has_no_health_check_where_every_path_answers_with_it(folder: Path) -> None:
    with vendor(
        lambda call: Reply("<html><div id=app></div></html>", 200, {"Content-Type": "text/html"})
    ) as running:
        done = _init("--yes", "--url", running.url, "--site", "params/spa.yaml")
    assert done.exit_code == 0 and "Every path answers with the same page" in done.stdout
    assert "none of the usual paths answers" not in Path("params/spa.yaml").read_text()
    app = load_site("params/spa.yaml", offline=True).sources.app
    assert app is not None and app.health is None and app.page == "/"


def test_a_superuser_may_look_but_is_not_written_into_the_file(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database.run(*PRISMA, "ANALYZE")
    monkeypatch.setenv("DATABASE_URL", database.url(ADMIN))
    done = _init("--yes", "--site", "params/other.yaml")
    assert "a superuser is refused" in done.stdout.split("Still to be told")[1]
    assert "allow_superuser" not in Path("params/other.yaml").read_text()


def test_names_that_a_site_file_cannot_hold_and_words_that_name_people_stay_out_of_it(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = """CREATE TABLE "up time\n# log" (at timestamptz DEFAULT now(), status text)"""
    agents = """CREATE TABLE support_cases (id serial PRIMARY KEY, opened_at timestamptz, status text,
      priority text, "how urgent?" text, area text)"""
    rows = """INSERT INTO support_cases (opened_at, status, priority, area)
      SELECT now() - n * interval '1 h', 'open',
      (ARRAY['low', 'high'])[1 + n % 2], (ARRAY['ana@example.org', 'bo@example.org'])[1 + n % 2]
      FROM generate_series(1, 40) AS n"""
    grant = f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {MONITOR}"
    _, site = _drafted(database, (odd, agents, rows, grant), monkeypatch)
    text = Path("params/other.yaml").read_text()
    assert site.tickets is not None and site.tickets.table == "public.support_cases"
    assert "example.org" not in text and "\n# log" not in text
    assert "its name cannot stand in a site file" in text


def test_a_second_log_whose_rows_come_by_the_clock_is_nothing_that_users_do(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, site = _drafted(database, (*HELPDESK, *PRISMA), monkeypatch)
    assert site.uptime is not None and site.uptime.table == "desk.beats"
    assert set(_counted(site)) == {"desk.articles_read", "public.Order", "public.User"}
    assert "# not counted, its rows come by the clock: public.HealthCheck" in Path("params/other.yaml").read_text()


def test_a_view_that_cannot_be_read_whatever_is_granted_is_no_feature(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = (
        'CREATE MATERIALIZED VIEW "Totals" AS SELECT "createdAt" AS made_at FROM "Order" WITH NO DATA',
        'CREATE VIEW ratios AS SELECT "createdAt" AS created_at, 1 / (random() * 0)::int AS ratio FROM "Order"',
        f'GRANT SELECT ON "Totals", ratios TO {MONITOR}',
    )
    _, site = _drafted(database, (*PRISMA, *views), monkeypatch)
    assert set(_counted(site)) == {"public.Order", "public.User"}
    text = Path("params/other.yaml").read_text()
    assert "# not counted, a materialized view, as old as its last refresh: public.Totals" in text
    assert "# not counted, division by zero: public.ratios" in text


def test_rows_that_stopped_long_ago_tell_no_zone_and_are_asked_about(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = "CREATE TABLE visits_booked (booked_on timestamp)"
    rows = """INSERT INTO visits_booked
      SELECT '2024-05-01'::timestamp + day * interval '1 day' + hour * interval '1 h'
      FROM generate_series(1, 30) AS day, generate_series(9, 18) AS hour"""
    grant = f"GRANT SELECT ON visits_booked TO {MONITOR}"
    done, site = _drafted(database, (made, rows, grant), monkeypatch)
    assert not site.features and "time_zone of public.visits_booked" in done.stdout.split("Still to be told")[1]
    assert _init("--yes", "--site", "params/told.yaml", "--time-zone", "Asia/Kolkata").exit_code == 0
    # From 9 to 18 of the clock: night in Kolkata is quiet only when that clock was Kolkata's own.
    assert [f.time_zone for f in load_site("params/told.yaml", offline=True).features] == ["Asia/Kolkata"]


def test_a_log_of_one_row_a_run_with_a_boolean_is_enough_for_cron(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = "CREATE TABLE job_history (job_key text, ran_at timestamptz, was_ok boolean)"
    rows = """INSERT INTO job_history SELECT 'nightly', date_trunc('day', now(), 'UTC') - n * interval '1 day'
      + interval '2 h 15 min', n <> 3 FROM generate_series(1, 25) AS n"""
    hourly = """INSERT INTO job_history SELECT 'hourly', date_trunc('hour', now()) - n * interval '1 h'
      + interval '7 min', true FROM generate_series(1, 300) AS n"""
    grant = f"GRANT SELECT ON job_history TO {MONITOR}"
    _, site = _drafted(database, (made, rows, hourly, grant), monkeypatch)
    assert site.cron is not None and site.cron.table == "public.job_history"
    assert site.cron.words == {"completed": ("true",), "failed": ("false",)}
    assert {job.name: job.schedules for job in site.cron.jobs} == {
        "nightly": ("15 2 * * *",),
        "hourly": ("7 * * * *",),
    }
    assert _doctor()[0] == 0


def test_tables_that_the_role_may_not_read_are_named_with_the_sql_that_lets_it(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = [statement for statement in PRISMA if not statement.startswith("GRANT")]
    done, _ = _drafted(database, world, monkeypatch)
    assert "not looked into: public.HealthCheck" in done.stdout.split("Still to be told")[1]
    database.run(*(line for line in done.stdout.splitlines() if line.startswith("GRANT SELECT")))
    assert _init("--yes", "--site", "params/other.yaml", "--overwrite").exit_code == 0
    uptime = load_site("params/other.yaml", offline=True).uptime
    assert uptime is not None and uptime.table == "public.HealthCheck"


def test_a_zone_that_is_none_is_refused_in_one_line(folder: Path) -> None:
    done = _init("--yes", "--time-zone", "Mars/Base")
    assert done.exit_code == 2 and "Mars/Base" in done.stderr and not Path("params").exists()


def test_a_health_check_at_an_unusual_path_can_be_told(folder: Path) -> None:
    with vendor(routed({"/": Reply("<h1>Hello</h1>"), "/odd/pulse": {"status": "ok"}})) as running:
        assert (
            _init("--url", running.url, "--site", "params/odd.yaml", answers="\n\nodd\n/odd/pulse\n").exit_code
            == 0
        )
    app = load_site("params/odd.yaml", offline=True).sources.app
    assert app is not None and app.health == "/odd/pulse"


def test_nobody_to_ask_is_one_line(database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database.run(*PRISMA, "ANALYZE")
    monkeypatch.setenv("DATABASE_URL", database.url(MONITOR))
    done = _init("--site", "params/other.yaml")
    assert done.exit_code == 2 and "--yes" in done.stderr
    assert not Path("params/other.yaml").exists()


@pytest.mark.parametrize(
    ("name", "line", "format_"),
    [
        ("a.log", '203.0.113.9 - - [10/Mar/2025:15:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "x"', "combined"),
        ("a.json", '{"time": "2025-03-10T15:00:00Z", "path": "/"}', "json"),
        (
            "a.ndjson",
            '{"id": "1", "timestamp": 1741618800000, "requestId": "r", "source": "lambda", "path": "/", '
            '"proxy": {"timestamp": 1741618800000, "path": "/", "statusCode": 200}}',
            "vercel-logs",
        ),
        # HAProxy's HTTP log (its manual, 8.2.3), whose times have no zone, and Envoy's, which no name stands for.
        (
            "h.log",
            "Mar 10 15:00:00 lb haproxy[14389]: 10.0.1.2:33317 [10/Mar/2025:15:00:00.655] http-in static/srv1 "
            '10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 "GET /index.html HTTP/1.1"',
            "haproxy",
        ),
        ("e.log", '[2025-03-10T15:00:00.655Z] "GET / HTTP/1.1" 200 - 0 5 1 0 "-" "x" "1" "h" "10.0.0.1:80"', None),
        ("a.csv", "time,path,status", "csv"),
    ],
)
def test_the_format_of_a_log_is_that_which_understands_its_lines(
    folder: Path, name: str, line: str, format_: str | None
) -> None:
    Path(name).write_text(line + "\n")
    assert _init("--yes", "--log", name, "--site", "params/other.yaml").exit_code == 0
    requests = load_site("params/other.yaml", offline=True).requests
    assert (requests and (requests.log_format or requests.format)) == format_
    assert (requests is None) == ('# requests: {log_format: "?"}' in Path("params/other.yaml").read_text())


def test_a_health_check_that_wants_a_token_is_asked_about(folder: Path) -> None:
    with vendor(routed({"/": Reply("<h1>Hello</h1>"), "/api/health": Reply({"error": "no"}, 401)})) as running:
        done = _init("--yes", "--url", running.url, "--site", "params/other.yaml")
    assert "sources.app.headers_env" in done.stdout.split("Still to be told")[1]
    app = load_site("params/other.yaml", offline=True).sources.app
    assert app is not None and app.health == "/api/health" and not app.headers_env


def test_the_project_of_sentry_that_is_called_like_the_site_is_proposed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As Sentry's API answers "List Your Projects".
    projects = [{"slug": name, "organization": {"slug": "acme"}} for name in ("billing", "help-desk", "www")]
    monkeypatch.setenv("SENTRY_AUTH_TOKEN", "sntryu_0123456789abcdef")
    with vendor(routed({"/api/0/projects/": lambda call: Reply(projects)})) as running:
        _init("--yes", "--site", "params/helpdesk.yaml", "--sentry-url", running.url)
        assert running.asked("/api/0/projects/")[0].headers["Authorization"] == "Bearer sntryu_0123456789abcdef"
    sentry = load_site("params/helpdesk.yaml", offline=True).sources.sentry
    assert sentry is not None and (sentry.organization, sentry.project) == ("acme", "help-desk")
    assert "sntryu_" not in Path("params/helpdesk.yaml").read_text() + Path(".env.example").read_text()


def test_a_sentry_that_refuses_costs_nothing_else(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTRY_AUTH_TOKEN", "sntryu_0123456789abcdef")
    with vendor(routed({"/api/0/projects/": Reply({"detail": "Invalid token"}, 401)})) as running:
        done = _init("--yes", "--site", "params/helpdesk.yaml", "--sentry-url", running.url)
    assert done.exit_code == 0 and "Invalid token" in done.stderr
    assert load_site("params/helpdesk.yaml", offline=True).sources.sentry is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("postgresql://postgres:x@db.abcdefghijklmnopqrst.supabase.co:5432/postgres", "abcdefghijklmnopqrst"),
        (
            "postgresql://pdm_monitor.abcdefghijklmnopqrst:x@aws-0-eu-central-1.pooler.supabase.com:6543/postgres",
            "abcdefghijklmnopqrst",
        ),
        ("postgresql://u:x@db.example.com/x", None),
        ("not an address", None),
    ],
)
def test_a_database_of_supabase_is_known_by_its_address(url: str, expected: str | None) -> None:
    # The addresses as Supabase's documentation of connection strings gives them.
    assert supabase_ref(url) == expected


def test_no_value_of_a_row_but_words_stands_in_the_file(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _drafted(database, PRISMA, monkeypatch)
    assert "example.org" not in Path("params/other.yaml").read_text()


def test_variables_are_added_to_an_example_that_is_there(folder: Path) -> None:
    Path(".env.example").write_text("STRIPE_API_KEY=\nOTHER=1")
    _init("--yes", "--database-env", "")
    assert "OTHER=1" in Path(".env.example").read_text()


def test_a_site_file_is_plain_yaml(database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _drafted(database, HELPDESK, monkeypatch)
    assert yaml.safe_load(Path("params/other.yaml").read_text())["site"] == "other"


def test_a_queue_of_jobs_is_no_feature_and_its_scheduled_runs_are_read_as_cron(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, site = _drafted(database, QUEUES, monkeypatch)
    assert _counted(site) == {"public.orders": "created_at"}
    cron = site.cron
    assert cron is not None and (cron.table, cron.where) == ("public.good_jobs", "cron_key IS NOT NULL")
    assert cron.columns["job"] == "cron_key" and cron.columns["status"] is None
    assert (cron.columns["started_at"], cron.columns["completed_at"]) == ("performed_at", "finished_at")
    assert [(job.name, job.schedules) for job in cron.jobs] == [("sync_stock", ("*/15 * * * *",))]
    text = Path("params/other.yaml").read_text()
    assert (
        "# not counted, a queue of jobs (its runs can be read as `cron`): public.outbox, public.queue_jobs" in text
    )
    assert _doctor()[0] == 0


def test_of_several_monitors_in_one_table_the_one_that_counts_is_asked_for_and_a_line_is_ready_to_be_completed(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done, site = _drafted(database, MONITORS, monkeypatch)
    assert site.uptime and (site.uptime.table, site.uptime.interval_s) == ("public.heartbeat", 60)
    assert "uptime.where" in done.stdout.split("Still to be told")[1]
    assert _doctor()[0] == 1
    file = Path("params/other.yaml")
    file.write_text(re.sub(r"# (where: .*)\?", r"\g<1>1", file.read_text()))
    completed = load_site(file, offline=True).uptime
    assert completed is not None and completed.where == "monitor_id = '1'"


def test_each_commented_line_can_be_completed_where_it_stands(
    database: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The header says so: the remark's sign goes, the question mark is answered, and the file still loads."""
    _drafted(database, MONITORS, monkeypatch)
    file = Path("params/other.yaml")
    file.write_text(re.sub(r"^( *)# ( *)\?: ", r"\1\2maintenance: ", file.read_text(), flags=re.MULTILINE))
    uptime = load_site(file, offline=True).uptime
    assert uptime is not None and uptime.words["maintenance"] == ("3",)
    unknown = (Words(None, ("neu",), "one of open, closed"), Words(None, ("eilig",), "one of low, urgent"))
    block = BlockDraft("tickets", "public.cases", "its name", words=unknown)
    zone = Guess("UTC", "as told")
    text = text_of(
        Draft(Told("x"), "X", zone, sentry=None, page=None, health=None, detailed=None, blocks=(block,)), file
    )
    for ours in ("open", "urgent"):
        text = text.replace("#   ?:", f"    {ours}:", 1)
    file.write_text(text.replace("  # words:", "  words:"))
    tickets = load_site(file, offline=True).tickets
    assert tickets is not None and tickets.words == {"open": ("neu",), "urgent": ("eilig",)}


def test_where_no_database_is_given_nothing_asks_for_one(folder: Path) -> None:
    done = _init("--yes")
    assert "postgres" in load_site("params/site.yaml", offline=True).unused
    assert "set DATABASE_URL" not in done.stdout and not Path(".env.example").exists()
