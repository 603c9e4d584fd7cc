"""A running JupyterLab, asked as its own pages ask it."""

import json
import os
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import websocket

from pdmlib.workbook.lab import command, settings, working_copy

TOKEN = "a-token-of-this-test"


class Server:
    """A running JupyterLab, asked as its own pages ask it."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def ask(self, path: str, method: str = "GET", content: Any = None) -> Any:
        request = urllib.request.Request(
            f"{self.url}/{path}",
            method=method,
            headers={"Authorization": f"token {TOKEN}"},
            data=None if content is None else json.dumps(content).encode(),
        )
        with urllib.request.urlopen(request, timeout=120) as answer:
            text = answer.read().decode()
        return json.loads(text) if text.startswith(("{", "[")) else text

    def set_theme(self, name: str) -> None:
        """As a person chooses it in the menu of settings."""
        self.ask(
            "lab/api/settings/@jupyterlab/apputils-extension:themes", "PUT", {"raw": json.dumps({"theme": name})}
        )

    def run(self, cells: list[str]) -> list[dict[str, Any]]:
        """The answers that a kernel of this server gives to cells, stopping at the first error."""
        kernel = self.ask("api/kernels", "POST")["id"]
        address = f"{self.url.replace('http', 'ws', 1)}/api/kernels/{kernel}/channels?token={TOKEN}"
        channel = websocket.create_connection(address, timeout=300)
        try:
            return [message for i, cell in enumerate(cells) for message in self._cell(channel, f"cell{i}", cell)]
        finally:
            channel.close()
            self.ask(f"api/kernels/{kernel}", "DELETE")

    @staticmethod
    def _cell(channel: Any, name: str, code: str) -> Iterator[dict[str, Any]]:
        header = {
            "msg_id": name,
            "username": "",
            "session": "test",
            "msg_type": "execute_request",
            "version": "5.3",
        }
        content = {
            "code": code,
            "silent": False,
            "store_history": False,
            "allow_stdin": False,
            "stop_on_error": True,
        }
        request = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        channel.send(json.dumps(request))
        while True:
            message = json.loads(channel.recv())
            if message["parent_header"].get("msg_id") != name:
                continue
            if message["msg_type"] in ("display_data", "execute_result", "error"):
                yield {"type": message["msg_type"], **message["content"]}
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return


@pytest.fixture
def server(tmp_path: Path, demo_environ: object) -> Iterator[Server]:
    """JupyterLab on a working copy set to the demo, as `pdm lab --no-browser` starts it."""
    parameters = {"site": str(Path("params/demo.yaml").resolve()), "out": str(tmp_path / "out")}
    folder, runtime = tmp_path / "lab", tmp_path / "runtime"
    working_copy(folder, parameters)
    options = ["--no-browser", "--ServerApp.port=0", f"--IdentityProvider.token={TOKEN}", "--allow-root"]
    homes = {
        "JUPYTER_RUNTIME_DIR": runtime,
        "JUPYTER_CONFIG_DIR": tmp_path / "config",
        "JUPYTER_DATA_DIR": tmp_path / "d",
    }
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            command(folder, options),
            env={**os.environ, **settings(folder), **{k: str(v) for k, v in homes.items()}},
            stdout=log,
            stderr=log,
        )
    try:
        yield Server(address(process, runtime, tmp_path / "log"))
    finally:
        process.terminate()
        process.wait(120)


def address(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """Where the server listens, once it says so in its runtime file."""
    while process.poll() is None:
        for path in runtime.glob("jpserver-*.json"):
            text = path.read_text(encoding="utf-8")
            if text.endswith("}"):
                return str(json.loads(text)["url"])
        time.sleep(0.1)
    raise AssertionError(log.read_text(encoding="utf-8"))
