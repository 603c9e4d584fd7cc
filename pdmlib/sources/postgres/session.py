"""One read-only session on a site's database, bounded in time, and what it is able to see.

Every query is one statement in a short READ ONLY transaction with `SET LOCAL` limits and the settings that
decide how values are written, so that nothing outlives it, not even behind a transaction pooler, and no
setting of a role changes what is read. What runs when the process ends is cancelled on the way out.
Row-level security is off unless a caller asks for it: a filtered table is then an error instead of a
silent zero.
"""

from __future__ import annotations

import atexit
import contextlib
import re
import ssl
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import dict_row

from pdmlib.errors import SourceError
from pdmlib.site.site import Site
from pdmlib.site.vendors import Postgres

SOURCE = "postgres"
BUDGET_S = 60.0
CATALOG_S = 2.0
# A server that cannot be reached is down only when three tries over ten seconds say so.
AGAIN_S = (5.0, 5.0)
_OUR_FAULT = re.compile(
    r"password|authentication|certificate|\bssl\b|permission|pg_hba|does not exist|translate host name"
    r"|unsupported startup parameter",
    re.IGNORECASE,
)
POOLER_PORT = "6543"
APPLICATION = f"pdm/{version('pdmlib')}"
_KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3, "tcp_user_timeout": 10_000}
# What a role, a database or a connection string may set otherwise, and what values would then be written like.
_PINNED = {
    "lock_timeout": "300ms",
    "idle_in_transaction_session_timeout": "10s",
    "search_path": "pg_catalog",
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmloption": "content",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "quote_all_identifiers": "off",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
}
_LIMITS = "SELECT set_config('statement_timeout', %(timeout)s, true), {pinned}".format(
    pinned=", ".join(f"set_config('{name}', %({name})s, true)" for name in ("row_security", *_PINNED))
)
# The server looks once a second whether we are still there, so that a killed process leaves nothing running.
_LEFT_ALONE = "SELECT set_config('client_connection_check_interval', '1s', true)"
CANCEL_S = 2.0  # to cancel a running query on the way out: a person has asked to stop
# No schema is searched but the server's own, so that no name means another thing than it says.
_NO_TABLE, _QUALIFY = "42P01", "write tables with their schema, such as public.orders"
_NO_COLUMN = "42703"
# The statements of one query: BEGIN, its limits, itself, COMMIT.
_AROUND = 4
_TO_PLAN = 5  # its settings, a savepoint and its release, to prepare and to forget it
_UNTRACKED = "SELECT set_config('pg_stat_statements.track', 'none', true)"
PLAN_S = 1.0  # to plan one statement, which takes milliseconds
PREPARED = "pdm_plan"
_GENERIC = (
    "SELECT set_config('search_path', %(path)s, true), set_config('plan_cache_mode', 'force_generic_plan', true)"
)

Row = dict[str, Any]
Query = str | sql.SQL | sql.Composed


@dataclass(frozen=True)
class Capability:
    """What the server is and what the role may see of it.

    Attributes:
        version: `server_version_num`, e.g. 170004.
        grantee: the role as a statement names it, in quotes where it needs them.
        bypasses_rls: the role reads past row-level security.
        monitors: the role sees statistics of other roles (pg_read_all_stats).
        statements_schema, statements_version: of the extension pg_stat_statements, None when it is not installed.
        untracked: our own statements can be kept out of pg_stat_statements.
        guarded: the session writes nothing by default, whatever a transaction says.
        pooled: behind a pooler that takes no setting of a session: a transaction pooler, or treated as one.
        advises: the schema of the extension hypopg, None where it is not installed or not to be used.
        tls: None without it, else the sslmode that it was made with.
        local: the server, or its pooler, is on this machine.
    """

    version: int
    role: str
    grantee: str
    database: str
    superuser: bool
    bypasses_rls: bool
    monitors: bool
    statements_schema: str | None
    statements_version: str | None
    advises: str | None
    guarded: bool
    untracked: bool
    pooled: bool
    tls: str | None
    local: bool


@dataclass
class Cost:
    """What this session asked of the server; `queries` counts every statement that was sent."""

    queries: int = 0
    seconds: float = 0.0
    rows: int = 0


@dataclass(frozen=True)
class Explained:
    """A statement to be planned for parameters that nobody knows.

    Attributes:
        text: with `$1`, `$2` .. as `pg_stat_statements` keeps it.
        parameters: how many of them it has.
        path: the schemas that its names are looked for in, as SQL.
        role: who it is planned as; None: the session's own role.
    """

    text: str
    parameters: int
    path: str
    role: str | None = None


class RefusedError(SourceError):
    """A query that the server refused or cancelled; `state` is its SQLSTATE."""

    def __init__(self, reason: str, state: str | None) -> None:
        super().__init__(SOURCE, reason)
        self.state = state


class Session:
    """One connection with a deadline; made by `session`."""

    def __init__(
        self, connection: psycopg.Connection[Any], pooled: bool, sslmode: str, budget_s: float = BUDGET_S
    ) -> None:
        self._connection = connection
        self._pooled = pooled
        self._deadline = time.monotonic() + budget_s
        self._first: list[str] = []
        self.cost = Cost()
        self.can = self._capability(sslmode)

    def rows(
        self,
        query: Query,
        parameters: Mapping[str, Any] | None = None,
        *,
        timeout_s: float = CATALOG_S,
        row_security: bool = False,
        role: str | None = None,
        claims: str | None = None,
        binary: bool = False,
    ) -> list[Row]:
        """The rows of one query.

        Args:
            timeout_s: at most this long, less when the session's budget ends before.
            row_security: let policies filter rows instead of refusing the query.
            role: run as this role, with `claims` as the JWT claims that its policies read.
            binary: results in binary form.

        Raises:
            RefusedError: the server refused it.
            SourceError: the connection is lost or the budget used up.
        """
        with self._cursor(timeout_s, row_security, role, claims) as cursor:
            cursor.execute(_composed(query), parameters, binary=binary)
            found = cursor.fetchall()
        self.cost.rows += len(found)
        return found

    def kinds(self, query: Query, parameters: Mapping[str, Any], row_security: bool = False) -> Mapping[str, str]:
        """The type of each column that a query returns, as the catalogue writes it; empty for one that it adds.

        Raises:
            RefusedError, SourceError: as `rows`.
        """
        with self._cursor(CATALOG_S, row_security) as cursor:
            cursor.execute(_composed(query), parameters)
            columns = cursor.description or []
        types = self._connection.adapters.types
        return {c.name: kind.regtype if (kind := types.get(c.type_code)) else "" for c in columns}

    @contextmanager
    def _cursor(
        self, timeout_s: float, row_security: bool, role: str | None = None, claims: str | None = None
    ) -> Iterator[psycopg.Cursor[Row]]:
        """A cursor in a read-only transaction with its limits set; what the server refuses is a SourceError."""
        left = self._deadline - time.monotonic()
        if left < 0.05:
            raise SourceError(SOURCE, "not read: the time for this source was used up")
        limits = {
            "timeout": f"{1000 * min(timeout_s, left):.0f}ms",
            "row_security": "on" if row_security or role else "off",
            **_PINNED,
        }
        started = time.monotonic()
        try:
            with self._connection.transaction(), self._connection.cursor(row_factory=dict_row) as cursor:
                cursor.execute(_LIMITS, limits)
                for setting in self._first:
                    cursor.execute(setting)
                if role:
                    _impersonate(cursor, role, claims)
                yield cursor
        except psycopg.Error as error:
            raise self._failure(error) from None
        finally:
            self.cost.queries += _AROUND + len(self._first) + (2 if claims else 1 if role else 0)
            self.cost.seconds += time.monotonic() - started

    def plan_of(self, asked: Explained, index: str | None = None) -> Row:
        """The plan that the server makes of a statement whatever its parameters; nothing is executed.

        It is prepared and explained as a generic plan: `EXPLAIN (GENERIC_PLAN)` wants its parameters from the
        protocol that takes one statement alone, and PostgreSQL 13 to 15 lack it. What was prepared or supposed is
        gone before the transaction ends, so that nothing stays in a connection that a pooler lends to another.

        Args:
            index: the statement of an index that hypopg supposes, in the memory of this session alone.

        Raises:
            RefusedError, SourceError: as `rows`.
        """
        values = f"({', '.join(['NULL'] * asked.parameters)})" if asked.parameters else ""
        refused: psycopg.Error | None = None
        with self._cursor(PLAN_S, row_security=asked.role is not None) as cursor:
            cursor.execute(_GENERIC, {"path": asked.path})
            prepared = False
            try:
                with self._connection.transaction():
                    if index:
                        cursor.execute(self._hypopg("hypopg_create_index(%s)"), [index])
                    if asked.role:
                        _impersonate(cursor, asked.role, None)
                    cursor.execute(f"PREPARE {PREPARED} AS {asked.text}".encode())
                    prepared = True
                    cursor.execute(f"EXPLAIN (VERBOSE, FORMAT JSON) EXECUTE {PREPARED}{values}".encode())
                    plan: Row = cursor.fetchall()[0]["QUERY PLAN"][0]
            except psycopg.Error as error:
                # It ends its savepoint alone: a transaction rolled back would count among the application's.
                refused = error
            finally:
                if asked.role:
                    cursor.execute("SET LOCAL ROLE NONE")
                if prepared:
                    cursor.execute(f"DEALLOCATE {PREPARED}".encode())
                if index:
                    cursor.execute(self._hypopg("hypopg_reset()"))
                self.cost.queries += _TO_PLAN + 2 * bool(asked.role) + 2 * bool(index)
        if refused is not None:
            raise self._failure(refused) from None
        return plan

    def _hypopg(self, call: str) -> sql.Composed:
        return compose("SELECT * FROM {schema}." + call, schema=identifier(self.can.advises or ""))

    def named(self, name: str, parameters: Mapping[str, Any] | None = None, **options: Any) -> list[Row]:
        """The rows of `sql/<name>.sql`."""
        return self.rows(query_text(name), parameters, **options)

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """A shorter deadline for a part of the work."""
        whole = self._deadline
        self._deadline = min(whole, time.monotonic() + seconds)
        try:
            yield
        finally:
            self._deadline = whole

    def _failure(self, error: psycopg.Error) -> SourceError:
        if self._connection.closed:
            return SourceError(SOURCE, f"cannot connect: the connection was lost ({_first_line(error)})")
        # Of a column that is not there the server itself knows the nearest; no hint of it names a value.
        nearest = error.diag.message_hint if error.sqlstate == _NO_COLUMN else None
        hint = _QUALIFY if error.sqlstate == _NO_TABLE else nearest
        return RefusedError("; ".join(filter(None, (_first_line(error), hint))), error.sqlstate)

    def _capability(self, sslmode: str) -> Capability:
        number = self._connection.info.server_version
        row = self.named("capability")[0]
        with contextlib.suppress(RefusedError):  # PostgreSQL 13, or a system that cannot look
            self.rows(_LEFT_ALONE)
            self._first.append(_LEFT_ALONE)
        if number >= 150000:
            query = "SELECT has_parameter_privilege('pg_stat_statements.track', 'SET') AS untracked"
            if row["statements_schema"] and self.rows(query)[0]["untracked"]:
                self._first.append(_UNTRACKED)
        return Capability(
            version=number,
            untracked=_UNTRACKED in self._first,
            pooled=self._pooled or not row["guarded"],
            tls=sslmode if self._connection.pgconn.ssl_in_use else None,
            local=self._connection.info.hostaddr in ("127.0.0.1", "::1", ""),
            **row,
        )


@contextmanager
def session(site: Site, budget_s: float = BUDGET_S) -> Iterator[Session]:
    """A session on the site's database; closed on leaving.

    Raises:
        SourceError: cannot connect, or the role is a superuser and the site does not allow that.
    """
    block = site.source(SOURCE)
    if not isinstance(block, Postgres):
        raise SourceError(SOURCE, "not configured")
    connection, pooled = _connect(block, site.secret(block.url_env))
    with contextlib.closing(connection):
        opened = Session(connection, pooled, block.sslmode, budget_s)
        if opened.can.superuser and not block.allow_superuser:
            raise SourceError(
                SOURCE,
                f"role {opened.can.role} is a superuser; give the monitor a role of its own "
                "(docs/database-role.md) or set sources.postgres.allow_superuser",
            )
        yield opened


def _connect(block: Postgres, url: str) -> tuple[psycopg.Connection[Any], bool]:
    try:
        given = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise SourceError(SOURCE, f"{block.url_env} does not hold an address such as postgresql://..") from None
    settings = {**given, **_KEEPALIVE, **_security(block, given), "connect_timeout": 5}
    settings["application_name"] = APPLICATION
    pooled = str(given.get("port")) == POOLER_PORT
    if not pooled:
        settings["options"] = "-c default_transaction_read_only=on"
    try:
        return _opened(settings), pooled
    except psycopg.Error as error:
        if "unsupported startup parameter" not in str(error):
            raise SourceError(SOURCE, _unreachable(error, given)) from None
    try:
        return _opened({k: v for k, v in settings.items() if k != "options"}), True
    except psycopg.Error as error:
        raise SourceError(SOURCE, _unreachable(error, given)) from None


def _opened(settings: Mapping[str, Any]) -> psycopg.Connection[Any]:
    """A connection; what looks like an unreachable server is tried again, since one refusal decides nothing."""
    for wait_s in AGAIN_S:
        try:
            return _opened_once(settings)
        except psycopg.OperationalError as error:
            if _OUR_FAULT.search(str(error)):
                raise
            time.sleep(wait_s)
    return _opened_once(settings)


def _opened_once(settings: Mapping[str, Any]) -> psycopg.Connection[Any]:
    connection = psycopg.connect(
        make_conninfo("", **settings), autocommit=True, prepare_threshold=None, cursor_factory=_OneStatement
    )
    connection.read_only = True
    _OPEN.add(connection)
    return connection


class _OneStatement(psycopg.Cursor[Any]):
    """A cursor of the extended protocol alone, which takes one statement: no text can end our transaction."""

    def _execute_send(self, query: Any, *, force_extended: bool = True, binary: bool | None = None) -> None:
        super()._execute_send(query, force_extended=True, binary=binary)


_OPEN: weakref.WeakSet[psycopg.Connection[Any]] = weakref.WeakSet()


@atexit.register
def _leave_nothing_running() -> None:
    """Cancels what still runs in the database when this process ends, by itself or because it was told to."""
    for connection in list(_OPEN):
        if not connection.closed:
            with contextlib.suppress(psycopg.Error):
                connection.cancel_safe(timeout=CANCEL_S)


def _security(block: Postgres, given: Mapping[str, Any]) -> dict[str, str]:
    chosen: dict[str, str] = {"sslmode": block.sslmode}
    if block.ca_file:
        chosen["sslrootcert"] = block.ca_file
    elif block.sslmode == "verify-full" and not given.get("sslrootcert"):
        chosen["sslrootcert"] = ssl.get_default_verify_paths().cafile or "system"
    return chosen


def _unreachable(error: psycopg.Error, given: Mapping[str, Any]) -> str:
    """Why connecting failed, without user, password or anything of the address but host and port."""
    reason = _first_line(error).rpartition("failed: ")[2]
    for secret in (given.get("password"), given.get("user"), given.get("dbname")):
        if secret:
            reason = reason.replace(f'"{secret}"', "(hidden)")
    if given.get("password"):
        reason = reason.replace(str(given["password"]), "(hidden)")
    return f"cannot connect: {given.get('host', 'localhost')}:{given.get('port', 5432)}: {reason}"


def _first_line(error: psycopg.Error) -> str:
    lines = (error.diag.message_primary or str(error)).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


def _impersonate(cursor: psycopg.Cursor[Any], role: str, claims: str | None) -> None:
    if claims:
        cursor.execute("SELECT set_config('request.jwt.claims', %s, true)", [claims])
    cursor.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(role)))


def _composed(query: Query) -> sql.SQL | sql.Composed:
    return sql.SQL(query) if isinstance(query, str) else query


@cache
def query_text(name: str) -> str:
    """The text of `sql/<name>.sql`."""
    return (Path(__file__).parent / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def compose(template: str, **parts: sql.Composable) -> sql.Composed:
    """A query from a template with `{name}` for each part."""
    return sql.SQL(template).format(**parts)


def identifier(name: str) -> sql.Composable:
    """A table or column name, `schema.name` or plain, quoted."""
    return sql.Identifier(*name.split("."))


def literal(value: str) -> sql.Composable:
    """A text constant, quoted."""
    return sql.Literal(value)


def joined(parts: Sequence[sql.Composable], separator: str = ", ") -> sql.Composable:
    """Parts of a query one after the other."""
    return sql.SQL(separator).join(parts)


def written(text: str) -> sql.Composable:
    """SQL of the site's author: `%` stands for itself, but in `%(name)s`."""
    return sql.SQL(re.sub(r"%(?!\(\w+\)s)", "%%", text.strip().rstrip(";")))
