"""A cell that takes long says what is waited for, in one line that stays; nothing else does."""

import re
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

from pdmlib.workbook.waiting import Waiting

Messages = list[dict[str, Any]]
QUICK = """
import time
from pdmlib.workbook import waiting
waiting.AFTER_S = waiting.EVERY_S = 0.3
"""
ASKED = """
with waiting.Waiting(["app", "stripe"]) as line:
    time.sleep(0.5)
    line.answered("stripe", "ok")
    time.sleep(0.5)
    line.answered("app", "failed")
    time.sleep(0.5)
"""
FAILED = """
try:
    with waiting.Waiting(["app"]):
        time.sleep(0.5)
        raise OSError
except OSError:
    pass
"""
# A port of this machine that takes calls and never answers, as a database behind a full pool may.
OPENED = """
import socket
import pdmlib
from pdmlib.sources import catalogue
catalogue.LIMIT_S = 3
deaf = socket.create_server(("127.0.0.1", 0))
site = f'''
site: shop
title: Shop
time_zone: UTC
deployed_at: 2025-03-03T00:00:00Z
sources: {{app: {{base_url: "http://127.0.0.1:{deaf.getsockname()[1]}"}}}}
'''
from pathlib import Path
Path("shop.yaml").write_text(site)
week = pdmlib.open_report("shop.yaml", "week1", out="out")
"""


def ran(*cells: str, folder: Path | None = None, person: bool = True) -> list[Messages]:
    """What each cell shows, run as JupyterLab does for a person, or as papermill does for nobody."""
    manager, client = start_new_kernel(kernel_name="python3", cwd=folder and str(folder))
    shown = []
    try:
        for cell in cells:
            found: Messages = []
            answer = client.execute_interactive(
                cell, allow_stdin=person, timeout=60, output_hook=found.append, stdin_hook=lambda _: None
            )
            assert answer["content"]["status"] == "ok", answer
            shown.append(
                [m["content"] for m in found if m["msg_type"].startswith(("display", "update", "stream"))]
            )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    return shown


def told(messages: Messages) -> list[str]:
    """The texts of a line in their order, without how long it has taken."""
    (line,) = {m["transient"]["display_id"] for m in messages}
    assert line, "one line, written anew"
    texts = [re.sub(r" \(\d s\) \.\.$|\d s\.$", "", m["data"]["text/plain"]) for m in messages]
    return list(dict.fromkeys(texts))


@pytest.mark.slow
def test_a_line_tells_who_has_not_answered_and_then_how_long_it_took() -> None:
    _, shown = ran(QUICK, ASKED)
    assert told(shown) == [
        "0 of 2 sources have answered; waiting for app, stripe",
        "1 of 2 sources have answered; waiting for app",
        "Reading and judging what is known",
        "Read and judged after ",
    ]


@pytest.mark.slow
def test_what_is_soon_over_says_nothing_and_what_fails_says_that_it_stopped() -> None:
    _, soon, failed = ran(QUICK, "with waiting.Waiting(['app']):\n    pass", FAILED)
    assert soon == []
    assert told(failed)[-1] == "Stopped after "


@pytest.mark.slow
def test_a_report_whose_sources_are_slow_is_waited_for_in_sight_of_a_person(tmp_path: Path) -> None:
    assert [told(messages)[-1] for messages in ran(QUICK + OPENED, folder=tmp_path)] == ["Read and judged after "]
    assert ran(QUICK + OPENED, folder=tmp_path, person=False) == [[]]


def test_outside_a_notebook_nothing_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdmlib.workbook.waiting.AFTER_S", 0.0)
    with Waiting(["app"]) as line:
        line.answered("app", "ok")
    assert capsys.readouterr() == ("", "")
