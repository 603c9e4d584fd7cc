"""Reports of the demo, written once a session whatever the number of workers; the command as a person runs it."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from pdmlib.demo import Production, adopt_history
from pdmlib.phases.scope import Scope
from pdmlib.site.load import load_site
from pdmlib.site.site import Site
from pdmlib.storage.history import load_collection
from pdmlib.workbook.execute import write_report
from pdmlib.workbook.gather import gather, history_folder
from pdmlib.workbook.kernel import Kernel
from pdmlib.workbook.scope import incident_scope_for, scope_for

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "params/demo.yaml"
PHASES = (
    "hour1",
    "day1",
    "daily",
    "week1",
    "weekly-review",
    "month1",
    "ongoing",
    "database",
    "dashboard",
    "incident",
)
FILES = ("report.html", "report.md", "report.json", "notebook.ipynb")


@dataclass(frozen=True)
class Reports:
    """The reports of every phase of the rough demo."""

    out: Path
    environ: Mapping[str, str]

    def folder(self, phase: str) -> Path:
        return self.out / "demo" / phase / "latest"

    def read(self, phase: str, name: str) -> str:
        return (self.folder(phase) / name).read_text(encoding="utf-8")

    def content(self, phase: str) -> dict[str, Any]:
        return json.loads(self.read(phase, "report.json"))


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whatever reads the written reports is slow: the first such test waits for all of them."""
    for item in items:
        if "reports" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def reports(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Reports:
    """A report of every phase, and `again`: week 1 a second time from the collection of the first."""
    base = tmp_path_factory.getbasetemp()
    out = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "reports"
    done = out / "environ.json"
    with _alone(out):
        if not done.exists():
            write_all(request.getfixturevalue("production"), out, PHASES)
    return Reports(out, json.loads(done.read_text()))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_all(production: Production, out: Path, phases: tuple[str, ...]) -> None:
    """The reports of some phases of a running production, and the environment they were written in."""
    with pytest.MonkeyPatch.context() as patch, Kernel() as kernel:
        for name, value in production.environ.items():
            patch.setenv(name, value)
        site = load_site(str(DEMO))
        adopt_history(production, history_folder(site, out))
        for phase in phases:
            scope = scope_of_phase(site, phase)
            production.set_clock(min(scope.asked_at, production.clock))
            collection = gather(site, scope, out)
            written = write_report(site, scope, out, collection=collection, kernel=kernel)
            production.set_clock(_clock(site))
            if phase == "week1" and phases == PHASES:
                kept = load_collection(written.folder / "collection")
                write_report(site, scope, out / "again", collection=kept, kernel=kernel)
    (out / "environ.json").write_text(json.dumps(production.environ))


def _clock(site: Site) -> Any:
    assert site.demo
    return site.demo.clock


def scope_of_phase(site: Site, phase: str) -> Scope:
    """The scope of a phase as of the site's clock; of an incident the hour of rough's outage."""
    if phase != "incident":
        return scope_for(site, phase)
    return incident_scope_for(site, "2025-03-04T19:00:00Z", "2025-03-04T20:00:00Z")


@dataclass(frozen=True)
class Called:
    """What a run of the command left: its exit code and what it printed."""

    code: int
    stdout: str
    stderr: str

    @property
    def line(self) -> str:
        """The one line of stderr."""
        assert self.stderr.count("\n") == 1, self.stderr
        return self.stderr.rstrip("\n")


def command(*arguments: object) -> list[str]:
    """The `pdm` command with arguments."""
    return [str(Path(sys.executable).with_name("pdm")), *map(str, arguments)]


def pdm(*arguments: object, environ: Mapping[str, str] | None = None) -> Called:
    """Runs the command from the project's folder."""
    done = subprocess.run(
        command(*arguments),
        capture_output=True,
        text=True,
        timeout=600,
        cwd=ROOT,
        env={**os.environ, **(environ or {})},
    )
    return Called(done.returncode, done.stdout, done.stderr)


SiteFile = Callable[..., Path]


def site_file(folder: Path, change: Callable[[dict[str, Any]], None], name: str = "site.yaml") -> Path:
    """A copy of the demo's site file with something changed."""
    content = yaml.safe_load(DEMO.read_text(encoding="utf-8"))
    change(content)
    path = folder / name
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


def demo_of(folder: Path, scenario: str) -> Path:
    """A site file of another demo."""
    return site_file(folder, lambda content: content["demo"].update(scenario=scenario))


def newest(out: Path, phase: str = "week1") -> dict[str, Any]:
    """The newest `report.json` of a phase."""
    return json.loads((out / "demo" / phase / "latest/report.json").read_text(encoding="utf-8"))
