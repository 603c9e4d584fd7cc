"""What a notebook works with: one report, opened once, shown section by section, written at the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

from markupsafe import escape

from pdmlib.errors import CallError
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Priority
from pdmlib.frames.states import Usage
from pdmlib.phases.phase import PHASES
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import now
from pdmlib.report import document, html, tables, text, words
from pdmlib.report.html import Html
from pdmlib.site.notes import Notes, load_notes, notes_path
from pdmlib.site.site import Site
from pdmlib.storage import history
from pdmlib.storage.reports import previous_report
from pdmlib.verdict.causes import Cause
from pdmlib.verdict.changes import known_since, remembered
from pdmlib.verdict.verdict import Verdict, flipped, judge
from pdmlib.workbook.gather import gather
from pdmlib.workbook.opening import open_site
from pdmlib.workbook.scope import incident_scope_for, scope_for

T = TypeVar("T")
Show = TypeVar("Show", bound=Callable[..., Any])


def kept_going(show: Show) -> Show:
    """A section that cannot be shown says so in its place, and the report goes on."""

    @wraps(show)
    def shown(self: Report, *args: Any, **kwargs: Any) -> Any:
        try:
            return show(self, *args, **kwargs)
        except CallError:  # a person's own mistake, who should hear of it
            raise
        except Exception as error:
            reason = self.case.broke(f"section {show.__name__}", error)
            return Html(f"<p class='empty'>Not shown: {escape(reason)}. report.json has what was judged.</p>")

    return cast(Show, shown)


def each_kept_going(report: type[T]) -> type[T]:
    """Every method of a class that shows something, so guarded."""
    for name, method in list(vars(report).items()):
        if isinstance(method, FunctionType) and not name.startswith("_") and name != "write":
            setattr(report, name, kept_going(method))
    return report


@each_kept_going
@dataclass(frozen=True)
class Report:
    """One report: its case, its verdict and the analyst's notes.

    Every method shows one thing: an HTML table or a picture.
    """

    case: Case
    verdict: Verdict
    notes: Notes
    generated_at: datetime

    @property
    def causes(self) -> tuple[Cause, ...]:
        """What everything found comes from, most urgent first."""
        return self.verdict.causes

    @property
    def _scope(self) -> Scope:
        return self.case.scope

    def headline(self) -> Html:
        """The verdict: status, recommendation, outcome, confidence and the summary."""
        zone, scope, verdict = self.case.site.zone, self._scope, self.verdict
        done = "" if scope.complete else f" ({scope.so_far})"
        span = f"{words.local(scope.window.start, zone)} to {words.local(scope.window.end, zone)}{done}"
        return html.render(
            "headline.html.j2",
            v=verdict,
            shape=words.SHAPES[verdict.status],
            part=span,
            outcome=words.OUTCOMES[verdict.outcome].lower() if verdict.outcome else None,
            deployed=words.deployed(self.case),
            as_of=words.local(scope.as_of, zone),
            next_check=words.local(verdict.next_check, zone),
            summary=self.notes.summary or verdict.summary,
        )

    def highlights(self) -> Html:
        """What went well and what did not, from the notes and the facts."""
        told = [*self.notes.highlights, *text.highlights(self.verdict)]
        return self._list(told, f"{text.nothing(self.verdict)}.")

    def readings(self, *sections: str, most: int | None = None) -> Html:
        """The readings of the sections, judged; a slide shows at most so many."""
        return tables.readings([r for name in sections for r in self.verdict.section(name)], most)

    def brief(self, *sections: str, most: int = 12) -> Html:
        """The readings of the sections for a shared screen: value, target and status; at most so many."""
        return tables.brief([r for name in sections for r in self.verdict.section(name)], most)

    def focus(self) -> Html:
        """The checklist of the phase, one card a section."""
        return tables.boxes(self.verdict.tables["checklist"])

    def table(self, name: str, most: int | None = None) -> Html:
        """A table of `report.json`; a slide shows its first rows, at most so many."""
        rows = self.verdict.tables[name]
        return tables.adoption(rows) if name == "feature_adoption" else tables.table(name, rows, most=most)

    def glance(self, name: str, most: int | None = None) -> Html:
        """The columns of a table that are read from afar, of its first rows where `most` is given."""
        return tables.table(f"{name}_glance", self.verdict.tables[name][:most])

    def top_findings(self, most: int) -> Html:
        """The causes of what was found, most urgent first, a line each; a slide shows at most so many."""
        lines = [f"{c.priority.value} {c.title}: {c.evidence}" for c in self.verdict.causes]
        return self._list(lines, "No finding.", most)

    def tiles(self, *names: str) -> Html:
        """Readings as large tiles: value, status by word and shape, target."""
        found = [r for r in (self.verdict.reading(name) for name in names) if r]
        rows = [
            {
                "title": r.title,
                "value": words.number(r.value, r.unit),
                "status": words.judged(r),
                "kind": r.status.value,
                "note": r.reason or (f"target {r.target}" if r.target else ""),
            }
            for r in found
        ]
        return html.render("tiles.html.j2", tiles=rows)

    def changed_before(self) -> Html:
        """Deployments and other changes in the day before the window."""
        rows = [row for row in self.verdict.tables["timeline"] if row["kind"] == "change"]
        return tables.table("timeline", rows, "No deployment or change is known in the day before.")

    def underused(self, most: int | None = None) -> Html:
        """Features that are abandoned, broken, rare or below their target; a slide shows at most so many."""
        rows = [
            row
            for row in self.verdict.tables["feature_adoption"]
            if row["state"] in (Usage.ABANDONED, Usage.BROKEN, Usage.RARE) or row["target_met"] is False
        ]
        lines = [f"{r['title']}: {words.number(r['total'])} in the week ({r['state']})" for r in rows]
        return self._list(lines, "Every feature is used as expected.", most)

    def high_cost(self) -> Html:
        """What costs most, first."""
        rows = [r for r in self.verdict.section("costs") if isinstance(r.value, int | float) and r.value]
        rows.sort(key=lambda r: -float(r.value or 0))
        lines = [f"{r.title}: {r.measurement.evidence} ({r.measurement.source})" for r in rows]
        return self._list(lines, "No cost was measured.", 3)

    def issues(self, priority: str) -> Html:
        """Causes and incidents of a priority and what became of them."""
        wanted = Priority(priority)
        found = [cause for cause in self.verdict.causes if cause.priority is wanted]
        rows = [i for i in self.verdict.incidents if i["priority"] == priority]
        shown = tables.causes(found, self.notes.issues, self.case.site.zone).html if found or not rows else ""
        return Html((tables.table("incidents", rows).html if rows else "") + shown)

    def alerts(self) -> Html:
        """Alerts that hold in the latest part of the window."""
        return tables.alerts(self.verdict.alerts, self.case.site.zone)

    def noted(self, key: str, most: int | None = None) -> Html:
        """What the analyst's notes say under a key; said to be open where nothing is noted."""
        found = getattr(self.notes, key)
        return self._list([found] if isinstance(found, str) else list(found or ()), most=most)

    def assessment(self) -> Html:
        """The outcome in words and what to do next."""
        verdict = self.verdict
        lines = [f"Stability: {words.STABILITY[verdict.status]}", f"Recommendation: {verdict.recommendation_text}"]
        if verdict.outcome:
            lines.insert(0, f"Deployment: {words.OUTCOMES[verdict.outcome]}")
        steps = self.notes.next_steps or text.next_steps(verdict)
        return Html(self._list(lines).html + "<h3>Next steps</h3>" + self._list(list(steps), most=5).html)

    def what_if(self, reading: str, edge: float) -> Html:
        """Which verdicts would flip if the mildest limit of a reading were another."""
        rows = flipped(self.verdict, reading, edge)
        here = self.verdict.reading(reading) is not None
        return tables.table(
            "what_if", rows, "Nothing would flip." if here else "The site does without the source of this reading."
        )

    def coverage(self) -> Html:
        """How each source answered, and what was read and not understood."""
        answered = tables.coverage(self.case.collection.coverage).html
        empty = "Everything that was read was understood."
        unclear = tables.table("not_understood", self.verdict.not_understood, empty).html
        broken = [f"{row['part']}: {row['error']}" for row in self.case.broken]
        failed = f"<h3>Could not be computed</h3>{self._list(broken).html}" if broken else ""
        return Html(f"{answered}<h3>Not understood</h3>{unclear}{failed}")

    def chart(self, name: str) -> Any:
        """A picture by name."""
        from pdmlib.report.charts.catalogue import picture

        return picture(self.case, name)

    def write(self, folder: str) -> Html:
        """Writes `report.json` and `report.md` into a folder; without one, says so."""
        if not folder:
            return Html("<p class='empty'>Opened by hand: no files are written. `pdm report` writes them.</p>")
        target = Path(folder)
        markdown = self.case.attempt(
            "report.md", lambda: text.report_markdown(self.verdict, self.notes), self._unwritten
        )
        (target / "report.md").write_text(markdown, encoding="utf-8")
        content = document.document(self.verdict, self.generated_at)
        (target / "report.json").write_text(document.encoded(content), encoding="utf-8")
        return Html("")

    def _unwritten(self, reason: str) -> str:
        title, verdict = self.case.site.title, self.verdict
        return f"# {title}: {verdict.status}\n\nThis file could not be written: {reason}. report.json is whole.\n"

    @staticmethod
    def _list(items: list[str], empty: str = words.OPEN.capitalize() + ".", most: int | None = None) -> Html:
        return html.bullets(items, empty, most)


def open_report(
    site: str,
    phase: str,
    as_of: str = "",
    deployed_at: str = "",
    collection: str = "",
    out: str = "outputs",
    notes: str = "",
) -> Report:
    """A report ready to be shown.

    Args:
        site: path of the site's YAML file.
        phase: name of the phase.
        as_of, deployed_at: ISO times; empty: now, and the site's or the platform's deployment.
        collection: folder of a saved collection; empty: the sources are asked now.
        out: folder of the outputs, which holds the site's history.
        notes: path of the analyst's notes; empty: `params/notes/<site>-<phase>.yaml` beside the site file.

    Raises:
        SiteError, CallError: the site or notes file or a parameter is wrong.
    """
    loaded = open_site(site, offline=bool(collection))
    scope = scope_for(loaded, phase, as_of, deployed_at, out=Path(out))
    return _opened(loaded, scope, collection, out=out, notes=notes)


def _opened(site: Site, scope: Scope, collection: str, out: str, notes: str) -> Report:
    saved = history.load_collection(Path(collection)) if collection else gather(site, scope, Path(out))
    case = Case(site, scope, saved, scope.window)
    noted = load_notes(notes_path(site, scope.phase.name, notes))
    folder = Path(out) / site.site
    known = known_since(folder, scope.as_of)
    judged = judge(case)
    verdict = case.attempt(
        "what changed", lambda: remembered(judged, noted, _last(scope, folder), known), lambda _: judged
    )
    return Report(case, verdict, noted, now())


def _last(scope: Scope, folder: Path) -> Mapping[str, Any] | None:
    """The last report of the phase; an incident has none, since the one before was another incident."""
    return previous_report(folder / scope.phase.name, scope.as_of) if scope.phase in PHASES else None


def open_incident(
    site: str,
    start: str,
    end: str,
    as_of: str = "",
    deployed_at: str = "",
    collection: str = "",
    out: str = "outputs",
    notes: str = "",
) -> Report:
    """An incident report of the window from `start` to `end`, ISO times; else as `open_report`."""
    loaded = open_site(site, offline=bool(collection))
    scope = incident_scope_for(loaded, start, end, as_of=as_of, deployed_at=deployed_at, out=Path(out))
    return _opened(loaded, scope, collection, out=out, notes=notes)
