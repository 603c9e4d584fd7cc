"""What the doctor finds: how sources answered, what was not understood, how tables and endpoints are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pdmlib.errors import SourceError
from pdmlib.frames.collection import Collection
from pdmlib.frames.readings import Answer
from pdmlib.frames.states import Probe
from pdmlib.frames.understanding import Kind, Understood
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import iso
from pdmlib.site.masking import masked
from pdmlib.site.site import Site
from pdmlib.site.vendors import App
from pdmlib.sources.endpoints import Answered, answers_of
from pdmlib.sources.needs import need_of
from pdmlib.workbook.explained import lists_of
from pdmlib.workbook.gather import requests_folder, with_requests

WELL = (Answer.OK, Answer.NOT_CONFIGURED)
# What a 404 may need first: a wrong name of a project or an account is answered like a missing scope.
RIGHT_NAMES = "the right names and region in the site file"


@dataclass(frozen=True)
class Examination:
    """What the doctor found of a site.

    Attributes:
        tables, endpoints: how each table, list of a vendor and answer is understood, where that was asked for.
    """

    site: Site
    scope: Scope
    found: Collection
    tables: tuple[Understood, ...] = ()
    endpoints: tuple[Answered, ...] = ()

    @property
    def code(self) -> int:
        """Exit code: 0 all is read and understood, 1 something is not, 3 there is nothing to read."""
        coverage = self.found.coverage
        if all(row.status is Answer.NOT_CONFIGURED for row in coverage):
            return 3
        whole = all(row.status in WELL for row in coverage) and not len(self.found["not_understood"])
        whole = whole and not self.down() and not self.unwell_accounts()
        return 0 if whole and not any(table.problem and table.mend for table in self.tables) else 1

    def down(self) -> list[tuple[str, str]]:
        """The application's paths that were down at every probe, and why: it is down, or its address is wrong."""
        app, probes = self.site.source("app"), self.found["probes"]
        paths = app.paths if isinstance(app, App) else ()
        asked = [(path, probes[probes["target"] == path]) for path in paths]
        return [
            (p, str(rows["detail"].iloc[-1]))
            for p, rows in asked
            if len(rows) and rows["status"].eq(Probe.DOWN).all()
        ]

    def grants(self) -> list[tuple[str, str, str]]:
        """What of the database is not seen whole: the object, why, and the SQL that would mend it."""
        seen = self.found["visibility"]
        rows = seen[seen["reason"].notna() & seen["grant"].notna()]
        return list(zip(rows["object"], rows["reason"], rows["grant"], strict=True))

    def refused(self) -> list[dict[str, str]]:
        """What a vendor refuses to this site's keys and plans, what that needs, and what is lost without it."""
        gaps, states = self.found["gaps"], self.found["vendor_states"]
        keys, wrong = states[states["kind"] == "key"], self.unwell_accounts()
        pairs = [
            *zip(gaps["source"], gaps["item"].fillna(""), gaps["reason"], strict=True),
            *zip(keys["vendor"], keys["item"], keys["detail"], strict=True),
            *((row["vendor"], row["kind"], f"the account is {row['status']}") for row in wrong),
        ]
        told: dict[tuple[str, str], dict[str, str]] = {}
        for source, item, reason in pairs:
            need = need_of(source, item, reason)
            if need is not None:
                needs = self._what_mends(source, item, reason, need.need)
                row = {"source": source, "says": reason, "needs": needs, "lost": need.lost}
                told.setdefault((source, need.need), row)
        return list(told.values())

    def unwell_accounts(self) -> list[dict[str, Any]]:
        """Accounts that a vendor itself calls suspended, or that the key is of the test mode of."""
        states = self.found["vendor_states"]
        rows = states[(states["kind"] == "account") & (states["ok"] == False)]  # noqa: E712
        return [{str(name): value for name, value in row.items()} for row in rows.to_dict("records")]

    def _what_mends(self, source: str, item: str, reason: str, need: str) -> str:
        """What to mend: a name, the key itself where nothing at all is read with it, else what it may do."""
        if reason.startswith("404"):
            return f"{RIGHT_NAMES}, or {need}"
        if item or not reason.startswith("401"):
            return need
        block = dict(self.site.source(source) or ())
        named = {v: k for k, v in block.items() if k.endswith("_env") and not k.startswith("probe_") and v}
        return f"{need}; what {' and '.join(named)} holds may be mistyped, expired or revoked"

    def not_understood(self) -> list[dict[str, Any]]:
        """What was read and not understood, each example masked."""
        rows = self.found["not_understood"]
        plain = rows.astype(object).where(rows.notna(), None).to_dict("records")
        return [{**row, "example": masked(row["example"] or "")} for row in plain]

    def as_json(self) -> dict[str, Any]:
        """The same for a program; without the texts of a row, which may hold anything."""
        return {
            "site": self.site.site,
            "file": self.site.file,
            "as_of": iso(self.scope.as_of),
            "healthy": self.code == 0,
            "sources": [asdict(row) for row in self.found.coverage],
            "variables_to_set": sorted({name for names in self.site.unset.values() for name in names}),
            "not_understood": self.not_understood(),
            "down": [{"path": path, "detail": detail} for path, detail in self.down()],
            "refused": self.refused(),
            "not_seen": [{"object": o, "reason": r, "mend": g} for o, r, g in self.grants()],
            "endpoints": [
                {"path": a.path, "code": a.code, "taken_for": a.taken_for, "detail": a.detail}
                for a in self.endpoints
            ],
            "tables": [_without_texts(table) for table in self.tables],
        }


def _without_texts(table: Understood) -> dict[str, Any]:
    columns = {said.ours: said.theirs for said in table.columns}
    row = [{**asdict(said), "value": None if said.kind is Kind.TEXT else said.value} for said in table.columns]
    return {**asdict(table), "columns": columns, "row": row}


def examine(
    site: Site,
    scope: Scope,
    out: Path,
    explained: bool = False,
    on_progress: Callable[[str, str], None] | None = None,
) -> Examination:
    """Asks every source of a site.

    Args:
        out: folder of the outputs, where request logs that were taken in lie.
        explained: look at each table's newest row and words, too.
    """
    from pdmlib.sources import catalogue

    collected = catalogue.collect(site, scope, on_progress=on_progress, explained=explained)
    found = with_requests(collected, site, scope, out)
    if not explained:
        return Examination(site, scope, found)
    tables = (*_tables(site), *lists_of(found, site.zone), *_requests(site, out))
    return Examination(site=site, scope=scope, found=found, tables=tables, endpoints=tuple(answers_of(site)))


def _tables(site: Site) -> tuple[Understood, ...]:
    from pdmlib.sources.postgres.explain import explain
    from pdmlib.sources.postgres.session import session

    if site.source("postgres") is None:
        return ()
    try:
        with session(site) as opened:
            return tuple(explain(opened, site))
    except SourceError as error:
        return (Understood(key="sources.postgres", table="the database", problem=error.reason),)


def _requests(site: Site, out: Path) -> tuple[Understood, ...]:
    from pdmlib.storage.request_logs.explain import held

    try:
        return () if site.requests is None else tuple(held(site, requests_folder(site, out)))
    except SourceError as error:
        return (Understood(key="requests", table="request logs", problem=error.reason),)
