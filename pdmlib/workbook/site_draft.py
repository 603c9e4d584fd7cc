"""A site file drafted from what was seen: every guess is a question first, and a comment in the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from zoneinfo import available_timezones

from pdmlib.frames.index_text import quoted
from pdmlib.frames.understanding import mend_line
from pdmlib.site.site import GUIDE_SOURCES
from pdmlib.sources.accounts import SentryProject
from pdmlib.sources.endpoints import Answered, chosen
from pdmlib.sources.postgres.survey import Column, words_in
from pdmlib.workbook.survey.database import Seen
from pdmlib.workbook.survey.features import MOST, Counted
from pdmlib.workbook.survey.guess import Guess
from pdmlib.workbook.survey.jobs import Call, ExpectedJob, expected_jobs, never_logged
from pdmlib.workbook.survey.look import Look
from pdmlib.workbook.survey.queries import Proposed
from pdmlib.workbook.survey.rhythm import offset_of, schedule
from pdmlib.workbook.survey.shapes import Taken
from pdmlib.workbook.survey.zones import NOTHING, Zones, agreed

YES, NO = "yes", "no"
NO_PATH = (
    "Every path answers with the same page, also one that does not exist, so that no health check can be told."
)
# Categories of the guide's report, by what teams call them.
CATEGORIES = {
    "bug": "bug|error|defect|fault|broken|incident",
    "question": "question|how|query|enquir|inquir|help",
    "access": "access|login|log in|password|account|permission",
    "performance": "perform|slow|speed|latenc",
    "feature_request": "feature|request|idea|suggest|improve",
    "positive": "praise|positive|thank|compliment",
}


@dataclass(frozen=True)
class Question:
    """What a person should confirm or tell.

    Attributes:
        key: the place in the site file.
        guess: the answer that is taken when nobody tells; None: it stays open.
        is_right: whether an answer can be one.
    """

    key: str
    text: str
    guess: str | None = None
    options: tuple[str, ...] = ()
    is_right: Callable[[str], bool] = lambda answer: True

    def takes(self, answer: str) -> bool:
        """Whether an answer can be one: nothing, one of the options, or what is right."""
        return not answer or (answer in self.options if self.options else self.is_right(answer))


class Asked:
    """The answers of a person, or the guesses; what has neither stays open."""

    def __init__(self, ask: Callable[[Question], str]) -> None:
        self._ask = ask
        self.open: list[Question] = []

    def of(self, question: Question) -> str | None:
        """The answer; None where there is none, and it is kept as open."""
        answer = self._ask(question).strip()
        if not answer:
            self.open.append(question)
        return answer or None

    def agrees(self, key: str, text: str) -> bool:
        """Whether a person does not deny something."""
        return self.of(Question(key, text, YES, (YES, NO))) != NO


@dataclass(frozen=True)
class Told:
    """What is known before the look, from options and files."""

    site: str
    url: str | None = None
    time_zone: str | None = None
    database_env: str = "DATABASE_URL"
    sslmode: str = "verify-full"
    calls: tuple[Call, ...] = ()
    project: tuple[str, str] | None = None
    log_format: str | None = None
    sentry: tuple[SentryProject, ...] = ()
    sentry_url: str | None = None
    supabase_ref: str | None = None
    set_variables: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Words:
    """The words of theirs that one of ours stands for, with a remark; ours None: not known yet."""

    ours: str | None
    theirs: tuple[str, ...]
    remark: str


@dataclass(frozen=True)
class BlockDraft:
    """One table block of the file.

    Attributes:
        where: the condition of the rows that count, and why; with a ? where it is needed and not known.
    """

    key: str
    table: str
    signs: str
    columns: Mapping[str, str | None] = field(default_factory=dict)
    words: tuple[Words, ...] = ()
    zone: Guess | None = None
    is_naive: bool = False
    interval_s: float | None = None
    where: Guess | None = None
    categories: Mapping[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class FeatureDraft:
    """One feature of the file."""

    counted: Counted
    zone: Guess | None
    is_live: bool


@dataclass(frozen=True)
class Draft:
    """A site file before it is written."""

    told: Told
    title: str
    zone: Guess
    sentry: SentryProject | None
    page: Answered | None
    health: Answered | None
    detailed: Answered | None
    told_health: str | None = None
    blocks: tuple[BlockDraft, ...] = ()
    features: tuple[FeatureDraft, ...] = ()
    jobs: tuple[ExpectedJob, ...] = ()
    unlogged: tuple[Call, ...] = ()
    switch: tuple[str, str, str] | None = None
    queries: tuple[Proposed, ...] = ()
    uncounted: Mapping[str, str] = field(default_factory=dict)
    is_database: bool = False

    @property
    def left_out(self) -> dict[str, list[str]]:
        """Why tables are not counted -> their names."""
        found: dict[str, list[str]] = {}
        for feature in self.features:
            if not feature.is_live:
                unzoned = feature.counted.time.is_naive and feature.zone is None
                why = "the zone of their times is not known" if unzoned else "not asked for, or too many"
                found.setdefault(why, []).append(feature.counted.table.name)
        for name, why in self.uncounted.items():
            found.setdefault(why, []).append(name)
        return found

    @property
    def wants_token(self) -> bool:
        """Whether the page or the health check refused us (RFC 9110: 401, 403)."""
        return any(answer.code in (401, 403) for answer in (self.page, self.health) if answer)

    @property
    def is_one_page(self) -> bool:
        """Whether every path is answered with the page, so that nothing tells a health check."""
        return self.page is not None and self.page.everywhere

    @property
    def has_page(self) -> bool:
        """Whether the page answers as a page does; what it answers else is not taken for what is usual."""
        return self.page is None or self.page.taken_for is not None or self.page.code in (401, 403)

    @property
    def sources(self) -> dict[str, bool]:
        """Source -> whether there is a sign of it here; the rest is written as unused."""
        variables = self.told.set_variables
        return {
            "app": self.told.url is not None,
            "postgres": self.is_database,
            "sentry": self.sentry is not None,
            "vercel": self.told.project is not None,
            "stripe": "STRIPE_API_KEY" in variables,
            "resend": "RESEND_API_KEY" in variables,
        }

    @property
    def unused(self) -> list[str]:
        """The guide's sources that nothing here shows."""
        return [name for name in GUIDE_SOURCES if not self.sources.get(name)]

    @property
    def tables(self) -> list[str]:
        """The tables that the file names, for the role that reads them."""
        names = [block.table for block in self.blocks] + [f.counted.table.name for f in self.features if f.is_live]
        return sorted({*names, *((self.switch[0],) if self.switch else ())})

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables that the file names, and what each holds."""
        address = {self.told.database_env: "postgresql://pdm_monitor:<password>@<host>:5432/<database>"}
        found = address if self.is_database else {}
        named = {
            "sentry": {"SENTRY_AUTH_TOKEN": "a token with event:read, org:read and project:releases"},
            "vercel": {"VERCEL_TOKEN": "a token of the team"},
            "stripe": {"STRIPE_API_KEY": "a restricted key that may only read"},
            "resend": {"RESEND_API_KEY": "a full-access key: a sending key cannot read"},
        }
        for source, variables in named.items():
            found |= variables if self.sources[source] else {}
        return found


def draft(
    told: Told, seen: Seen | None, answers: tuple[Answered, Sequence[Answered]] | None, asked: Asked
) -> Draft:
    """A site file from what was seen and is asked now."""
    page, there = answers if answers else (None, ())
    health, detailed = chosen(there)
    title = asked.of(Question("title", "How do reports call the site?", told.site.replace("-", " ").title()))
    zone = _home(told, seen, asked)
    whole = Draft(
        told=told,
        title=title or told.site,
        zone=zone,
        sentry=_sentry(told, asked),
        page=page,
        health=health,
        detailed=detailed,
    )
    if health is None and told.url:
        text = NO_PATH if whole.is_one_page else "No usual health check answers."
        text += " At which path is one? (none: -)"
        path = asked.of(Question("sources.app.health", text, "-", is_right=_is_path))
        whole = replace(whole, told_health=path if path != "-" else None)
    if not whole.has_page and health is None:
        asked.of(
            Question("sources.app.page", f"The address answers {page.code if page else '-'}. Is it the right one?")
        )
    if whole.wants_token:
        asked.of(
            Question("sources.app.headers_env", "The health check wants a token: which header, which variable?")
        )
    return whole if seen is None else _with_database(whole, seen, asked)


def _sentry(told: Told, asked: Asked) -> SentryProject | None:
    """The project of the error tracker: the one that is called most like the site."""
    names = {f"{found.organization}/{found.project}": found for found in told.sentry}
    if not names:
        return None
    near = get_close_matches(told.site, [found.project for found in told.sentry], n=1, cutoff=0.5)
    like = next((name for name, found in names.items() if found.project in near), None)
    guess = like or (next(iter(names)) if len(names) == 1 else None)
    return names.get(
        asked.of(Question("sources.sentry", "Which project of Sentry is it?", guess, tuple(names))) or ""
    )


def _home(told: Told, seen: Seen | None, asked: Asked) -> Guess:
    if told.time_zone:
        return Guess(told.time_zone, "as told")
    guess = Guess("UTC", NOTHING)
    if seen is not None:
        tables = [f.table for f in seen.counted] + [t.table for t in seen.taken.values()]
        columns = [(table, made) for table in tables if (made := Look(table).made)]
        guess = Zones(seen.survey, seen.hours_in).of_home(columns)
    text = f"In which zone do its people live? ({guess.why})"
    answer = asked.of(Question("time_zone", text, guess.value, is_right=is_zone))
    return guess if answer in (None, guess.value) else Guess(str(answer), "as told")


def _with_database(whole: Draft, seen: Seen, asked: Asked) -> Draft:
    taken = {
        key: found
        for key, found in seen.taken.items()
        if asked.agrees(key, f"{found.table.name} looks like {key} ({', '.join(found.signs)}). Is it?")
    }
    wanted = _wanted(seen, asked)
    zones = _zones(whole=whole, seen=seen, taken=taken, wanted=wanted, asked=asked)
    blocks = tuple(_block(key, found, zones, asked) for key, found in taken.items())
    features = tuple(_feature(found, zones.get(found.table.name), wanted) for found in seen.counted)
    cron = taken.get("cron")
    logged = _logged(seen, zones[cron.table.name], cron) if cron else {}
    switch = (seen.switch[0].name, seen.switch[1].name, seen.switch[2].name) if seen.switch and cron else None
    return replace(
        whole,
        blocks=blocks,
        features=features,
        jobs=tuple(expected_jobs(logged, {}, whole.told.calls)) if cron else (),
        unlogged=tuple(never_logged(logged, whole.told.calls)),
        switch=switch,
        queries=seen.queries,
        uncounted=seen.uncounted,
        is_database=True,
    )


def _naive(found: Taken) -> list[Column]:
    return [column for column in found.columns.values() if column is not None and column.is_naive]


def _zones(
    whole: Draft, seen: Seen, taken: Mapping[str, Taken], wanted: set[str], asked: Asked
) -> dict[str, Guess | None]:
    """The zone of each table that is used and has times without one."""
    told = Zones(seen.survey, seen.hours_in, "" if whole.zone.why == NOTHING else whole.zone.value)
    naive = {found.table.name: (found.table, _naive(found)) for found in taken.values()}
    naive |= {f.table.name: (f.table, [f.time]) for f in seen.counted if f.name in wanted and f.time.is_naive}
    guesses = agreed(
        {name: told.of_columns(table, columns) for name, (table, columns) in naive.items() if columns}
    )
    found: dict[str, Guess | None] = dict.fromkeys(naive)
    for value in dict.fromkeys(guess.value if guess else None for guess in guesses.values()):
        alike = {name: guess for name, guess in guesses.items() if (guess.value if guess else None) == value}
        names = ", ".join(f"{name} ({', '.join(column.name for column in naive[name][1])})" for name in alike)
        why = next((guess.why for guess in alike.values() if guess), "no sign")
        text = f"These hold times without a zone: {names}. In which are they? ({why})"
        answer = asked.of(Question(f"time_zone of {', '.join(alike)}", text, value, is_right=is_zone))
        told_now = Guess(answer, "as told") if answer else None
        found |= {name: guess if guess and answer == value else told_now for name, guess in alike.items()}
    return found


def _block(key: str, found: Taken, zones: Mapping[str, Guess | None], asked: Asked) -> BlockDraft:
    category = found.columns.get("category")
    words = [w for w, _ in words_in(found.table, category)] if category else []
    return BlockDraft(
        key=key,
        table=found.table.name,
        signs=", ".join(found.signs),
        columns=_columns(found),
        words=tuple(_words(key, found, asked)),
        zone=zones[found.table.name],
        is_naive=bool(_naive(found)),
        interval_s=found.interval_s,
        where=_where(key, found, asked),
        categories=_categories(words) if key == "tickets" and words else {},
    )


def _where(key: str, found: Taken, asked: Asked) -> Guess | None:
    """Which rows count: runs that have a job, probes of the one monitor that nobody can guess."""
    job = found.columns.get("job")
    if job is not None and None in found.table.values(job.name):
        return Guess(f"{quoted(job.name)} IS NOT NULL", f"rows without {job.name} are no runs of a scheduled job")
    if found.apart is None:
        return None
    column, names = found.apart.column, found.apart.names
    text = f"{found.table.name} holds probes of several monitors, by {column}. Which of them is the application?"
    answer = asked.of(Question(f"{key}.where", text, None, names))
    why = f"{column} tells {len(names)} monitors apart: {', '.join(names)}"
    return Guess(f"{quoted(column)} = '{answer or '?'}'", why)


def _columns(found: Taken) -> dict[str, str | None]:
    """The columns that are not found without being named."""
    have = {column.name for column in found.table.columns}
    columns: dict[str, str | None] = {}
    for ours, column in found.columns.items():
        usual = next((name for name in found.terms.column(ours).candidates if name in have), None)
        if usual != (column.name if column else None) or (column is None and ours in found.terms.required):
            columns[ours] = column.name if column else None
    return columns


def _words(key: str, found: Taken, asked: Asked) -> Iterator[Words]:
    """The words that are not understood without being named, by ours; those that nobody explains come last."""
    for ours_column, spoken in found.words.items():
        own = {theirs for word in found.terms.words[ours_column] for theirs in (word.name, *word.usual)}
        options = tuple(word.name for word in found.terms.words[ours_column])
        meanings: dict[str | None, list[tuple[str, int]]] = {}
        for word in spoken:
            if word.theirs.strip().casefold() not in own:
                text = f"{found.table.name}: {word.theirs!r} in {word.rows:,} of the newest rows stands for"
                answer = asked.of(Question(f"{key}.words: {word.theirs}", text, word.ours, options))
                meanings.setdefault(answer if answer in options else None, []).append((word.theirs, word.rows))
        for ours in sorted(meanings, key=lambda name: (name is None, options.index(name) if name else 0)):
            words = meanings[ours]
            rows = ", ".join(f"{theirs}: {count:,} rows" for theirs, count in words)
            yield Words(
                ours,
                tuple(theirs for theirs, _ in words),
                rows if ours else f"one of {', '.join(options)}; {rows}",
            )


def _categories(words: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word in words:
        ours = next((n for n, like in CATEGORIES.items() if re.search(like, word, re.IGNORECASE)), None)
        plain = re.sub(r"[^a-z0-9_-]+", "_", word.lower()).strip("_-")
        name = ours or (plain if plain[:1].isalpha() else f"c_{plain}")
        found.setdefault(name, []).append(word)
    return found


def _wanted(seen: Seen, asked: Asked) -> set[str]:
    """The names of the features that are to be written."""
    names = [found.name for found in seen.counted]
    if not names:
        return set()
    text = f"Which of these tables count what users do (names with commas between)? {', '.join(names)}"
    known = {*names, ""}
    question = Question("features", text, ", ".join(names[:MOST]), is_right=lambda given: _listed(given) <= known)
    return _listed(asked.of(question) or "")


def _listed(answer: str) -> set[str]:
    return {name.strip() for name in answer.split(",")}


def _feature(found: Counted, zone: Guess | None, wanted: set[str]) -> FeatureDraft:
    """A feature; live where it is wanted and the zone of its times is known."""
    return FeatureDraft(found, zone, found.name in wanted and (not found.time.is_naive or zone is not None))


def _logged(seen: Seen, zone: Guess | None, cron: Taken) -> dict[str, Guess | None]:
    """The jobs of the log, and the schedule of each in UTC."""
    start = cron.columns["started_at"]
    shift = 0.0
    if start is not None and start.is_naive:
        if zone is None:
            return dict.fromkeys(seen.starts)
        shift = offset_of(zone.value, seen.survey.now)
    return {job: schedule([at - shift for at in times], "UTC") for job, times in seen.starts.items()}


def _is_path(answer: str) -> bool:
    return answer == "-" or re.fullmatch(r"/[^\s#]*", answer) is not None


def is_zone(name: str) -> bool:
    """Whether a name is that of a time zone."""
    return name in available_timezones()


def inline(value: object) -> str:
    """A value as YAML on one line."""
    return mend_line("value", value=value).removeprefix("value: ")
