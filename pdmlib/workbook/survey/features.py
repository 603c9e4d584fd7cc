"""Which tables count what users do: those whose rows are made by people, one feature each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pdmlib.site.tables import FeatureKind
from pdmlib.sources.postgres.mapping import MATERIALIZED
from pdmlib.sources.postgres.survey import NOT_MADE, UNWRITABLE, Column, Table
from pdmlib.workbook.survey.look import Look

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
# Queues of jobs by the names of their makers: Solid Queue, GoodJob, Delayed Job, Que, Oban, django-q,
# procrastinate, pg-boss, Graphile Worker, River, copies of BullMQ and APScheduler, Laravel, Hangfire, Quartz and
# Queue Classic.
QUEUES = re.compile(
    r"""(^|_)(solid_queue_\w*(jobs|executions)|good_jobs|good_job_executions|delayed_jobs|que_jobs|oban_jobs
    |django_q_(task|ormq|schedule)|procrastinate_(jobs|events)|pgboss_\w+|river_job|apscheduler_jobs|bull\w*_jobs?
    |failed_jobs|queue_classic_jobs|qrtz_\w+|(queue|queued|background|async|worker|work)_(jobs?|tasks?|items?)
    |(jobs?|tasks?|work)_queues?|jobs)$""",
    re.IGNORECASE | re.VERBOSE,
)
QUEUE_SCHEMAS = ("pgboss", "graphile_worker", "hangfire")
# What a row of a queue tells beside its job: where it waits, what it is given, who has it, how often it was tried,
# when it may run, how it ended. Four of these six are no accident.
SIGNS_OF_A_QUEUE = (
    r"^queue(_name)?$|^channel$",
    r"payload|serialized|^arg(ument)?s$|^params$|^data$|^handler$|^job_data$",
    r"^(locked|reserved|claimed|leased|picked|lock|worker|attempted|taken)(_(by|at|until|id|to|expires_at))?$",
    r"^(max_)?(attempts?(_made)?|retr(y|ies)(_count|_limit)?|tries|executions(_count)?)$",
    r"^(run|available|scheduled|execute|start_after|process|perform|delay(ed)?)(_(at|until|after|on))?$|^priority$",
    r"^(last_)?(error|exception|failed_reason|stack_?trace)(_\w+)?$|^(finished|completed|failed|processed|done)(_(at|on))?$",
)
A_QUEUE = 4
QUEUE = "a queue of jobs (its runs can be read as `cron`)"


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


def is_queue(table: Table) -> bool:
    """Whether a table is a queue of jobs: by its name, or by what its columns tell of each job."""
    schema, name = table.name.split(".", 1)
    columns = [re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", column.name).lower() for column in table.columns]
    signs = sum(any(re.search(sign, column) for column in columns) for sign in SIGNS_OF_A_QUEUE)
    named = schema in QUEUE_SCHEMAS or QUEUES.search(name) is not None
    return signs >= (A_QUEUE if not named else A_QUEUE // 2)


def not_made_by_people(table: Table) -> str | None:
    """Why a table counts nothing that users do: no time of its own, a queue, or rows that come by the clock."""
    if is_queue(table):
        return QUEUE
    if table.sight.kind == MATERIALIZED:
        return "a materialized view, as old as its last refresh"
    time = Look(table).made
    if table.problem or time is None:
        return table.problem or "no time of its own"
    step, _ = Look(table).pace(time)
    return None if step is None or step > SLOWEST_CLOCK_S else "its rows come by the clock"


def counted(tables: Iterable[Table]) -> Iterator[Counted]:
    """The tables that may be features, most rows first."""
    names: set[str] = set()
    for table in sorted(tables, key=lambda t: (-(t.estimate or len(t.rows)), t.name)):
        time = Look(table).made
        # What a grant would show is counted; what cannot be read whatever is granted is not.
        is_hidden = not table.sight.whole and table.problem != UNWRITABLE
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
