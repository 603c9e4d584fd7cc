"""What an index is, read from the statement that makes it (`pg_get_indexdef`) by PostgreSQL's own parser."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256

from pdmlib.frames.statement_text import Filter, columns_below, is_masked, names_below, parsed, without_strings

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_HEAD = re.compile(r"CREATE (?:UNIQUE )?INDEX ")
# The name of an index in the statement that makes it, as the server quotes it.
_NAME = re.compile(r'((?:INDEX|CONCURRENTLY) )(?:"(?:[^"]|"")+"|[^\s"]+) (?=ON )')
CONCURRENTLY = "CONCURRENTLY "
UNTESTED = "untested"  # what an advised index is that no planner was asked about
_USING = " USING "
# Types of the server whose values, written as strings, are no people's data: numbers and times, which stay as
# everywhere in a schema, and names.
_NAMED = frozenset(
    (
        *("int2", "int4", "int8", "numeric", "float4", "float8", "bool"),
        *("date", "time", "timetz", "timestamp", "timestamptz", "interval"),
        *("regconfig", "regdictionary", "regclass"),
    )
)
LONGEST_NAME = 63  # bytes of a name that PostgreSQL keeps (NAMEDATALEN less one)


@dataclass(frozen=True)
class Index:
    """An index.

    Attributes:
        table: `schema.table`.
        keys: its key columns in their order; an expression is an empty name.
        mentions: all columns that its keys, expressions and predicate name.
        method: `btree`, `gin`, ..
        partial: it holds a part of the rows only.
        parent: it is the index of a partitioned table, which holds nothing itself.
        definition: the statement that makes it, with its strings masked.
        name: `schema.index`.
    """

    table: str
    keys: tuple[str, ...]
    mentions: frozenset[str]
    method: str
    partial: bool
    parent: bool
    definition: str
    name: str

    @property
    def withheld(self) -> bool:
        """Whether its statement lacks strings, so that run as it is kept it would make another index."""
        return is_masked(self.definition)

    @property
    def shown(self) -> str:
        """Table and keys, for a sentence."""
        return f"{self.table} ({', '.join(key or 'an expression' for key in self.keys)})"

    def serves(self, wanted: Filter) -> bool:
        """Whether rows picked so are surely found by it: a whole btree that begins with one of the columns."""
        plain = self.method == "btree" and not self.partial
        return plain and same_table(self.table, wanted.table) and self.keys[0] in wanted.columns

    def may_serve(self, tables: Sequence[str], columns: frozenset[str]) -> bool:
        """Whether a statement names its table and all its columns, so that it may have been found by it."""
        return any(same_table(self.table, table) for table in tables) and self.mentions <= columns

    @property
    def again(self) -> str:
        """The statement that makes it again without holding up writes, as far as the server can.

        Where its strings are withheld: where to look the statement up.
        """
        if self.withheld:
            return (
                "its statement holds strings, which are withheld: take it from the migration that made it, or on "
                f"a copy from before SELECT pg_get_indexdef('{quoted(self.name)}'::regclass);"
            )
        if self.parent:
            return f"{self.definition.replace(' ON ONLY ', ' ON ', 1)};"
        return _HEAD.sub(lambda head: head[0] + CONCURRENTLY, self.definition, count=1) + ";"

    @property
    def beside(self) -> str:
        """The statement that makes one like it under a name of the server's choice."""
        return _NAME.sub(r"\1", self.again, count=1)

    @property
    def form(self) -> str:
        """How its rows are ordered, whatever its name and table: all of the statement behind them."""
        return self.definition.partition(_USING)[2]


def by_partition(index: Index, partitions: Mapping[str, Sequence[str]], have: Mapping[str, Index]) -> list[str]:
    """The statements that make an index of a partitioned table without holding up writes, in their order.

    The index of the table itself holds nothing; those of its partitions are built one by one and attached to it,
    and with the last of them it is valid.

    Args:
        partitions: those of each partitioned table, over all levels.
        have: the indexes that there are, by name: one of the same form is attached as it is.
    """
    plain = index.name.split(".")[-1]
    made = [f"{_head(index)} {quoted(plain)} ON ONLY {quoted(index.table)} USING {index.form};"]
    for partition in partitions.get(index.table, ()):
        same = next((n for n, i in have.items() if i.table == partition and i.form == index.form), None)
        inner = same or f"{partition.rpartition('.')[0]}.{_short(partition.split('.')[-1], plain)}"
        if partition in partitions:
            made += by_partition(replace(index, table=partition, name=inner), partitions, have)
        elif not same:
            local = quoted(inner.split(".")[-1])
            made.append(f"{_head(index)} {CONCURRENTLY}{local} ON {quoted(partition)} USING {index.form};")
        made.append(f"ALTER INDEX {quoted(index.name)} ATTACH PARTITION {quoted(inner)};")
    return made


def _head(index: Index) -> str:
    return "CREATE UNIQUE INDEX" if index.definition.startswith("CREATE UNIQUE") else "CREATE INDEX"


def _short(*parts: str) -> str:
    """A name made of several, with a digest where PostgreSQL would cut it: what is cut may be another's name."""
    name = "_".join(parts)
    if len(name.encode()) <= LONGEST_NAME:
        return name
    digest = sha256(name.encode()).hexdigest()[:6]
    return f"{name.encode()[: LONGEST_NAME - len(digest) - 1].decode(errors='ignore')}_{digest}"


def same_table(one: str, other: str) -> bool:
    """Whether two names may be of one table; a name without its schema may be in any."""
    return one == other or (("." not in one or "." not in other) and one.split(".")[-1] == other.split(".")[-1])


def kept(definition: str, enums: frozenset[str] = frozenset()) -> str:
    """The statement of an index as it is kept: strings that may be people's data are masked.

    Args:
        enums: the types, `schema.type`, whose values are words of the schema.
    """
    tree = parsed(definition) if "'" in definition and not is_masked(definition) else None
    if tree is None:
        return definition if "'" not in definition or is_masked(definition) else without_strings(definition)
    # The hash is of the form alone, which the indexes of all partitions share.
    head, using, form = definition.partition(_USING)
    start = len(f"{head}{using}".encode())
    names = frozenset(at - start for at in names_below(tree, _NAMED | enums))
    return f"{head}{using}{without_strings(form, names)}"


@cache
def index_of(definition: str) -> Index | None:
    """The index that a statement makes; None for a text that makes none."""
    tree = parsed(definition)
    made = tree.stmts[0].stmt.index_stmt if tree is not None and len(tree.stmts) else None
    if made is None or not made.relation.relname:
        return None
    elements = [element.index_elem for element in made.index_params]
    schema = f"{made.relation.schemaname}." if made.relation.schemaname else ""
    return Index(
        table=f"{schema}{made.relation.relname}",
        keys=tuple(element.name for element in elements),
        mentions=columns_below(made) | {element.name for element in elements if element.name},
        method=made.access_method or "btree",
        partial=made.HasField("where_clause"),
        parent=not made.relation.inh,
        definition=definition,
        name=f"{schema}{made.idxname}",
    )


def proposed(table: str, columns: Sequence[str], partitioned: bool) -> str:
    """The statement of an index that would serve; a partitioned table takes none without its lock."""
    how = "" if partitioned else CONCURRENTLY
    return f"CREATE INDEX {how}ON {quoted(table)} ({', '.join(map(quoted, columns))});"


def wished(table: str, columns: Sequence[str], partitioned: bool) -> Index:
    """The index that would serve."""
    schema, _, plain = table.rpartition(".")
    name = _short(plain, *columns, "idx")
    keys = ", ".join(map(quoted, columns))
    text = f"CREATE INDEX {quoted(name)} ON {'ONLY ' * partitioned}{quoted(table)} USING btree ({keys})"
    return Index(
        table=table,
        keys=tuple(columns),
        mentions=frozenset(columns),
        method="btree",
        partial=False,
        parent=partitioned,
        definition=text,
        name=f"{schema}.{name}" if schema else name,
    )


def quoted(name: str) -> str:
    """A name as SQL needs it, `schema.name` or plain."""
    return ".".join(part if _is_plain(part) else '"' + part.replace('"', '""') + '"' for part in name.split("."))


def _is_plain(name: str) -> bool:
    return bool(_PLAIN.fullmatch(name)) and parsed(f"SELECT {name}.{name}") is not None
