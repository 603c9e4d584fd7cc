"""Our names for the columns and words of an application's tables: one row a name, from which all else is derived.

What a site file may declare, what is understood without a declaration, the reference page, the JSON Schema,
`pdm init` and `pdm doctor` all read this table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Column:
    """A column as we call it.

    Attributes:
        required: the block cannot be read without it.
        usual: names that a table is searched for, in order, where the site file names none; last comes our own.
        instead: columns of ours that together tell the same, where the site file says that the table has none.
    """

    name: str
    means: str
    required: bool = False
    usual: tuple[str, ...] = ()
    instead: tuple[str, ...] = ()

    @property
    def candidates(self) -> tuple[str, ...]:
        """Their names that are looked for where none is declared, in order."""
        return tuple(dict.fromkeys((*self.usual, self.name)))


@dataclass(frozen=True)
class Word:
    """A word that a column may hold, as we call it.

    Attributes:
        usual: further words that are understood so without a declaration, beside our own.
    """

    name: str
    means: str
    usual: tuple[str, ...] = ()


@dataclass(frozen=True)
class Terms:
    """Everything that one block of the site file can name.

    Attributes:
        words: our column -> the words it may hold.
    """

    block: str
    columns: tuple[Column, ...]
    words: Mapping[str, tuple[Word, ...]]

    def column(self, name: str) -> Column:
        """The column that we call so."""
        return next(column for column in self.columns if column.name == name)

    def column_of(self, word: str) -> str:
        """The column of ours that holds a word of ours."""
        return next(column for column, words in self.words.items() if word in [w.name for w in words])

    @property
    def required(self) -> tuple[str, ...]:
        """Our names of the columns without which the block cannot be read."""
        return tuple(column.name for column in self.columns if column.required)

    def every_word(self) -> Iterator[Word]:
        """The words of every column."""
        for words in self.words.values():
            yield from words


def word(value: object) -> str | None:
    """A value of a column as a word: compared without case and surrounding space; None for a null.

    Booleans and whole numbers are words too: `True` is "true", `0`, `0.0` and `"0"` are "0".
    """
    if value is None:
        return None
    if isinstance(value, float | Decimal) and float(value).is_integer():
        value = int(value)
    return str(value).strip().casefold()


UPTIME = Terms(
    "uptime",
    (
        Column("checked_at", "when the probe was made", required=True),
        Column("status", "what the probe found: one of the words", required=True),
        Column("response_ms", "how long the answer took, in milliseconds", usual=("response_time",)),
        Column("errors", "what was wrong: a text, an array or JSON"),
    ),
    {
        "status": (
            Word("up", "the application answered as it should"),
            Word("degraded", "it answered, with parts of it failing: counted as up, told apart"),
            Word("down", "it did not answer, or answered that it is down"),
            Word("maintenance", "switched off on purpose: neither up nor down"),
        )
    },
)

CRON = Terms(
    "cron",
    (
        Column("job", "the job's name", required=True, usual=("job_name",)),
        Column("started_at", "when the run began", required=True),
        Column("completed_at", "when the run ended"),
        Column(
            "status",
            "how far the run came: one of the words; `null`: what ended is completed, with an error failed",
            required=True,
            instead=("completed_at", "error"),
        ),
        Column("error", "why the run failed", usual=("error_message",)),
        Column("duration_ms", "how long the run took, in milliseconds"),
        Column("attempts", "how often the run was tried"),
    ),
    {
        "status": (
            Word("started", "the run began; a later row tells how it ended"),
            Word("completed", "the run ended well", usual=("success", "succeeded", "ok", "finished")),
            Word("failed", "the run ended with an error", usual=("failure", "error", "timeout")),
        )
    },
)

CRON_SETTINGS = Terms(
    "cron.settings",
    (
        Column("job", "the job's name", required=True, usual=("job_name",)),
        Column("enabled", "whether the job is switched on: true or false", required=True),
    ),
    {},
)

TICKETS = Terms(
    "tickets",
    (
        Column("created_at", "when the ticket was opened", required=True),
        Column("resolved_at", "when it was closed"),
        Column("status", "whether it is open: one of the words"),
        Column("priority", "how urgent it is: one of the words"),
        Column("category", "what it is about, by `categories`"),
        Column("tags", "what it is about, by `categories`: an array, JSON or words with commas between"),
        Column("rating", "how content the customer was, 1 to 5", usual=("customer_rating",)),
        Column("ticket", "the number that people call it by", usual=("ticket_number", "id")),
        Column("summary", "what it says, in a line", usual=("escalation_reason",)),
    ),
    {
        "status": (Word("open", "not yet solved"), Word("closed", "solved or given up")),
        "priority": (
            Word("low", "can wait"),
            Word("normal", "as most are"),
            Word("high", "before the others"),
            Word("urgent", "now"),
        ),
    },
)

SESSIONS = Terms(
    "activity",
    (
        Column("session", "what tells one session from another", usual=("session_id",)),
        Column("visitor", "what tells one visitor from another", usual=("visitor_id",)),
        Column("started_at", "when the session began", required=True),
        Column("ended_at", "when it ended"),
        Column("pages", "how many pages were seen", usual=("pages_visited",)),
        Column("duration_s", "how long it lasted, in seconds", usual=("duration_seconds",)),
    ),
    {},
)

PAYMENTS = Terms(
    "payments",
    (
        Column("created_at", "when the payment was tried", required=True),
        Column("status", "what became of it: one of the words", required=True),
        Column("amount", "how much: an integer counts cents, any other number whole units of the currency"),
        Column("currency", "the currency's three letters"),
        Column("failure_code", "why it failed"),
        Column("payment", "what tells one payment from another", usual=("id",)),
    ),
    {
        "status": (
            Word("succeeded", "paid"),
            Word(
                "failed",
                "ended with an error; where `failure_code` is Stripe's of a refused card, that is declined",
            ),
            Word(
                "declined",
                "refused by the customer's bank or by risk rules; without it whose a failure is is not known",
            ),
            Word("pending", "not decided yet"),
            Word("refunded", "paid, then given back"),
        )
    },
)

INTEGRATION_CHECKS = Terms(
    "integration_checks",
    (
        Column("name", "the integration's name", required=True, usual=("integration_name",)),
        Column("checked_at", "when it was checked", required=True, usual=("check_time",)),
        Column("status", "what the check found: one of the words", required=True, usual=("success",)),
        Column("response_ms", "how long the answer took, in milliseconds", usual=("response_time_ms",)),
        Column("error", "what was wrong", usual=("error_message",)),
    ),
    {
        "status": (
            # A check's column is usually a boolean that says whether it succeeded.
            Word("up", "the integration works", usual=("true",)),
            Word("degraded", "it works in part"),
            Word("down", "it does not work", usual=("false",)),
        )
    },
)

APP_ALERTS = Terms(
    "app_alerts",
    (
        Column("triggered_at", "when the alert was raised", required=True),
        Column("alert", "what it is called", required=True, usual=("alert_name",)),
        Column("severity", "how bad it is: one of the words"),
        Column("resolved", "whether it is over: true or false"),
        Column("message", "what it says"),
    ),
    {
        "severity": (
            Word("info", "for information"),
            Word("warning", "to be looked at"),
            Word("critical", "to be looked at now"),
        )
    },
)


def known_words(usual: Mapping[str, Iterable[T]], declared: Mapping[Any, Iterable[T]]) -> dict[str, tuple[T, ...]]:
    """Our word -> theirs: the declared ones, and those usual that are not declared to mean something else."""
    told = {word(theirs) for ours in usual for theirs in declared.get(ours, ())}
    return {
        ours: (*declared.get(ours, ()), *(theirs for theirs in words if word(theirs) not in told))
        for ours, words in usual.items()
    }


TERMS: tuple[Terms, ...] = (
    UPTIME,
    CRON,
    CRON_SETTINGS,
    TICKETS,
    SESSIONS,
    PAYMENTS,
    INTEGRATION_CHECKS,
    APP_ALERTS,
)
