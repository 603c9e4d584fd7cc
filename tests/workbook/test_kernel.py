"""A kernel that dies, as where the machine has no memory left, costs its notebook alone."""

from __future__ import annotations

import subprocess
import sys

LONGEST_S = 60  # a start of a kernel on a busy machine takes some of them

# In a process of its own: what waits for ever can be ended, and the loops of its threads are its own.
SCRIPT = """
import signal, nbformat, papermill
from pdmlib.workbook.kernel import Kernel
SPEC = {"kernelspec": {"name": "python3", "display_name": "Python", "language": "python"}}

def tell(kernel, code):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(code)], metadata=SPEC)
    try:
        notebook = papermill.execute_notebook(notebook, None, km=kernel, kernel_name="python3", progress_bar=False)
        print(notebook.cells[-1].outputs[0]["text"].strip())
    except RuntimeError as error:
        print("it died" if "died" in str(error) else error)

with Kernel() as kernel:
    tell(kernel, "import os; os.kill(os.getpid(), 9)")
    kernel.revive()
    tell(kernel, "print(1 + 1)")
    kernel.signal_kernel(signal.SIGKILL)
    tell(kernel, "print(2 + 2)")
    kernel.revive()
    tell(kernel, "print(3 + 3)")
"""


def test_a_kernel_that_dies_in_a_cell_or_before_it_is_asked_is_an_error_and_starts_anew() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=LONGEST_S, check=False
    )
    assert done.stdout.split("\n")[:4] == ["it died", "2", "it died", "6"], done.stderr
