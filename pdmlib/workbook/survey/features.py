"""Which tables count what users do: those whose rows are made by people, one feature each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pdmlib.site.tables import FeatureKind
from pdmlib.sources.postgres.survey import NOT_MADE, UNWRITABLE, Column, Table
from pdmlib.workbook.survey.look import Look
from pdmlib.workbook.survey.rhythm import interval

SLOWEST_CLOCK_S = 1_800.0  # rows that come at a steady pace faster than this are made by a machine
MOST = 30  # features written; further tables are named in a comment
# Bookkeeping of frameworks: Rails, Django, Prisma, Laravel, Flyway, Liquibase, Alembic, Knex, TypeORM, Sequelize,
# goose, Drizzle, Ecto; queues and sessions of Active Job, GoodJob, Oban, Celery, NextAuth, connect-pg-simple.
BOOKKEEPING = re.compile(
    r"""^(schema_migrations|ar_internal_metadata|active_storage_\w+|action_text_\w+|solid_\w+|good_job\w*|delayed_jobs
    |django_(migrations|session|content_type|admin_log|site|celery\w*)|auth_(permission|group\w*|user_\w+)
    |celery_\w+|_prisma_migrations|migrations|failed_jobs|jobs?_batches|job_batches|cache(_locks)?|password_reset\w*
    |personal_access_tokens|flyway_schema_history|databasechangelog(lock)?|alembic_version|knex_migrations\w*
    |typeorm_metadata|sequelizemeta|goose_db_version|__drizzle_migrations|oban_\w+|sessions?|accounts?|verification\w*
    |pg_stat_statements\w*|spatial_ref_sys|schema_version|pgmigrations)$""",
    re.IGNORECASE | re.VERBOSE,
)


@dataclass(frozen=True)
class Counted:
    """A table that may be a feature.

    Attributes:
        goals: further times of a row that may be a goal reached, such as when an order was paid.
    """

    table: Table
    time: Column
    kind: FeatureKind
    name: str
    title: str
    goals: tuple[Column, ...] = ()


def is_bookkeeping(table: Table) -> bool:
    """Whether a table is a framework's own: by its name, and of sessions by holding no page or visitor."""
    return bool(BOOKKEEPING.match(table.name.split(".")[-1]))


def not_made_by_people(table: Table) -> str | None:
    """Why a table counts nothing that users do: it has no time of its own, or its rows come by the clock."""
    time = Look(table).made
    if table.problem or time is None:
        return table.problem or "no time of its own"
    step = interval(Look(table).times(time))
    return None if step is None or step > SLOWEST_CLOCK_S else "its rows come by the clock"


def counted(tables: Iterable[Table]) -> Iterator[Counted]:
    """The tables that may be features, most rows first."""
    names: set[str] = set()
    for table in sorted(tables, key=lambda t: (-(t.estimate or len(t.rows)), t.name)):
        time = Look(table).made
        is_hidden = table.problem is not None and table.problem != UNWRITABLE
        if time is None or (not_made_by_people(table) and not is_hidden):
            continue
        name = _slug(table.name, names)
        names.add(name)
        kind = FeatureKind.LOGIN if re.search("log_?in|sign_?in", name) else FeatureKind.CREATE
        goals = tuple(c for c in table.columns if c.is_time and c is not time and _is_goal(table, c))
        yield Counted(
            table=table,
            time=time,
            kind=kind,
            name=name,
            title=name.replace("_", " ").replace("-", " ").capitalize(),
            goals=goals,
        )


def _is_goal(table: Table, column: Column) -> bool:
    values = table.values(column.name)
    reached = sum(value is not None for value in values)
    return not NOT_MADE.search(column.name) and not column.required and 0 < reached < len(values)


def _slug(table: str, taken: set[str]) -> str:
    """`public.OrderItem` as `order_item`; the schema in front where the name is taken."""
    schema, name = table.split(".", 1)
    apart = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    plain = re.sub(r"[^a-z0-9_-]+", "_", apart).strip("_-")
    plain = plain if plain[:1].isalpha() else f"table_{plain}".rstrip("_")
    return plain if plain not in taken else re.sub(r"[^a-z0-9_-]+", "_", f"t_{schema}_{plain}".lower())
