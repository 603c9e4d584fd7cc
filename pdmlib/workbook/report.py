"""What a notebook works with: one report, opened once, shown section by section, written at the end."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, wraps
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

from markupsafe import escape

from pdmlib.analysis.availability.incident import timeline
from pdmlib.analysis.catalogue import OPTIONAL_SECTIONS, all_metrics
from pdmlib.analysis.comparable import comparable
from pdmlib.analysis.product.features import underused
from pdmlib.errors import CallError
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection
from pdmlib.frames.readings import Priority, Reading, Status, counted
from pdmlib.frames.states import Usage
from pdmlib.phases.phase import PHASES
from pdmlib.phases.scope import Scope
from pdmlib.phases.window import Window, iso, now, spoken
from pdmlib.report import document, html, messages, tables, text, words
from pdmlib.report.columns import COLUMNS, keys_of
from pdmlib.report.html import Html, Table
from pdmlib.report.listing import Names
from pdmlib.report.regressions import regressions
from pdmlib.site.notes import Notes, load_notes, notes_path
from pdmlib.site.site import SOURCE_NAMES, Site
from pdmlib.storage import history
from pdmlib.storage.reports import previous_report
from pdmlib.verdict.changes import known_since, remembered
from pdmlib.verdict.sides import compared, told_apart
from pdmlib.verdict.verdict import Verdict, judge
from pdmlib.workbook.calls import check, named, told, written_into
from pdmlib.workbook.completing import complete_names
from pdmlib.workbook.gather import gather
from pdmlib.workbook.live import Live, range_slider, themed
from pdmlib.workbook.opening import open_site
from pdmlib.workbook.questions import Questions
from pdmlib.workbook.scope import incident_scope_for, scope_for
from pdmlib.workbook.waiting import Waiting

# The frame and the time of the rows that the readings of a section rest on.
NEWEST = {
    "stability": ("probes", "checked_at"),
    "performance": ("latencies", "end"),
    "traffic": ("latencies", "end"),
    "activity": ("activity", "end"),
    "database": ("host_metrics", "at"),
}
# The reading that says whether anybody could look for the rows of a table.
TELLS_OF = {
    "top_errors": "errors_total",
    "incidents": "uptime_pct",
    "routes": "latency_p95_ms",
    "daily": "requests_total",
    "cron": "cron_runs_expected",
    "tickets": "tickets_total",
    "queries": "db_slow_queries",
    "plans": "db_findings",
    "database_findings": "db_findings",
}
HOUR_MIN = 60
# How far apart the ends of a slider of windows are, so that it has no more places than a hand can tell apart.
APART = tuple(timedelta(minutes=minutes) for minutes in (5, 15, 60, 120, 360, 1440))
MOST_ENDS = 340
T = TypeVar("T")
Show = TypeVar("Show", bound=Callable[..., Any])


def kept_going(show: Show) -> Show:
    """A section that cannot be shown says so in its place, and the report goes on."""
    signature = inspect.signature(show)

    @wraps(show)
    def shown(self: Report, *args: Any, **kwargs: Any) -> Any:
        check(show.__name__, signature, (self, *args), kwargs)
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
class Report(Questions):
    """One report: shown section by section, as a phase's notebook does, and open to questions.

    `report` alone in a cell is its decision card. `report.frames`, `report.tables`, `report.charts` and
    `report["<id of a reading>"]` list and complete what there is; `slice`, `limits`, `what_if`, `add` and `export`
    ask further; `slide_limit`, `slide_window` and `zoom` do so by hand in JupyterLab. Every other method shows one
    section: an HTML table or a picture.

    Attributes:
        reopen: asks the sources of another window, by a site; None where the report is of a saved collection.
    """

    reopen: Callable[[Site, datetime, datetime], Report] | None = None

    @property
    def _scope(self) -> Scope:
        return self.case.scope

    def headline(self) -> Html:
        """The decision card, and the analyst's own summary under it."""
        card = html.card(self.card.plain(), self.notes.summary or "")
        return Html(self._tried() + card.html)

    def _repr_html_(self) -> str:
        title = f'<p class="soft">{escape(self._title)}</p>'
        return html.dressed(f"{title}{self._tried()}{html.card(self.card.plain()).html}")

    @property
    def _title(self) -> str:
        return f"{self.case.site.title}: {self._scope.phase.title}"

    def highlights(self) -> Html:
        """What went well: the notes and the facts; what did not is a cause."""
        lines = [*self.notes.highlights, *text.good(self.verdict)]
        return self._list(lines, f"{text.nothing(self.verdict)}.")

    def readings(self, *sections: str, most: int | None = None) -> Html:
        """The readings of the sections, judged; a slide shows at most so many.

        `report.readings()` shows all, `report.readings("performance")` a section, `report["<id>"]` is one.

        Raises:
            CallError: there is no such section; names the nearest.
        """
        sections = self._sections(sections)
        found = [r for name in sections for r in self.verdict.section(name)]
        shown = tables.readings(found, self._numbers, most).html
        return Html("".join(f'<a id="{name}"></a>' for name in sections) + shown)

    def _sections(self, sections: tuple[str, ...]) -> tuple[str, ...]:
        """The sections asked for, else all of this report."""
        known = {m.section for m in (*all_metrics(self.case.site), *self.case.own)}
        known |= {*(r.section for r in self.verdict.readings), *OPTIONAL_SECTIONS}
        here = dict.fromkeys(r.section for r in self.verdict.readings)
        return tuple(named(s, known, "a section of readings") for s in sections or here)

    def _found(self, names: tuple[str, ...]) -> list[Reading]:
        """The readings of these ids that this report has; another phase may have the others.

        Raises:
            CallError: no report has one of that id; names the nearest.
        """
        known = {m.id for m in (*all_metrics(self.case.site), *self.case.own)}
        known |= {r.id for r in self.verdict.readings}
        here = len(self.verdict.readings)
        asked = [named(name, known, "a reading", "report.readings_frame", count=here) for name in names]
        return [r for r in map(self.verdict.reading, asked) if r]

    @cached_property
    def _numbers(self) -> dict[str, int]:
        """The number of the cause that tells of a reading."""
        where = {f.id: f.reading for f in (*self.verdict.findings, *self.verdict.symptoms)}
        told = list(enumerate(self.verdict.causes, 1))
        return {where[name]: number for number, cause in reversed(told) for name in cause.chain if name in where}

    def brief(self, *sections: str, most: int = 12) -> Html:
        """The readings of the sections for a shared screen: value, target and status; at most so many."""
        return tables.brief([r for name in self._sections(sections) for r in self.verdict.section(name)], most)

    def message(self, *names: str) -> Html:
        """What a topic or readings come to, in one line: the title of a slide; nothing where there is nothing."""
        if not set(names) & set(messages.MESSAGES):
            self._found(names)
        told = messages.message(self.verdict, *names)
        return Html(f'<p class="message">{escape(told)}</p>' if told else "")

    def focus(self) -> Html:
        """The checklist of the phase, one card a section."""
        return tables.boxes(self.verdict.tables["checklist"])

    def table(self, name: str, most: int | None = None) -> Table:
        """A table of `report.json`, its `.frame` as pandas.

        Args:
            most: a slide shows its first rows, at most so many, but all that are urgent.

        Raises:
            CallError: this report has no such table; names the nearest.
        """
        rows = self.verdict.tables[self._known_table(name)]
        if most is not None:
            most = max(most, sum(row.get("priority") in (Priority.P0, Priority.P1) for row in rows))
        if name == "feature_adoption":
            return Table(tables.adoption(rows).html, rows, tables.ADOPTION)
        said, shown = comparable(self.case, name) if rows else "", self._table(name, rows, most=most).html
        return Table(f"<p>{escape(said)}</p>{shown}" if said else shown, rows, keys_of(name))

    def regressions(self) -> Html:
        """The statements that changed, one by one: load before and now, plans, waits, and the index to make."""
        rows, plans, advice = (self.verdict.tables[n] for n in ("queries", "plan_history", "index_advice"))
        return regressions(rows, plans, advice, self.case.site.zone)

    def glance(self, name: str, most: int | None = None) -> Html:
        """The columns of a table that are read from afar, of its first rows where `most` is given.

        A table for which nobody chose such columns is shown whole.
        """
        if f"{name}_glance" not in COLUMNS:
            return self.table(name, most)
        rows = tables.first_the_troubled_of(name, self.verdict.tables[self._known_table(name)])
        return self._table(f"{name}_glance", rows, most=most)

    def top_findings(self, most: int) -> Html:
        """The causes of what was found, most urgent first, a line each.

        A slide shows at most so many, and never hides one that is urgent.
        """
        urgent = sum(cause.priority is not Priority.P2 for cause in self.verdict.causes)
        told = sorted((*self.card.causes, *self.card.others), key=lambda cause: cause.priority == Priority.P2)
        lines = [f"{c.priority} {c.said} ({c.owner}, {c.due})" for c in told]
        return self._list(lines, f"{text.none_found(self.verdict)}.", max(most, urgent))

    def tiles(self, *names: str) -> Html:
        """Readings as large tiles: value, status by word and shape, target."""
        found = self._found(names)
        rows = [
            {
                "title": r.title,
                "value": words.number(r.value, r.unit),
                "status": words.judged(r),
                "kind": r.status.value,
                "note": f"target {words.target(r)}" if r.target and r.value is not None else r.reason or "",
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
        known = self.verdict.tables.get("timeline")  # which the report of an incident alone has
        rows = timeline(self.case) if known is None else known
        rows = [row for row in rows if row["kind"] == "change"]
        return self._table("timeline", rows, "No deployment or change is known in the day before.")

    def underused(self, most: int | None = None) -> Html:
        """Features that are abandoned, broken, rare or below their target; a slide shows at most so many."""
        rows = underused(self.verdict.tables["feature_adoption"])
        lines = [f"{r['title']}: {words.number(r['total'])} in the week ({r['state']})" for r in rows]
        unknown = sum(row["state"] == Usage.UNKNOWN for row in self.verdict.tables["feature_adoption"])
        empty = f"Not known of {counted(unknown, 'feature')}." if unknown else "Every feature is used as expected."
        return self._list(lines, empty, most)

    def high_cost(self) -> Html:
        """What costs most, first."""
        rows = [r for r in self.verdict.section("costs") if isinstance(r.value, int | float) and r.value]
        rows.sort(key=lambda r: -float(r.value or 0))
        lines = [f"{r.title}: {r.measurement.evidence} ({r.measurement.source})" for r in rows]
        return self._list(lines, "No cost was measured.", 3)

    def issues(self, priority: str) -> Html:
        """Causes and incidents of a priority, P0, P1 or P2, and what became of them."""
        named(priority, list(Priority), "a priority")
        told = zip((*self.card.causes, *self.card.others), self.verdict.causes, strict=True)
        found = [(line, cause) for line, cause in told if cause.priority is Priority(priority)]
        rows = [i for i in self.verdict.incidents if i["priority"] == priority]
        where = {f.id: f.reading for f in (*self.verdict.findings, *self.verdict.symptoms)}
        empty = text.none_found(self.verdict)
        shown = tables.causes(found, self.notes.issues, where, empty).html if found or not rows else ""
        return Html(shown + (self._table("incidents", rows).html if rows else ""))

    def alerts(self) -> Html:
        """Alerts that hold at present."""
        none = text.none_found(self.verdict)
        empty = "No alert holds." if none == text.NONE else f"{none}."
        return tables.alerts(self.verdict.alerts, self.case.site.zone, empty)

    def noted(self, key: str, most: int | None = None) -> Html:
        """What the analyst's notes say under a key; said to be open where nothing is noted."""
        found = getattr(self.notes, named(key, type(self.notes).model_fields, "a key of the notes"))
        return self._list([found] if isinstance(found, str) else list(found or ()), most=most)

    def assessment(self) -> Html:
        """The outcome in words and what to do next."""
        verdict = self.verdict
        lines = [f"Stability: {words.STABILITY[verdict.status]}", f"Recommendation: {verdict.recommendation_text}"]
        if verdict.outcome:
            lines.insert(0, f"Deployment: {words.OUTCOMES[verdict.outcome]}")
        steps = self.notes.next_steps or text.next_steps(verdict)
        return Html(self._list(lines).html + "<h3>Next steps</h3>" + self._list(list(steps), most=5).html)

    def coverage(self) -> Html:
        """How each source answered, and what was read and not understood."""
        answered = tables.coverage(self.case.collection.coverage).html
        empty = "Everything that was read was understood."
        unclear = self._table("not_understood", self.verdict.not_understood, empty).html
        broken = [f"{row['part']}: {row['error']}" for row in self.case.broken]
        failed = f"<h3>Could not be computed</h3>{self._list(broken).html}" if broken else ""
        return Html(f"{answered}<h3>Not understood</h3>{unclear}{failed}")

    def chart(self, name: str, fold: bool = False) -> Any:
        """A picture by name, flatter for a wall: its `.figure` is matplotlib's, to be changed before it is shown.

        Args:
            fold: it stands folded under its own words where every reading that it shows is well.

        Raises:
            CallError: there is no such chart; names the nearest.
        """
        from pdmlib.report.charts.catalogue import CHARTS, picture
        from pdmlib.report.charts.picture import on_a_wall

        named(name, CHARTS, "a chart", "report.charts")
        with on_a_wall() if self._scope.phase.refresh_s else nullcontext():
            drawn = picture(self.case, name)
        calm = fold and all(
            r.status in (Status.PASS, Status.INFO)
            for r in self.verdict.readings
            if r.id.startswith(CHARTS[name].readings)
        )
        return html.folded(drawn.alt, drawn) if calm else drawn

    @cached_property
    def charts(self) -> Names[Any]:
        """The charts by name; `report.charts.response_time` is `report.chart("response_time")`."""
        from pdmlib.report.charts.catalogue import CHARTS

        return Names("charts", [{"name": name} for name in CHARTS], self.chart)

    def _names_for(self, asked: str) -> Iterable[str]:
        return self.charts if asked in ("chart", "charts", "zoom") else super()._names_for(asked)

    def zoom(self, name: str) -> Live:
        """A chart over time to pan and zoom in JupyterLab, by the tools under it; elsewhere its picture.

        Raises:
            CallError: there is no such chart, or it has no time axis to move along.
        """
        from pdmlib.report.charts import zoom
        from pdmlib.report.charts.picture import DARK

        drawn = self.chart(name)
        if not zoom.is_over_time(drawn):
            raise CallError(f"{name} shows no time to move along; report.chart({name!r}) is its picture")
        still = drawn._repr_html_()
        return Live(f"chart {name}", Html(still), lambda: themed(zoom.canvas(drawn), DARK, still))

    def slide_window(self) -> Live:
        """Two ends to slide from before the deployment until now, and a button that judges the window between.

        It moves in JupyterLab. The sources are asked for that window, read-only, which takes seconds, since
        percentiles and distinct users of parts cannot be added up; elsewhere it is the decision card.
        """
        if self.reopen is None:
            why = "the report is of a saved collection, and no source can be asked of another window"
            return Live("window", self.headline(), None, why)
        places = ends(self.before.start, self.window)
        options = [(spoken(end, self.case.site.zone), end) for end in places]
        at = (places.index(self.window.start), places.index(self.window.end))
        return Live("window", self.headline(), lambda: range_slider(options, at, button="Judge it", show=self._of))

    def _of(self, start: datetime, end: datetime) -> str:
        """The decision card of another window, by the limits of this report."""
        assert self.reopen is not None
        own = {metric.id for metric in self.case.own}  # of this window, so that they say nothing of another
        told = tuple(said for said in self.tried if said.split()[0] not in own)
        return replace(self.reopen(self.case.site, start, end), tried=told)._repr_html_()

    @told
    def write(self, folder: str | Path) -> Html:
        """Writes `report.json` and `report.md` into a folder, which is made; of an empty name, says that none is.

        A page of them is `report.html`, which is made of an executed notebook and not of a report alone.
        """
        if not folder:
            return Html("<p class='empty'>Opened by hand: no files are written. `pdm report` writes them.</p>")
        markdown = self.case.attempt(
            "report.md", lambda: text.report_markdown(self.verdict, self.notes, self.tried), self._unwritten
        )
        content = document.encoded(document.document(self.verdict, self.generated_at, self.tried))
        with written_into(folder) as target:
            (target / "report.md").write_text(markdown, encoding="utf-8")
            (target / "report.json").write_text(content, encoding="utf-8")
        if (target / "collection").exists():  # a run, which writes the page too and tells of it itself
            return Html("")
        page = (
            "report.html is a page of a notebook: `pdm report` writes it, `jupyter nbconvert --to html` makes one"
        )
        return self._list([*(f"{target / name} is written" for name in ("report.md", "report.json")), page])

    def _unwritten(self, reason: str) -> str:
        title, verdict = self.case.site.title, self.verdict
        return f"# {title}: {verdict.status}\n\nThis file could not be written: {reason}. report.json is whole.\n"

    def _table(
        self,
        name: str,
        rows: Iterable[Mapping[str, Any]],
        empty: str = "",
        most: int | None = None,
    ) -> Html:
        return tables.table(name, rows, self.case.site.zone, empty=empty or self._nothing(name), most=most)

    def _nothing(self, name: str) -> str:
        """What it means that a table has no row: that there is nothing, or that nobody could look."""
        reading = self.verdict.reading(TELLS_OF.get(name.removesuffix("_glance"), ""))
        if reading is None or reading.status is not Status.UNKNOWN:
            return tables.NONE_OF.get(name, tables.NOTHING)
        return f"Not known: {reading.reason or 'it was not measured'}."

    @staticmethod
    def _list(items: list[str], empty: str = words.OPEN.capitalize() + ".", most: int | None = None) -> Html:
        return html.bullets(items, empty, most)


def ends(start: datetime, window: Window) -> list[datetime]:
    """The times from a start to a window's end at which a slider stops, the window's own among them."""
    length = window.end - start
    apart = next((step for step in APART if length / step <= MOST_ENDS), APART[-1])
    return sorted({window.start, window.end, *(start + n * apart for n in range(length // apart + 1))})


@told
def open_report(
    site: str | Path | Site,
    phase: str,
    as_of: str | datetime = "",
    deployed_at: str | datetime = "",
    collection: str | Path = "",
    out: str | Path = "outputs",
    notes: str | Path = "",
) -> Report:
    """A report of a phase, judged and ready to be shown and asked.

    Args:
        site: path of the site's YAML file, or what `load_site` gave.
        phase: hour1, day1, daily, week1, weekly-review, month1, ongoing, database or dashboard.
        as_of, deployed_at: times with their zone, such as `2025-03-10T15:00:00Z`; empty: now (for the demo its own
            clock), and the deployment that the site file or the platform knows.
        collection: folder of a saved collection; empty: the sources are asked now, read-only, which takes seconds.
        out: folder of the outputs, which holds the site's history and earlier reports.
        notes: path of the analyst's notes; empty: `params/notes/<site>-<phase>.yaml` beside the site file.

    Raises:
        SiteError, CallError: the site or notes file or an argument is wrong; one line says what is allowed.
    """
    loaded = _loaded(site, collection, notes)
    scope = scope_for(loaded, phase, _iso(as_of), _iso(deployed_at), out=Path(out))
    return _opened(loaded, scope, collection, out=out, notes=notes)


def _loaded(site: str | Path | Site, collection: str | Path, notes: str | Path) -> Site:
    if notes and not Path(notes).is_file():
        raise CallError(f"notes: {notes} is not a file")
    if collection and not (Path(collection) / "coverage.json").exists():
        raise CallError(f"{collection}: there is no saved collection in this folder")
    return site if isinstance(site, Site) else open_site(site, offline=bool(collection))


def _iso(moment: str | datetime) -> str:
    """A time as text, as a person or pandas gives it."""
    return moment if isinstance(moment, str) else moment.isoformat()


def _opened(site: Site, scope: Scope, collection: str | Path, out: str | Path, notes: str | Path) -> Report:
    noted = load_notes(notes_path(site, scope.phase.name, str(notes)))  # before any source is asked
    if collection:
        return _judged(site, scope, history.load_collection(Path(collection)), noted=noted, out=out)
    with Waiting(name for name in SOURCE_NAMES if site.source(name) is not None) as waiting:
        saved = gather(site, scope, Path(out), waiting.answered)
        made = _judged(site, scope, saved, noted=noted, out=out)

    def reopen(site: Site, start: datetime, end: datetime) -> Report:
        given = {"as_of": iso(scope.as_of), "deployed_at": iso(scope.deployed_at)}
        return open_incident(site, start, end, **given, out=out)

    return replace(made, reopen=reopen)


def _judged(site: Site, scope: Scope, saved: Collection, noted: Notes, out: str | Path) -> Report:
    case = Case(site, scope, saved, scope.window)
    folder = Path(out) / site.site
    before = "what earlier reports left open"
    known = case.attempt(before, lambda: known_since(folder, scope.as_of), lambda _: dict[str, str]())
    last = _last(scope, folder)

    def judged(case: Case) -> Verdict:
        found = judge(case)
        return case.attempt("what changed", lambda: remembered(found, noted, last, known), lambda _: found)

    complete_names()
    return Report(case, judged(case), noted, now(), judged=judged)


def _last(scope: Scope, folder: Path) -> Mapping[str, Any] | None:
    """The last report of the phase; an incident has none, since the one before was another incident."""
    return previous_report(folder / scope.phase.name, scope.as_of) if scope.phase in PHASES else None


@told
def open_incident(
    site: str | Path | Site,
    start: str | datetime,
    end: str | datetime,
    as_of: str | datetime = "",
    deployed_at: str | datetime = "",
    collection: str | Path = "",
    out: str | Path = "outputs",
    notes: str | Path = "",
) -> Report:
    """A report of any window, from `start` to `end`: times with their zone; else as `open_report`.

    Of a window whose end has not come, what has passed is looked at, and the report says how much of it that is.

    Raises:
        SiteError, CallError: as `open_report`; or the window is empty, lies in the future, or is longer than 400
            days.
    """
    loaded = _loaded(site, collection, notes)
    given = {"as_of": _iso(as_of), "deployed_at": _iso(deployed_at)}
    scope = incident_scope_for(loaded, _iso(start), _iso(end), **given, out=Path(out))
    return _opened(loaded, scope, collection, out=out, notes=notes)


@told
def load_site(path: str | Path) -> Site:
    """The site of a YAML file, every name in it known; secrets need not be set to look at it.

    Raises:
        SiteError: the file cannot be read, or a key, value or name of a reading in it is wrong.
    """
    return open_site(path, offline=True)


@told
def compare(a: Report, b: Report) -> Table:
    """Two reports side by side, of two deployments, phases or windows: is what differs more than chance?

    What adds up over time, as requests do, is compared by the hour where the windows are not of one length; a
    level, a peak or a rate is not. Of twenty readings about one is beyond chance by chance. `compare(a, b).frame`
    has the numbers: id, title, unit, a, a_low, a_high, a_status, the same of b, change_pct (b against a),
    per_hour (whether that is by the hour) and sure.

    Raises:
        CallError: what is compared are not two reports.
    """
    for side in (a, b):
        if not isinstance(side, Report):
            raise CallError(f"compare(a, b) takes two reports, as open_report gives, not {type(side).__name__}")
    rows = compared(a.verdict, b.verdict)
    return Table(tables.sides(rows, told_apart(a.case, b.case)).html, rows)
