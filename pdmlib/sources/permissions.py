"""Calls that a key need not be allowed: refused once, explained once, and no gap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pdmlib.errors import SourceError
from pdmlib.frames.frame import frame
from pdmlib.frames.states import Unread
from pdmlib.sources.needs import REFUSALS
from pdmlib.sources.threads import Frames, Part


class Optional:
    """Parts of a source that a restricted key may lack the permission for, without the source being partial."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._refused: dict[str, str] = {}

    def part(self, item: str, call: Callable[[], Frames]) -> Part:
        """A part that brings nothing, and is remembered, where the vendor refuses it to this key."""

        def read() -> Frames:
            try:
                return call()
            except SourceError as error:
                if not error.reason.startswith(REFUSALS):
                    raise
                self._refused[item] = error.reason
                return {}

        return item, read

    def frames(self) -> Frames:
        """Rows of `vendor_states`, kind `key`: what this key may not read, and why that loses nothing else."""
        rows = [
            unread(self._source, item, Unread.REFUSED, reason) for item, reason in sorted(self._refused.items())
        ]
        return {"vendor_states": frame("vendor_states", rows)} if rows else {}


def unread(source: str, item: str, why: Unread, reason: str) -> dict[str, Any]:
    """A row of `vendor_states` of a part that was not read, with the reason."""
    return {"vendor": source, "kind": "key", "item": item, "status": why.value, "ok": None, "detail": reason}
