"""The database analysis from outside, on a pgbench database that this project did not prepare."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from pdmlib.phases.window import iso
from tests.acceptance.conftest import pdm
from tests.servers import BLIND, MONITOR, Database

pytestmark = pytest.mark.slow

SELECT = "\\set aid random(1, 2000000)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"


class Site:
    """A site file whose only source is one database, and the command on it."""

    def __init__(self, database: Database, folder: Path, role: str) -> None:
        self.out = folder / role
        self._environ = {"DATABASE_URL": database.url(role)}
        self._path = folder / f"{role}.yaml"
        content = {
            "site": "pgbench",
            "title": "pgbench",
            "time_zone": "UTC",
            "unused": ["app", "sentry", "vercel", "supabase", "stripe", "twilio", "resend"],
            "sources": {"postgres": {"sslmode": "disable"}},
        }
        self._path.write_text(yaml.safe_dump(content), encoding="utf-8")

    def run(self, *arguments: object) -> None:
        done = pdm(*arguments, "--site", self._path, "--out", self.out, environ=self._environ)
        assert done.code in (0, 3), done.stderr

    def report(self, deployed: datetime) -> Mapping[str, Any]:
        self.run("report", "database", "--deployed-at", iso(deployed))
        path = self.out / "pgbench/database/latest/report.json"
        return json.loads(path.read_text(encoding="utf-8"))


@pytest.fixture
def twenty(database: Database) -> Database:
    """pgbench at scale 20: two million accounts."""
    database.pgbench("-i", "-s", "20", "-q")
    return database


def test_the_statement_the_index_and_the_factor_are_in_the_report(twenty: Database, tmp_path: Path) -> None:
    site = Site(twenty, tmp_path, MONITOR)
    deployed = datetime.now(UTC)
    for _ in range(2):
        twenty.pgbench("-c", "2", "-j", "2", "-T", "5", "-R", "50", script=SELECT)
        deployed = datetime.now(UTC).replace(microsecond=0)
        site.run("collect", "--deployed-at", iso(deployed))
    time.sleep(1)
    deployed = datetime.now(UTC).replace(microsecond=0)
    twenty.run("ALTER TABLE pgbench_accounts DROP CONSTRAINT pgbench_accounts_pkey")
    twenty.pgbench("-c", "2", "-j", "2", "-t", "30", script=SELECT)
    report = site.report(deployed)
    (row,) = [r for r in report["tables"]["queries"] if r["regressed"]]
    factor = row["mean_ms"] / row["before_mean_ms"]
    assert "SELECT abalance FROM pgbench_accounts WHERE aid = $1" in row["query"]
    assert factor > 100
    (said,) = re.findall(r"\(([0-9.,]+) times\)", row["reason"])
    assert float(said.replace(",", "")) == pytest.approx(factor, rel=5e-3), "three digits of it"
    assert "index public.pgbench_accounts_pkey on public.pgbench_accounts (aid) is gone" in row["reason"]
    mended = "CREATE UNIQUE INDEX CONCURRENTLY pgbench_accounts_pkey ON public.pgbench_accounts USING btree (aid);"
    assert mended in row["reason"]
    (alert,) = [a for a in report["alerts"] if a["id"].endswith(":regressed")]
    assert alert["priority"] == "P1"
    page = (site.out / "pgbench/database/latest/report.html").read_text(encoding="utf-8")
    for text in ("SELECT abalance FROM pgbench_accounts", f"({said} times)", "pgbench_accounts_pkey"):
        assert text in page


def test_a_role_without_grants_yields_a_ledger_and_neither_an_empty_nor_a_green_page(
    twenty: Database, tmp_path: Path
) -> None:
    twenty.run("REVOKE USAGE ON SCHEMA extensions FROM PUBLIC")
    site = Site(twenty, tmp_path, BLIND)
    report = site.report(datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1))
    assert report["status"] != "GREEN"
    ledger = {row["object"]: row for row in report["tables"]["visibility"]}
    assert ledger["the connection"]["state"] == "session"
    assert ledger["statistics of other roles"]["grant"] == "GRANT pg_monitor TO pdm_blind;"
    checks = {row["check"]: row for row in report["tables"]["database_findings"]}
    assert {checks[c]["severity"] for c in ("connections", "blocking", "idle_in_transaction", "slow_now")} == {
        "unknown"
    }
    assert "GRANT pg_monitor TO pdm_blind" in checks["connections"]["detail"]
    slow = next(r for r in report["readings"] if r["id"] == "db_slow_queries")
    assert (slow["value"], slow["status"]) == (None, "unknown")
    assert slow["reason"]
    page = (site.out / "pgbench/database/latest/report.html").read_text(encoding="utf-8")
    assert "GRANT pg_monitor TO pdm_blind;" in page
