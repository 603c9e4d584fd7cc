"""The visibility ledger: for each table that a site names, whether our role reads it whole."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pdmlib.errors import SourceError, nearest
from pdmlib.frames.statement_text import tables_of
from pdmlib.site.site import TABLE_BLOCKS, Site
from pdmlib.site.tables import Feature
from pdmlib.sources.postgres.session import SOURCE, Capability, Row, Session

FULL, BY_POLICY, FILTERED, DENIED, ABSENT = "full", "full_by_policy", "filtered", "denied", "absent"
SESSION, POOLED = "session", "pooled"

# Schemas of a platform, not of the application: of PostgreSQL, Supabase, Hasura, PostGIS, pg_cron and Drizzle.
PLATFORM = (
    "information_schema",
    "auth",
    "storage",
    "realtime",
    "_realtime",
    "vault",
    "pgsodium",
    "pgsodium_masks",
    "net",
    "graphql",
    "graphql_public",
    "extensions",
    "supabase_functions",
    "supabase_migrations",
    "pgbouncer",
    "hdb_catalog",
    "topology",
    "tiger",
    "cron",
    "drizzle",
)


def qualified(table: str) -> str:
    """`schema.table` of a table's name; without a schema it is in `public`."""
    return table if "." in table else f"public.{table}"


@dataclass(frozen=True)
class Sight:
    """What the role sees of one table.

    Attributes:
        columns: column -> type, those that the role may read.
        hidden: columns that are there and that the role may not read.
        kind: relkind of the catalogue (r table, v view ..).
        quoted: the table's name as SQL writes it.
        grant: the SQL that would let the role see it.
    """

    table: str
    state: str
    reason: str | None = None
    grant: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    hidden: frozenset[str] = frozenset()
    kind: str = "r"
    estimate: float | None = None
    quoted: str = ""

    @property
    def whole(self) -> bool:
        """Whether every row is seen."""
        return self.state in (FULL, BY_POLICY)


@dataclass(frozen=True)
class Ledger:
    """What the role sees of every table that the site names."""

    can: Capability
    sights: Mapping[str, Sight]

    def __getitem__(self, table: str) -> Sight:
        """The entry of a table."""
        return self.sights[qualified(table)]

    def readable(self, table: str, columns: Iterable[str] = ()) -> Sight:
        """The entry of a table of which every row, and those columns, are seen.

        Raises:
            SourceError: they are not; the reason names the table.
        """
        sight = self[table]
        if not sight.whole:
            raise SourceError(SOURCE, sight.reason or f"{sight.table} cannot be read")
        for column in columns:
            if column in sight.hidden:
                raise SourceError(SOURCE, f"permission denied for column {column} of {sight.table}")
            if column not in sight.columns:
                sentence = f"{sight.table} has no column {column}{near(column, sight.columns)}"
                raise SourceError(SOURCE, sentence)
        return sight

    def by_policy(self, tables: Iterable[str]) -> bool:
        """Whether policies must be let in to read these tables: all are seen whole, some by a policy."""
        seen = [self.sights[t] for t in map(qualified, tables) if t in self.sights]
        return bool(seen) and all(s.whole for s in seen) and any(s.state == BY_POLICY for s in seen)

    def rows(self) -> list[Row]:
        """Rows of the frame `visibility`: the connection, the statistics of others, then the tables."""
        tables = [
            {"object": s.table, "state": s.state, "reason": s.reason, "grant": s.grant}
            for s in self.sights.values()
        ]
        return [_connection(self.can), _others(self.can), *tables]


def _connection(can: Capability) -> Row:
    secured = f"TLS with sslmode {can.tls}" if can.tls else f"no TLS{', on this machine' if can.local else ''}"
    if can.pooled:
        reason = (
            f"a transaction pooler, or one that takes no settings; {secured} as far as the pooler; not done here: "
            "no read-only default of the session (each query is READ ONLY with limits of its own), "
            "no count of the clients that wait in the pooler"
        )
        grant = "use the direct or the session address, port 5432"
        return {"object": "the connection", "state": POOLED, "reason": reason, "grant": grant}
    safer = None if can.tls or can.local else "set sources.postgres.sslmode to verify-full"
    reason = f"a session of its own; {secured}"
    return {"object": "the connection", "state": SESSION, "reason": reason, "grant": safer}


def _others(can: Capability) -> Row:
    row = {"object": "statistics of other roles", "state": FULL, "reason": None, "grant": None}
    if can.monitors:
        return row
    reason = f"role {can.role} sees only its own statements and sessions"
    return {**row, "state": DENIED, "reason": reason, "grant": f"GRANT pg_monitor TO {can.grantee};"}


def named_tables(site: Site) -> dict[str, str]:
    """Every table that a site names, `schema.table` -> the key of the site file that names it first."""
    tables: list[tuple[str | None, str]] = [
        (block.table, f"{name}.{'sessions_table' if name == 'activity' else 'table'}")
        for name in TABLE_BLOCKS
        if (block := site.block(name))
    ]
    tables.append((site.cron.settings_table if site.cron else None, "cron.settings_table"))
    tables += [(t, f"features.{f.name}") for f in site.features for t in feature_tables(f)]
    tables += [(t, f"queries.{q.name}.sql") for q in site.queries for t in tables_of(q.sql)]
    found: dict[str, str] = {}
    for table, key in tables:
        if table:
            found.setdefault(qualified(table), key)
    return found


def feature_tables(feature: Feature) -> tuple[str, ...]:
    """The tables that a feature is counted from."""
    return (feature.table,) if feature.table else tables_of(feature.sql or "")


def ledger(session: Session, site: Site) -> Ledger:
    """What the session's role sees of every table that the site names.

    Raises:
        SourceError: the catalogue could not be read.
    """
    return Ledger(session.can, sights(session, named_tables(site)))


def sights(session: Session, keys: Mapping[str, str]) -> dict[str, Sight]:
    """What the session's role sees of some tables.

    Args:
        keys: `schema.table` -> what names it.
    """
    wanted = {"tables": list(keys)}
    tables = {row["object"]: row for row in session.named("tables", wanted)}
    columns: dict[str, list[Row]] = {}
    for row in session.named("columns", wanted):
        columns.setdefault(row["object"], []).append(row)
    others = relations(session) if tables.keys() < keys.keys() else {}
    absent = {
        t: Sight(t, ABSENT, f"{t} does not exist (named by {k} in the site file){near(t, others)}")
        for t, k in keys.items()
        if t not in tables
    }
    seen = {t: _sight(t, session.can, row=row, columns=columns.get(t, [])) for t, row in tables.items()}
    return {t: absent.get(t) or seen[t] for t in keys}


def relations(session: Session) -> dict[str, Row]:
    """Every table and view of the application itself, by `schema.table`."""
    return {row["object"]: row for row in session.named("survey_tables", {"platform": list(PLATFORM)})}


def near(name: str, others: Iterable[str]) -> str:
    """`; did you mean public.orders?` behind a sentence; empty where nothing is near."""
    found = nearest(name, others).strip()
    return f"; {found}" if found else ""


def _sight(table: str, can: Capability, row: Row, columns: list[Row]) -> Sight:
    schema, quoted = row["schema"], row["quoted"]
    if not row["in_schema"]:
        grant = f"GRANT USAGE ON SCHEMA {schema} TO {can.grantee}; GRANT SELECT ON {quoted} TO {can.grantee};"
        return Sight(
            table, DENIED, f"role {can.role} may not use schema {schema} of {table}", grant, quoted=quoted
        )
    may = {c["name"]: c["type"] for c in columns if c["selectable"]}
    if not may and not row["selectable"]:
        grant = f"GRANT SELECT ON {quoted} TO {can.grantee};"
        return Sight(table, DENIED, f"permission denied for {table}", grant, quoted=quoted)
    state, why, fix = _rows_seen(table, can, row)
    hidden = frozenset(c["name"] for c in columns if not c["selectable"])
    estimate = row["estimate"] if row["estimate"] >= 0 else None
    return Sight(
        table=table,
        state=state,
        reason=why,
        grant=fix,
        columns=may,
        hidden=hidden,
        kind=row["kind"],
        estimate=estimate,
        quoted=quoted,
    )


def _rows_seen(table: str, can: Capability, row: Row) -> tuple[str, str | None, str | None]:
    if not row["filtered"]:
        return FULL, None, None
    if row["permissive"] and not row["restrictive"]:
        return BY_POLICY, f"a policy lets role {can.role} see every row", None
    why = "a restrictive policy hides rows of" if row["permissive"] else "row-level security hides"
    reason = f"{why} {table} from role {can.role}"
    name = re.sub(r"\W", "_", table).lower()
    policy = f"CREATE POLICY pdm_reads_{name} ON {row['quoted']} FOR SELECT TO {can.grantee} USING (true);"
    bypass = f"ALTER ROLE {can.grantee} BYPASSRLS;"
    return FILTERED, reason, bypass if row["restrictive"] else f"{policy} -- or: {bypass}"
