"""Everything that a look at a database brings, in one bounded session and before anybody is asked."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from pdmlib.errors import SourceError
from pdmlib.sources.postgres.session import Session
from pdmlib.sources.postgres.survey import (
    Column,
    Survey,
    Table,
    hours_of,
    is_sound,
    starts_of,
    statements_of,
    survey,
    words_of,
)
from pdmlib.workbook.survey.features import Counted, counted, is_bookkeeping, is_queue, not_made_by_people
from pdmlib.workbook.survey.look import Look
from pdmlib.workbook.survey.queries import Proposed, proposed
from pdmlib.workbook.survey.shapes import Taken, assigned, switches, with_words


@dataclass(frozen=True)
class Seen:
    """What was seen of a database.

    Attributes:
        taken: block of the site file -> the table that may be it.
        counted: tables that may be features.
        uncounted: tables that have no time of their own, or were not to be read, and why.
        switch: the table of which jobs are switched on, with its columns of the job and the switch.
        hours: rows by hour of the day, by table and column.
        starts: the minutes at which each job of the log began.
    """

    survey: Survey
    taken: Mapping[str, Taken]
    counted: tuple[Counted, ...]
    uncounted: Mapping[str, str]
    switch: tuple[Table, Column, Column] | None
    hours: Mapping[tuple[str, str], Sequence[int]]
    starts: Mapping[str, Sequence[float]]
    queries: tuple[Proposed, ...]
    is_superuser: bool

    def hours_in(self, table: Table, column: Column) -> Sequence[int]:
        """Rows by hour of the day of a column; zeros where that was not looked at."""
        return self.hours.get((table.name, column.name), [0] * 24)


def look(session: Session) -> Seen:
    """Looks around.

    Raises:
        SourceError: the catalogue cannot be read, or the connection was lost.
    """
    found = survey(session)
    own = [table for table in found.tables if is_queue(table) or not is_bookkeeping(table)]
    taken = assigned(table for table in found.tables if table in own or "session" in table.name)
    taken = {key: _with_rare_words(session, one) for key, one in taken.items()}
    cron = taken.get("cron")
    switch = switches(own, cron) if cron else None
    used = {t.table.name for t in taken.values()} | ({switch[0].name} if switch else set())
    features = tuple(counted(table for table in own if table.name not in used))
    counted_too = used | {feature.table.name for feature in features}
    return Seen(
        survey=found,
        taken=taken,
        counted=features,
        uncounted={t.name: not_made_by_people(t) or "" for t in own if t.name not in counted_too},
        switch=switch,
        hours=_hours(session, taken, features),
        starts=_starts(session, cron) if cron else {},
        queries=tuple(proposed(statements_of(session), own, partial(is_sound, session))),
        is_superuser=session.can.superuser,
    )


def _with_rare_words(session: Session, taken: Taken) -> Taken:
    """A table with all its words of two months; with those of the sample where that takes too long."""
    time = next(
        (c for ours in taken.terms.required if (c := taken.columns.get(ours)) is not None and c.is_time), None
    )
    for ours in taken.words if time is not None else ():
        column = taken.columns[ours]
        assert column is not None and time is not None
        with contextlib.suppress(SourceError):
            taken = with_words(taken, ours, words_of(session, taken.table, column, time))
    return taken


def _hours(
    session: Session, taken: Mapping[str, Taken], features: Sequence[Counted]
) -> dict[tuple[str, str], list[int]]:
    """By the first column of times of each table that is used."""
    tables = [t.table for t in taken.values()] + [f.table for f in features]
    columns = [(table, made) for table in tables if table.rows and (made := Look(table).made)]
    return {(table.name, column.name): hours_of(session, table, column) for table, column in columns}


def _starts(session: Session, cron: Taken) -> Mapping[str, Sequence[float]]:
    job, start = cron.columns["job"], cron.columns["started_at"]
    try:
        return starts_of(session, cron.table, job.name, start.name) if job and start else {}
    except SourceError:
        return {}
