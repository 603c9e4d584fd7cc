"""A look around a database that nobody has described yet: its tables, their columns and a sample of each.

Read through the read-only session, within its limits: at most `SAMPLE` short values of a column, never a
document, an image or a whole text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from pdmlib.errors import SourceError
from pdmlib.phases.window import now
from pdmlib.site.site import LOOPBACK
from pdmlib.sources.postgres.session import Row, Session, compose, identifier, joined, written
from pdmlib.sources.postgres.snapshot import entries, statements
from pdmlib.sources.postgres.visibility import BY_POLICY, Sight, relations, sights

MOST_DISTINCT = 30  # words of a column that are asked about
SAMPLE = 2_000  # newest rows of a table: some days of most logs, less than a megabyte
SAMPLE_S = 4.0
MOST_TABLES = 200  # that are sampled; others are only listed
# Up to so many rows the newest are found by sorting; beyond, only by an index, else a share of the pages is read.
SORTED_ROWS = 300_000
SPREAD = 20_000  # rows that the rhythm of a day is taken from
STARTS = 50_000  # starts of jobs that schedules are taken from
LOOKBACK_DAYS = 65  # two months: a monthly job is seen twice

_TIMES = ("timestamp with time zone", "timestamp without time zone", "date")
_NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
_TEXTS = ("text", "character varying", "character", "citext", "name", "uuid", '"char"', "bpchar")
# What a site file takes for the name of a table or a column.
WRITABLE = re.compile(r"[^\W\d][\w$]*")
UNWRITABLE = "its name cannot stand in a site file; a view with a plain name can"
# What a row's own moment is not called: when it was changed last, or what it speaks of.
NOT_MADE = re.compile(
    r"updat|modif|chang|touch|edit|expir|due|birth|valid|until|schedul|deadline|last|delet|archiv|synced",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Column:
    """What the catalogue knows of a column.

    Attributes:
        labels: the values that an enum or a check allows.
        made_now: its default is the time of writing.
        indexed: an index begins with it.
        single: no two rows have the same.
        refers: it is part of a foreign key.
    """

    name: str
    type: str
    labels: tuple[str, ...] = ()
    required: bool = False
    made_now: bool = False
    indexed: bool = False
    single: bool = False
    refers: bool = False

    @property
    def is_time(self) -> bool:
        """Whether it holds moments or days."""
        return self.type in _TIMES

    @property
    def is_naive(self) -> bool:
        """Whether its moments are stored without a zone."""
        return self.is_time and self.type != _TIMES[0]

    @property
    def is_number(self) -> bool:
        """Whether it holds numbers."""
        return self.type in _NUMBERS

    @property
    def is_text(self) -> bool:
        """Whether it holds text, an enum's labels among it."""
        return self.type in _TEXTS or bool(self.labels)

    @property
    def is_list(self) -> bool:
        """Whether it holds several values: an array, or JSON."""
        return self.type.endswith("[]") or self.type in ("json", "jsonb")

    @property
    def is_boolean(self) -> bool:
        """Whether it holds true and false."""
        return self.type == "boolean"


@dataclass(frozen=True)
class Table:
    """A table or view, with a sample of its newest rows: times as seconds since 1970, all else as short text.

    Attributes:
        estimate: how many rows the server thinks it has; None where it does not know.
        secured: row-level security is on.
        problem: why it could not be sampled.
    """

    sight: Sight
    columns: tuple[Column, ...]
    estimate: float | None = None
    secured: bool = False
    rows: tuple[Row, ...] = ()
    problem: str | None = None

    @property
    def name(self) -> str:
        """`schema.table`."""
        return self.sight.table

    @property
    def plain(self) -> str:
        """The name as a site file writes it: without the schema `public`."""
        return self.name.removeprefix("public.")

    def values(self, column: str) -> list[Any]:
        """The sampled values of a column, newest row first, nulls among them."""
        return [row[column] for row in self.rows] if self.rows and column in self.rows[0] else []


@dataclass(frozen=True)
class Survey:
    """What was seen of a database.

    Attributes:
        now: seconds since 1970 by the server's clock.
        zone: the time zone that the server gives to sessions.
    """

    tables: tuple[Table, ...]
    now: float
    zone: str
    version: int
    role: str


_CLOCK = """
SELECT extract(epoch FROM now())::float8 AS now, reset_val AS zone FROM pg_settings WHERE name = 'TimeZone'
"""


def survey(session: Session) -> Survey:
    """Every table of the application that the role may look at, with a sample of each.

    Raises:
        SourceError: the catalogue cannot be read, or the connection was lost.
    """
    listed = relations(session)
    seen = sights(session, dict.fromkeys(listed, "init"))
    columns: dict[str, list[Column]] = {}
    for row in session.named("survey_columns", {"tables": list(listed)}):
        facts = {name: value for name, value in row.items() if name not in ("object", "labels")}
        if WRITABLE.fullmatch(row["name"]):
            columns.setdefault(row["object"], []).append(
                Column(labels=tuple(dict.fromkeys(row["labels"])), **facts)
            )
    found = [
        _sampled(
            session=session,
            sight=seen[name],
            columns=tuple(columns.get(name, ())),
            row=row,
            wanted=number < MOST_TABLES,
        )
        for number, (name, row) in enumerate(listed.items())
    ]
    clock = session.rows(_CLOCK)[0]
    return Survey(
        tables=tuple(found),
        now=clock["now"],
        zone=clock["zone"],
        version=session.can.version,
        role=session.can.role,
    )


def _sampled(session: Session, sight: Sight, columns: tuple[Column, ...], row: Row, wanted: bool) -> Table:
    estimate = row["estimate"] if row["estimate"] is not None and row["estimate"] >= 0 else None
    problem = _problem(sight, wanted)
    table = Table(sight, columns, estimate, row["secured"], problem=problem)
    readable = [column for column in columns if column.name in sight.columns and _is_short(column)]
    if problem or not readable:
        return table
    try:
        rows = session.rows(
            _sample_query(table, readable), timeout_s=SAMPLE_S, row_security=sight.state == BY_POLICY
        )
    except SourceError as error:
        return Table(sight, columns, estimate, row["secured"], problem=error.reason)
    return Table(sight=sight, columns=columns, estimate=estimate, secured=row["secured"], rows=tuple(rows))


def _problem(sight: Sight, wanted: bool) -> str | None:
    """Why a table is not to be sampled."""
    if not all(WRITABLE.fullmatch(part) for part in sight.table.split(".")):
        return UNWRITABLE
    if not sight.whole:
        return sight.reason
    return None if wanted else f"not looked into: it is beyond the first {MOST_TABLES}"


def _is_short(column: Column) -> bool:
    return column.is_time or column.is_number or column.is_text or column.is_boolean


def _sample_query(table: Table, columns: Sequence[Column]) -> Any:
    return compose(
        "SELECT {values} FROM {source} LIMIT {n}",
        values=joined([compose("{v} AS {n}", v=_value(c), n=identifier(c.name)) for c in columns]),
        source=_newest(table, newest_first(columns), SAMPLE),
        n=written(str(SAMPLE)),
    )


def newest_first(columns: Sequence[Column]) -> Column | None:
    """The column of times that tells the newest rows: rather one with an index, and one of when a row was made."""
    times = [column for column in columns if column.is_time]
    return min(
        times,
        key=lambda c: (bool(NOT_MADE.search(c.name)), not c.indexed, not c.made_now, not c.required),
        default=None,
    )


def _newest(table: Table, time: Column | None, most: int) -> Any:
    """The table's newest rows, or where finding them would cost too much a share of its pages."""
    name = identifier(table.name)
    large = (table.estimate or 0) > SORTED_ROWS and table.sight.kind in ("r", "p", "m")
    if large and (time is None or not time.indexed):
        return compose("{t} TABLESAMPLE SYSTEM ({share})", t=name, share=written(_share(table, most)))
    if time is None:
        return name
    return compose("{t} WHERE {known} ORDER BY {c} DESC", t=name, known=_possible(time), c=identifier(time.name))


def _share(table: Table, rows: int) -> str:
    """Per cent of the pages that hold about so many rows."""
    return f"{min(100.0, 100.0 * rows / max(table.estimate or 1, 1)):.6f}"


def _possible(column: Column) -> Any:
    return compose("({c} BETWEEN '1990-01-01' AND '2100-01-01')", c=identifier(column.name))


def _value(column: Column) -> Any:
    name = identifier(column.name)
    if column.is_time:
        return compose("CASE WHEN {k} THEN extract(epoch FROM {c})::float8 END", k=_possible(column), c=name)
    return compose("left({c}::text, 60)", c=name)


def hours_of(session: Session, table: Table, column: Column) -> list[int]:
    """How many rows each hour of the day has, by the column as it is stored; all 0 where they span no two days."""
    source = compose("{t} WHERE {k}", t=identifier(table.name), k=_possible(column))
    if (table.estimate or 0) > SORTED_ROWS and table.sight.kind in ("r", "p", "m"):
        share = written(_share(table, SPREAD))
        source = compose(
            "{t} TABLESAMPLE SYSTEM ({s}) WHERE {k}", t=identifier(table.name), s=share, k=_possible(column)
        )
    query = compose(
        "SELECT extract(hour FROM c)::int AS hour, count(*) AS rows, min(c)::date AS first, max(c)::date AS last "
        "FROM (SELECT {c}::timestamp AS c FROM {source} LIMIT {n}) AS sample GROUP BY 1",
        c=identifier(column.name),
        source=source,
        n=written(str(2 * SPREAD)),
    )
    try:
        rows = session.rows(query, timeout_s=SAMPLE_S, row_security=table.sight.state == BY_POLICY)
    except SourceError:
        rows = []
    days = (max(r["last"] for r in rows) - min(r["first"] for r in rows)).days if rows else 0
    counts = {row["hour"]: row["rows"] for row in rows} if days >= 2 else {}
    return [counts.get(hour, 0) for hour in range(24)]


def words_of(session: Session, table: Table, column: Column, time: Column) -> list[tuple[str, int]]:
    """The words of a column in the last two months, commonest first: those of faults are rare, and matter most.

    Raises:
        SourceError: the table cannot be read in the time allowed.
    """
    query = compose(
        "SELECT left({word}::text, 60) AS word, count(*) AS rows FROM {table} "
        "WHERE {word} IS NOT NULL AND {c} > (SELECT max({c}) FROM {table} WHERE {k}) - {days} "
        "GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {n}",
        word=identifier(column.name),
        c=identifier(time.name),
        k=_possible(time),
        table=identifier(table.name),
        days=written(f"interval '{LOOKBACK_DAYS} days'"),
        n=written(str(MOST_DISTINCT)),
    )
    rows = session.rows(query, timeout_s=SAMPLE_S, row_security=table.sight.state == BY_POLICY)
    return [(row["word"], row["rows"]) for row in rows]


def starts_of(session: Session, table: Table, job: str, time: str) -> dict[str, list[float]]:
    """The minutes at which each job began in the last two months, as seconds since 1970, in order."""
    query = compose(
        "SELECT left({job}::text, 100) AS job, extract(epoch FROM date_trunc('minute', {c}))::float8 AS at "
        "FROM {table} WHERE {c} > (SELECT max({c}) FROM {table}) - {days} GROUP BY 1, 2 ORDER BY 2 DESC LIMIT {n}",
        job=identifier(job),
        c=identifier(time),
        table=identifier(table.name),
        days=written(f"interval '{LOOKBACK_DAYS} days'"),
        n=written(str(STARTS)),
    )
    rows = session.rows(query, timeout_s=SAMPLE_S, row_security=table.sight.state == BY_POLICY)
    found: dict[str, list[float]] = {}
    for row in reversed(rows):
        found.setdefault(str(row["job"]), []).append(row["at"])
    return found


@dataclass(frozen=True)
class Statement:
    """One entry of pg_stat_statements, its constants left out of the text."""

    text: str
    calls: int
    mean_ms: float


def statements_of(session: Session) -> list[Statement]:
    """What other roles ran in this database, most time first; nothing where that cannot be seen."""
    try:
        found = statements(entries(session, lambda *_: None), now())
    except SourceError:
        return []
    rows = found[found["query"].notna()].sort_values("total_ms", ascending=False)
    return [
        Statement(str(text), int(calls), float(mean))
        for text, calls, mean in zip(rows["query"], rows["calls"], rows["mean_ms"], strict=True)
    ]


def is_sound(session: Session, query: str, parameters: Mapping[str, str]) -> bool:
    """Whether the server would plan a query, each parameter taken from a row by a query of its own."""
    try:
        rows = {name: session.rows(compose("{q}", q=written(text)))[0] for name, text in parameters.items()}
        values = {name: next(iter(row.values())) for name, row in rows.items()}
        session.rows(compose("EXPLAIN {q}", q=written(query)), values)
    except (SourceError, IndexError):
        return False
    return True


def is_loopback(url: str) -> bool:
    """Whether an address leads to this machine, where no TLS is needed."""
    try:
        host = str(conninfo_to_dict(url).get("host") or "localhost")
    except ProgrammingError:
        return False
    return host in LOOPBACK or host.startswith("/")


def supabase_ref(url: str) -> str | None:
    """The project's reference where an address is Supabase's, direct or through its pooler."""
    try:
        found = conninfo_to_dict(url)
    except ProgrammingError:
        return None
    direct = re.fullmatch(r"db\.([a-z]{20})\.supabase\.co", str(found.get("host")))
    pooled = re.fullmatch(r"\w+\.([a-z]{20})", str(found.get("user")))
    match = direct or (pooled if "supabase.com" in str(found.get("host")) else None)
    return match[1] if match else None


def words_in(table: Table, column: Column) -> Iterator[tuple[str, int]]:
    """The words of a column in the sample and how many rows have each, commonest first; then those never seen."""
    counts: dict[str, int] = {}
    for value in table.values(column.name):
        if value is not None:
            counts[value] = counts.get(value, 0) + 1
    yield from sorted(counts.items(), key=lambda item: -item[1])
    possible = ("true", "false") if column.is_boolean else column.labels
    yield from ((word, 0) for word in possible if word not in counts)
