"""Through PgBouncer in both its modes, and over TLS with a certificate that nobody vouches for."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import psycopg
import pytest
from pydantic import SecretStr

from pdmlib.demo.database import free_port, own, unprivileged
from pdmlib.errors import SourceError
from pdmlib.site.site import Site
from pdmlib.sources.postgres import source
from tests.servers import ADMIN, MONITOR, OTHERS, Bench, Database, a_bench, others

pytestmark = pytest.mark.slow

POOLER = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
FEATURE = {"name": "orders", "title": "Orders", "kind": "create", "table": "public.orders", "time_column": "at"}
QUERY = {"name": "lookup", "title": "Lookup", "limit_ms": 5000, "sql": "SELECT * FROM public.orders WHERE id = 1"}


def absent(reason: str) -> None:
    print(reason)
    pytest.skip(reason)


@dataclass
class Pooler:
    """A running PgBouncer in front of a database."""

    database: Database
    port: int

    def address(self, role: str) -> str:
        """Where a role finds the database through the pooler."""
        password = self.database.bench.passwords[role]
        return f"postgresql://{role}:{password}@127.0.0.1:{self.port}/{self.database.name}"

    def collected(self, **block: Any) -> dict[str, pd.DataFrame]:
        """One pass through the pooler."""
        site = self.database.site(
            postgres={"application_role": "authenticated", **block}, features=[FEATURE], queries=[QUERY]
        )
        return source.collect(through(site, self.address(MONITOR)), self.database.scope(site))


def through(site: Site, url: str) -> Site:
    """The same site at another address."""
    return site.model_copy(update={"secrets": {"BENCH_URL": SecretStr(url)}})


@contextmanager
def a_pooler(database: Database, mode: str, settings: str = "") -> Iterator[Pooler]:
    """PgBouncer with one connection to the server for each role."""
    if not Path(POOLER).exists():
        absent("pgbouncer is not here: the package of that name brings it")
    user = unprivileged()
    with tempfile.TemporaryDirectory(prefix="pdm-pooler-") as name:
        folder, port = Path(name), free_port()
        passwords = database.bench.passwords
        (folder / "users").write_text("".join(f'"{role}" "{passwords[role]}"\n' for role in (MONITOR, ADMIN)))
        (folder / "pooler.ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={database.bench.server.port}\n"
            f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            f"auth_type = scram-sha-256\nauth_file = {folder}/users\nlogfile = {folder}/log\n"
            f"pool_mode = {mode}\ndefault_pool_size = 1\n{settings}"
        )
        own(folder)
        running = subprocess.Popen(
            [POOLER, "-q", folder / "pooler.ini"],
            stderr=subprocess.DEVNULL,
            user=user and user.pw_uid,
            group=user and user.pw_gid,
            extra_groups=[] if user else None,
        )
        try:
            _until_it_listens(port)
            yield Pooler(database, port)
        finally:
            running.terminate()
            running.wait(60)


def _until_it_listens(port: int) -> None:
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError("the pooler did not start")


@pytest.fixture
def shop(database: Database) -> Database:
    """One table that the monitor and the application may read."""
    database.run(
        "CREATE TABLE public.orders (id int PRIMARY KEY, at timestamptz DEFAULT now() - interval '1 minute')",
        "INSERT INTO public.orders VALUES (1), (2)",
        "GRANT USAGE ON SCHEMA public TO pdm_monitor, authenticated",
        "GRANT SELECT ON public.orders TO pdm_monitor, authenticated",
    )
    return database


def the_connection(found: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    (row,) = [r for r in found["visibility"].to_dict("records") if r["object"] == "the connection"]
    return row


@pytest.mark.parametrize("mode", ["session", "transaction"])
@pytest.mark.parametrize("settings", ["", "ignore_startup_parameters = options\n"])
def test_everything_is_read_through_a_pooler_and_the_ledger_says_what_is_not(
    shop: Database, mode: str, settings: str
) -> None:
    with a_pooler(shop, mode, settings) as pooler:
        direct, found = source.collect(shop.site(), shop.scope(shop.site())), pooler.collected()
    assert "gaps" not in found
    assert found["feature_counts"]["amount"].sum() == 2
    assert set(found["query_timings"]["role"]) == {"monitor", "application"}
    assert set(direct["database_findings"]["check"]) == set(found["database_findings"]["check"])
    row = the_connection(found)
    assert row["state"] == "pooled"
    assert "no read-only default of the session" in row["reason"]
    assert row["grant"] == "use the direct or the session address, port 5432"
    assert the_connection(direct)["state"] == "session"


def test_a_role_whose_default_is_read_only_is_guarded_behind_a_session_pooler_too(shop: Database) -> None:
    """As docs/database-role.md makes it: then nothing is missing of the guard."""
    shop.run("ALTER ROLE pdm_monitor SET default_transaction_read_only = on")
    try:
        with a_pooler(shop, "session", "ignore_startup_parameters = options\n") as pooler:
            assert the_connection(pooler.collected())["state"] == "session"
    finally:
        shop.run("ALTER ROLE pdm_monitor RESET default_transaction_read_only")


def test_a_look_through_a_transaction_pooler_leaves_nothing_on_the_connection_that_others_get(
    shop: Database,
) -> None:
    """Both log in as one role and share one connection: ours, then the application's."""
    with a_pooler(shop, "transaction") as pooler:
        site = shop.site(ADMIN, postgres={"allow_superuser": True}, features=[FEATURE])
        shop.run("SET ROLE authenticated", "SELECT at FROM public.orders WHERE id = 1")
        found = source.collect(through(site, pooler.address(ADMIN)), shop.scope(site))
        assert found["statement_plans"]["plan"].notna().any()
        with psycopg.connect(pooler.address(ADMIN), autocommit=True, prepare_threshold=None) as application:
            for setting, default in (
                ("statement_timeout", "0"),
                ("row_security", "on"),
                ("lock_timeout", "0"),
                ("plan_cache_mode", "auto"),
                ("role", "none"),
                ("default_transaction_read_only", "off"),
            ):
                assert application.execute(f"SHOW {setting}".encode()).fetchone() == (default,)
            application.execute("INSERT INTO public.orders VALUES (3)")
            assert application.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bench, Path]]:
    """A server with TLS, and its own certificate; the package's programs are built without."""
    if not others():
        absent(f"no PostgreSQL with TLS is here: {OTHERS} names none (make postgres brings them)")
    folder = tmp_path_factory.mktemp("certificates", numbered=False)
    for parent in (folder, *folder.parents[:3]):
        parent.chmod(0o755)
    for name in ("server", "other"):
        subprocess.run(
            [
                "openssl",
                "req",
                "-x509",
                "-newkey",
                "rsa:2048",
                "-nodes",
                "-days",
                "2",
                "-subj",
                "/CN=localhost",
                "-addext",
                "subjectAltName=IP:127.0.0.1",
                "-keyout",
                folder / f"{name}.key",
                "-out",
                folder / f"{name}.crt",
            ],
            check=True,
            capture_output=True,
        )
        (folder / f"{name}.key").chmod(0o600)
    own(folder)
    settings = f"ssl = on\nssl_cert_file = '{folder}/server.crt'\nssl_key_file = '{folder}/server.key'\n"
    with a_bench(max(others()), settings) as running:
        yield running, folder


@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
def test_tls_is_used_and_stands_in_the_ledger(secure: tuple[Bench, Path], sslmode: str) -> None:
    bench, folder = secure
    ca = {} if sslmode == "require" else {"ca_file": str(folder / "server.crt")}
    with bench.database() as database:
        site = database.site(postgres={"sslmode": sslmode, **ca})
        found = source.collect(site, database.scope(site))
        assert the_connection(found)["reason"] == f"a session of its own; TLS with sslmode {sslmode}"


@pytest.mark.parametrize(
    ("ca", "reason"),
    [
        ("other.crt", "certificate verify failed"),
        ("nothing.crt", "does not exist"),
        (None, "certificate verify failed"),
    ],
)
def test_a_certificate_that_cannot_be_verified_is_one_line(
    secure: tuple[Bench, Path], ca: str | None, reason: str
) -> None:
    bench, folder = secure
    with bench.database() as database:
        block = {"sslmode": "verify-full", "ca_file": ca and str(folder / ca)}
        site = database.site(postgres=block)
        with pytest.raises(SourceError, match=reason) as refused:
            source.collect(site, database.scope(site))
    assert refused.value.reason.startswith("cannot connect: 127.0.0.1:")
    assert "\n" not in refused.value.reason
    assert bench.passwords[MONITOR] not in refused.value.reason


def test_a_server_without_tls_is_refused_where_tls_is_asked_for(database: Database) -> None:
    site = database.site(postgres={"sslmode": "require"})
    with pytest.raises(SourceError, match="server does not support SSL"):
        source.collect(site, database.scope(site))
