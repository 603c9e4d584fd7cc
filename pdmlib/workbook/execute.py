"""Runs a phase's notebook and writes its report, whole or not at all, in one process."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

from jupyter_client.manager import KernelManager

from pdmlib.errors import CallError, ReportError
from pdmlib.frames.readings import Answer
from pdmlib.frames.states import ReportStatus
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import stamp
from pdmlib.report import ASK
from pdmlib.site.site import Site
from pdmlib.storage import durable
from pdmlib.workbook.shipped import shipped

NOTEBOOKS = shipped("notebooks")
# What is being done, and which share of the writing of a report is behind it.
Progress = Callable[[str, float], None]
EXECUTED = 0.75  # of that writing, once the notebook is run; the rest is its pages
DIED = "the kernel that ran it died, as one does where memory runs out"
# What nbclient tells of a kernel that died would stand beside the one line that an error is.
logging.getLogger("papermill").addHandler(logging.NullHandler())
_PAGES = Lock()  # one exporter makes the pages of every report, and keeps what it makes in itself
_COLOURS = re.compile(r"\x1b\[[\d;]*m")
_OURS = re.compile(r"\b(pdmlib/[\w/]+\.py):(\d+)")


@dataclass(frozen=True)
class Written:
    """A report on disk: its folder and its `report.json`."""

    folder: Path
    content: Mapping[str, Any]

    @property
    def status(self) -> ReportStatus:
        """What the report says of the whole."""
        return ReportStatus(self.content["status"])

    @property
    def blind(self) -> bool:
        """Whether no source at all could be read."""
        return not any(Answer(row["status"]).heard for row in self.content["coverage"])


def write_report(
    site: Site,
    scope: Scope,
    out: Path,
    collection: Any,
    kernel: KernelManager,
    notes: str = "",
    say: Progress = lambda *_: None,
) -> Written:
    """Executes the notebook on a collection and puts the report's files into place.

    Raises:
        ReportError: the notebook failed; names the cell's error in one line.
    """
    target = out / site.site / scope.phase.name / stamp(scope.as_of)
    beside = target.with_name(f".{target.name}.{os.getpid()}.part")
    _sweep(target.parent)
    beside.mkdir(parents=True)
    try:
        _fill(
            beside, target, site, scope=scope, out=out, collection=collection, kernel=kernel, notes=notes, say=say
        )
        _place(beside, target)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return Written(target, json.loads((target / "report.json").read_text(encoding="utf-8")))


def _sweep(phase: Path) -> None:
    """Removes what killed processes left unfinished; a report that one had only moved away is put back."""
    for left in [*phase.glob(".*.part"), *phase.glob(".*.old")]:
        name, pid = left.name.split(".")[1:3]
        if not (pid.isdigit() and _alive(int(pid))):
            if left.suffix == ".old" and not (phase / name).exists():
                left.rename(phase / name)
            shutil.rmtree(left, ignore_errors=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return pid != os.getpid()


def _fill(
    beside: Path,
    target: Path,
    site: Site,
    scope: Scope,
    out: Path,
    collection: Any,
    kernel: KernelManager,
    notes: str,
    say: Progress,
) -> None:
    from pdmlib.storage import history

    history.save_collection(beside / "collection", collection)
    parameters = {
        "site": str(Path(site.file).resolve()),
        "as_of": scope.as_of.isoformat(),
        "deployed_at": scope.deployed_at.isoformat(),
        "collection": str((beside / "collection").resolve()),
        "out": str(out.resolve()),
        "notes": notes,
        "write_to": str(beside.resolve()),
    }
    if scope.phase.named_window:
        parameters |= {"start": scope.window.start.isoformat(), "end": scope.window.end.isoformat()}
    say("executing the notebook", 0.0)
    with ThreadPoolExecutor(1) as meanwhile:
        warmed = meanwhile.submit(_page)
        notebook = execute(scope.phase.name, parameters, kernel, say)
        page = warmed.result()
    say("writing the report", EXECUTED)
    moved = (str(beside.resolve()), str(target.resolve()))
    page.write_notebook(notebook, beside / "notebook.ipynb", moved)
    title = f"{site.title}: {scope.phase.title}"
    phase, path = scope.phase, beside / "report.html"
    with _PAGES:
        page.write_page(notebook, path, title, refresh_s=phase.refresh_s, zone=site.zone, sorts=phase.sorts)
        if scope.phase.slides:
            page.write_slides(notebook, beside / "slides.html", title)


def _page() -> Any:
    """The module that writes pages, warm while the kernel works."""
    from pdmlib.report import page

    with _PAGES:
        page.warm()
    return page


def execute(
    name: str, parameters: Mapping[str, str], kernel: KernelManager, say: Progress = lambda *_: None
) -> Any:
    """The executed notebook of that name, its cells tagged `ask` left for a person to run.

    Raises:
        CallError: no such notebook, or a parameter that it does not have.
        ReportError: a cell failed, or the kernel died.
    """
    import papermill

    path = NOTEBOOKS / f"{name}.ipynb"
    if not path.exists():
        raise CallError(f"there is no notebook {path.name} in {NOTEBOOKS.name}/")
    known = papermill.inspect_notebook(str(path))
    for parameter in parameters:
        if parameter not in known:
            raise CallError(f"{path.name}: no parameter {parameter}; it has {', '.join(known)}")
    notebook = papermill.iorw.load_notebook_node(str(path))
    questions = [cell for cell in notebook.cells if ASK in cell.metadata.get("tags", ())]
    notebook.cells = [cell for cell in notebook.cells if cell not in questions]
    cells = len(notebook.cells) + 1  # that of the parameters given
    try:
        executed = papermill.execute_notebook(
            notebook,
            None,
            parameters=dict(parameters),
            km=kernel,
            progress_bar=False,
            request_save_on_cell_execute=False,
            autosave_cell_every=0,
            kernel_name="python3",
            on_cell_executed=lambda cell_index, **_: say(
                f"cell {cell_index + 1} of {cells}", EXECUTED * (cell_index + 1) / cells
            ),
        )
    except papermill.PapermillExecutionError as error:
        told = f"{error.ename}: {' '.join(str(error.evalue).split())[:300]}{_innermost(error.traceback)}"
        raise ReportError(f"{path.name}: {told}; --debug shows the traceback") from error
    except RuntimeError as error:
        if kernel.is_alive():
            raise
        raise ReportError(f"{path.name}: {DIED}") from error
    executed.metadata.papermill["input_path"] = path.name
    executed.cells += questions
    for position, cell in enumerate(executed.cells):
        cell["id"] = f"cell-{position}"
    return executed


def _innermost(traceback: Iterable[str]) -> str:
    """The innermost line of ours in a cell's traceback."""
    lines = _OURS.findall(_COLOURS.sub("", "\n".join(traceback)))
    return f" ({lines[-1][0]}, line {lines[-1][1]})" if lines else ""


def _place(beside: Path, target: Path) -> None:
    """Puts the finished folder into place and points `latest` at the newest as-of."""
    durable.sync_all(beside)
    durable.exchange(beside, target)
    newest = max(path.name for path in target.parent.iterdir() if path.is_dir() and path.name[0].isdigit())
    link = target.with_name(f".latest.{os.getpid()}")
    link.unlink(missing_ok=True)
    link.symlink_to(newest)
    link.replace(target.with_name("latest"))
    durable.sync_names(target)
