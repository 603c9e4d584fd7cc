"""A site file drafted from what was seen: every guess is a question first, and a comment in the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pdmlib.frames.understanding import mend_line
from pdmlib.site.site import SOURCE_NAMES
from pdmlib.sources.endpoints import Answered, chosen
from pdmlib.sources.postgres.survey import Column, words_in
from pdmlib.workbook.survey.database import Seen
from pdmlib.workbook.survey.features import MOST, Counted
from pdmlib.workbook.survey.guess import Guess
from pdmlib.workbook.survey.jobs import Call, ExpectedJob, expected_jobs, never_logged
from pdmlib.workbook.survey.queries import Proposed
from pdmlib.workbook.survey.rhythm import offset_of, schedule
from pdmlib.workbook.survey.shapes import Taken
from pdmlib.workbook.survey.zones import Zones, agreed

YES, NO = "yes", "no"
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
    """

    key: str
    text: str
    guess: str | None = None
    options: tuple[str, ...] = ()


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
    set_variables: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Words:
    """The words of theirs that one of ours stands for, with a remark; ours None: not known yet."""

    ours: str | None
    theirs: tuple[str, ...]
    remark: str


@dataclass(frozen=True)
class BlockDraft:
    """One table block of the file."""

    key: str
    table: str
    signs: str
    columns: Mapping[str, str | None] = field(default_factory=dict)
    words: tuple[Words, ...] = ()
    zone: Guess | None = None
    is_naive: bool = False
    interval_s: float | None = None
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
    page: Answered | None
    health: Answered | None
    detailed: Answered | None
    blocks: tuple[BlockDraft, ...] = ()
    features: tuple[FeatureDraft, ...] = ()
    jobs: tuple[ExpectedJob, ...] = ()
    unlogged: tuple[Call, ...] = ()
    switch: tuple[str, str, str] | None = None
    queries: tuple[Proposed, ...] = ()
    uncounted: Mapping[str, str] = field(default_factory=dict)
    is_database: bool = False

    @property
    def sources(self) -> dict[str, bool]:
        """Source -> whether there is a sign of it here; the rest is written as unused."""
        variables = self.told.set_variables
        return {
            "app": self.told.url is not None,
            "postgres": self.is_database,
            "vercel": self.told.project is not None,
            "stripe": "STRIPE_API_KEY" in variables,
            "resend": "RESEND_API_KEY" in variables,
        }

    @property
    def unused(self) -> list[str]:
        """Sources that nothing here shows."""
        return [name for name in SOURCE_NAMES if not self.sources.get(name)]

    @property
    def tables(self) -> list[str]:
        """The tables that the file names, for the role that reads them."""
        names = [block.table for block in self.blocks] + [f.counted.table.name for f in self.features if f.is_live]
        return sorted({*names, *((self.switch[0],) if self.switch else ())})

    @property
    def variables(self) -> dict[str, str]:
        """Environment variables that the file names, and what each holds."""
        found = {self.told.database_env: "postgresql://pdm_monitor:<password>@<host>:5432/<database>"}
        named = {
            "vercel": {"VERCEL_TOKEN": "a token of the team"},
            "stripe": {"STRIPE_API_KEY": "a restricted key that may only read"},
            "resend": {"RESEND_API_KEY": "a full-access key: a sending key cannot read"},
        }
        for source, variables in named.items():
            found |= variables if self.sources[source] else {}
        return found if self.is_database or self.told.database_env else {}


def draft(
    told: Told, seen: Seen | None, answers: tuple[Answered, Sequence[Answered]] | None, asked: Asked
) -> Draft:
    """A site file from what was seen and is asked now."""
    page, there = answers if answers else (None, ())
    health, detailed = chosen(there)
    title = asked.of(Question("title", "How do reports call the site?", told.site.replace("-", " ").title()))
    zone = _home(told, seen, asked)
    whole = Draft(told, title or told.site, zone, page, health, detailed)
    if health is None and told.url:
        asked.of(
            Question("sources.app.health", "No usual health check answers. At which path is one? (none: -)", "-")
        )
    return whole if seen is None else _with_database(whole, seen, asked)


def _home(told: Told, seen: Seen | None, asked: Asked) -> Guess:
    if told.time_zone:
        return Guess(told.time_zone, "as told")
    guess = Guess("UTC", "nothing tells")
    if seen is not None:
        tables = [f.table for f in seen.counted] + [t.table for t in seen.taken.values()]
        columns = [(table, column) for table in tables for column in table.columns if column.is_time]
        guess = Zones(seen.survey, seen.hours_in).of_home(columns)
    answer = asked.of(Question("time_zone", f"In which zone do its people live? ({guess.why})", guess.value))
    return guess if answer in (None, guess.value) else Guess(str(answer), "as told")


def _with_database(whole: Draft, seen: Seen, asked: Asked) -> Draft:
    taken = {
        key: found for key, found in seen.taken.items()
        if asked.agrees(key, f"{found.table.name} looks like {key} ({', '.join(found.signs)}). Is it?")
    }  # fmt: skip
    wanted = _wanted(seen, asked)
    zones = _zones(whole, seen, taken, wanted, asked)
    blocks = tuple(_block(key, found, zones, asked) for key, found in taken.items())
    features = tuple(_feature(found, zones.get(found.table.name), wanted) for found in seen.counted)
    cron = taken.get("cron")
    logged = _logged(seen, zones[cron.table.name], cron) if cron else {}
    switch = (seen.switch[0].name, seen.switch[1].name, seen.switch[2].name) if seen.switch and cron else None
    return Draft(
        told=whole.told, title=whole.title, zone=whole.zone, page=whole.page, health=whole.health,
        detailed=whole.detailed, blocks=blocks, features=features,
        jobs=tuple(expected_jobs(logged, {}, whole.told.calls)) if cron else (),
        unlogged=tuple(never_logged(logged, whole.told.calls)),
        switch=switch, queries=seen.queries, uncounted=seen.uncounted, is_database=True,
    )  # fmt: skip


def _naive(found: Taken) -> list[Column]:
    return [column for column in found.columns.values() if column is not None and column.is_naive]


def _zones(
    whole: Draft, seen: Seen, taken: Mapping[str, Taken], wanted: set[str], asked: Asked
) -> dict[str, Guess | None]:
    """The zone of each table that is used and has times without one."""
    told = Zones(seen.survey, seen.hours_in, whole.zone.value)
    naive = {found.table.name: (found.table, _naive(found)) for found in taken.values()}
    naive |= {f.table.name: (f.table, [f.time]) for f in seen.counted if f.name in wanted and f.time.is_naive}
    guesses = agreed({name: told.of_columns(table, cols) for name, (table, cols) in naive.items() if cols})
    found: dict[str, Guess | None] = dict.fromkeys(naive)
    for name, guess in guesses.items():
        columns = ", ".join(column.name for column in naive[name][1])
        why = guess.why if guess else "no sign"
        text = f"{name}: {columns} hold times without a zone. In which are they? ({why})"
        answer = asked.of(Question(f"time_zone of {name}", text, guess.value if guess else None))
        found[name] = guess if guess and answer == guess.value else Guess(answer, "as told") if answer else None
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
        categories=_categories(words) if key == "tickets" and words else {},
    )


def _columns(found: Taken) -> dict[str, str | None]:
    """The columns that are not found without being named."""
    have = {column.name for column in found.table.columns}
    columns: dict[str, str | None] = {}
    for ours, column in found.columns.items():
        usual = next((name for name in found.terms.column(ours).candidates if name in have), None)
        if usual != (column.name if column else None):
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
                text = f"{found.table.name}: {word.theirs!r} in {word.rows} of the newest rows stands for"
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
    answer = asked.of(Question("features", text, ", ".join(names[:MOST])))
    return {name.strip() for name in (answer or "").split(",")}


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


def inline(value: object) -> str:
    """A value as YAML on one line."""
    return mend_line("value", value=value).removeprefix("value: ")
