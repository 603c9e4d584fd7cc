"""Sentry's web API: the project that is asked about, tables of events and lists in pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pdmlib.errors import SourceError
from pdmlib.frames.understanding import Unclear
from pdmlib.phases.window import Window, iso
from pdmlib.site.vendors import Sentry
from pdmlib.sources.fields import entries
from pdmlib.sources.http import Api
from pdmlib.sources.specifications import sentry as said

PAGE = 100  # the most that is answered


@dataclass(frozen=True)
class Project:
    """What every call is about, and what of its answers was not understood."""

    api: Api
    block: Sentry
    unclear: Unclear = field(default_factory=lambda: Unclear("sentry"))

    def path(self, what: str) -> str:
        """The address of a list of the organization."""
        return f"/api/0/organizations/{self.block.organization}/{what}/"

    def asked(self, window: Window | None = None) -> list[tuple[str, Any]]:
        """Project, environment and times; without a zone, since Sentry ignores one."""
        query: list[tuple[str, Any]] = [("project", self.block.project), ("environment", self.block.environment)]
        if window is not None:
            query += [("start", plain(window.start)), ("end", plain(window.end))]
        return query

    def table(
        self, dataset: str, query: str, fields: Iterable[str], window: Window, pages: int = 1, **more: Any
    ) -> tuple[list[Any], bool]:
        """Rows of the events table, its first pages, and whether they rest on all of the data."""
        asked = [("dataset", dataset), ("query", query), ("field", list(fields)), ("per_page", PAGE)]
        found, whole = [], True
        for body in self.pages("events", [*self.asked(window), *asked, *more.items()], pages):
            found += entries("sentry", body, "data")
            meta = said.Meta.of(body.get("meta", {}), self.unclear)
            whole = whole and (meta is None or meta.scanned != "partial")
        return found, whole

    def pages(self, what: str, query: Sequence[tuple[str, Any]], pages: int) -> Iterator[Any]:
        """The first pages of a list; the cursor alone is taken from the link.

        Raises:
            SourceError: as `Api.get`, or a full page has no link, which every list of several pages has.
        """
        cursor: str | None = None
        for number in range(pages):
            answer = self.api.get(self.path(what), [*query, ("cursor", cursor)])
            body = answer.json()
            yield body
            following = answer.links().get("next", {})
            if not following and number + 1 < pages and _size(body) >= PAGE:
                raise SourceError("sentry", f"a full page of {what} has no Link that tells whether it goes on")
            if following.get("results") != "true":
                return
            cursor = following.get("cursor")


def _size(body: Any) -> int:
    """How many entries a page holds: it is a list, or a table with its rows."""
    rows = body.get("data") if isinstance(body, dict) else body
    return len(rows) if isinstance(rows, list) else 0


def plain(moment: datetime) -> str:
    """A moment as Sentry takes it: without a zone, since it ignores one."""
    return iso(moment).removesuffix("Z")
