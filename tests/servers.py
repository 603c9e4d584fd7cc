"""A PostgreSQL of the tests' own, with pg_stat_statements loaded and pgbench to drive it."""

from __future__ import annotations

import secrets
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
from pydantic import SecretStr

from pdmlib.demo.database import Server, binaries, initialise, own
from pdmlib.phases import Scope, phase_named, scope_of
from pdmlib.site import Site
from pdmlib.window import now

ADMIN = "supabase_admin"
MONITOR, BLIND = "pdm_monitor", "pdm_blind"


@dataclass
class Database:
    """One database of the server, empty but for pg_stat_statements in the schema `extensions`."""

    bench: Bench
    name: str

    @contextmanager
    def admin(self) -> Iterator[psycopg.Connection[Any]]:
        """A connection of a superuser through the socket."""
        with psycopg.connect(
            host=str(self.bench.folder), port=self.bench.server.port, user=ADMIN, dbname=self.name, autocommit=True
        ) as connection:
            yield connection

    def run(self, *statements: str) -> None:
        """Statements as the superuser."""
        with self.admin() as connection:
            for statement in statements:
                connection.execute(statement.encode())

    def pgbench(self, *arguments: str, script: str | None = None) -> None:
        """A run of pgbench with a script of its own where one is given."""
        programs, folder = self.bench.programs, self.bench.folder
        command = [
            programs / "pgbench",
            "-h",
            folder,
            "-p",
            str(self.bench.server.port),
            "-U",
            ADMIN,
            "-n",
            *arguments,
        ]
        if script is not None:
            path = folder / f"{secrets.token_hex(4)}.sql"
            path.write_text(script)
            command += ["-f", str(path)]
        subprocess.run([*command, self.name], check=True, capture_output=True)

    def url(self, role: str) -> str:
        """The address for a role that logs in over the network."""
        return f"postgresql://{role}:{self.bench.passwords[role]}@127.0.0.1:{self.bench.server.port}/{self.name}"

    def site(self, role: str = MONITOR, postgres: Mapping[str, Any] | None = None, **changes: Any) -> Site:
        """A site whose only source is this database."""
        block = {"url_env": "BENCH_URL", "sslmode": "disable", **(postgres or {})}
        tree = {"site": "bench", "title": "Bench", "time_zone": "UTC", "sources": {"postgres": block}, **changes}
        site = Site.model_validate(tree)
        return site.model_copy(update={"secrets": {"BENCH_URL": SecretStr(self.url(role))}})

    def scope(self, site: Site) -> Scope:
        """A first hour that is half over."""
        return scope_of(site, phase_named("hour1"), now() - timedelta(minutes=30), now())


@dataclass
class Bench:
    """A running server."""

    server: Server
    programs: Path
    folder: Path
    passwords: Mapping[str, str]

    @contextmanager
    def database(self) -> Iterator[Database]:
        """A new database, dropped at the end."""
        database = Database(self, f"bench_{secrets.token_hex(4)}")
        with self.server.superuser() as connection:
            connection.execute(f"CREATE DATABASE {database.name}".encode())
        database.run(
            "CREATE SCHEMA extensions",
            "CREATE EXTENSION pg_stat_statements SCHEMA extensions",
            "GRANT USAGE ON SCHEMA extensions TO PUBLIC",
        )
        try:
            yield database
        finally:
            with self.server.superuser() as connection:
                connection.execute(f"DROP DATABASE {database.name} WITH (FORCE)".encode())


@contextmanager
def a_bench() -> Iterator[Bench]:
    """A server with a role that monitors and one that was granted nothing."""
    with tempfile.TemporaryDirectory(prefix="pdm-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        own(folder)
        programs = binaries(Path(tempfile.gettempdir()))
        initialise(programs, folder)
        server = Server(programs, folder)
        server.until_ready()
        passwords = {role: secrets.token_hex(8) for role in (MONITOR, BLIND, ADMIN, "authenticated")}
        try:
            with server.superuser() as connection:
                connection.execute(f"CREATE ROLE {MONITOR} LOGIN PASSWORD '{passwords[MONITOR]}'".encode())
                connection.execute(f"CREATE ROLE {BLIND} LOGIN PASSWORD '{passwords[BLIND]}'".encode())
                connection.execute(f"ALTER ROLE {ADMIN} PASSWORD '{passwords[ADMIN]}'".encode())
                connection.execute("CREATE ROLE authenticated NOLOGIN")
                connection.execute(f"GRANT pg_monitor TO {MONITOR}".encode())
                connection.execute(f"GRANT authenticated TO {MONITOR} WITH INHERIT FALSE, SET TRUE".encode())
                connection.execute(f"GRANT SET ON PARAMETER pg_stat_statements.track TO {MONITOR}".encode())
            yield Bench(server, programs, folder, passwords)
        finally:
            server.stop()
