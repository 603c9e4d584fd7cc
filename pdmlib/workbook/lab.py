"""JupyterLab on a working copy of the notebooks, their parameters set to a site."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pdmlib.errors import CallError
from pdmlib.site.environment import environment_value, environment_without
from pdmlib.storage import durable
from pdmlib.storage.reports import read_json
from pdmlib.workbook.execute import NOTEBOOKS

QUIET = ("--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate", "-y")

# Nobody is asked about news; what moves is saved, so that a notebook that is opened later shows it as it was.
SET = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyter-widgets/jupyterlab-manager:plugin": {"saveState": True},
}


def open_lab(folder: Path, options: Iterable[str] = ()) -> int:
    """Runs JupyterLab on a folder until it is stopped; returns its exit code.

    Args:
        options: JupyterLab's own, such as `--no-browser`.

    Raises:
        CallError: JupyterLab is not installed.
    """
    if find_spec("jupyterlab") is None:
        raise CallError("JupyterLab is not installed: pip install pdmlib[lab], or `make lab` in a checkout")
    process = subprocess.Popen(command(folder, options), env=environment_without(()) | settings(folder))
    try:
        return process.wait()
    except KeyboardInterrupt:  # JupyterLab got the same Ctrl-C
        return _stopped(process)
    finally:
        if process.poll() is None:
            process.terminate()
            _stopped(process)


def settings(folder: Path) -> dict[str, str]:
    """Where JupyterLab finds what is set here, before what a person has set."""
    place = folder / ".settings"
    (place / "labconfig").mkdir(parents=True, exist_ok=True)
    _write(place / "labconfig" / "default_setting_overrides.json", SET)
    paths = filter(None, (str(place.resolve()), environment_value("JUPYTER_CONFIG_PATH")))
    return {"JUPYTER_CONFIG_PATH": os.pathsep.join(paths)}


def _stopped(process: subprocess.Popen[bytes]) -> int:
    """JupyterLab was told to end and is shutting its kernels down."""
    try:
        return process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def command(folder: Path, options: Iterable[str] = ()) -> list[str]:
    """The call of JupyterLab: it asks nothing of the network and nothing before it stops."""
    return [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={folder.resolve()}", *QUIET, *options]


def working_copy(folder: Path, parameters: Mapping[str, str]) -> list[Path]:
    """Copies of the notebooks with these parameters; returns their paths.

    A copy that is there already keeps its cells and only gets the parameters.
    """
    folder.mkdir(parents=True, exist_ok=True)
    copies = []
    for original in sorted(NOTEBOOKS.glob("*.ipynb")):
        copy = folder / original.name
        notebook = read_json(copy) or read_json(original) or {"cells": []}
        for cell in notebook["cells"]:
            if "parameters" in cell["metadata"].get("tags", ()):
                cell["source"] = _set(cell["source"], parameters)
        _write(copy, notebook)
        copies.append(copy)
    return copies


def _set(source: str | list[str], parameters: Mapping[str, str]) -> str:
    lines = "".join(source).splitlines()
    named = [line.partition("=")[0].strip() for line in lines]
    return "\n".join(
        f"{name} = {json.dumps(parameters[name], ensure_ascii=False)}" if name in parameters else line
        for name, line in zip(named, lines, strict=True)
    )


def _write(path: Path, notebook: Any) -> None:
    with durable.replacing(path) as beside:
        beside.write_text(json.dumps(notebook, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
