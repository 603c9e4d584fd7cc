"""Reports that are written side by side: none is waited for once its thread is over."""

from __future__ import annotations

import sys
from threading import Thread

from pdmlib.cli.writing import _Later


def test_a_call_that_exits_is_an_error_and_nobody_waits_for_it() -> None:
    found: list[object] = []
    waits = Thread(target=lambda: found.append(_Later(lambda: sys.exit(3)).outcome()), daemon=True)
    waits.start()
    waits.join(10)
    assert [type(one) for one in found] == [RuntimeError]
