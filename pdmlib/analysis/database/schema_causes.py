"""Why a statement became slower: what of the schema or the settings changed with it.

An index that served and is gone, and a foreign key without one, are evidence enough; all else is "likely".
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from pdmlib.analysis.database.parts import PARTITIONED, Parts
from pdmlib.analysis.database.slower import Slower, more_work
from pdmlib.frames.index_text import UNTESTED, Index, kept, proposed, quoted, same_table
from pdmlib.frames.statement_text import tables_of

FOREIGN_KEY = re.compile(r"FOREIGN KEY \((?P<columns>[^)]+)\) REFERENCES (?P<parent>[^(]+)\(")
# Settings that the planner chooses by, and those that bound what a plan may use.
PLANNER = re.compile(
    r"enable_|geqo|jit|\w+_cost$|\w+_mem$|effective_|plan_cache_mode|default_statistics_target|max_parallel"
    r"|from_collapse_limit|join_collapse_limit|cursor_tuple_fraction|random_page|hash_mem"
)
# Those of them that decide how fast the same blocks are worked on.
PACE = re.compile(r"jit|\w*parallel|\w+_mem$|hash_mem")
_OF_ROLE = " of role "
_HOLDS_UP = "(it holds up writes; without: ON ONLY the parent, CONCURRENTLY on each partition, then attach)"
_CHECK = "c"  # as a look writes the constraints that are no foreign keys: their kind alone
_NAMED = 3  # of several new indexes, in a sentence


def lost_index(slower: Slower) -> str:
    """The index that served and is gone, invalid or another now, with the statement that mends it."""
    likely = ""
    columns = slower.columns
    # With the index of a partitioned table those of its partitions go, and come back with it.
    for name, index in sorted(slower.old.indexes.items(), key=lambda item: not item[1].parent):
        told = _lost(slower.now, name, index)
        if not told:
            continue
        if _only_served(slower, index):
            return told
        if not likely and slower.touches_more and index.may_serve(slower.tables, columns):
            likely = f"likely {told}"
    return likely


def _only_served(slower: Slower, index: Index) -> bool:
    """Whether rows were surely found by this index, and by none that is left."""
    left = slower.now.indexes.values()
    return any(index.serves(f) and not any(other.serves(f) for other in left) for f in slower.wanted)


def _lost(now: Parts, name: str, index: Index) -> str:
    if now.lacks("index", name):
        return f"index {name} on {index.shown} is gone since then: {again(index)}"
    if not now.has("index", name) or not now.knows("index", name):
        return ""
    if name not in now.indexes:
        return f"index {name} on {index.shown} is invalid now, so no plan uses it: {_rebuilt(name, index)}"
    if kept(now.indexes[name].definition) != kept(index.definition):
        return f"index {name} on {index.shown} is another since, {now.indexes[name].shown}: {index.beside}"
    return ""


def again(index: Index) -> str:
    """The statement that makes a lost index again; that of a partitioned table holds up writes, and says so."""
    return f"{index.again} {_HOLDS_UP}" if index.parent and not index.withheld else index.again


def _rebuilt(name: str, index: Index) -> str:
    """How to build an invalid index; that of a partitioned table is valid once its partitions have one."""
    return (
        "build it on each partition and attach it"
        if index.parent
        else f"REINDEX INDEX CONCURRENTLY {quoted(name)};"
    )


def foreign_key(slower: Slower) -> str:
    """A foreign key that points at the rows which are deleted or changed, without an index to find its own."""
    if slower.writes not in ("delete", "update") or not more_work(slower.row):
        return ""
    for name, text in slower.now.of("constraint").items():
        match = FOREIGN_KEY.match(text)
        if not match or not any(same_table(match["parent"].replace('"', ""), t) for t in slower.tables):
            continue
        child = name.rpartition(".")[0]
        columns = tuple(column.strip('"') for column in match["columns"].split(", "))
        if not finds_child(slower.now, child, columns):
            make = proposed(child, columns, PARTITIONED in slower.now.flags(child))
            return (
                f"each {slower.writes} looks for rows of {child} by the foreign key {name.rpartition('.')[2]}, "
                f"and no index there begins with {', '.join(columns)}: {make} ({UNTESTED})"
            )
    return ""


def finds_child(parts: Parts, child: str, columns: Sequence[str]) -> bool:
    """Whether an index begins with the columns of a foreign key, in whatever order."""
    return any(
        same_table(i.table, child)
        and i.method == "btree"
        and not i.partial
        and set(i.keys[: len(columns)]) == set(columns)
        for i in parts.indexes.values()
    )


def policy(slower: Slower) -> str:
    """A policy of its tables that changed: its condition runs for each row that is looked at."""
    for name, old, now in slower.changed("policy"):
        if name.rpartition(".")[0] in slower.tables:
            return f"likely the policy {name} that changed: {old or 'none'} -> {now or 'none'}"
    return ""


def trigger(slower: Slower) -> str:
    """A trigger of its tables that is new or runs other code than before."""
    if not slower.writes:
        return ""
    for name, old, now in slower.changed("trigger"):
        if now and name.rpartition(".")[0] in slower.tables:
            return f"likely the trigger {name} that {'changed' if old else 'is new'}: {now}"
    bodies = {name.partition("(")[0] for name, old, _ in slower.changed("function") if old}
    for name, text in slower.now.of("trigger").items():
        runs = text.rpartition(" FUNCTION ")[2].partition("(")[0]
        if name.rpartition(".")[0] in slower.tables and runs in bodies:
            return f"likely the trigger {name}, whose function {runs} has another body"
    return ""


def view(slower: Slower) -> str:
    """A view that it names, whose query is another."""
    for name, old, now in slower.changed("view"):
        if old and now and any(same_table(name, table) for table in tables_of(slower.text)):
            return f"likely the view {name}, whose query is another"
    return ""


def function(slower: Slower) -> str:
    """A function that it calls by name, whose body is another."""
    for name, old, now in slower.changed("function"):
        called = name.partition("(")[0].rpartition(".")[2]
        if old and now and re.search(rf'(?<![\w$]){re.escape(called)}"?\s*\(', slower.text):
            return f"likely the function {name} that it calls, which has another body"
    return ""


def constraint(slower: Slower) -> str:
    """A check that is new on a table whose rows it writes: it runs for each of them."""
    if slower.writes in ("", "delete"):
        return ""
    for name, old, now in slower.changed("constraint"):
        if not old and (now or "").startswith(_CHECK) and name.rpartition(".")[0] in slower.tables:
            return f"likely the constraint {name} that is new: it is checked for each row"
    return ""


def generated(slower: Slower) -> str:
    """A column of a table whose rows it writes that is new or computed otherwise."""
    if slower.writes in ("", "delete"):
        return ""
    for name, old, now in slower.changed("generated"):
        if now and name.rpartition(".")[0] in slower.tables:
            return f"likely the column {name} that {'changed' if old else 'is new'}, computed for each row: {now}"
    return ""


def statistics(slower: Slower) -> str:
    """Extended statistics of its tables that are gone, where a call does more work than it did."""
    if not more_work(slower.row):
        return ""
    for name, old, now in slower.changed("statistics"):
        of = (old or "").rpartition(" FROM ")[2].replace('"', "")
        if old and not now and any(same_table(of, table) for table in slower.tables):
            return f"likely the statistics {name} that are gone, by which the planner knew its columns: {old};"
    return ""


def setting(slower: Slower) -> str:
    """A setting of the planner that changed; where a call does no more than it did one that decides its pace."""
    decides = PLANNER if more_work(slower.row) else PACE
    for name, old, now in slower.changed("setting"):
        if decides.match(name.partition(_OF_ROLE)[0]):
            return f"likely the setting {name} that changed: {old or 'its default'} -> {now or 'its default'}"
    return ""


def new_indexes(slower: Slower) -> str:
    """Indexes that are new on a table whose rows it writes: each is written as well."""
    if slower.writes in ("", "delete") or not slower.touches_more:
        return ""
    new = [name for name, old, _ in slower.changed("index") if not old and _is_of(slower, name)]
    if not new:
        return ""
    rest = f" and {len(new) - _NAMED} more" if len(new) > _NAMED else ""
    return f"likely the indexes that are new, each is written as well: {', '.join(islice(new, _NAMED))}{rest}"


def _is_of(slower: Slower, name: str) -> bool:
    index = slower.now.indexes.get(name)
    return index is not None and any(same_table(index.table, table) for table in slower.tables)


def told(slower: Slower) -> Iterator[str]:
    """The causes that the schema tells, the surest evidence first."""
    yield from filter(None, (cause(slower) for cause in _CAUSES))


_CAUSES: tuple[Callable[[Slower], str], ...] = (
    lost_index,
    foreign_key,
    policy,
    trigger,
    view,
    function,
    constraint,
    generated,
    statistics,
    setting,
    new_indexes,
)
