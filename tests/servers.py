"""A PostgreSQL of the tests' own, with pg_stat_statements loaded and pgbench to drive it."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from pydantic import SecretStr

from pdmlib.demo.database import Server, binaries, own, unprivileged
from pdmlib.phases.phase import phase_named
from pdmlib.phases.scope import Scope, scope_of
from pdmlib.phases.window import now
from pdmlib.site.site import Site

ADMIN = "supabase_admin"
MONITOR, BLIND = "pdm_monitor", "pdm_blind"
NEWEST = 18
OF_DEBIAN = Path("/usr/lib/postgresql")  # where Debian and Ubuntu put the programs of each major
OTHERS = "PDM_TEST_POSTGRES"
"""Names folders of PostgreSQL programs of other versions, set apart as in PATH; `make postgres` brings them."""
_SETTINGS = """
listen_addresses = '127.0.0.1'
max_connections = 60
shared_preload_libraries = 'pg_stat_statements'
fsync = off
full_page_writes = off
synchronous_commit = off
max_wal_size = 1GB
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
"""


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
        return scope_of(site.zone, phase_named("hour1"), now() - timedelta(minutes=30), now())


@dataclass
class Bench:
    """A running server, the programs of a client, and those of the server itself."""

    server: Server
    programs: Path
    folder: Path
    passwords: Mapping[str, str]
    server_programs: Path

    def restart(self) -> None:
        """Stops the server and starts it again, at another port."""
        self.server.stop()
        self.server = Server(self.server_programs, self.folder)
        self.server.until_ready()

    @contextmanager
    def database(self, extension: str | None = None) -> Iterator[Database]:
        """A new database, dropped at the end; `extension` is a version of pg_stat_statements, else the newest."""
        database = Database(self, f"bench_{secrets.token_hex(4)}")
        with self.server.superuser() as connection:
            connection.execute(f"CREATE DATABASE {database.name}".encode())
        database.run(
            "CREATE SCHEMA extensions",
            "CREATE EXTENSION pg_stat_statements SCHEMA extensions"
            + (f" VERSION '{extension}'" if extension else ""),
            "GRANT USAGE ON SCHEMA extensions TO PUBLIC",
        )
        try:
            yield database
        finally:
            with self.server.superuser() as connection:
                connection.execute(f"DROP DATABASE {database.name} WITH (FORCE)".encode())


@cache
def others() -> Mapping[int, Path]:
    """The folders of programs that `OTHERS` names, by the major version of their server."""
    return {
        _major(Path(folder)): Path(folder) for folder in filter(None, os.environ.get(OTHERS, "").split(os.pathsep))
    }


def _major(programs: Path) -> int:
    said = subprocess.run([programs / "postgres", "--version"], check=True, capture_output=True, text=True).stdout
    return int(re.findall(r"(\d+)\.", said)[0])


def with_hypopg() -> tuple[int, Path] | None:
    """The newest major whose packages hold hypopg, and its programs: of `OTHERS`, or of the system."""
    system = {_major(folder): folder for folder in OF_DEBIAN.glob("*/bin") if (folder / "initdb").exists()}
    known = {major: folder for major, folder in {**others(), **system}.items() if _has_hypopg(folder)}
    return (max(known), known[max(known)]) if known else None


def _has_hypopg(programs: Path) -> bool:
    beside, apart = programs.parent / "share/postgresql", Path("/usr/share/postgresql", programs.parent.name)
    return any((folder / "extension/hypopg.control").exists() for folder in (beside, apart))


@contextmanager
def a_bench(version: int = NEWEST, settings: str = "", programs: Path | None = None) -> Iterator[Bench]:
    """A server with a role that monitors and one that was granted nothing."""
    with tempfile.TemporaryDirectory(prefix="pdm-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        own(folder)
        clients = binaries(Path(tempfile.gettempdir()))
        programs = programs or (clients if version == NEWEST else others()[version])
        _initialise(programs, folder, settings)
        server = Server(programs, folder)
        server.until_ready()
        passwords = {role: secrets.token_hex(8) for role in (MONITOR, BLIND, ADMIN, "authenticated")}
        running = Bench(server, clients, folder, passwords, server_programs=programs)
        try:
            with server.superuser() as connection:
                for statement in _roles(version, passwords):
                    connection.execute(statement.encode())
            yield running
        finally:
            running.server.stop()


def _initialise(programs: Path, folder: Path, settings: str) -> None:
    """An empty cluster, with options that every version has."""
    user = unprivileged()
    subprocess.run(
        [
            programs / "initdb",
            "-D",
            folder / "data",
            "-U",
            ADMIN,
            "--no-sync",
            "--encoding=UTF8",
            "--locale=C",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
        ],
        check=True,
        capture_output=True,
        cwd=folder,
        user=user and user.pw_uid,
        group=user and user.pw_gid,
        extra_groups=[] if user else None,
    )
    with (folder / "data/postgresql.conf").open("a") as file:
        file.write(_SETTINGS + settings)


def _roles(version: int, passwords: Mapping[str, str]) -> Iterator[str]:
    yield f"CREATE ROLE {MONITOR} LOGIN PASSWORD '{passwords[MONITOR]}'"
    yield f"CREATE ROLE {BLIND} LOGIN PASSWORD '{passwords[BLIND]}'"
    yield f"ALTER ROLE {ADMIN} PASSWORD '{passwords[ADMIN]}'"
    yield "CREATE ROLE authenticated NOLOGIN"
    yield f"GRANT pg_monitor TO {MONITOR}"
    yield f"GRANT authenticated TO {MONITOR}" + (" WITH INHERIT FALSE, SET TRUE" if version >= 16 else "")
    if version >= 15:
        yield f"GRANT SET ON PARAMETER pg_stat_statements.track TO {MONITOR}"
