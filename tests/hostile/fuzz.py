"""Odd inputs of every kind that others write: what comes of each is an error of ours in words, and no other.

Bodies of vendors' answers, bodies of health checks, site files, notes, files of the history and of the state that
lies in `outputs/`, and lines of request logs, each drawn from what is right with something wrong in it.
"""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from pdmlib.errors import PdmError
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.frame import frame
from pdmlib.frames.readings import Answer
from pdmlib.frames.states import Proof
from pdmlib.frames.understanding import Unclear
from pdmlib.phases.window import Window, now, stamp
from pdmlib.report import document
from pdmlib.site.notes import load_notes
from pdmlib.sources.health import Endpoint, Shot, components, judged
from pdmlib.sources.probes import Check
from pdmlib.storage import history, reports
from pdmlib.storage.request_logs import manifests
from pdmlib.storage.request_logs.ingest import ingest
from pdmlib.verdict.verdict import judge
from pdmlib.workbook import notify, probe_record
from tests.builders import DEPLOYED, WEEK_LATER, a_case
from tests.site.test_any_file import ANY_BYTES, EXAMPLE, PARAMS, SIGNS, TREE, holds, odd_at_a_place, sewn
from tests.sources import test_any_answer as answered
from tests.sources import test_bodies as specified
from tests.sources.bodies import Answers, answering, disturbed
from tests.sources.loopback import routed, vendor
from tests.sources.reads import ODD
from tests.sources.test_app import BODIES
from tests.storage.request_logs.logs import line, site_of

CHUNK = 20  # examples of one kind before the next kind has its turn
LINES = 200  # of one log
NOTES = (PARAMS / "notes/example-week1.yaml").read_bytes()
CODES = (200, 201, 204, 301, 401, 403, 404, 429, 500, 503)


@dataclass(frozen=True)
class Kind:
    """One kind of input.

    Attributes:
        planned: how many inputs of it a whole run tries.
        attempt: tries what was drawn; returns how many inputs that was, and raises what must not be raised.
    """

    name: str
    planned: int
    inputs: st.SearchStrategy[Any]
    attempt: Callable[[Any], int]


@contextmanager
def kinds() -> Iterator[tuple[Kind, ...]]:
    """Every kind, with the servers and folders that it needs."""
    with ExitStack() as stack:
        answers = stack.enter_context(answering())
        routes: dict[str, Any] = {}
        server = stack.enter_context(vendor(lambda call: routed(routes)(call))).url, routes
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        yield (
            *(
                Kind(f"bodies of {name}", 1000, _bodies(name), _of_vendor(answers, name))
                for name in specified.MADE
                if name not in answered.CHECKS
            ),
            *(
                Kind(f"bodies of {name}", 1000, bodies, _of_other_vendor(server, name))
                for name, (bodies, _) in answered.CHECKS.items()
            ),
            Kind("health checks", 20_000, HEALTH, _health),
            Kind("site files", 12_000, ANY_BYTES | SIGNS.map(str.encode) | sewn(EXAMPLE) | _yaml(TREE), _site),
            Kind("notes", 10_000, sewn(NOTES) | _yaml(yaml.safe_load(NOTES)), _notes(folder)),
            Kind("files of the state", 10_000, _state(), _kept(folder)),
            Kind("files of the history", 1_000, _spoilt(folder), _recalled(folder)),
            Kind("lines of logs", 41_000, st.lists(LOGGED, min_size=LINES, max_size=LINES), _ingested(folder)),
        )


def chunk(kind: Kind, number: int, examples: int = CHUNK) -> tuple[int, str]:
    """How many inputs were tried, and what of them raised what it must not; empty: none."""
    tried = 0

    @seed(number)
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(kind.inputs)
    def each(drawn: Any) -> None:
        nonlocal tried
        tried += kind.attempt(drawn)

    try:
        each()
    except Exception as error:
        return tried + 1, f"{type(error).__name__}: {str(error)[:200]} (seed {number})"
    return tried, ""


# vendors


@st.composite
def _bodies(draw: Any, source: str) -> dict[str, Any]:
    made = specified.drawn(draw, source, lambda body: disturbed(draw, body))
    return made | {"/metrics": specified.a_scrape(draw, specified.ANY, specified.ANY)}


def _of_vendor(answers: Answers, source: str) -> Callable[[Any], int]:
    def attempt(bodies: dict[str, Any]) -> int:
        answers.bodies = bodies
        answers.asked.clear()
        case = specified.judged(answers, source)
        if case is not None:
            assert not case["gaps"]["reason"].str.contains("was not understood (", regex=False).any()
            specified.measured(case, specified.MADE[source].resting)
        return len(answers.asked)

    return attempt


def _of_other_vendor(server: tuple[str, dict[str, Any]], source: str) -> Callable[[Any], int]:
    def attempt(bodies: dict[str, Any]) -> int:
        answered.CHECKS[source][1](bodies, server)
        return answered.BODIES_AN_EXAMPLE[source]

    return attempt


HEALTH = st.tuples(
    st.one_of(BODIES.map(lambda body: json.dumps(body).encode()), ANY_BYTES), st.sampled_from(CODES)
)


def _health(drawn: tuple[bytes, int]) -> int:
    body, code = drawn
    endpoint, notes, shot = Endpoint("/healthz", True), Unclear("app"), Shot(code, body, 1.0)
    judged(endpoint, shot, notes)
    components(endpoint, shot, DEPLOYED, notes)
    notes.frames()
    return 1


# files that people write


def _yaml(tree: Any) -> st.SearchStrategy[bytes]:
    return odd_at_a_place(tree).map(lambda odd: yaml.safe_dump(odd, allow_unicode=True).encode())


def _site(content: bytes) -> int:
    holds(content)
    return 1


def _notes(folder: Path) -> Callable[[bytes], int]:
    def attempt(content: bytes) -> int:
        path = folder / "notes.yaml"
        path.write_bytes(content)
        with suppress(PdmError):
            load_notes(path)
        return 1

    return attempt


# files that the workbook wrote, damaged or changed


def _state() -> st.SearchStrategy[tuple[str, bytes]]:
    """Name of a file, and what is in it."""
    check = Check("payment", Proof.WORKED, "0.50 USD was paid: pi_1")
    record = probe_record.Record(
        "payment", "box", "2025-03-03T15:00:00Z", really=False, attempt=1, at="x", checks=(check,)
    )
    row = {"priority": "P1", "title": "t", "reading": "app_up", "latest_s": 60}
    day = {"token": "a", "rows": 1}
    trees: dict[str, Any] = {
        "report.json": json.loads(document.encoded(document.document(judge(a_case()), now()))),
        ".notified.json": {"phases": {"day1": {"status": "GREEN", "as_of": "2025"}}, "alerts": {"a": row}},
        "payment.json": asdict(record),
        "coverage.json": [asdict(Coverage("app", Answer.OK, 1, 0.1))],
        "manifest.json": {
            "version": manifests.VERSION,
            "counted": ["user"],
            "requests": {"2025-03-03": day},
            "views": {},
            "files": [],
        },
    }
    texts = {name: json.dumps(tree).encode() for name, tree in trees.items()}
    odd = {n: odd_at_a_place(tree).map(lambda one: json.dumps(one).encode()) for n, tree in trees.items()}
    return st.sampled_from(list(trees)).flatmap(
        lambda name: st.tuples(st.just(name), odd[name] | sewn(texts[name]) | ANY_BYTES)
    )


def _kept(folder: Path) -> Callable[[tuple[str, bytes]], int]:
    case = a_case()
    content = document.document(judge(case), now())

    def compared(path: Path) -> None:
        found = reports.previous_report(path.parents[1], WEEK_LATER)
        notify.news({"phases": {}, "alerts": {}}, content, found)
        reports.last_deployment(path.parents[2])

    readers: dict[str, Callable[[Path], Any]] = {
        "report.json": compared,
        ".notified.json": lambda path: notify.news(notify._said(path), content, None),
        "payment.json": probe_record.read,
        "coverage.json": lambda path: history.load_collection(path.parent),
        "manifest.json": lambda path: manifests.load(path.parent),
    }

    def attempt(drawn: tuple[str, bytes]) -> int:
        name, damaged = drawn
        path = folder / "state" / case.scope.phase.name / stamp(DEPLOYED) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(damaged)
        try:
            with suppress(PdmError):
                readers[name](path)
        finally:
            shutil.rmtree(folder / "state")
        return 1

    return attempt


def _rows(hour: int) -> Collection:
    moments = (DEPLOYED + timedelta(hours=hour, minutes=n) for n in range(20))
    rows = [{"target": "/", "checked_at": at, "status": "up", "response_ms": 1.0} for at in moments]
    return Collection({"probes": frame("probes", rows)})


@st.composite
def _spoilt(draw: Any, folder: Path) -> bytes:
    """A file of the history of which some bytes are others, cut, or put in twice."""
    whole = folder / "whole"
    if not whole.exists():
        for hour in range(3):
            history.append(whole, _rows(hour))
    content = min(whole.rglob("*.parquet")).read_bytes()
    if draw(st.booleans()):
        return draw(sewn(content))
    for _ in range(draw(st.integers(1, 8))):
        place = draw(st.integers(0, len(content) - 1))
        content = content[:place] + bytes([draw(st.integers(0, 255))]) + content[place + 1 :]
    return content


def _recalled(folder: Path) -> Callable[[bytes], int]:
    span = Window(DEPLOYED, WEEK_LATER)

    def attempt(content: bytes) -> int:
        own = folder / "history"
        shutil.copytree(folder / "whole", own)
        try:
            min(own.rglob("*.parquet")).write_bytes(content)
            found = history.recall(own, span)["probes"]
            hours = (found["checked_at"] - DEPLOYED).dt.total_seconds() // 3600
            assert {1, 2} <= set(hours), "what another file held is lost"
            history.append(own, _rows(5))
            history.compact(own)
        finally:
            shutil.rmtree(own)
        return 1

    return attempt


# request logs

LOGGED = st.one_of(
    odd_at_a_place(line("a")).map(json.dumps),
    sewn(json.dumps(line("b")).encode()).map(lambda content: content.decode("utf-8", "replace")),
    st.text(max_size=60),
    st.sampled_from(ODD).map(json.dumps),
)


def _ingested(folder: Path) -> Callable[[list[str]], int]:
    def attempt(lines: list[str]) -> int:
        text = "\n".join(" ".join(one.splitlines()) for one in [json.dumps(line("well")), *lines]) + "\n"
        path, store = folder / "log.ndjson.gz", folder / "store"
        path.write_bytes(gzip.compress(text.encode("utf-8", "replace"), 1))
        try:
            report = ingest(site_of(), [path], store)
            assert not report.failed, report.failed
            assert report.requests >= 1, "a line that is well is lost"
        finally:
            shutil.rmtree(store, ignore_errors=True)
        return len(lines)

    return attempt
