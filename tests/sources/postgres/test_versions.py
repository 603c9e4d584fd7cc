"""Every supported PostgreSQL, with each pg_stat_statements up to its own: the same looks, checks and verdicts."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pdmlib.sources.postgres.checks import CHECKS
from pdmlib.sources.postgres.session import session
from pdmlib.workbook.survey.database import look
from tests.looks import a_story
from tests.servers import NEWEST, OTHERS, Bench, a_bench, others
from tests.workbook.worlds import HELPDESK, PAGILA

pytestmark = pytest.mark.slow

VERSIONS = (13, 14, 15, 16, 17, NEWEST)
EXTENSIONS = ("1.4", "1.7", "1.8", "1.9", "1.10", "1.11", "1.12")
SELECT = "\\set aid random(1, 100000)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"
TABLES = """
CREATE TABLE public.offers (id bigserial PRIMARY KEY, owner int REFERENCES public.pgbench_branches, note text);
ALTER TABLE public.offers ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON public.offers USING (note = current_setting('request.sub', true));
GRANT USAGE ON SCHEMA public TO pdm_monitor, authenticated;
GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO pdm_monitor;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO pdm_monitor, authenticated;
"""
LOOKUP = {
    "name": "lookup",
    "title": "Lookup",
    "limit_ms": 5000,
    "sql": "SELECT * FROM public.pgbench_accounts WHERE aid = %(id)s",
    "parameters": {"id": "SELECT 7"},
}


@pytest.fixture(scope="module", params=VERSIONS)
def server(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A server of one major version."""
    if request.param != NEWEST and request.param not in others():
        reason = f"PostgreSQL {request.param} is not here: {OTHERS} does not name it (make postgres brings it)"
        pytest.skip(reason)
    with a_bench(request.param) as running:
        yield running


def installable(server: Bench) -> list[str]:
    """The versions of pg_stat_statements that this server can install."""
    query = "SELECT version FROM pg_available_extension_versions WHERE name = 'pg_stat_statements'"
    with server.server.superuser() as connection:
        offered = {row[0] for row in connection.execute(query).fetchall()}
    return [version for version in EXTENSIONS if version in offered]


def test_looks_checks_and_verdicts_are_the_same_whatever_the_version(server: Bench) -> None:
    """In schema `extensions`, with an extension up to nine years older than its server."""
    for extension in installable(server):
        with server.database(extension) as database:
            database.pgbench("-i", "-s", "1", "-q")
            database.run(TABLES)
            story = a_story(database, queries=[LOOKUP], postgres={"application_role": "authenticated"})
            database.pgbench("-c", "2", "-t", "100", script=SELECT)
            story.look()
            story.deploy()
            database.run("ALTER TABLE pgbench_accounts DROP CONSTRAINT pgbench_accounts_pkey")
            database.pgbench("-c", "2", "-t", "50", script=SELECT)
            found = story.look()
            assert "gaps" not in found, (extension, found["gaps"].to_dict("records"))
            results = found["database_findings"]
            assert set(results["check"]) == {check.name for check in CHECKS}
            assert set(results.loc[results["severity"] == "unknown", "check"]) <= {"host", "unused_index"}
            (regression,) = [f for f in story.findings() if f.id.endswith(":regressed")]
            assert (
                "index public.pgbench_accounts_pkey on public.pgbench_accounts (aid) is gone"
                in regression.evidence
            )
            (lookup,) = [f for f in story.findings() if f.id.startswith("database:drift:index")]
            assert "pgbench_accounts_pkey" in lookup.title
            (role,) = results.loc[(results["check"] == "visibility") & (results["object"] == "role"), "evidence"]
            assert f"pg_stat_statements {extension}" in role
            outdated = results[(results["check"] == "statistics") & (results["object"] == "extension version")]
            assert outdated.empty == (extension == installable(server)[-1])


def test_a_look_around_finds_the_same_whatever_the_version(server: Bench) -> None:
    with server.database(installable(server)[0]) as database:
        database.run(*HELPDESK, *PAGILA, "ANALYZE")
        with session(database.site()) as opened:
            seen = look(opened)
    assert {key: taken.table.name for key, taken in seen.taken.items()} == {
        "uptime": "desk.beats",
        "cron": "desk.task_runs",
        "tickets": "desk.cases",
        "payments": "desk.payments_in",
    }
    assert {found.name for found in seen.counted} == {"articles_read", "rental", "payment", "customer"}
    assert {job: len(starts) for job, starts in seen.starts.items()} == {"sync-mails": 1000, "daily-digest": 30}
