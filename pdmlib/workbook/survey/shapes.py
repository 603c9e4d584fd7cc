"""Which table may be which block of a site file: by its rows first (regular times, few words, starts and ends in
pairs), then by its names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import permutations
from statistics import median

from pdmlib.site.terms import (
    APP_ALERTS,
    CRON,
    INTEGRATION_CHECKS,
    PAYMENTS,
    SESSIONS,
    TICKETS,
    UPTIME,
    Terms,
)
from pdmlib.sources.postgres.monitors import Apart
from pdmlib.sources.postgres.survey import UNWRITABLE, Column, Table, words_in
from pdmlib.workbook.survey.look import Look
from pdmlib.workbook.survey.rhythm import interval
from pdmlib.workbook.survey.words import meaning

ENOUGH = 4  # points at which a table is taken for a block: two kinds of signs at least, none gives more than three
PROBE_S = (10.0, 3_600.0)  # seconds between two probes of any monitor
# Words of a block's column that stand for themselves need no line in the site file.
Columns = dict[str, Column | None]


@dataclass(frozen=True)
class Spoken:
    """One word of a column: how many sampled rows have it, and our word that it may stand for."""

    theirs: str
    rows: int
    ours: str | None


@dataclass(frozen=True)
class Taken:
    """A table that may be a block of the site file.

    Attributes:
        columns: our name -> the table's column, None where it has none.
        signs: what speaks for it, in words.
        interval_s: seconds between two rows, where they are regular.
        apart: what tells several monitors apart whose probes the table holds.
    """

    terms: Terms
    table: Table
    columns: Mapping[str, Column | None]
    points: int
    signs: tuple[str, ...]
    interval_s: float | None = None
    words: Mapping[str, tuple[Spoken, ...]] = field(default_factory=dict)
    apart: Apart | None = None


class _Signs:
    """What speaks for a table being a block, with its points."""

    def __init__(self) -> None:
        self.points, self.words = 0, list[str]()

    def add(self, holds: object, points: int, what: str) -> None:
        """Counts a sign that holds."""
        if holds:
            self.points += points
            self.words.append(what)


def assigned(tables: Iterable[Table]) -> dict[str, Taken]:
    """Block -> the table that is most like it; a table stands for one block only."""
    looks = [Look(table) for table in tables if table.problem != UNWRITABLE]
    found = [taken for look in looks for shape in SHAPES if (taken := shape(look))]
    chosen: dict[str, Taken] = {}
    for taken in sorted(found, key=lambda t: (-t.points, t.table.name)):
        if taken.terms.block not in chosen and taken.table.name not in {t.table.name for t in chosen.values()}:
            chosen[taken.terms.block] = taken
    return chosen


def _taken(
    look: Look, terms: Terms, columns: Columns, signs: _Signs, interval_s: float | None = None
) -> Taken | None:
    lacking = [
        name
        for name in terms.required
        if columns.get(name) is None and not all(map(columns.get, terms.column(name).instead or (name,)))
    ]
    if lacking or signs.points < ENOUGH:
        return None
    words = {
        ours: tuple(Spoken(w, n, meaning(terms, ours, column.name, w)) for w, n in words_in(look.table, column))
        for ours in terms.words
        if (column := columns.get(ours)) is not None
    }
    return Taken(
        terms=terms,
        table=look.table,
        columns=columns,
        points=signs.points,
        signs=tuple(signs.words),
        interval_s=interval_s,
        words=words,
    )


def with_words(taken: Taken, ours: str, counted: Iterable[tuple[str, int]]) -> Taken:
    """The same with the words of one column counted over more rows than the sample; those never seen are kept."""
    column = taken.columns[ours]
    assert column is not None
    rows = {spoken.theirs: spoken.rows for spoken in taken.words[ours]} | dict(counted)
    words = tuple(Spoken(w, n, meaning(taken.terms, ours, column.name, w)) for w, n in rows.items())
    return replace(taken, words={**taken.words, ours: words})


def _number(column: Column) -> bool:
    return column.is_number and not column.refers and not column.single


def _time(column: Column) -> bool:
    return column.is_time


def _text(column: Column) -> bool:
    return column.is_text or column.is_list


def _uptime(look: Look) -> Taken | None:
    time = look.pick(UPTIME, "checked_at", _time, "") or look.made
    status = look.status(
        UPTIME, "status", r"status|state|result|outcome|verdict|\bok\b|_ok|success|healthy|is_up|code"
    )
    if time is None or status is None:
        return None
    step, several = look.pace(time, but=status)
    signs = _Signs()
    signs.add(step and PROBE_S[0] <= step <= PROBE_S[1], 3, f"a row every {step or 0:.0f} s")
    signs.add(
        re.search("uptime|heart|beat|probe|ping|health|avail", look.table.name, re.IGNORECASE), 2, "its name"
    )
    signs.add(look.known(UPTIME, "status", status) >= 0.5, 2, "words of health")
    response = look.pick(
        UPTIME, "response_ms", _number, "response|latenc|duration|took|elapsed|rtt|ping|_ms$|^ms$"
    )
    errors = look.pick(UPTIME, "errors", _text, "err|fail|reason|message|detail", (status.name,))
    signs.add(response, 1, "how long each took")
    if any(list(look.ends(time))) or _several(look, status) or (step is None and signs.points < ENOUGH):
        return None
    columns: Columns = {"checked_at": time, "status": status, "response_ms": response, "errors": errors}
    taken = _taken(look=look, terms=UPTIME, columns=columns, signs=signs, interval_s=step)
    return taken and replace(taken, apart=several)


def _several(look: Look, status: Column) -> bool:
    """Whether rows are of several things, each named in nearly every row."""

    def is_filled(column: Column) -> bool:
        values = [value for value in look.table.values(column.name) if value is not None]
        return len(set(values)) > 1 and len(values) > 0.9 * len(look.table.rows)

    return any(column is not status and is_filled(column) and look.names(column) for column in look.table.columns)


def _named(look: Look, terms: Terms, ours: str, pattern: str, taken: tuple[str, ...]) -> Column | None:
    found = look.pick(terms, ours, look.names, pattern, taken)
    return found or next(
        (c for c in look.table.columns if c.name not in taken and look.names(c) and not look.is_wordy(c)), None
    )


_JOB = r"^(?!queue).*(cron|job|task|worker|command|name)"  # what a queue is called is no job
_OUTCOME = r"status|state|result|outcome|\bok\b|_ok|success|fail|exit|code|done"


def _cron(look: Look) -> Taken | None:
    time = look.pick(CRON, "started_at", _time, "start|began|begin|perform|execut|^ran_") or look.made
    if time is None:
        return None
    status = look.status(CRON, "status", _OUTCOME)
    job = _named(look, CRON, "job", pattern=_JOB, taken=(status.name,)) if status else None
    if job is None or status is None:
        job, status = _job_and_outcome(look, time)
    ends = list(look.ends(time))
    end = look.pick(CRON, "completed_at", lambda c: c in ends, "complet|finish|end|stop|done") or next(
        iter(ends), None
    )
    used = tuple(column.name for column in (status, job) if column)
    error = look.pick(CRON, "error", _text, "err|exception|reason|message|detail|output", used)
    if job is None and end is not None and error is not None:  # a queue whose rows say how they ended by these two
        job = look.pick(CRON, "job", look.names, _JOB, (error.name,))
    if job is None or (status is None and (end is None or error is None)):
        return None
    steps = [interval(times) for times in look.by_name(job, time).values()]
    signs = _Signs()
    signs.add(status and look.twice(job, time, status), 3, "starts and ends in pairs")
    signs.add(end, 2, "an end after each start")
    signs.add(sum(step is not None for step in steps) >= 0.5 * len(steps), 2, "regular starts")
    signs.add(re.search("cron|job|task|run|sched|batch", look.table.name, re.IGNORECASE), 2, "its name")
    signs.add(status and look.known(CRON, "status", status) >= 0.5, 1, "words of runs")
    duration = look.pick(CRON, "duration_ms", _number, "duration|elapsed|took|runtime|_ms$")
    columns: Columns = {
        "job": job,
        "started_at": time,
        "completed_at": end,
        "status": status,
        "error": error,
        "duration_ms": duration if duration and _in_ms(look, time, end, duration) else None,
        "attempts": look.pick(CRON, "attempts", _number, "attempt|retr|tries"),
    }
    return _taken(look, CRON, columns, signs)


def _job_and_outcome(look: Look, time: Column) -> tuple[Column | None, Column | None]:
    """By the rows alone: what repeats at regular times is the job, the one other column of words its outcome."""
    wordy = [c for c in look.table.columns if look.is_wordy(c) and c.is_text]
    # A column of one word alone may be a currency or a country.
    several = [c for c in wordy if len(list(words_in(look.table, c))) > 1]
    for job, outcome in permutations(several) if len(wordy) == len(several) == 2 else ():
        if all(interval(times) is not None for times in look.by_name(job, time).values()):
            return job, outcome
    return None, None


def _in_ms(look: Look, start: Column, end: Column | None, duration: Column) -> bool:
    """Whether a duration is in milliseconds: by the rows' own starts and ends, else by its name."""
    if end is not None:
        rows = [(r[start.name], r[end.name], float(r[duration.name] or 0)) for r in look.table.rows if r[end.name]]
        ratios = [took / (b - a) for a, b, took in rows if a is not None and b > a and took > 0]
        if ratios:
            return bool(300 < median(ratios) < 3000)
    return "ms" in duration.name.lower() or "milli" in duration.name.lower()


def _checks(look: Look) -> Taken | None:
    time = look.pick(INTEGRATION_CHECKS, "checked_at", _time, "") or look.made
    status = look.status(INTEGRATION_CHECKS, "status", _OUTCOME + "|healthy|is_up")
    if time is None or status is None or list(look.ends(time)):
        return None
    pattern = "integration|service|provider|vendor|depend|target|name|component|endpoint"
    name = _named(look=look, terms=INTEGRATION_CHECKS, ours="name", pattern=pattern, taken=(status.name,))
    if name is None:
        return None
    steps = [interval(times) for times in look.by_name(name, time).values()]
    regular = [step for step in steps if step is not None]
    alike = len(steps) > 1 and len(regular) == len(steps) and max(regular) < 1.5 * min(regular)
    signs = _Signs()
    signs.add(alike, 3, "each name checked as often as the others")
    signs.add(
        re.search("integration|provider|vendor|depend|upstream|health|check", look.table.name, re.IGNORECASE),
        2,
        "its name",
    )
    signs.add(look.known(INTEGRATION_CHECKS, "status", status) >= 0.5, 1, "words of health")
    response = look.pick(INTEGRATION_CHECKS, "response_ms", _number, "response|latenc|duration|took|elapsed|_ms$")
    signs.add(response, 1, "how long each took")
    error = look.pick(INTEGRATION_CHECKS, "error", _text, "err|reason|message|detail", (status.name, name.name))
    columns: Columns = {
        "name": name,
        "checked_at": time,
        "status": status,
        "response_ms": response,
        "error": error,
    }
    return _taken(look, INTEGRATION_CHECKS, columns, signs)


def _tickets(look: Look) -> Taken | None:
    time = look.pick(TICKETS, "created_at", _time, "creat|open|raise|report|submit|log") or look.made
    status = look.status(TICKETS, "status", "status|state|stage")
    taken = (status.name,) if status else ()
    priority = look.status(TICKETS, "priority", "priorit|urgen|severity|importan", taken)
    resolved = look.pick(TICKETS, "resolved_at", _time, "resolv|clos|solv|fixed|finish|complet")
    if time is None or (status is None and priority is None):
        return None
    used = tuple(column.name for column in (time, status, priority, resolved) if column)
    category = look.pick(
        TICKETS, "category", look.is_wordy, "categor|topic|type|kind|queue|subject_area|area", used
    )
    tags = look.pick(TICKETS, "tags", _text, r"^tags?$|label", used)
    rating = look.pick(TICKETS, "rating", _number, "rating|csat|satisf|stars|score")
    signs = _Signs()
    name = "ticket|support|helpdesk|case|complain|enquir|inquir|issue"
    signs.add(re.search(name, look.table.name, re.IGNORECASE), 2, "its name")
    signs.add(priority and look.known(TICKETS, "priority", priority) >= 0.5, 2, "words of urgency")
    signs.add(status and look.known(TICKETS, "status", status) >= 0.5, 1, "words of tickets")
    signs.add(resolved, 1, "when each was closed")
    signs.add(rating or category or tags, 1, "a rating, category or tags")
    columns: Columns = {
        "created_at": time,
        "resolved_at": resolved,
        "status": status,
        "priority": priority,
        "category": category,
        "tags": tags,
        "rating": rating,
        "ticket": look.pick(TICKETS, "ticket", lambda c: c.single, "ticket|number|ref|case|^id$"),
        "summary": look.pick(TICKETS, "summary", lambda c: c.is_text, "summary|subject|title|reason|descr", used),
    }
    return _taken(look, TICKETS, columns, signs)


def _sessions(look: Look) -> Taken | None:
    time = look.pick(SESSIONS, "started_at", _time, "start|began|begin") or look.made
    if time is None or any(re.search("token|expire|refresh", c.name, re.IGNORECASE) for c in look.table.columns):
        return None
    pages = look.pick(SESSIONS, "pages", _number, "page|hits|views")
    visitor = look.pick(SESSIONS, "visitor", lambda c: not c.is_time, "visitor|anon|device|client|user")
    ended = look.pick(SESSIONS, "ended_at", _time, "end|left|finish", (time.name,))
    signs = _Signs()
    signs.add(re.search("session|visit", look.table.name, re.IGNORECASE), 2, "its name")
    signs.add(pages, 2, "how many pages each saw")
    signs.add(visitor, 1, "who visited")
    signs.add(ended, 1, "an end after each start")
    columns: Columns = {
        "session": look.pick(SESSIONS, "session", lambda c: c.single, "session|^id$"),
        "visitor": visitor,
        "started_at": time,
        "ended_at": ended,
        "pages": pages,
        "duration_s": look.pick(SESSIONS, "duration_s", _number, "duration|seconds|length"),
    }
    return _taken(look, SESSIONS, columns, signs)


def _payments(look: Look) -> Taken | None:
    time = look.pick(PAYMENTS, "created_at", _time, "") or look.made
    status = look.status(PAYMENTS, "status", "status|state|result|outcome|paid")
    amount = look.pick(PAYMENTS, "amount", _number, "amount|total|price|sum|value|cents|paise") or _only_decimal(
        look
    )
    if time is None or status is None or amount is None:
        return None
    failure = look.pick(PAYMENTS, "failure_code", _text, "fail|error|decline", (status.name,))
    currency = look.pick(PAYMENTS, "currency", lambda c: c.is_text, "currenc|^cur$", (status.name,))
    signs = _Signs()
    signs.add(
        re.search("payment|charge|transaction|invoice|billing", look.table.name, re.IGNORECASE), 2, "its name"
    )
    signs.add(look.known(PAYMENTS, "status", status) >= 0.5, 2, "words of payments")
    signs.add(currency, 1, "a currency")
    signs.add(failure, 1, "why each failed")
    columns: Columns = {
        "created_at": time,
        "status": status,
        "amount": amount,
        "currency": currency,
        "failure_code": failure,
        "payment": look.pick(PAYMENTS, "payment", lambda c: c.single, "^id$|payment|reference"),
    }
    return _taken(look, PAYMENTS, columns, signs)


def _only_decimal(look: Look) -> Column | None:
    """The one column of decimal numbers, which a table of payments has for its amounts."""
    found = [column for column in look.table.columns if column.type == "numeric"]
    return found[0] if len(found) == 1 else None


def _alerts(look: Look) -> Taken | None:
    time = look.pick(APP_ALERTS, "triggered_at", _time, "trigger|fired|raised") or look.made
    severity = look.status(APP_ALERTS, "severity", "severity|level|priority")
    if time is None or severity is None:
        return None
    alert = _named(
        look=look, terms=APP_ALERTS, ours="alert", pattern="alert|alarm|rule|name|title", taken=(severity.name,)
    )
    signs = _Signs()
    signs.add(re.search("alert|alarm", look.table.name, re.IGNORECASE), 2, "its name")
    signs.add(look.known(APP_ALERTS, "severity", severity) >= 0.5, 2, "words of severity")
    resolved = look.pick(APP_ALERTS, "resolved", lambda c: c.is_boolean, "resolv|clos|over|clear")
    signs.add(resolved, 1, "whether each is over")
    message = look.pick(APP_ALERTS, "message", lambda c: c.is_text, "message|text|descr|detail", (severity.name,))
    columns: Columns = {
        "triggered_at": time,
        "alert": alert,
        "severity": severity,
        "resolved": resolved,
        "message": message,
    }
    return _taken(look, APP_ALERTS, columns, signs)


SHAPES: tuple[Callable[[Look], Taken | None], ...] = (
    _uptime,
    _cron,
    _checks,
    _tickets,
    _sessions,
    _payments,
    _alerts,
)


def switches(tables: Iterable[Table], cron: Taken) -> tuple[Table, Column, Column] | None:
    """The table that says which jobs are switched on: it names the log's jobs, once each, beside a boolean."""
    job = cron.columns["job"]
    logged = {value for value in cron.table.values(job.name) if value is not None} if job else set()
    for table in tables:
        for name in table.columns:
            named = set(table.values(name.name)) - {None}
            switch = next(
                (c for c in table.columns if c.is_boolean and re.search("enabl|activ|on$", c.name)), None
            )
            if switch and name.single and table is not cron.table and len(named & logged) >= 0.5 * len(logged) > 0:
                return table, name, switch
    return None
