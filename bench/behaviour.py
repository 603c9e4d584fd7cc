"""What the workbook says of the demo: recorded before a change and after it, and compared.

`python -m bench.behaviour record FOLDER` writes the report of every phase of four scenarios, each from a
demo production of its own, as FOLDER/<scenario>/<phase>.json; it takes minutes. `compare BEFORE AFTER`
prints each difference between two such folders and exits with 1 when there is one. What differs between two
records of the same commit is left out: LIVE, TEXT, TIMES and SCRAPED below say what that is.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shlex
import subprocess
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

ROOT = Path(__file__).parents[1]
SCENARIOS = ("rough", "healthy", "database_down", "all_down")
# Five weeks after the deployment, when a month is over; the other phases are over at the demo's own clock.
LATE = ("--as-of", "2025-04-07T15:00:00Z")
PHASES: dict[str, tuple[str, ...]] = {
    **{name: ("report", name) for name in ("hour1", "day1", "daily", "week1", "weekly-review", "dashboard")},
    "database": ("report", "database"),
    "incident": ("incident", "--from", "2025-03-04T19:00:00Z", "--to", "2025-03-04T20:00:00Z"),
    "month1": ("report", "month1", *LATE),
    "ongoing": ("report", "ongoing", *LATE),
}

# What names a row, so that one row more or less does not shift the others: its id, else these of its columns.
NAMES = (
    *("check", "object", "item", "box", "query", "role", "job", "feature", "ticket"),
    *("integration", "source", "metric", "date", "route", "issue", "what"),
)
# What two records of the same commit differ in, as paths.
LIVE = re.compile(
    r"generated_at$|\[\w+\]\.seconds$"  # when and how long was collected
    r"|readings\[query_\w+_ms\]\.(value|low|high|evidence)$"  # queries that are timed now
    # What the demo's queries took when its database was made, which is made anew when the demo's code changes.
    r"|tables\.(plans|queries)\[.*\]\.(\w+_ms|share_pct|change_pct)$|\[query:.*\]\.value$"
    r"|tables\.queries order$"  # by what they took
    # Counters of the database's own start: blocks from disk lie near the limit, so the check comes and goes.
    # How many findings there are counts it; the findings themselves are compared.
    r"|readings\[db_findings\]\.(value|evidence)$|\[(database:|db_)?cache_hit(:|_pct)?\]"
    r"|checklist\[Implement additional caching"
    r"|\[unused_index\]|\[rollbacks(/sessions_killed)?\]"
)
# The same within texts: ports, folders of a run, how many more findings a summary names.
TEXT = re.compile(r"(?<=127\.0\.0\.1:)\d+|(?<=port )\d+|/run-\w+|(?<=, and )\d+(?= more)")
# Texts that tell what the database's queries took, and how.
TIMED = re.compile(r"tables\.(queries|database_findings)\[|\[query:")
TIMES = re.compile(r"[\d.,]+( -> [\d.,]+)? ms|\(x[\d.]+\)|[\d.]+ % of the database's time")
# Counters of the host are scraped while its clock runs: their last digits follow the second of the scrape.
SCRAPED, NEAR = re.compile(r"readings\[db_(queries_total|storage_pct|cpu_pct|cpu_peak_pct)\]\.value$"), 5e-4

ABSENT = "(absent)"


def command() -> list[str]:
    """The `pdm` of this working tree, wherever its package keeps it: an installed one may be another's."""
    module, function = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]["pdm"].split(":")
    return [sys.executable, "-c", f"from {module} import {function} as pdm; pdm()"]


def said(pdm: Sequence[str], scenario: str, phase: str) -> dict[str, Any]:
    """The exit code of one call, with its report, or with its standard error when there is no report."""
    with TemporaryDirectory() as folder:
        site = yaml.safe_load((ROOT / "params/demo.yaml").read_text(encoding="utf-8"))
        site["demo"]["scenario"] = scenario
        (Path(folder) / "site.yaml").write_text(yaml.safe_dump(site, sort_keys=False), encoding="utf-8")
        done = subprocess.run(
            [*pdm, *PHASES[phase], "--site", f"{folder}/site.yaml", "--out", folder],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        for path in Path(folder).glob(f"demo/{phase}/latest/report.json"):
            return {"exit": done.returncode, "report": json.loads(path.read_text(encoding="utf-8"))}
        return {"exit": done.returncode, "stderr": done.stderr.replace(folder, "FOLDER")}


def record(folder: Path, pdm: Sequence[str], scenarios: Sequence[str], phases: Sequence[str], jobs: int) -> None:
    """Writes what is said of each scenario in each phase, so many at once."""
    began = time.monotonic()
    with ThreadPoolExecutor(jobs) as pool:
        calls = {pool.submit(said, pdm, s, p): (s, p) for s in scenarios for p in phases}
        for number, call in enumerate(as_completed(calls), 1):
            scenario, phase = calls[call]
            path = folder / scenario / f"{phase}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(call.result(), indent=1, ensure_ascii=False), encoding="utf-8")
            spent = f"{time.monotonic() - began:.0f} s"
            print(
                f"{number} of {len(calls)}, {spent}: {scenario} {phase}, exit {call.result()['exit']}", flush=True
            )


def _name(row: Any, number: int) -> str:
    if not isinstance(row, dict):
        return str(number)
    return str(row.get("id") or "/".join(str(row[n]) for n in NAMES if row.get(n) is not None) or number)


def flat(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each leaf of a record with its path; of a list of rows also their order, by name."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        seen: Counter[str] = Counter()
        order = []
        for number, row in enumerate(value):
            name = _name(row, number)
            seen[name] += 1
            order.append(f"{path}[{name}" + (f"#{seen[name]}]" if seen[name] > 1 else "]"))
            yield from flat(row, order[-1])
        if not LIVE.search(f"{path} order"):
            yield f"{path} order", [name for name in order if not LIVE.search(name)]
    elif not LIVE.search(path):
        yield path, _settled(path, value) if isinstance(value, str) else value


def _settled(path: str, text: str) -> str:
    return TEXT.sub("~", TIMES.sub("~", text) if TIMED.search(path) else text)


def _same(path: str, before: Any, after: Any) -> bool:
    if path.endswith(" order"):
        # Rows that only one has are told by themselves.
        after = [] if after == ABSENT else after
        return [x for x in before if x in after] == [x for x in after if x in before]
    if SCRAPED.search(path) and isinstance(before, int | float) and isinstance(after, int | float):
        return math.isclose(before, after, rel_tol=NEAR)
    return before == after and type(before) is type(after)


def _read(path: Path) -> dict[str, Any]:
    return dict(flat(json.loads(path.read_text(encoding="utf-8"))))


def differences(old: dict[str, Any], new: dict[str, Any], added: bool) -> Iterator[tuple[str, Any, Any]]:
    """Path, before and after of all that differs; `added`: leave out what only the second has."""
    for path in [*old, *(path for path in new if path not in old)]:
        before, after = old.get(path, ABSENT), new.get(path, ABSENT)
        known = path in old or not (added or path.endswith(" order"))
        if known and not _same(path, before, after):
            yield path.removeprefix("report."), before, after


def compare(before: Path, after: Path, added: bool) -> int:
    """Prints the differences of the reports that both have; 1 when there is one, or no report."""
    first, second = ({path.relative_to(folder) for path in folder.rglob("*.json")} for folder in (before, after))
    number = 0
    for file in sorted(first & second):
        for path, *values in differences(_read(before / file), _read(after / file), added):
            old, new = (json.dumps(value, ensure_ascii=False) for value in values)
            print(f"{file.with_suffix('')}: {path}\n  before {old}\n  after  {new}")
            number += 1
    print(f"{number} differences in {len(first & second)} reports; {len(first ^ second)} only one folder has")
    return int(number > 0 or not first & second)


def main() -> int:
    """Records or compares; 1 when something differs."""
    parser = argparse.ArgumentParser(prog="python -m bench.behaviour", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    recording = verbs.add_parser("record")
    recording.add_argument("folder", type=Path)
    recording.add_argument("--scenarios", nargs="+", default=SCENARIOS)
    recording.add_argument("--phases", nargs="+", choices=PHASES, default=[*PHASES])
    recording.add_argument("--pdm", type=shlex.split, default=command(), metavar="COMMAND")
    recording.add_argument("--jobs", type=int, default=2)
    comparing = verbs.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    comparing.add_argument("--added", action="store_true", help="leave out what only the second record has")
    given = parser.parse_args()
    if given.verb == "compare":
        return compare(given.before, given.after, given.added)
    record(given.folder, given.pdm, given.scenarios, phases=given.phases, jobs=given.jobs)
    return 0


if __name__ == "__main__":
    sys.exit(main())
