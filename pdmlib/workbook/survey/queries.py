"""Critical queries to propose: the reads that the application spends most time on, made runnable."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pdmlib.frames.statement_text import tables_of
from pdmlib.sources.postgres.survey import Statement, Table

MOST = 5
FEWEST_CALLS = 20  # a query that ran less often is somebody's look, not the application's
PAGE = 20  # rows of a page, where a query's own limit was left out of its text
# What a limit may be: about twice the mean of now, as people write it.
STEPS_MS = (10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000)


@dataclass(frozen=True)
class Proposed:
    """A query to time, its parameters taken from real rows."""

    name: str
    sql: str
    parameters: Mapping[str, str]
    limit_ms: int
    calls: int
    mean_ms: float


def proposed(
    statements: Iterable[Statement], tables: Iterable[Table], is_sound: Callable[[str, Mapping[str, str]], bool]
) -> list[Proposed]:
    """The reads with most time in all that can be run again.

    Args:
        is_sound: whether the server would plan a query with the parameters that other queries take from rows.
    """
    known = {table.name.split(".", 1)[1].lower(): table.name for table in tables}
    found: list[Proposed] = []
    for statement in statements:
        made = _runnable(statement, known, {query.name for query in found})
        if made and made.sql not in {query.sql for query in found} and is_sound(made.sql, made.parameters):
            found.append(made)
        if len(found) == MOST:
            break
    return found


def _runnable(statement: Statement, known: Mapping[str, str], taken: set[str]) -> Proposed | None:
    text = statement.text.strip().rstrip(";")
    tables = list(dict.fromkeys(tables_of(text)))
    names = [known.get(table.split(".")[-1].lower()) for table in tables]
    if (
        statement.calls < FEWEST_CALLS
        or not re.match(r"select\b", text, re.IGNORECASE)
        or not names
        or None in names
    ):
        return None
    text = _qualified(text, {t: n for t, n in zip(tables, names, strict=True) if n})
    text = re.sub(r"\blimit\s+(\$\d+|\?)", f"LIMIT {PAGE}", text, flags=re.IGNORECASE)
    text = re.sub(r"\boffset\s+(\$\d+|\?)", "OFFSET 0", text, flags=re.IGNORECASE)
    text, parameters = _filled(text, str(names[0]))
    if re.search(r"\$\d|\?", text):
        return None
    base = re.sub(r"\W+", "_", str(names[0]).split(".")[-1]).lower()
    name = next(n for n in (base, *(f"{base}_{i}" for i in range(2, 99))) if n not in taken)
    limit = next((step for step in STEPS_MS if step >= 2 * statement.mean_ms), STEPS_MS[-1])
    return Proposed(
        name=name,
        sql=text,
        parameters=parameters,
        limit_ms=limit,
        calls=statement.calls,
        mean_ms=statement.mean_ms,
    )


def _qualified(text: str, names: Mapping[str, str]) -> str:
    """The text with the schema before each table: our session looks in none by itself."""
    for said, full in names.items():
        if "." not in said:
            table = re.compile(rf'\b((?:from|join)\s+(?:only\s+)?)"?{re.escape(said)}"?(?![\w."])', re.IGNORECASE)
            text = table.sub(rf"\g<1>{_quoted(full)}", text)
    return text


def _quoted(name: str) -> str:
    return ".".join(part if re.fullmatch(r"[a-z_][a-z0-9_]*", part) else f'"{part}"' for part in name.split("."))


def _filled(text: str, table: str) -> tuple[str, dict[str, str]]:
    """Parameters that a column is equal to, taken from a real row of the table."""
    parameters: dict[str, str] = {}

    def one(match: re.Match[str]) -> str:
        column = match["column"].strip('"')
        quoted = _quoted(column)
        parameters[column] = f"SELECT {quoted} FROM {_quoted(table)} WHERE {quoted} IS NOT NULL LIMIT 1"
        return f"{match['before']}%({column})s"

    pattern = r'(?P<before>(?:"?\w+"?\.)?(?P<column>"?\w+"?)\s*=\s*)\$\d+(?:::\w+)?'
    return re.sub(pattern, one, text), parameters
