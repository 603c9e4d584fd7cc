"""The week-1 report, warm, against the two commands it replaces.

The replaced commands run `papermill` and `jupyter nbconvert` on a notebook that imports pandas and
matplotlib and draws eight plots, and on the week's own notebook, for which a demo runs already and whose cells
under "Ask your own question" are left out, as ours leaves them; ours starts the demo, collects, judges and
writes four files. Then all reports of one moment at once against one by one,
and the commands that only look.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat

from bench.timing import alternate, table
from pdmlib import demo
from pdmlib.cli.reports import ASKED
from pdmlib.report import ASK
from pdmlib.workbook.shipped import DEMO_SITE, shipped

PLOT = """import matplotlib.pyplot as plt
import pandas as pd
times = pd.date_range('2025-03-03', periods=10080, freq='min')
frame = pd.DataFrame({'ms': range(10080)}, index=times)
"""
SITE, WEEK = Path(DEMO_SITE), shipped("notebooks") / "week1.ipynb"
# The incident of the demo that its reports call the newest.
FROM, TO = "2025-03-04T19:00:00Z", "2025-03-04T20:00:00Z"
DRAW = "frame['ms'].rolling(7).mean().plot(figsize=(8, 3)); plt.show()"


def week(path: Path) -> None:
    """Writes the week's notebook without the cells that a report leaves for a person to run."""
    found = nbformat.read(WEEK, as_version=4)
    found.cells = [cell for cell in found.cells if ASK not in cell.metadata.get("tags", ())]
    nbformat.write(found, path)


def notebook(path: Path) -> None:
    """Writes the notebook of eight plots."""
    cells = [nbformat.v4.new_code_cell("%matplotlib inline\n" + PLOT)]
    cells += [nbformat.v4.new_code_cell(DRAW) for _ in range(8)]
    spec = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=spec), path)


def every(rounds: int = 2) -> None:
    """Prints what all reports of a moment cost at once, beside one by one."""
    pdm = Path(sys.executable).with_name("pdm")
    with TemporaryDirectory() as folder:
        phases = f"for phase in {' '.join(ASKED)}; do {pdm} report $phase --out {folder}; done"
        incident = f"{pdm} incident --from {FROM} --to {TO} --out {folder}"
        commands = {
            "pdm report all": [str(pdm), "report", "all", "--out", folder],
            "one by one": ["bash", "-c", f"set -e; {phases}; {incident}"],
        }
        timings = alternate(commands, rounds, warm=0)
    print(table(timings))
    together, apart = timings.values()
    print(together.against(apart))


def looking(rounds: int = 15) -> None:
    """Prints what the commands cost that only look."""
    pdm = str(Path(sys.executable).with_name("pdm"))
    with TemporaryDirectory() as folder:
        commands = {"pdm status": [pdm, "status", "--out", folder], "pdm --help": [pdm, "--help"]}
        print(table(alternate(commands, rounds)))


def two_commands(notebook: Path, run: Path, given: str = "") -> list[str]:
    """papermill and `jupyter nbconvert` on a notebook, as a person calls them."""
    tools = Path(sys.executable).parent
    run_it = f"{tools}/papermill -k python3 {notebook} {run} {given}"
    return ["bash", "-c", f"{run_it} && {tools}/jupyter-nbconvert --to html --log-level ERROR {run}"]


def main(rounds: int = 5) -> None:
    """Prints the table and the ratios: against a notebook of eight plots, and against the week's own."""
    pdm = str(Path(sys.executable).with_name("pdm"))
    with TemporaryDirectory() as folder, demo.start() as production:
        plain, own, run = (Path(folder) / f"{name}.ipynb" for name in ("plain", "own", "run"))
        notebook(plain)
        week(own)
        # Theirs finds the demo running; ours starts one of its own.
        os.environ |= production.environ
        given = f"-p site {SITE.resolve()} -p out {folder} -p write_to {folder}"
        commands = {
            "pdm report week1": [pdm, "report", "week1", "--out", folder],
            "papermill + jupyter nbconvert, eight plots": two_commands(plain, run),
            "papermill + jupyter nbconvert, the week's own": two_commands(own, run, given),
        }
        timings = alternate(commands, rounds)
    print(table(timings))
    ours, *theirs = timings.values()
    for other in theirs:
        print(ours.against(other))
    every()
    looking()


if __name__ == "__main__":
    main()
