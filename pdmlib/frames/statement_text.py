"""The text of SQL statements: freed of people's data, made comparable, and read for tables and filters.

The words of a text are told apart by PostgreSQL's own lexer and its grammar by PostgreSQL's own parser
(libpg_query, by way of `postgast`), so a literal is here what it is for the server. Measured on the 41,727
statements of PostgreSQL 17's regression tests, on two cores:

==============================================  ============  ===========  ==========
what                                            postgast 0.2  sqlglot 30   pglast 8.8
==============================================  ============  ===========  ==========
installed, with what it needs                   18 MB         9 MB         33 MB
import                                          70 ms         110 ms       35 ms
words of one text, median / 99th percentile     5 / 30 us     43 / 2130 us 7 / 50 us
tree of one text, median / 99th percentile      13 / 120 us   145 / 4580 us 46 / 1080 us
texts whose numbers partly pass as names        0             16           0
of 19,924 random texts: literal read as a name  0             90           0
of those: refused though PostgreSQL reads them  0             2,806        0
license                                         BSD-2         MIT          GPL-3
==============================================  ============  ===========  ==========

Redacting one of those texts takes 0.06 ms, finding its tables and filters 0.16 ms.

sqlglot reads `{%--`, `#--`, `1_000` and `0o17` otherwise than the server, which would let a secret pass, and does
not say where an unfinished literal begins. pglast is the same parser, but its license is not one that a library
under MIT can ask of its users. What postgast cannot do: a tree nested deeper than about forty levels; of such a
statement the tables and filters stay unknown, its redaction and identity do not need the tree.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from functools import cache, lru_cache
from itertools import islice, pairwise
from typing import Any, NamedTuple, cast

WITHHELD = "[statement withheld: it could not be read]"
CUT = "…"

# Characters of a redacted text that are kept: as many as are asked of the server, so that two statements which
# differ late stay two.
LIMIT = 8_000
# Characters that are looked at: beyond any text that is asked for; bounds what a stranger's text can cost.
READ = 100_000
# How often a text that was cut is shortened until it is a statement: more is needed in a deep list only.
ATTEMPTS = 100
# Texts whose form is kept, since each look asks for it: more than pg_stat_statements holds by default (5000).
TEXTS = 8192

# What stands for a value in a text: client libraries' parameters, which PostgreSQL's lexer does not know.
_CLIENT_PARAMETER = re.compile(r"%\(\w+\)s|%s")
# An odd number of backslashes before a quote: with standard_conforming_strings off the literal goes on behind it.
_ESCAPED_QUOTE = re.compile(r"(?<!\\)(?:\\\\)*\\'")
# The characters of PostgreSQL's operators (manual, 4.1.3): a `?` beside one of them would be read as part of it.
_OPERATOR = frozenset("+-*/<>=~!@#%^&|`?")
_PUNCTUATION = frozenset("()[],;:.+-*/%^<>=?")
_OPEN, _CLOSE = frozenset(("(", "[", ".", "::")), frozenset((")", "]", ",", ";", ".", "::", "["))
_STRING, _NUMBER = "'?'", "?"
_MASKS = {
    **dict.fromkeys(("SCONST", "USCONST", "BCONST", "XCONST"), _STRING),
    **dict.fromkeys(("ICONST", "FCONST"), _NUMBER),
}
_PAIRS = {"(": ")", "[": "]"}
_IN_LIST = re.compile(r"\bin ?\(\?(?:, \?)*\)")
# What `without_strings` leaves behind a text whose strings it has masked.
_KNOWN = re.compile(r" /\* [0-9a-f]{6} \*/$")
# The value that a setting is given, which may stand without quotes: `SET app.token = abc`.
_SETTING = re.compile(
    r"""((?:^|;)\s*(?:set|alter\b[^;]*?\sset)\s+(?:local\s+|session\s+)?[\w."]+\s*(?:=|\bto\b))\s*[^;]+""",
    re.IGNORECASE,
)


def redacted(text: str, limit: int = LIMIT) -> str:
    """A statement without the literals and comments that may hold people's data, at most `limit` characters.

    Parameters (`$1`) stay; strings become `'?'`, numbers `?`. What the server or the limit has cut ends in `…`;
    a text that cannot be told apart into words is withheld.
    """
    read = _read(text)
    if read is None or (read.cut and not read.words):
        return WITHHELD
    shown = _SETTING.sub(r"\1 ?", "".join(_pieces(_masked(read.words))))
    if len(shown) <= limit and not read.cut:
        return shown
    return f"{shown[: limit - len(CUT) - 1].rstrip()} {CUT}"


def without_strings(text: str, names: frozenset[int] = frozenset()) -> str:
    """A part of a schema's definition without its strings, which may hold secrets; numbers stay.

    Where any were masked, a hash in a comment tells it from the same text with other strings.

    Args:
        names: where the strings begin that are no data, in bytes.
    """
    read = _read(text)
    known = f" /* {hashlib.sha256(text.encode()).hexdigest()[:6]} */"
    if read is None:
        return WITHHELD + known
    words = [word._replace(kind="IDENT") if word.at in names else word for word in read.words]
    shown = "".join(_pieces(_masked(words, numbers=False)))
    masked = read.cut or any(word.mask == _STRING for word in words)
    return f"{shown}{f' {CUT}' if read.cut else ''}{known if masked else ''}"


def is_masked(definition: str) -> bool:
    """Whether a part of a schema's definition lacks its strings."""
    return bool(_KNOWN.search(definition))


@lru_cache(TEXTS)
def normalised(text: str) -> str:
    """A statement in one form whatever its parameters, letter case, spacing and length of IN lists.

    Quoted names keep their case: to PostgreSQL `"Orders"` and `orders` are two tables.
    """
    read = _read(redacted(_CLIENT_PARAMETER.sub("$1", text), READ))
    if read is None:
        return WITHHELD
    form = "".join(_spaced([_form(word) for word in _masked(read.words)]))
    return f"{_IN_LIST.sub('in (?)', form)} {CUT}" if read.cut else _IN_LIST.sub("in (?)", form)


@dataclass(frozen=True)
class Filter:
    """The columns by which a statement picks rows of one table: equality first, then a range.

    Compared with a value come before those compared with another table's column.
    """

    table: str
    columns: tuple[str, ...]


def tables_of(text: str) -> tuple[str, ...]:
    """The tables that a statement names, `schema.table` or `table`, as far as its text goes."""
    return tuple(_found(text).tables)


def filters_of(text: str) -> list[Filter]:
    """What a statement picks the rows of each of its tables by: what every row has to fulfil, no alternatives.

    A column inside a function says nothing of an index on it, and one without its table's name in a join may be
    any table's: both are left out. Tables that are compared with a value come first.
    """
    return _found(text).filters()


def verb_of(text: str) -> str:
    """The first word of a statement in small letters: `select`, `insert`, `with`, .."""
    return text.lstrip().split(" ", 1)[0].lower()


def parsed(text: str) -> Any | None:
    """The tree of a text that nobody cut or masked; None when it is no statement."""
    try:
        return _postgast().parse(text)
    except (_postgast().PgQueryError, _too_deep(), UnicodeError):
        return None


def mentioned(text: str) -> frozenset[str]:
    """The columns that a statement names, in whatever place, as far as its text goes."""
    tree = _tree(text)
    return frozenset() if tree is None else columns_below(tree)


def functions_of(text: str) -> frozenset[str]:
    """The functions that a statement calls, without their schemas, as far as its text goes."""
    tree = _tree(text)
    return frozenset() if tree is None else _functions_below(tree)


def names_below(node: Any, types: frozenset[str]) -> Iterator[int]:
    """Where strings begin, in bytes, that name things of a schema and hold no data.

    They are keys of a JSON, units of time and zones, and what is cast to a number, a time or one of some types.
    """
    kind = _name(node)
    if kind == "TypeCast" and _type(node) in types:
        yield from _string(node.arg)
    elif kind == "A_Expr" and node.name[-1].string.sval in _BY_KEY:
        yield from _string(node.rexpr)
    elif kind == "FuncCall" and node.args and node.funcname[-1].string.sval in _OF_TIME:
        yield from _string(node.args[0])
    for _, child in _children(node):
        yield from names_below(child, types)


def _type(cast: Any) -> str:
    """The type of a cast, `schema.type`; one of the server's own without its schema."""
    return ".".join(part.string.sval for part in cast.type_name.names).removeprefix("pg_catalog.")


def _string(node: Any) -> Iterator[int]:
    node = _postgast().unwrap_node(node)
    if _name(node) == "TypeCast":
        yield from _string(node.arg)
    elif _name(node) == "A_Const" and node.HasField("sval"):
        yield node.location


def _functions_below(node: Any) -> frozenset[str]:
    named = {node.funcname[-1].string.sval} if _name(node) == "FuncCall" else set()
    return frozenset(named).union(*(_functions_below(child) for _, child in _children(node)))


def columns_below(node: Any) -> frozenset[str]:
    """The columns that a node of a tree and those below it name, without their tables."""
    named = {node.fields[-1].string.sval} if _name(node) == "ColumnRef" and node.fields else set()
    return frozenset(named - {""}).union(*(columns_below(child) for _, child in _children(node)))


# The words of a text.


class _Word(NamedTuple):
    """One word of a text as PostgreSQL's lexer tells it.

    `apart` when space or a comment stands before it; `at` is its first byte.
    """

    kind: str
    text: str
    apart: bool
    keyword: bool = False
    reserved: bool = False
    at: int = -1

    @property
    def comment(self) -> bool:
        return self.kind in ("SQL_COMMENT", "C_COMMENT")

    @property
    def mask(self) -> str | None:
        """What is shown in place of a value; None for a word that is none."""
        return _MASKS.get(self.kind)

    @property
    def readable(self) -> bool:
        """Whether the word is one of those that PostgreSQL's grammar knows, and one literal however it is set."""
        if self.kind == "SCONST" and self.text.startswith("'"):
            return not _ESCAPED_QUOTE.search(self.text)
        known = self.kind not in ("NUL", "UNKNOWN") and not self.kind.startswith("ASCII_")
        return known or self.text in _PUNCTUATION


@dataclass(frozen=True)
class _Read:
    """What could be read of a text, and whether it went on."""

    words: list[_Word]
    cut: bool


_START = _Word("START", "", apart=False)


@cache
def _postgast() -> Any:
    """The parser, loaded when the first statement is read: it takes longer than all of the command's help."""
    import postgast

    return postgast


@cache
def _kinds() -> dict[int, str]:
    """The lexer's names of kinds of words; a sign that the grammar does not know has none."""
    return {number: name for name, number in _postgast().pg_query_pb2.Token.items()}


@cache
def _too_deep() -> type[Exception]:
    """What the parser's answer raises that is nested deeper than its format can be read."""
    from google.protobuf.message import DecodeError

    return cast("type[Exception]", DecodeError)


def _read(text: str) -> _Read | None:
    """The words of a text up to where it was cut; None when it cannot be told apart for sure."""
    front, cut = text[:READ], len(text) > READ
    # What stands behind a NUL, which no text of PostgreSQL holds, would not be looked at.
    if "\0" in front:
        return None
    front = front.removesuffix(CUT)
    cut |= len(front) < len(text)
    while True:
        try:
            words = _words(front)
            break
        except _postgast().PgQueryError as error:
            # The place is only a guess at where the unfinished word begins: what stands before it is read again.
            at = error.cursorpos - 1
            if not 0 <= at < len(front) or not _cut_there(str(error), front[at:]):
                return None
            front, cut = front[:at], True
        except UnicodeError:
            return None
    return _checked(words, cut)


def _cut_there(error: str, rest: str) -> bool:
    """Whether a text is unreadable because it was cut: a literal without its end, or its very last word."""
    return error.startswith("unterminated") or not re.search(r"\s", rest)


def _words(text: str) -> list[_Word]:
    names, none, reserved = (
        _kinds(),
        _postgast().pg_query_pb2.NO_KEYWORD,
        _postgast().pg_query_pb2.RESERVED_KEYWORD,
    )
    data, end = text.encode(), 0
    words: list[_Word] = []
    for token in _postgast().scan(text).tokens:
        words.append(
            _Word(
                names.get(token.token, "UNKNOWN"),
                data[token.start : token.end].decode(),
                apart=token.start > end or (bool(words) and words[-1].comment),
                keyword=token.keyword_kind != none,
                reserved=token.keyword_kind == reserved,
                at=token.start,
            )
        )
        end = token.end
    return words


def _checked(words: list[_Word], cut: bool) -> _Read | None:
    wrong = next((number for number, word in enumerate(words) if not word.readable), None)
    if wrong is None:
        return _Read(words, cut)
    # A `$` among the last two words is a dollar quote whose tag was cut.
    if words[wrong].text == "$" and wrong >= len(words) - 2:
        return _Read(words[:wrong], cut=True)
    return None


def _masked(words: Iterable[_Word], numbers: bool = True) -> list[_Word]:
    """The words without comments, their values masked; numbers too unless said."""
    kept: list[_Word] = []
    for word in words:
        if word.mask == _STRING and kept and kept[-1].kind == "UESCAPE":
            # The character that escapes belongs to the literal before it.
            kept.pop()
        elif not word.comment:
            mask = word.mask if numbers or word.mask == _STRING else None
            kept.append(word._replace(text=mask) if mask else word)
    return kept


def _pieces(words: Iterable[_Word]) -> Iterator[str]:
    """The words with one space where there was any; what was masked does not run into its neighbour."""
    before = ""
    for word in words:
        joined = before[-1:] in _OPERATOR and word.text[0] in _OPERATOR and "?" in (before, word.text)
        beside = joined or (before[-1:] == "'" == word.text[0])
        yield f" {word.text}" if before and (word.apart or beside) else word.text
        before = word.text


def _form(word: _Word) -> _Word:
    if word.kind == "PARAM" or word.mask:
        return word._replace(text="?")
    return word if '"' in word.text else word._replace(text=word.text.lower())


def _spaced(words: Iterable[_Word]) -> Iterator[str]:
    """The words in one way of spacing; only a space before a parenthesis is kept: `in (?)`, `count(*)`."""
    before = ""
    for word in words:
        close = word.text in _CLOSE or before in _OPEN or (word.text == "(" and not word.apart)
        yield word.text if close or not before else f" {word.text}"
        before = word.text


# The tree of a text.

_STATEMENTS = frozenset(("SelectStmt", "InsertStmt", "UpdateStmt", "DeleteStmt", "MergeStmt"))
# The fields of a statement in which its tables stand.
_FROM = frozenset(("from_clause", "relation", "using_clause", "source_relation"))
_RANGES = frozenset(("<", ">", "<=", ">=", "BETWEEN"))
# Operators that take a key of a JSON, and functions that take the name of a unit of time or a zone first.
_BY_KEY = frozenset(("->", "->>", "#>", "#>>"))
_OF_TIME = frozenset(("date_trunc", "date_part", "extract", "timezone"))


@dataclass(frozen=True)
class _Scope:
    """What names mean in one statement: aliases of its tables, and the names its WITH and those around it give."""

    aliases: dict[str, str]
    items: int
    named: frozenset[str]
    outer: _Scope | None

    def table(self, alias: str) -> str | None:
        if alias in self.aliases:
            return self.aliases[alias]
        return self.outer.table(alias) if self.outer else None


class _Kind(Enum):
    """How a column is compared, in the order in which an index would have them."""

    VALUE = auto()
    JOIN = auto()
    RANGE = auto()


class _Found:
    """The tables of a text and what their rows are picked by."""

    def __init__(self) -> None:
        self.tables: dict[str, None] = {}
        self._picked: dict[str, dict[_Kind, list[str]]] = {}
        self._by_value: dict[str, None] = {}

    def pick(self, table: str, column: str, kind: _Kind, value: bool) -> None:
        self._picked.setdefault(table, {}).setdefault(kind, []).append(column)
        if value:
            self._by_value[table] = None

    def filters(self) -> list[Filter]:
        return [Filter(table, self._columns(table)) for table in {**self._by_value, **dict.fromkeys(self._picked)}]

    def _columns(self, table: str) -> tuple[str, ...]:
        kinds = self._picked[table]
        columns = [*kinds.get(_Kind.VALUE, []), *kinds.get(_Kind.JOIN, []), *kinds.get(_Kind.RANGE, [])[:1]]
        return tuple(dict.fromkeys(columns))


def _found(text: str) -> _Found:
    found = _Found()
    tree = _tree(text)
    if tree is not None:
        _visit(tree, _Scope({}, 0, frozenset(), None), found)
    return found


def _tree(text: str) -> Any | None:
    """The tree of a text, of as much of it as is a statement; None when none of it is."""
    read = _read(_CLIENT_PARAMETER.sub("$1", text))
    if read is None:
        return None
    words = _masked(read.words)
    for end in islice(_ends(words), ATTEMPTS):
        try:
            return _postgast().parse(_parsable(words[:end]))
        except (_postgast().PgQueryError, _too_deep()):
            continue
    return None


def _ends(words: Sequence[_Word]) -> Iterator[int]:
    """Where a text may end, the whole of it first, then before each word that can begin another part."""
    yield len(words)
    for end in reversed(range(1, len(words))):
        if words[end].keyword or words[end].text in ("(", "[", ","):
            yield end


def _parsable(words: Sequence[_Word]) -> str:
    """Words as a text for the parser: masked values are values again, what was opened is closed."""
    closing = ""
    for word in words:
        closing = _PAIRS[word.text] + closing if word.text in _PAIRS else closing.removeprefix(word.text)
    values = ("0" if _value(*pair) else pair[1].text for pair in pairwise((_START, *words)))
    return f"{' '.join(values)} {closing}"


def _value(before: _Word, word: _Word) -> bool:
    """Whether a `?` stands for a value: behind one, or behind a name, it is PostgreSQL's operator of that name."""
    named = before.kind in ("IDENT", "UIDENT", "PARAM") or (before.keyword and not before.reserved)
    return word.text == "?" and not (named or before.mask or before.text in (")", "]"))


def _children(node: Any) -> Iterator[tuple[str, Any]]:
    """The nodes right below a node, with the name of the field each is in."""
    for field, value in node.ListFields():
        if field.type == field.TYPE_MESSAGE:
            for child in value if field.is_repeated else [value]:
                yield field.name, _postgast().unwrap_node(child)


def _name(node: Any) -> str:
    return str(node.DESCRIPTOR.name)


def _visit(node: Any, scope: _Scope, found: _Found) -> None:
    """Finds the tables of a node and of all below it, and the conditions of every statement among them."""
    if _name(node) == "RangeVar" and (node.schemaname or node.relname not in scope.named):
        found.tables[_table(node)] = None
    if _name(node) in _STATEMENTS:
        scope = _enter(node, scope, found)
        for condition in _conditions(node):
            _compare(condition, scope, found)
    for field, child in _children(node):
        # What a lock names are aliases, and a WITH has been seen on entering.
        if field not in ("with_clause", "locking_clause"):
            _visit(child, scope, found)


def _enter(node: Any, outer: _Scope, found: _Found) -> _Scope:
    """What names mean inside a statement; its WITH is read on the way, each name known to those after it."""
    named, clause = outer.named, node.with_clause
    ctes = [_postgast().unwrap_node(cte) for cte in clause.ctes]
    if clause.recursive:
        named |= {cte.ctename for cte in ctes}
    for cte in ctes:
        _visit(cte.ctequery, replace(outer, named=named), found)
        named |= {cte.ctename}
    items = [item for field, child in _children(node) if field in _FROM for item in _items(child)]
    tables = [item for item in items if _name(item) == "RangeVar"]
    real = {t.alias.aliasname or t.relname: _table(t) for t in tables if t.schemaname or t.relname not in named}
    return _Scope(real, len(items), named, outer)


def _items(node: Any) -> Iterator[Any]:
    """The tables, subselects and functions of a FROM, joined or not."""
    if _name(node) != "JoinExpr":
        yield node
        return
    for side in (node.larg, node.rarg):
        yield from _items(_postgast().unwrap_node(side))


def _table(node: Any) -> str:
    return f"{node.schemaname}.{node.relname}" if node.schemaname else str(node.relname)


def _conditions(node: Any) -> Iterator[Any]:
    """What every row of a statement has to fulfil: of its WHERE and of the ON of its joins."""
    for field, child in _children(node):
        if field in ("where_clause", "join_condition"):
            yield from _all_of(child)
        elif field in _FROM:
            yield from _joined_on(child)


def _joined_on(node: Any) -> Iterator[Any]:
    if _name(node) == "JoinExpr":
        for field, child in _children(node):
            yield from _all_of(child) if field == "quals" else _joined_on(child)


def _all_of(node: Any) -> Iterator[Any]:
    """The conditions that an AND joins; an OR or a NOT says nothing of every row."""
    if _name(node) != "BoolExpr":
        yield node
    elif node.boolop == _postgast().pg_query_pb2.AND_EXPR:
        for child in node.args:
            yield from _all_of(_postgast().unwrap_node(child))


def _compare(condition: Any, scope: _Scope, found: _Found) -> None:
    """Notes the columns that a condition compares with something that an index could be asked for."""
    if _name(condition) != "A_Expr":
        return
    equal = _operator(condition) == "="
    if not equal and _operator(condition) not in _RANGES:
        return
    left, right = _columns(condition.lexpr, scope), _columns(condition.rexpr, scope)
    tables = {table for table, _ in (*left, *right)}
    # Two columns of one table are compared row by row.
    if left and right and len(tables) == 1:
        return
    kind = _Kind.RANGE if not equal else _Kind.JOIN if left and right else _Kind.VALUE
    for table, column in [*left, *right] if equal else [*left[:1], *right[:1]]:
        found.pick(table, column, kind, value=not (left and right))


def _operator(node: Any) -> str:
    """The operator of a comparison, `=` also for IN and = ANY; empty for what no plain index serves."""
    kinds = _postgast().pg_query_pb2
    if node.kind in (kinds.AEXPR_OP, kinds.AEXPR_OP_ANY, kinds.AEXPR_IN, kinds.AEXPR_BETWEEN):
        return str(node.name[-1].string.sval)
    return ""


def _columns(node: Any, scope: _Scope) -> list[tuple[str, str]]:
    """The table and column that an operand is, or those of a row of operands; a column that is cast is none."""
    node = _postgast().unwrap_node(node)
    if _name(node) == "RowExpr":
        return [column for child in node.args for column in _columns(child, scope)]
    names = [part.string.sval for part in node.fields] if _name(node) == "ColumnRef" else []
    if len(names) > 1:
        table = scope.table(names[-2])
    else:
        table = next(iter(scope.aliases.values()), None) if scope.items == 1 else None
    return [(table, names[-1])] if names and table else []
