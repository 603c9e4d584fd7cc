"""What a notebook works with: one report, opened once, shown section by section, written at the end."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, wraps
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

from markupsafe import escape

from pdmlib.analysis.comparable import comparable
from pdmlib.errors import CallError
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Priority, Reading, Status
from pdmlib.frames.states import Usage
from pdmlib.phases.phase import PHASES
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import now
from pdmlib.report import document, html, messages, tables, text, words
from pdmlib.report.card import Card, card_of
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

# The frame and the time of the rows that the readings of a section rest on.
NEWEST = {
    "stability": ("probes", "checked_at"),
    "performance": ("latencies", "end"),
    "traffic": ("latencies", "end"),
    "activity": ("activity", "end"),
    "database": ("host_metrics", "at"),
}
HOUR_MIN = 60
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
@dataclass(frozen=True, repr=False)
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

    @cached_property
    def card(self) -> Card:
        """The decision card: what to know in ten seconds."""
        return card_of(self.verdict)

    def headline(self) -> Html:
        """The decision card, and the analyst's own summary under it."""
        return html.card(self.card.plain(), self.notes.summary or "")

    def _repr_html_(self) -> str:
        return html.mail(self.card.plain(), self._title).html

    def __repr__(self) -> str:
        return f"Report({self.case.site.site} {self._scope.phase.name}: {self.card.sentence})"

    @property
    def _title(self) -> str:
        return f"{self.case.site.title}: {self._scope.phase.title}"

    def highlights(self) -> Html:
        """What went well: the notes and the facts; what did not is a cause."""
        told = [*self.notes.highlights, *text.good(self.verdict)]
        return self._list(told, f"{text.nothing(self.verdict)}.")

    def readings(self, *sections: str, most: int | None = None) -> Html:
        """The readings of the sections, judged; a slide shows at most so many."""
        found = [r for name in sections for r in self.verdict.section(name)]
        shown = tables.readings(found, self._numbers, most).html
        return Html("".join(f'<a id="{name}"></a>' for name in sections) + shown)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """The number of the cause that tells of a reading."""
        where = {f.id: f.reading for f in (*self.verdict.findings, *self.verdict.symptoms)}
        told = list(enumerate(self.verdict.causes, 1))
        return {where[name]: number for number, cause in reversed(told) for name in cause.chain if name in where}

    def brief(self, *sections: str, most: int = 12) -> Html:
        """The readings of the sections for a shared screen: value, target and status; at most so many."""
        return tables.brief([r for name in sections for r in self.verdict.section(name)], most)

    def message(self, *names: str) -> Html:
        """What a topic or readings come to, in one line: the title of a slide; nothing where there is nothing."""
        told = messages.message(self.verdict, *names)
        return Html(f'<p class="message">{escape(told)}</p>' if told else "")

    def focus(self) -> Html:
        """The checklist of the phase, one card a section."""
        return tables.boxes(self.verdict.tables["checklist"])

    def table(self, name: str, most: int | None = None) -> Html:
        """A table of `report.json`; a slide shows its first rows, at most so many, but all that are urgent."""
        rows = self.verdict.tables[name]
        if most is not None:
            most = max(most, sum(row.get("priority") in (Priority.P0, Priority.P1) for row in rows))
        if name == "feature_adoption":
            return tables.adoption(rows)
        said, shown = comparable(self.case, name) if rows else "", self._table(name, rows, most=most)
        return Html(f"<p>{escape(said)}</p>{shown.html}") if said else shown

    def glance(self, name: str, most: int | None = None) -> Html:
        """The columns of a table that are read from afar, of its first rows where `most` is given."""
        rows = tables.first_the_troubled_of(name, self.verdict.tables[name])
        return self._table(f"{name}_glance", rows, most=most)

    def top_findings(self, most: int) -> Html:
        """The causes of what was found, most urgent first, a line each.

        A slide shows at most so many, and never hides one that is urgent.
        """
        urgent = sum(cause.priority is not Priority.P2 for cause in self.verdict.causes)
        told = sorted((*self.card.causes, *self.card.others), key=lambda cause: cause.priority == Priority.P2)
        lines = [f"{c.priority} {c.said} ({c.owner}, {c.due})" for c in told]
        return self._list(lines, "No finding.", max(most, urgent))

    def tiles(self, *names: str) -> Html:
        """Readings as large tiles: value, status by word and shape, target."""
        found = [r for r in (self.verdict.reading(name) for name in names) if r]
        rows = [
            {
                "title": r.title,
                "value": words.number(r.value, r.unit),
                "status": words.judged(r),
                "kind": r.status.value,
                "note": f"target {r.target}" if r.target and r.value is not None else r.reason or "",
                "age": self._age(r),
            }
            for r in found
        ]
        return html.render("tiles.html.j2", tiles=rows)

    def _age(self, r: Reading) -> str:
        """How old the newest row is that a reading rests on; empty where the frame of its section has none."""
        name, column = NEWEST.get(r.section, ("", ""))
        times = self.case.within(name, column, self._scope.known)[column] if name else ()
        if not len(times):
            return ""
        minutes = (self._scope.as_of - max(times)) / timedelta(minutes=1)
        old = words.number(round(minutes), "min") if minutes < 2 * HOUR_MIN else f"{minutes / HOUR_MIN:.0f} h"
        return f"{old} old"

    def changed_before(self) -> Html:
        """Deployments and other changes in the day before the window."""
        rows = [row for row in self.verdict.tables["timeline"] if row["kind"] == "change"]
        return self._table("timeline", rows, "No deployment or change is known in the day before.")

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
        told = zip((*self.card.causes, *self.card.others), self.verdict.causes, strict=True)
        found = [(line, cause) for line, cause in told if cause.priority is Priority(priority)]
        rows = [i for i in self.verdict.incidents if i["priority"] == priority]
        where = {f.id: f.reading for f in (*self.verdict.findings, *self.verdict.symptoms)}
        shown = tables.causes(found, self.notes.issues, where).html if found or not rows else ""
        return Html(shown + (self._table("incidents", rows).html if rows else ""))

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
        return self._table(
            "what_if", rows, "Nothing would flip." if here else "The site does without the source of this reading."
        )

    def coverage(self) -> Html:
        """How each source answered, and what was read and not understood."""
        answered = tables.coverage(self.case.collection.coverage).html
        empty = "Everything that was read was understood."
        unclear = self._table("not_understood", self.verdict.not_understood, empty).html
        broken = [f"{row['part']}: {row['error']}" for row in self.case.broken]
        failed = f"<h3>Could not be computed</h3>{self._list(broken).html}" if broken else ""
        return Html(f"{answered}<h3>Not understood</h3>{unclear}{failed}")

    def chart(self, name: str, fold: bool = False) -> Any:
        """A picture by name; flatter for a wall.

        Args:
            fold: it stands folded under its own words where every reading that it shows is well.
        """
        from pdmlib.report.charts.catalogue import CHARTS, picture
        from pdmlib.report.charts.picture import on_a_wall

        with on_a_wall() if self._scope.phase.refresh_s else nullcontext():
            drawn = picture(self.case, name)
        calm = fold and all(
            r.status in (Status.PASS, Status.INFO)
            for r in self.verdict.readings
            if r.id.startswith(CHARTS[name].readings)
        )
        return html.folded(drawn.alt, drawn) if calm else drawn

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

    def _table(
        self,
        name: str,
        rows: Iterable[Mapping[str, Any]],
        empty: str = "Nothing to show.",
        most: int | None = None,
    ) -> Html:
        return tables.table(name, rows, self.case.site.zone, empty=empty, most=most)

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
