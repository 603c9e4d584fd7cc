"""Checks the notebooks: no outputs, a kernelspec, one parameters cell, short cells without logic.

Run as `python -m tests.notebooks`; also called by test_notebooks.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import nbformat

FOLDER = Path(__file__).parent.parent / "notebooks"
LOGIC = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.Try, ast.Lambda)


def faults(path: Path) -> list[str]:
    """What is wrong with a notebook, one sentence each."""
    notebook = nbformat.read(path, as_version=4)
    found = [] if notebook.metadata.get("kernelspec", {}).get("name") == "python3" else ["no python3 kernelspec"]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    if sum("parameters" in cell.metadata.get("tags", []) for cell in code) != 1:
        found.append("not exactly one parameters cell")
    for number, cell in enumerate(code):
        if cell.outputs or cell.execution_count is not None:
            found.append(f"code cell {number} keeps its output")
        if "parameters" not in cell.metadata.get("tags", []) and len(cell.source.splitlines()) > 5:
            found.append(f"code cell {number} has more than five lines")
        if any(isinstance(node, LOGIC) for node in ast.walk(ast.parse(cell.source))):
            found.append(f"code cell {number} holds logic that belongs into the library")
    return [f"{path.name}: {fault}" for fault in found]


def main() -> int:
    """Prints every fault; 1 when there is one."""
    found = [fault for path in sorted(FOLDER.glob("*.ipynb")) for fault in faults(path)]
    print("\n".join(found) or f"{len(list(FOLDER.glob('*.ipynb')))} notebooks are clean")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
