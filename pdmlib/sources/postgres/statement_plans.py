"""Plans of the statements that take most of the server's time, and the index that would serve.

Nothing is executed: a statement is planned for parameters that nobody knows, as the role that ran it where the
monitor may become that role. As the monitor itself only a statement of plain tables and the server's own functions
is planned: a planner runs what is declared IMMUTABLE, and a function of the application gets none of our rights.
An index is tested by hypopg, which lets the planner suppose it in the memory of our session alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame
from pdmlib.frames.index_text import CONCURRENTLY, proposed, quoted
from pdmlib.frames.plan import nodes
from pdmlib.frames.statement_text import LIMIT, Filter, filters_of, functions_of, tables_of, verb_of
from pdmlib.sources.postgres.plan import fingerprint, kept, shape
from pdmlib.sources.postgres.session import Explained, RefusedError, Row, Session

# Statements of one look: those that run now, those that took most time ever, the slowest; and the time for all.
RUNNING, BUSIEST, SLOWEST = 20, 25, 15
BUDGET_S = 5.0
FEWEST = 5  # calls: what was called less often is slow by chance
WORTH = 100.0  # the planner's cost of a hundred pages: less is read whole about as fast as by an index
MOST_SCHEMAS = 12  # schemas of the same names (one a tenant, say) that are tried for the one that was meant
_VERBS = ("select", "with", "insert", "update", "delete", "merge")
_PARAMETER = re.compile(r"\$(\d+)")
# `interval '1 day'` is kept as `interval $1`, which is no SQL.
_TYPED = re.compile(
    r"\b(interval|date|time|timestamp|timestamptz)((?:\s+with(?:out)?\s+time\s+zone)?)\s+(\$\d+)", re.IGNORECASE
)
_SET_ROLE = 160000  # from here on a membership says whether the role may be set
# States of SQL whose message names objects and no value; of any other the message is not shown.
_SAID = ("42501", "42P01", "42703", "42P02", "42P18", "55P03", "57014")
_PLAIN = ("r", "p", "m")
OVER = "the time for plans was used up"


def chosen(entries: Sequence[Row], later: Mapping[tuple[str, str], float]) -> list[Row]:
    """The statements to explain, in turn of those that run now, the busiest ever, and the slowest.

    Args:
        entries: of pg_stat_statements with their whole texts, most time first.
        later: the total time of each entry some seconds after, by role and id.
    """
    able = [e for e in entries if e["query"] and verb_of(e["query"]) in _VERBS and len(e["query"]) < LIMIT]
    spent = {_key(e): later.get(_key(e), e["total_ms"]) - e["total_ms"] for e in able}
    running = sorted((e for e in able if spent[_key(e)] > 0), key=lambda e: -spent[_key(e)])
    slowest = sorted((e for e in able if e["calls"] >= FEWEST), key=lambda e: -e["mean_ms"])
    turns = (running[:RUNNING], able[:BUSIEST], slowest[:SLOWEST])
    longest = max(map(len, turns))
    in_turn = (turn[place] for place in range(longest) for turn in turns if place < len(turn))
    return list({_key(entry): entry for entry in in_turn}.values())


def _key(entry: Row) -> tuple[str, str]:
    return entry["role"], entry["queryid"]


def statement_plans(session: Session, at: datetime, entries: Sequence[Row]) -> pd.DataFrame:
    """The frame `statement_plans` of one look; a statement that could not be explained says why.

    Raises:
        SourceError: the catalogue cannot be read.
    """
    names = _Names(session, [entry["query"] for entry in entries])
    found: list[Row] = []
    with session.within(BUDGET_S):
        for entry in entries:
            row = {"at": at, "role": entry["role"], "queryid": entry["queryid"]}
            try:
                found.append({**row, **_explained(session, names, entry)})
            except RefusedError as error:
                said = error.reason if error.state in _SAID else f"the server does not plan it ({error.state})"
                found.append({**row, "reason": said})
            except _NotPlannedError as error:
                found.append({**row, "reason": str(error)})
            except SourceError:
                found.append({**row, "reason": OVER})
    return frame("statement_plans", found)


class _NotPlannedError(Exception):
    """Why a statement is not planned."""


@dataclass(frozen=True)
class _Table:
    """One table that a name may mean."""

    schema: str
    name: str
    kind: str

    @property
    def whole(self) -> str:
        return f"{self.schema}.{self.name}"


class _Names:
    """What the names of some statements mean in this database, and the roles that the session may become."""

    def __init__(self, session: Session, texts: Iterable[str]) -> None:
        texts = list(texts)
        tables = {table.split(".")[-1] for text in texts for table in tables_of(text)}
        self._calls = {text: functions_of(text) for text in texts}
        functions = frozenset().union(*self._calls.values())
        rows = session.named("meant", {"tables": sorted(tables), "functions": sorted(functions)})
        self._tables = [_Table(**row) for row in rows if row["kind"] not in ("function", "extension")]
        self._own = frozenset(row["name"] for row in rows if row["kind"] == "function")
        self._extensions = [row["schema"] for row in rows if row["kind"] == "extension"]
        self.roles = _roles(session)

    def tables(self, text: str) -> dict[str, list[_Table]]:
        """The tables that each name of a statement may mean."""
        return {name: [t for t in self._tables if name in (t.name, t.whole)] for name in tables_of(text)}

    def paths(self, tables: Mapping[str, Sequence[_Table]]) -> list[str]:
        """The paths on which the names mean something, likeliest first: one where they are in one schema each."""
        schemas = sorted(
            {t.schema for name, found in tables.items() if "." not in name for t in found},
            key=lambda schema: (schema != "public", schema),
        )
        several = any(len(found) > 1 for name, found in tables.items() if "." not in name)
        first = schemas[:MOST_SCHEMAS] if several else schemas[:1]
        orders = [[one, *(s for s in schemas if s != one)] for one in first] or [[]]
        return [", ".join(map(quoted, [*order, *self._extensions, "pg_catalog"])) for order in orders]

    def strange(self, text: str, tables: Mapping[str, Sequence[_Table]]) -> str:
        """What of a statement could run code of the application while it is planned; empty for nothing."""
        own = sorted(self._calls[text] & self._own)
        views = sorted(t.whole for found in tables.values() for t in found if t.kind not in _PLAIN)
        return f"calls {own[0]}()" if own else f"reads {views[0]}, which is no plain table" if views else ""


def _roles(session: Session) -> frozenset[str]:
    right = "SET" if session.can.version >= _SET_ROLE else "MEMBER"
    query = "SELECT rolname::text AS role FROM pg_roles WHERE pg_has_role(oid, %(right)s) ORDER BY 1"
    return frozenset(row["role"] for row in session.rows(query, {"right": right}))


def _explained(session: Session, names: _Names, entry: Row) -> Row:
    """The plan of one statement, and what an index would make of it.

    Raises:
        _NotPlannedError, RefusedError, SourceError: it was not explained.
    """
    text = entry["query"]
    tables = names.tables(text)
    if not any(tables.values()):
        raise _NotPlannedError("it names no table of the application")
    role = entry["role"] if entry["role"] in names.roles and entry["role"] != session.can.role else None
    strange = names.strange(text, tables)
    if strange and role is None:
        grant = f"GRANT {quoted(entry['role'])} TO {session.can.grantee};"
        raise _NotPlannedError(f"it {strange}, which would run as the monitor: {grant}")
    count = max((int(number) for number in _PARAMETER.findall(text)), default=0)
    sound = _TYPED.sub(r"\3::\1\2", text)
    asked = [Explained(sound, count, path, role) for path in names.paths(tables)]
    meant, plan = _planned(session, asked, entry["queryid"])
    bare = shape(kept(plan["Plan"]))
    row = {
        "planned_as": role or session.can.role,
        "fingerprint": fingerprint(bare),
        "plan": json.dumps(bare),
        "cost": plan["Plan"]["Total Cost"],
    }
    return {**row, **_advice(session, meant, plan=plan["Plan"], tables=tables)}


def _planned(session: Session, asked: Sequence[Explained], queryid: str) -> tuple[Explained, Row]:
    """The plan on the path that was meant: where there are several, the server's own id of the statement tells.

    It tells nothing of a text with constants, nor on PostgreSQL 18, whose id is of the tables' names.
    """
    plans = [(one, session.plan_of(one)) for one in asked]
    meant = [found for found in plans if len(plans) == 1 or str(found[1].get("Query Identifier")) == queryid]
    if len(meant) != 1:
        raise _NotPlannedError("its tables are in several schemas, and which is meant is not known")
    return meant[0]


def _advice(session: Session, meant: Explained, plan: Row, tables: Mapping[str, Sequence[_Table]]) -> Row:
    """The index that a table would need which is read whole, and what the planner makes of it."""
    scans = [n for n in nodes(plan) if n["Node Type"] == "Seq Scan" and n["Total Cost"] >= WORTH]
    whole = {f"{n.get('Schema')}.{n.get('Relation Name')}" for n in scans}
    for wanted in _wanted(meant.text, tables, whole):
        index = proposed(wanted.table, wanted.columns, partitioned=False)
        found: Row = {"index": index}
        if session.can.advises:
            supposed = session.plan_of(meant, index.replace(CONCURRENTLY, ""))
            found["index_cost"] = supposed["Plan"]["Total Cost"]
        return found
    return {}


def _wanted(text: str, tables: Mapping[str, Sequence[_Table]], whole: set[str]) -> Iterator[Filter]:
    for wanted in filters_of(text):
        for table in tables.get(wanted.table, ()):
            if table.whole in whole and table.kind in ("r", "m"):
                yield replace(wanted, table=table.whole)
