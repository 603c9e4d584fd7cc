"""What an index is, read from the statement that makes it (`pg_get_indexdef`) by PostgreSQL's own parser."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from pdmlib.frames.statement_text import Filter, columns_below, parsed

_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_HEAD = re.compile(r"CREATE (?:UNIQUE )?INDEX ")
CONCURRENTLY = "CONCURRENTLY "


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
        definition: the statement that makes it.
    """

    table: str
    keys: tuple[str, ...]
    mentions: frozenset[str]
    method: str
    partial: bool
    parent: bool
    definition: str

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
        """The statement that makes it again without holding up writes, as far as the server can."""
        if self.parent:
            return f"{self.definition.replace(' ON ONLY ', ' ON ', 1)};"
        return _HEAD.sub(lambda head: head[0] + CONCURRENTLY, self.definition, count=1) + ";"


def same_table(one: str, other: str) -> bool:
    """Whether two names may be of one table; a name without its schema may be in any."""
    return one == other or (("." not in one or "." not in other) and one.split(".")[-1] == other.split(".")[-1])


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
    )


def proposed(table: str, columns: Sequence[str], partitioned: bool) -> str:
    """The statement of an index that would serve; a partitioned table takes none without its lock."""
    how = "" if partitioned else CONCURRENTLY
    return f"CREATE INDEX {how}ON {quoted(table)} ({', '.join(map(quoted, columns))});"


def quoted(name: str) -> str:
    """A name as SQL needs it, `schema.name` or plain."""
    return ".".join(part if _is_plain(part) else '"' + part.replace('"', '""') + '"' for part in name.split("."))


def _is_plain(name: str) -> bool:
    return bool(_PLAIN.fullmatch(name)) and parsed(f"SELECT {name}.{name}") is not None
