"""Reading a site's table: which column is which of ours, and what its times, words and numbers stand for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from pdmlib.errors import SourceError
from pdmlib.frames.index_text import quoted
from pdmlib.frames.understanding import EARLIEST, LACKING, LATEST, Unclear, Vocabulary, mend_line, mend_words
from pdmlib.phases.phase import DAY
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import comes_twice
from pdmlib.site.site import Site
from pdmlib.site.tables import TableBlock
from pdmlib.site.terms import Terms, word
from pdmlib.sources.postgres.session import SOURCE, Row, Session, compose, identifier, joined, literal, written
from pdmlib.sources.postgres.visibility import BY_POLICY, Ledger, Sight, near, qualified

ROWS = 100_000
TABLE_S = 8.0
MOST_ODD = 1000  # rows at impossible times that are counted: more would tell a reader no more
LISTED = 25  # columns named in a gap: enough to recognise the right one
TEXT = 500  # characters of a stranger's text that are read
# Beyond these a time is a mistake. PostgreSQL has times up to the year 294276 and `infinity`, Python up to 9999.
FROM, BEFORE = EARLIEST.date().isoformat(), LATEST.date().isoformat()
LARGEST = "1e300"  # a numeric beyond a double's range would make the whole query fail
MATERIALIZED = "m"  # pg_class.relkind
JSON = ("json", "jsonb")
PLAIN = ("boolean", "smallint", "integer", "bigint", "double precision")
NUMERIC = ("smallint", "integer", "bigint", "numeric", "real", "double precision")
A_DAY_MS = 86_400_000.0  # no probe of an application takes longer
A_YEAR_MS = 366 * A_DAY_MS  # nor any run of a job
# What a column can hold at all: beyond it the row is a mistake.
NUMBERS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "uptime": {"response_ms": (0, A_DAY_MS)},
    "cron": {"duration_ms": (0, A_YEAR_MS), "attempts": (0, 1_000_000)},
    "tickets": {"rating": (1, 5)},
    "payments": {"amount": (-1e15, 1e15)},
    "integration_checks": {"response_ms": (0, A_DAY_MS)},
}


@dataclass(frozen=True)
class Layout:
    """A table whose columns are known: ours -> theirs, those that are there and can be read."""

    block: TableBlock
    sight: Sight
    columns: Mapping[str, str]

    @cached_property
    def key(self) -> str:
        """The block of the site file."""
        return self.block.terms.block

    @cached_property
    def times(self) -> tuple[str, ...]:
        """Our columns that are times, of which those beyond all reason come as text, as `<name>?`."""
        return tuple(ours for ours in self.columns if is_time(self.type_of(ours)))

    @property
    def moment(self) -> str:
        """Our column that places a row in time."""
        return moment_of(self.block.terms)

    @property
    def time(self) -> str:
        """The site's column that places a row in time."""
        return self.columns[self.moment]

    @property
    def zone(self) -> str | None:
        """The zone of times stored without one."""
        return self.block.time_zone

    @property
    def counts(self) -> Any:
        """The condition of the rows that count."""
        return condition(self.block.where)

    def without(self, ours: str) -> str:
        """The line of the site file that leaves out the rows in which a column is empty."""
        filled = f"{quoted(self.columns[ours])} IS NOT NULL"
        return mend_line(
            self.key, "where", value=f"({self.block.where}) AND {filled}" if self.block.where else filled
        )

    @property
    def waiting(self) -> tuple[str, ...]:
        """The words of a row that has not come to its end, and may not have come to its begin."""
        words = self.block.spoken("status") if "status" in self.vocabularies else {}
        return tuple(str(word(theirs)) for theirs in words.get("started", ()))

    @property
    def waits(self) -> Any:
        """The condition of a row that says so; its parameter is `waiting`."""
        if not self.waiting:
            return written("false")
        status = identifier(self.columns["status"])
        return compose("coalesce(lower(btrim({status}::text)) = ANY(%(waiting)s), false)", status=status)

    def type_of(self, ours: str) -> str:
        """The type of a column, as the catalogue has it."""
        return self.sight.columns[self.columns[ours]]

    @cached_property
    def vocabularies(self) -> Mapping[str, Vocabulary]:
        """The words of each column that has some: those declared, and those that need no explaining."""
        return {
            ours: Vocabulary(self.block.spoken(ours)) for ours in self.block.terms.words if ours in self.columns
        }

    @cached_property
    def documents(self) -> tuple[str, ...]:
        """Our columns that are stored as JSON."""
        return tuple(ours for ours in self.columns if self.type_of(ours) in JSON)

    @cached_property
    def named(self) -> list[str]:
        """Our columns that a row cannot do without, but for those of words."""
        return [ours for ours in self.block.terms.required if ours not in self.block.terms.words]

    def selected(self) -> Iterator[Any]:
        """What a query selects: each column as we read it; of times beyond all reason the text."""
        for ours, theirs in self.columns.items():
            kind = self.type_of(ours)
            yield compose("{v} AS {n}", v=value(theirs, kind, self.zone), n=identifier(ours))
            if ours in self.times:
                yield compose(
                    "CASE WHEN NOT {known} THEN {c}::text END AS {n}",
                    known=possible(theirs),
                    c=identifier(theirs),
                    n=identifier(f"{ours}?"),
                )

    def understood(self, row: Row, unclear: Unclear) -> Row:
        """A row in our words; what is not understood of it is None, counted, and named in `odd`."""
        clean: Row = {column.name: row.get(column.name) for column in self.block.terms.columns}
        odd = {ours for ours in self.times if row[f"{ours}?"] is not None}
        for ours in odd:
            unclear.note(f"{self.key}.{ours}", "out of range", row[f"{ours}?"])
        for ours in self.documents:
            if not _is_readable(clean[ours]):
                unclear.note(f"{self.key}.{ours}", "not readable JSON", clean[ours])
                clean[ours] = None
                odd.add(ours)
        for ours, (low, high) in NUMBERS.get(self.key, {}).items():
            if clean[ours] is not None:
                clean[ours] = unclear.number(f"{self.key}.{ours}", clean[ours], low, high)
                odd |= {ours} if clean[ours] is None else set()
        for ours in self.named:
            if clean[ours] is None and ours not in odd:
                unclear.note(f"{self.key}.{ours}", LACKING, "null", taken_for="not read", mend=self.without(ours))
        for ours, vocabulary in self.vocabularies.items():
            clean[ours] = self._word(ours, clean[ours], vocabulary, unclear)
        return {**clean, "odd": odd, **self._in_doubt(clean, unclear)}

    def _in_doubt(self, row: Row, unclear: Unclear) -> Row:
        """What a row cannot say that lies in the hour which the clock shows twice: what held at which time."""
        if not self.zone or not is_naive(self.type_of(self.moment)) or row[self.moment] is None:
            return {}
        if not comes_twice(row[self.moment], ZoneInfo(self.zone)):
            return {}
        unclear.note(f"{self.key}.{self.moment}", "in the hour that comes twice", row[self.moment])
        return {"status": None} if "status" in row else {}

    def _word(self, ours: str, theirs: Any, vocabulary: Vocabulary, unclear: Unclear) -> str | None:
        found = vocabulary.of(theirs)
        if found is None and theirs is not None:
            mend = mend_words(self.key, ours=vocabulary.ours, theirs=theirs)
            said = str(theirs).lower() if isinstance(theirs, bool) else theirs
            unclear.note(f"{self.key}.{ours}", "unknown word", said, mend=mend)
        elif found is None and ours == "status":
            unclear.note(f"{self.key}.{ours}", "no word", "null", mend=self.without(ours))
        return found


def _is_readable(text: str | None) -> bool:
    """Whether a reader of JSON comes to an end: PostgreSQL keeps what is nested deeper than any reader goes."""
    try:
        json.loads(text or "null")
    except RecursionError:
        return False
    except ValueError:  # a word
        return True
    return True


def condition(where: str | None) -> Any:
    """A condition of the site file as a part of a query."""
    return compose("({where}\n)", where=written(where or "true"))


def moment_of(terms: Terms) -> str:
    """Our column that places a row of a block in time: the first that it needs."""
    return next(name for name in terms.required if name.endswith("_at"))


@dataclass(frozen=True)
class Reader:
    """What the readers of application tables share.

    Attributes:
        say: adds a gap (item, state, reason).
        unclear: what was read and not understood.
    """

    session: Session
    site: Site
    scope: Scope
    ledger: Ledger
    say: Callable[[str, str, str], None]
    unclear: Unclear

    def rows(self, sight: Sight, query: Any, parameters: Mapping[str, Any]) -> list[Row]:
        """The rows of a query on one table, policies let in where they show every row."""
        policies = sight.state == BY_POLICY
        return self.session.rows(query, parameters, timeout_s=TABLE_S, row_security=policies)

    def layout(self, block: TableBlock) -> Layout:
        """The columns of a table as its block of the site file names them.

        Raises:
            SourceError: not every row of it is seen, or it lacks what it cannot do without.
        """
        return _laid_out(self, block)

    def select(self, layout: Layout, start: datetime, end: datetime, also: Sequence[str] = ()) -> list[Row]:
        """Rows of a table whose time lies in `[start, end)`, in our words; newest first where the cap cuts.

        Args:
            also: further columns of the table, as text under the table's own names.

        Raises:
            SourceError: the table cannot be read.
        """
        table = layout.block.table
        query = compose(
            "SELECT {parts} FROM {table} WHERE {inside} AND {counts} ORDER BY {time} DESC LIMIT {cap}",
            parts=joined([*layout.selected(), *(compose("{c}::text AS {c}", c=identifier(c)) for c in also)]),
            table=identifier(qualified(table)),
            inside=inside(layout.time, layout.type_of(layout.moment), layout.zone),
            counts=layout.counts,
            time=identifier(layout.time),
            cap=written(str(ROWS + 1)),
        )
        found = self.rows(layout.sight, query, {"start": start, "end": end})
        if len(found) > ROWS:
            self.say(f"table:{table}:cap", "error", f"{table}: more than {ROWS:,} rows, the oldest were not read")
        self._count_odd_times(layout)
        return [{**layout.understood(r, self.unclear), **{c: r[c] for c in also}} for r in found[:ROWS]]

    def _count_odd_times(self, layout: Layout) -> None:
        """Counts rows without a time, by what they are of, and those at an impossible one: they are lost.

        A run of a job that waits for its start, as a queue and pg_cron have them, has none yet.
        """
        others = [layout.columns[name] for name in layout.named if name != layout.moment]
        query = compose(
            "SELECT {c} IS NULL AS empty, coalesce(CASE WHEN {c} IS NULL THEN {of} ELSE {c}::text END, 'null') "
            "AS example, count(*) AS rows FROM "
            "(SELECT {parts} FROM {table} WHERE (({c} IS NULL AND NOT {waits}) OR NOT {known}) AND {counts} "
            "LIMIT {most}) AS odd "
            "GROUP BY 1, 2 ORDER BY 3 DESC, 2",
            c=identifier(layout.time),
            parts=joined([identifier(name) for name in {layout.time: None, **dict.fromkeys(others)}]),
            of=compose("{c}::text", c=identifier(others[0])) if others else written("NULL"),
            table=identifier(qualified(layout.block.table)),
            known=possible(layout.time),
            counts=layout.counts,
            waits=layout.waits,
            most=written(str(MOST_ODD)),
        )
        item = f"{layout.key}.{layout.moment}"
        for row in self.rows(layout.sight, query, {"waiting": list(layout.waiting)}):
            what = LACKING if row["empty"] else "out of range"
            mend = layout.without(layout.moment) if row["empty"] else ""
            self.unclear.note(item, what, row["example"], taken_for="not read", mend=mend, count=row["rows"])


def _laid_out(reader: Reader, block: TableBlock) -> Layout:
    """The columns of a table that are there; a name of the site file that is not there is a gap of its own."""
    terms, sight = block.terms, reader.ledger.readable(block.table)
    names = {column.name: block.candidates(column.name) for column in terms.columns}
    found = {ours: next((n for n in theirs if n in sight.columns), None) for ours, theirs in names.items()}
    columns = {ours: theirs for ours, theirs in found.items() if theirs}
    needed = [ours for ours in block.required if ours not in columns]
    if needed:
        raise SourceError(SOURCE, _lacking(block, sight, needed))
    lost = [ours for ours, theirs in block.columns.items() if theirs and ours not in columns]
    if lost:
        reader.say(f"table:{block.table}:columns", "error", _lacking(block, sight, lost))
    layout = Layout(block, sight, columns)
    kind = layout.type_of(layout.moment)
    if kind in NUMERIC:
        raise SourceError(SOURCE, no_time(f"{sight.table}.{layout.time}", kind, _one(reader, layout)))
    check_time(f"{sight.table}.{layout.time}", kind)
    check_fresh(reader, sight, layout.time, layout.zone)
    return Layout(block, sight, dict(_zoned(layout, reader)))


def _one(reader: Reader, layout: Layout) -> object:
    """A value of the column that places rows in time."""
    query = compose(
        "SELECT {c}::text AS one FROM {t} WHERE {c} IS NOT NULL LIMIT 1",
        c=identifier(layout.time),
        t=identifier(layout.sight.table),
    )
    return next((row["one"] for row in reader.rows(layout.sight, query, {})), None)


def _lacking(block: TableBlock, sight: Sight, ours: Iterable[str]) -> str:
    """Which columns a table lacks, each with what it would be for, and those that it has."""
    wanted = {name: (block.candidates(name) or (name,))[0] for name in ours}
    hidden = [theirs for theirs in wanted.values() if theirs in sight.hidden]
    if hidden:
        return f"permission denied for column {', '.join(hidden)} of {sight.table}"
    lacking = " and ".join(f"{theirs} ({name})" if theirs != name else name for name, theirs in wanted.items())
    has = ", ".join(list(sight.columns)[:LISTED])
    more = f" and {len(sight.columns) - LISTED} more" if len(sight.columns) > LISTED else ""
    mend = mend_line(block.terms.block, "columns", value=dict.fromkeys(wanted, "<its name>"))
    meant = "".join(near(theirs, sight.columns) for theirs in wanted.values())
    return f"{sight.table} has no column {lacking}; it has {has}{more}{meant}; say which one it is: {mend}"


def _zoned(layout: Layout, reader: Reader) -> Iterator[tuple[str, str]]:
    """The columns whose times have a zone, declared or stored, and those that hold no times."""
    for ours, theirs in layout.columns.items():
        kind = layout.type_of(ours)
        if layout.zone or not is_naive(kind):
            yield ours, theirs
            continue
        mend = mend_line(layout.key, "time_zone", value=reader.site.time_zone)
        reader.unclear.note(f"{layout.key}.{ours}", "no zone", f"{theirs} {kind}", taken_for="not read", mend=mend)
        if ours == layout.moment:
            raise SourceError(SOURCE, no_zone(layout.sight.table, theirs, kind, mend))


def no_zone(table: str, column: str, kind: str, mend: str) -> str:
    """Why times without a zone are not read, and the line that would let them be."""
    return (
        f"{table}.{column} is a {kind} and the site file does not say in which zone its times are; "
        f"add the right one, for example {mend}"
    )


def is_time(kind: str) -> bool:
    """Whether a type holds moments."""
    return kind.startswith("timestamp") or kind == "date"


def is_naive(kind: str) -> bool:
    """Whether a type holds moments without their zone."""
    return kind.startswith("timestamp without") or kind == "date"


def check_time(column: str, kind: str) -> None:
    """Fails unless a column holds moments.

    Raises:
        SourceError: it does not.
    """
    if not is_time(kind):
        raise SourceError(SOURCE, no_time(column, kind))


def check_fresh(reader: Reader, sight: Sight, column: str, zone: str | None) -> None:
    """Fails where a materialized view may be older than what is asked: its silence is that of its last refresh.

    Raises:
        SourceError: its newest row is older than a day.
    """
    kind = sight.columns[column]
    if sight.kind != MATERIALIZED or (is_naive(kind) and not zone):
        return
    query = compose("SELECT max({v}) AS at FROM {t}", v=value(column, kind, zone), t=identifier(sight.table))
    (row,) = reader.rows(sight, query, {})
    if row["at"] is None or row["at"] < reader.scope.known.end - DAY:
        newest = "no row" if row["at"] is None else f"its newest row is of {row['at']:%Y-%m-%d %H:%M} UTC"
        why = f"{sight.table} is a materialized view, as old as its last refresh, and {newest}"
        raise SourceError(SOURCE, f"{why}: REFRESH it, or name the table that it is made of")


def no_time(column: str, kind: str, example: object = None) -> str:
    """Why a column is not read as times, and what would let it be; an example tells the unit of a number."""
    name = quoted(column.rpartition(".")[2])
    need = f"column {column} is of type {kind}, and a time is needed"
    if kind not in NUMERIC:
        return f"{need}: make a view with {name}::timestamptz and name that as the table"
    units = (("seconds", 1.0), ("milliseconds", 1e3), ("microseconds", 1e6))
    fitting = [(unit, n) for unit, n in units if _is_epoch(example, n)] or units[:2]
    made = " or, ".join(
        f"to_timestamp({name}{f' / {n:.1f}' if n > 1 else ''}) if it counts {unit}" for unit, n in fitting
    )
    made = made.partition(" if ")[0] if len(fitting) == 1 else made
    return f"{need}: make a view with {made} and name that as the table"


def _is_epoch(example: object, per_second: float) -> bool:
    """Whether a number counts its unit since 1970 up to a time that can be."""
    try:
        seconds = float(str(example)) / per_second
    except ValueError:
        return False
    return EARLIEST.timestamp() <= seconds < LATEST.timestamp()


def possible(column: str) -> Any:
    """Whether a time can be one: `infinity` and the year 10000 cannot."""
    return compose("({c} >= {a} AND {c} < {b})", c=identifier(column), a=literal(FROM), b=literal(BEFORE))


def value(column: str, kind: str, zone: str | None) -> Any:
    """A column as we read it: times in UTC, lists and JSON as JSON text, numbers as floats, lengths as ms."""
    name = identifier(column)
    if is_time(kind):
        moment = (
            compose("timezone({z}, {c}::timestamp)", z=literal(zone or "UTC"), c=name) if is_naive(kind) else name
        )
        return compose("CASE WHEN {known} THEN {m} END", known=possible(column), m=moment)
    if kind in JSON:
        # A JSON string is its text and a JSON null is nothing: `"up"` is the word up.
        return compose("({c} #>> '{{}}')", c=name)
    if kind.endswith("[]"):
        return compose("to_jsonb({c})::text", c=name)
    if kind == "interval":
        return compose("(1000 * extract(epoch FROM {c}))::float8", c=name)
    if kind in ("numeric", "real"):
        return compose(
            "CASE WHEN {c} BETWEEN -{most} AND {most} THEN {c}::float8 WHEN {c} IS NOT NULL THEN 'NaN' END",
            c=name,
            most=written(LARGEST if kind == "numeric" else "3e38"),
        )
    if kind in PLAIN:
        return name
    return compose("left({c}::text, {n})", c=name, n=written(str(TEXT)))


def number(column: str, kind: str) -> Any:
    """A column as a number; a text that is none is NaN, and fails no query."""
    name = identifier(column)
    if kind in NUMERIC:
        return compose("{c}::float8", c=name)
    text = compose("btrim({c} #>> '{{}}')" if kind in JSON else "btrim({c}::text)", c=name)
    return compose(
        "CASE WHEN {t} ~ '^[-+]?[0-9]{{1,15}}([.][0-9]+)?$' THEN {t}::float8 WHEN {t} IS NOT NULL THEN 'NaN' END",
        t=text,
    )


def inside(column: str, kind: str, zone: str | None) -> Any:
    """Whether a time lies in the window of the parameters `start` and `end`, in the column's own terms."""
    check_time(column, kind)
    start, end = bound("%(start)s", kind, zone), bound("%(end)s", kind, zone)
    return compose("{c} >= {a} AND {c} < {b}", c=identifier(column), a=start, b=end)


def bound(moment: str, kind: str, zone: str | None) -> Any:
    """An edge of a window in the column's own terms, so that an index on the column serves."""
    if not is_naive(kind):
        return written(f"{moment}::timestamptz")
    return compose("timezone({zone}, {m}::timestamptz)", zone=literal(zone or "UTC"), m=written(moment))
