"""The kernel that notebooks run in.

It starts while the sources are asked; it runs from the saved collection, without the site's secrets in its
environment."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.manager import KernelManager
from traitlets import DottedObjectName, Type
from zmq import Context

from pdmlib.site.environment import environment_without

# The kernel imports what every notebook needs while the sources are still being asked, and as the command does not
# let jsonschema load a checker of IRIs that takes a second. What is imported stays, so that looking for garbage in
# it again and again is a twentieth of the work of a report, and for nothing.
WARM = (
    "--IPKernelApp.exec_lines=import sys; sys.modules.setdefault('rfc3987_syntax');"
    " import gc, pdmlib.workbook.report, pdmlib.report.charts.catalogue; gc.freeze(); gc.set_threshold(20_000)"
)


class _Manager(KernelManager):
    """Closes the sockets of each client: nbclient leaves them open where it did not start the kernel itself.

    Its clients wait without blocking: with one that blocks, nbclient never looks whether the kernel still lives.
    """

    client_class = DottedObjectName("jupyter_client.asynchronous.AsyncKernelClient")
    client_factory = Type(AsyncKernelClient)
    _newest: Any = None

    def client(self, **kwargs: Any) -> Any:
        self.hang_up()
        self._newest = super().client(**kwargs)
        return self._newest

    def revive(self) -> None:
        """Starts a kernel that died anew, also where nbclient found it dead and cleared everything away."""
        if self.context.closed:
            self.context = Context()
        self.restart_kernel(now=True)

    def hang_up(self) -> None:
        """Closes the client of the notebook that ran last."""
        if self._newest is not None:
            self._newest.stop_channels()
            self._newest = None


class Kernel:
    """An IPython kernel that starts in the background; a context manager that stops it."""

    def __init__(self, hidden: tuple[str, ...] = ()) -> None:
        # Sockets of its own: by default every kernel started in a folder would share the same ones.
        # Their paths must be short, which those of TMPDIR need not be.
        self._sockets = tempfile.mkdtemp(prefix="pdm-", dir="/tmp" if Path("/tmp").is_dir() else None)
        self._manager = _Manager(
            kernel_name="python3",
            transport="ipc",
            ip=f"{self._sockets}/kernel",
            connection_file=f"{self._sockets}/kernel.json",
        )
        self._hidden = hidden

    def __enter__(self) -> KernelManager:
        extra = ["--HistoryManager.enabled=False", "--HistoryManager.hist_file=:memory:", WARM]
        self._manager.start_kernel(extra_arguments=extra, env=environment_without(self._hidden))
        return self._manager

    def __exit__(self, *_: object) -> None:
        self._manager.hang_up()
        if self._manager.has_kernel:
            self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()
        shutil.rmtree(self._sockets, ignore_errors=True)
