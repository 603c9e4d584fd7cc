"""One fault done to a copy of the shop between looks, and what the report said of it."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import psycopg

from bench.catalogue.fault import Fault, begins
from bench.catalogue.peers import Found, Peers
from bench.catalogue.shop import Spent, connected, copy_of, filled, granted, spent, work
from bench.catalogue.work import calls_of
from pdmlib.analysis.database import health, statements
from pdmlib.frames.readings import Status
from pdmlib.frames.states import Pace
from pdmlib.phases.window import now
from pdmlib.sources.postgres.waits import waits
from tests.looks import Story, a_story
from tests.servers import Bench, Database

# Sentences that name a cause. Said without "likely" they have to be true.
CLAIMS = re.compile(
    r"\bis gone since|is another since|is invalid|looks for rows of|has grown|exists for|no index (serves|begins)"
    r"|cache is cold|saturated|temporary files|pages are|are dead|runs in a loop|replaced by|in place of|\bwaits\b"
)
ADVICE = re.compile(
    r"\b(?:CREATE (?:UNIQUE )?INDEX|CREATE STATISTICS|ALTER TABLE|ALTER SEQUENCE|DROP INDEX|REINDEX INDEX"
    r'|GRANT) [^;]+;|\b(?:ANALYZE|VACUUM) [\w."]+;'
)
HURTS = 1.5  # times: what an executed advice may not make a statement cost more; less is the machine's own pace
CALLS_OF_ADVICE = 20


@dataclass
class Trial:
    """What became of one fault on one server.

    Attributes:
        name, nothing: of the fault.
        said: the sentences of the finding that is about the fault.
        ours, measured: the factor by the report, and by pg_stat_statements read here.
        false: findings that have nothing to do with the fault.
        wrong: sentences that name a wrong cause without "likely".
        advice: each statement of advice with what became of it on a copy.
        peers: what each of them says about the fault that it did not say before it.
    """

    name: str
    nothing: bool
    version: int
    found: bool = False
    cause: bool = False
    said: str = ""
    ours: float | None = None
    measured: float | None = None
    false: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    advice: list[tuple[str, str]] = field(default_factory=list)
    peers: dict[str, list[str]] = field(default_factory=dict)

    @property
    def harmful(self) -> list[tuple[str, str]]:
        """Advice that could not be executed, or that made the statement slower."""
        return [pair for pair in self.advice if not pair[1].startswith(("ran", "helped"))]


def tried(bench: Bench, shop: str, fault: Fault, version: int, peers: Peers | None) -> Trial:
    """A fault, done and looked at, by the peers too where there are some."""
    with copy_of(bench, shop) as database:
        database.run(*fault.made)
        granted(database)
        if not fault.made or "pg_stat_reset" not in fault.made[-1]:
            database.run("VACUUM ANALYZE")
        try:
            return _looked(database, fault, Trial(fault.name, fault.nothing, version), peers)
        finally:
            database.run(*fault.undone)


def _looked(database: Database, fault: Fault, trial: Trial, peers: Peers | None) -> Trial:
    story = a_story(database)
    story.look()
    counts = [spent(database, begins(fault.asks))]
    work(database, calls_of(fault, after=False))
    counts.append(spent(database, begins(fault.asks)))
    story.look()
    known = peers.ask(database) if peers else {}
    story.deploy()
    # Each by a session of its own, as a person does it: a session's counters arrive when it ends.
    for statement in fault.does:
        database.run(statement)
    granted(database)
    if fault.acts:
        fault.acts(database)
    # A restart gives the server another port.
    story.site = database.site()
    start = spent(database, begins(fault.now))
    with fault.during(database) if fault.during else nullcontext[Any]():
        with _watched(story) if fault.watched else nullcontext(dict[str, Any]()) as sampled:
            work(database, calls_of(fault, after=True), seed=2)
        story.look().update(sampled)
        if peers:
            trial.peers = _new(fault, known, peers.ask(database))
    end = spent(database, begins(fault.now))
    trial.measured = _factor(counts[1] - counts[0], end - start) if fault.asks else None
    judge(fault, trial, story)
    trial.advice = list(_executed(database, fault, trial.said))
    return trial


@contextmanager
def _watched(story: Story) -> Iterator[dict[str, Any]]:
    """What a round of `pdm watch` samples meanwhile, known at the end."""
    sampled: dict[str, Any] = {}
    with ThreadPoolExecutor(1) as pool:
        round_ = pool.submit(waits, story.site, now())
        yield sampled
        sampled.update(round_.result())


def _new(fault: Fault, known: Found, now: Found) -> dict[str, list[str]]:
    """What peers say now and did not say before, as far as it names what the fault touched."""
    return {
        peer: sorted(line for line in lines - known[peer] if any(name in line for name in fault.touches))
        for peer, lines in now.items()
    }


def _factor(before: Spent, after: Spent) -> float | None:
    return after.mean / before.mean if before.calls and after.calls and before.mean else None


def judge(fault: Fault, trial: Trial, story: Story) -> None:
    """What the report found, held against what is true."""
    case = story.case
    rows = statements.compare(case)
    mine = [r for r in rows if fault.asks and r["query"].startswith(begins(fault.now)[: len(r["query"])])]
    findings = health.findings(case)
    trial.false = [
        f"{f.id}: {f.evidence[:160]}" for f in findings if not _explained(fault, f"{f.id} {f.title} {f.evidence}")
    ]
    if fault.nothing:
        trial.found = trial.cause = not trial.false
        trial.said = "; ".join(trial.false)
        return
    if fault.found:
        lines = [line for line in _lines(case, rows) if re.search(fault.found, line)]
        trial.found, trial.said = bool(lines), lines[0] if lines else ""
    else:
        titles = [f.title for f in findings if f.id.startswith("query:")]
        row = next((r for r in mine if any(r["query"][:80] in title for title in titles)), None)
        trial.found, trial.said = row is not None, row["reason"] if row else _instead(mine)
        if row and row["before_mean_ms"] and row["mean_ms"]:
            trial.ours = row["mean_ms"] / row["before_mean_ms"]
    trial.cause = trial.found and bool(re.search(fault.cause or fault.found, trial.said))
    told = [r["reason"] for r in rows if r["regressed"]] if not fault.found else [trial.said]
    trial.wrong = [s for reason in told for s in _sentences(reason) if _is_wrong(fault, s)]


def _instead(rows: list[dict[str, Any]]) -> str:
    return "; ".join(f"{r['verdict']}: {r['reason']}" for r in rows) or "not in the table"


def _lines(case: Any, rows: list[dict[str, Any]]) -> Iterator[str]:
    """The results of checks as text, worst first, then statements that are gone."""
    for row in health.database_findings(case):
        if row["severity"] not in (Status.PASS, Status.UNKNOWN):
            yield f"{row['severity']} {row['check']} {row['object'] or ''}: {row['detail']}; {row['action'] or ''}"
    for row in rows:
        if row["verdict"] == Pace.GONE:
            yield f"GONE {row['query']}: {row['reason']}"


def _explained(fault: Fault, text: str) -> bool:
    """Whether a finding is about what the fault touched; slower statements are more load as well."""
    return any(name in text for name in (*fault.touches, *(() if fault.nothing else ("database:load",))))


def _sentences(reason: str) -> list[str]:
    return [part for part in re.split(r"; (?!CREATE)", reason) if CLAIMS.search(part)]


def _is_wrong(fault: Fault, sentence: str) -> bool:
    right = [pattern for pattern in (fault.cause, fault.besides, fault.found) if pattern]
    return "likely" not in sentence and not any(re.search(pattern, sentence) for pattern in right)


def _executed(database: Database, fault: Fault, said: str) -> Iterator[tuple[str, str]]:
    """Every statement of advice, executed on a copy, with what a call of the watched statement costs since."""
    for advice in dict.fromkeys(ADVICE.findall(said)):
        with copy_of(database.bench, database.name) as copy:
            before = _cost(copy, fault)
            try:
                copy.run(advice)
            except psycopg.Error as error:
                yield advice, f"failed: {str(error).splitlines()[0]}"
                continue
            yield advice, _helped(before, _cost(copy, fault))


def _cost(copy: Database, fault: Fault) -> tuple[float, float] | None:
    """What a call of the watched statement costs on the copy: the median ms by the clock here, and its blocks."""
    if fault.found or not fault.now:
        return None
    rng, taken, start = random.Random(3), [], spent(copy, begins(fault.now))
    with connected(copy) as connection:
        for _ in range(CALLS_OF_ADVICE):
            statement, began = filled(fault.now, rng), time.perf_counter()
            connection.execute(statement, prepare=False)
            taken.append(1000 * (time.perf_counter() - began))
    return median(taken), (spent(copy, begins(fault.now)) - start).blocks / CALLS_OF_ADVICE


def _helped(before: tuple[float, float] | None, after: tuple[float, float] | None) -> str:
    """What became of the cost: blocks as well as time, since the work of others takes time but no blocks."""
    if before is None or after is None:
        return "ran"
    times = [now / max(old, 1e-3) for now, old in zip(after, before, strict=True)]
    shown = f"x{times[0]:.2f} of the time, x{times[1]:.2f} of the blocks"
    if min(times) > HURTS:
        return f"hurt: {shown}"
    return f"helped: {shown}" if min(times) < 1 / HURTS else f"ran, no help: {shown}"
