"""What an analyst asks of an open report: its frames, slices, limits, metrics of one's own, and files of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Self, overload

import pandas as pd
from markupsafe import escape

from pdmlib.analysis import limits as ladders
from pdmlib.analysis.catalogue import TABLES, all_metrics, metrics_in
from pdmlib.analysis.metric import Metric
from pdmlib.analysis.own import own_metric
from pdmlib.analysis.slices import LOGGED, TRAFFIC, sliced, ways
from pdmlib.errors import CallError, NoSuchNameError, no_attribute, shown
from pdmlib.frames.about import FILLED_BY, about
from pdmlib.frames.case import Case
from pdmlib.frames.readings import Limit, Measurement, Reading, Status, Trend, number_of
from pdmlib.frames.states import ReportStatus
from pdmlib.phases.window import Window
from pdmlib.report import document, tables, words
from pdmlib.report.card import Card, card_of
from pdmlib.report.html import Html, Table
from pdmlib.report.listing import Names
from pdmlib.report.shown import Causes, ShownReading
from pdmlib.site.notes import Notes
from pdmlib.site.site import Site
from pdmlib.storage.history import write_table
from pdmlib.verdict.verdict import Verdict, flipped, judge
from pdmlib.workbook.calls import each_told, misnamed, named, written_into
from pdmlib.workbook.live import Live, slider
from pdmlib.workbook.opening import FLAG, WORD, misfit

Edge = float | bool | str
EDGES = 9  # of a curve for which none are given, from half to twice the value that was measured
SLIDES = 60  # places of a slider of limits: three pixels and more each on a notebook's width
TRENDS = tuple(trend.value for trend in Trend if trend is not Trend.UNKNOWN)
KINDS = ("csv", "parquet")


@each_told
@dataclass(frozen=True, repr=False)
class Questions:
    """One report, open to questions.

    Attributes:
        case: the site, what is looked at, and all that was collected.
        verdict: what was judged of it.
        judged: how a case is judged, with what the last report of the phase said.
        tried: what was moved or added here and is in no site file, each in words.
    """

    case: Case
    verdict: Verdict
    notes: Notes
    generated_at: datetime
    judged: Callable[[Case], Verdict] = judge
    tried: tuple[str, ...] = ()

    def __repr__(self) -> str:
        tried = f" Tried here: {'; '.join(self.tried)}." if self.tried else ""
        return f"Report({self.case.site.site} {self.case.scope.phase.name}: {self.card.sentence}{tried})"

    def __getattr__(self, name: str) -> Any:
        readings = [r.id for r in self.verdict.readings] if "verdict" in vars(self) else []
        for inner in ("verdict", "case") if readings and not name.startswith("_") else ():
            if hasattr(getattr(self, inner), name):
                raise NoSuchNameError(f"a report has no {shown(name)} of its own: it is .{inner}.{name}")
        raise no_attribute(name, dir(type(self)), "a report", {id_: f'["{id_}"]' for id_ in readings})

    def __getitem__(self, name: str) -> Reading:
        return self.reading(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.verdict.reading(name) is not None

    def __iter__(self) -> Iterator[str]:
        """The ids of its readings, as `report["<id>"]` takes them."""
        return (reading.id for reading in self.verdict.readings)

    def __len__(self) -> int:
        return len(self.verdict.readings)

    def __bool__(self) -> bool:
        return True

    def _ipython_key_completions_(self) -> list[str]:
        return [reading.id for reading in self.verdict.readings]

    def _names_for(self, asked: str) -> Iterable[str]:
        """The names that a method takes first, or an attribute in brackets, for Tab to complete."""
        if asked in ("frame", "frames", "slice"):
            return self.frames
        if asked in ("table", "tables", "glance"):
            return self.tables
        if asked in ("limits", "what_if", "slide_limit"):
            return [metric.id for metric in metrics_in(self.case) if metric.limits]
        if asked in ("readings", "brief"):
            return dict.fromkeys(reading.section for reading in self.verdict.readings)
        return self if asked in ("reading", "tiles", "message") else ()

    @cached_property
    def card(self) -> Card:
        """The decision card: what to know in ten seconds."""
        return card_of(self.verdict)

    @property
    def status(self) -> ReportStatus:
        """What was judged: GREEN, YELLOW, RED or UNKNOWN."""
        return self.verdict.status

    @property
    def phase(self) -> str:
        """The name of its phase, such as `week1`."""
        return self.case.scope.phase.name

    @property
    def site(self) -> Site:
        """The site that it is about, as `load_site` gives it."""
        return self.case.site

    @property
    def deployed_at(self) -> datetime:
        """When the deployment was that this report is about, in UTC."""
        return self.case.scope.deployed_at

    @property
    def window(self) -> Window:
        """What the report looks at: `window.start` and `window.end`, half-open, in UTC."""
        return self.case.window

    @property
    def before(self) -> Window:
        """The stretch of the same length just before the window."""
        return self.case.scope.previous

    @property
    def causes(self) -> Causes:
        """What everything found comes from, most urgent first: each with evidence, action, owner and due day."""
        return Causes(self.verdict)

    def reading(self, name: str) -> Reading:
        """One judged measurement by its id, such as `latency_p95_ms`; `report["latency_p95_ms"]` is the same.

        Its `ladder` is its limits in words, its `critical` and `rollback` whether the whole report is RED or
        should be rolled back for it.

        Raises:
            CallError: this report has none of that id; names the nearest.
        """
        found = self.verdict.reading(name)
        if found is None:
            raise CallError(misnamed(name, self._ipython_key_completions_(), "a reading", "report.readings_frame"))
        metric = next((metric for metric in metrics_in(self.case) if metric.id == name), None)
        return ShownReading.of(found, _ladder(ladders.for_case(self.case, metric)) if metric else "")

    @property
    def readings_frame(self) -> pd.DataFrame:
        """Every reading as a pandas frame, one row a reading, with its id as index.

        Columns: title, section, value (number, word or truth, in `unit`; None where it is not known, with the
        `reason`), unit, status (pass, warn, fail, info, unknown), target, `low` and `high` (95 % interval),
        samples, baseline, change_pct, trend, coverage_pct, source, reason.
        """
        rows = [document.reading_row(reading) for reading in self.verdict.readings]
        return pd.DataFrame(rows).set_index("id")

    @cached_property
    def frames(self) -> Names[pd.DataFrame]:
        """The frames that were collected: name, rows, grain, units, source and what a missing value means.

        `report.frames["latencies"]` and `report.frames.latencies` are `report.frame("latencies")`.
        """
        counts = {name: len(self.case[name]) for name in FILLED_BY}
        rows = [{"name": name, "rows": counts[name], **about(name)} for name in FILLED_BY]
        return Names("frames", sorted(rows, key=lambda row: row["rows"] == 0), self.frame)

    def frame(self, name: str) -> pd.DataFrame:
        """A frame as collected, yours to change: times in UTC, what is not known is missing and never 0.

        Its `attrs` say its grain, units, source and what a missing value means. A frame that no source filled has
        its columns and no rows.

        Raises:
            CallError: there is no frame of that name; names the nearest.
        """
        found = self.case[named(name, FILLED_BY, "a frame", "report.frames")].copy()
        found.attrs = about(name)
        return found

    @cached_property
    def tables(self) -> Names[Any]:
        """The tables of the report by name, with their rows and columns; each has its `.frame` as pandas."""
        return Names("tables", [_listed(name, rows) for name, rows in self.verdict.tables.items()], self._table_of)

    def _table_of(self, name: str) -> Any:
        return self.table(name)

    def _known_table(self, name: str) -> str:
        """The name, which must be a table of this report, or one that it should have and could not make."""
        if name in TABLES:
            return name
        return named(name, self.verdict.tables, f"a table of {self.case.scope.phase.name}", "report.tables")

    def slice(self, what: str = "latencies", by: str = "route") -> Table:
        """A frame by one of its sides: requests by route, region, release, hour, weekday or day.

        Args:
            what: name of a frame. `latencies` and `request_counts` tell requests, error rate and p95 with their
                95 % intervals, before the deployment and since; of any other frame the rows
                of the window are counted, without those of before.
            by: `hour`, `weekday` or `day` of the site's own zone, or a column of words such as `status`.

        Raises:
            CallError: there is no such frame, or it cannot be sliced so; names what can be.
        """
        named(what, FILLED_BY, "a frame", "report.frames")
        named(by, ways(what), f"a way to slice {what}")
        found = sliced(self.case, what, by)
        if what in TRAFFIC and by not in LOGGED:
            return Table(tables.slices(by, found.rows, found.said).html, found.rows)
        return self._told("before_after" if what in TRAFFIC else "slice_of_others", found.rows, found.said)

    @overload
    def limits(self, reading: str = "") -> Table: ...
    @overload
    def limits(self, reading: str, edge: Edge) -> Self: ...
    def limits(self, reading: str = "", edge: Edge | None = None) -> Any:
        """The limits in force, or a new report with one of them moved.

        `report.limits()` lists all, `report.limits("latency_p95_ms")` the steps of one: beyond which its status is
        warn or fail, which make the whole report `RED` or call for a `rollback`, and whether they hold. And
        `report.limits("latency_p95_ms", 1500)` is a report judged anew as if its mildest limit were 1500: nothing
        is asked again, and the site file stays as it is. `compare(report, moved)` shows what flips.

        Args:
            edge: in the unit of the reading; of a limit in times the baseline, how many times.

        Raises:
            CallError: no reading of that id has limits, the edge does not fit its unit, or lies beyond a worse
                step, which would hold before it.
        """
        if edge is not None:
            metric = self._reachable(reading, edge)
            moved = self._moved(metric, edge)
            return self._again(moved, f"{reading} {_aim(ladders.for_case(moved, metric))}")
        if not reading:
            rows = [self._limits_row(metric) for metric in metrics_in(self.case) if metric.limits]
            return self._told("limits", rows)
        metric = ladders.for_case(self.case, self._limited(reading))
        found = self.verdict.reading(reading)
        rows = [
            _step_row(metric, step, _holds(step, found.measurement if found else None)) for step in metric.limits
        ]
        return self._told("ladder", rows)

    def what_if(self, reading: str, edge: Edge | Iterable[float] | None = None) -> Table:
        """Which verdicts would flip if the mildest limit of a reading were another.

        Args:
            edge: one edge, in the unit of the reading or in times the baseline, as its limit is; several: a row
                each, so that one sees where the verdict turns; none: nine from half to twice what was measured.

        Raises:
            CallError: no reading of that id has limits, an edge does not fit its unit, or the only one lies beyond
                a worse step, which would hold before it.
        """
        self._limited(reading)
        if edge is None or (isinstance(edge, Iterable) and not isinstance(edge, str)):
            edges = self._edges(reading) if edge is None else edge
            return self._told("what_if_edges", [self._at_edge(reading, one) for one in edges])
        self._reachable(reading, edge)
        return self._flips(reading, edge)

    def _flips(self, reading: str, edge: Edge) -> Table:
        rows = flipped(self.verdict, reading, edge)
        here = self.verdict.reading(reading) is not None
        empty = "Nothing would flip." if here else "The site does without the source of this reading."
        return self._told("what_if", rows, empty=empty)

    def slide_limit(self, reading: str) -> Live:
        """A slider of the mildest limit of a reading, which says at once what the verdict becomes.

        It moves in JupyterLab, and nothing is asked again; elsewhere it is the curve of `what_if`.

        Raises:
            CallError: no reading of that id has limits, or they are no numbers.
        """
        metric = ladders.for_case(self.case, self._limited(reading))
        now = number_of(metric.limits[-1].edge)
        if now is None:
            raise CallError(f"limits of {reading} are no numbers, so that none can be slid; what_if tries one")
        edges = self._edges(reading)
        low, high = min(now, *edges), max(now, *edges)
        steps = {float(f"{low + (high - low) * step / SLIDES:.3g}") for step in range(SLIDES + 1)}
        places = sorted({step for step in steps if not self._beyond(metric, step)} | {now})
        options = [(words.beyond(replace(metric.limits[-1], edge=edge), metric.unit), edge) for edge in places]
        return Live(
            f"limit of {reading}",
            self.what_if(reading),
            lambda: slider(options, places.index(now), "limit", lambda edge: self._verdict_at(reading, edge)),
        )

    def _verdict_at(self, reading: str, edge: float) -> Html:
        """What the verdict becomes at one limit, and what flips on the way."""
        row = self._at_edge(reading, edge)
        said = f"{reading} {row['limit']}: {row['reading']}; the whole report: {row['status']}"
        return Html(f"<p class='message'>{escape(said)}</p>{self._flips(reading, edge).html}")

    def add(
        self,
        name: str,
        value: Any,
        unit: str = "",
        limits: Iterable[str] = (),
        title: str = "",
        low: float | None = None,
        high: float | None = None,
        adds_up: bool = False,
    ) -> Self:
        """A new report that has a reading of your own, judged by your own limits, in its section `own`.

        Args:
            name: its id, such as `night_p95_ms`.
            value: a number, a word or a truth; or a function of `report.case` that gives one, which an alert asks
                of the last hour too. None is unknown, and so is a function that fails.
            limits: steps such as `"> 800 warn"` and `"> 1200 fail P1"`; without them it is only to know.
            low, high: its 95 % interval, where you have one.
            adds_up: it is a sum over the window's time, as a count of events is, so that `compare` takes it by the
                hour where the windows are not of one length.

        Raises:
            CallError: there is a reading of that id already, or a step cannot be read.
        """
        if not name.isidentifier():
            raise CallError(f"{shown(name)} is not an id: letters, digits and _, such as night_p95_ms")
        if name in {metric.id for metric in all_metrics(self.case.site)}:
            raise CallError(f"{name!r} is a reading already; give yours another name")
        steps = (limits,) if isinstance(limits, str) else limits
        metric = own_metric(name, value, unit, steps, title=title, low=low, high=high, adds_up=adds_up)
        own = (*(m for m in self.case.own if m.id != name), metric)
        return self._again(replace(self.case, own=own), f"{name} added")

    def export(self, folder: str | Path, *names: str, kind: str = "csv") -> Table:
        """Writes frames, tables and readings into a folder, one file each; returns what was written.

        Args:
            names: of frames and tables, or `readings`; none: the readings and every table that has rows. Of a
                name that a frame and a table share, both are written: `tickets.csv` and `tickets-frame.csv`.
            kind: `csv` (UTF-8, times as ISO text in UTC, what is missing is empty) or `parquet`.

        Raises:
            CallError: a name that is neither a frame nor a table, or another kind of file.
        """
        named(kind, KINDS, "a kind of file")
        asked = names or ("readings", *(name for name, rows in self.verdict.tables.items() if rows))
        known = {*FILLED_BY, *self.verdict.tables, "readings"}
        listed = f"report.frames lists {len(self.frames)}, report.tables"
        here = len(self.tables)
        found = [
            named(name, known, "readings, a frame or a table", listed, count=here) for name in dict.fromkeys(asked)
        ]
        with written_into(folder) as target:
            rows = [
                _written(target, file, table, kind)
                for name in found
                for file, table in self._exported(name, shared=bool(names))
            ]
        return self._told("exported", rows)

    def _exported(self, name: str, shared: bool) -> Iterator[tuple[str, pd.DataFrame]]:
        """What a name stands for, each with the name of its file; the frame of a shared name where it is asked."""
        if name == "readings":
            yield name, self.readings_frame.reset_index()
            return
        is_table = name in self.verdict.tables
        if is_table:
            yield name, self.table(name).frame
        if name in FILLED_BY and (shared or not is_table):
            yield f"{name}-frame" if is_table else name, self.frame(name)

    def _again(self, case: Case, tried: str) -> Self:
        """The report of a case that differs from this one's by what was tried."""
        made = replace(case)  # what was worked out of the case before is not carried over
        told = (*(said for said in self.tried if said.split()[0] != tried.split()[0]), tried)
        return replace(self, case=made, verdict=self.judged(made), tried=told)

    def _moved(self, metric: Metric, edge: Edge) -> Case:
        """The case with the mildest limit of a metric moved."""
        site = ladders.with_edge(self.case.site, metric, self.case.scope.phase.name, edge)
        return replace(self.case, site=site)

    def _limited(self, reading: str) -> Metric:
        """The metric of that id, which must have limits."""
        known = {m.id: m for m in (*all_metrics(self.case.site), *metrics_in(self.case)) if m.limits}
        if reading not in known:
            here = sum(bool(metric.limits) for metric in metrics_in(self.case))
            raise CallError(misnamed(reading, known, "a reading with limits", "report.limits()", count=here))
        return known[reading]

    def _movable(self, reading: str, edge: Edge) -> Metric:
        metric = self._limited(reading)
        mildest = ladders.for_case(self.case, metric).limits[-1]
        if why := _misfit(mildest, edge):
            raise CallError(f"limits of {reading}: {edge!r} is not {why}")
        return metric

    def _reachable(self, reading: str, edge: Edge) -> Metric:
        metric = self._movable(reading, edge)
        if worse := self._beyond(metric, edge):
            said = f"{edge!r} is never reached, since the worse step {worse!r} holds for all its values"
            raise CallError(f"limits of {reading}: {said}")
        return metric

    def _beyond(self, metric: Metric, edge: Edge) -> str:
        """The worse step that holds wherever the mildest would, were that its edge; empty without one."""
        found = ladders.for_case(self.case, metric)
        mildest = replace(found.limits[-1], edge=edge)
        never = ladders.unreached((*found.limits[:-1], mildest))
        return words.step(never[1], metric.unit) if never and never[0] is mildest else ""

    def _limits_row(self, metric: Metric) -> dict[str, Any]:
        found, reading = ladders.for_case(self.case, metric), self.verdict.reading(metric.id)
        own = metric.id in self.case.site.limits or metric.id in self.case.site.targets
        return {
            "reading": metric.id,
            "value": words.number(reading.value if reading else None, metric.unit),
            "status": words.judged(reading),
            "ladder": _ladder(found),
            "from": "this notebook" if metric in self.case.own else "the site file" if own else "the guide",
        }

    def _edges(self, reading: str) -> list[float]:
        """Nine edges from half to twice what was measured, else the limit in force."""
        mildest = ladders.for_case(self.case, self._limited(reading)).limits[-1]
        limit, found = number_of(mildest.edge), self.verdict.reading(reading)
        value = _held(mildest, found.measurement) if found else None
        if limit is None:
            raise CallError(f"say which limit of {reading} to try, {_such_as(mildest)}")
        if not (value := value or limit):
            raise CallError(f"say which limits of {reading} to try, such as edge=[1, 2, 5]")
        return [float(f"{value * 2 ** (step / (EDGES // 2) - 1):.3g}") for step in range(EDGES)]

    def _at_edge(self, reading: str, edge: float) -> dict[str, Any]:
        metric = self._movable(reading, edge)
        rows = flipped(self.verdict, reading, edge)
        became = {row["what"]: row["after"] for row in rows}
        before = self.verdict.reading(reading)
        status = became.get(reading, before.status.value if before else Status.UNKNOWN.value)
        aim, worse = _aim(ladders.for_case(self._moved(metric, edge), metric)), self._beyond(metric, edge)
        return {
            "edge": edge,
            "limit": f"{aim}, never reached: {worse}" if worse else aim,
            "reading": status,
            "status": became.get("status", self.verdict.status.value),
            "flips": ", ".join(f"{what} becomes {after}" for what, after in became.items()) or "nothing",
        }

    def _told(
        self, name: str, rows: Iterable[Mapping[str, Any]], said: str = "", empty: str = "Nothing to show."
    ) -> Table:
        """Rows as a table with a sentence above it."""
        listed = list(rows)
        told = tables.table(name, listed, self.case.site.zone, empty=said or empty)
        above = f"<p>{escape(said)}</p>" if said and listed else ""
        return Table(f"{above}{told.html}", listed)

    def _tried(self) -> str:
        """What was moved or added here, above everything that is judged by it."""
        if not self.tried:
            return ""
        return f"<p><b>Tried in this notebook, in no site file:</b> {escape('; '.join(self.tried))}.</p>"


def _listed(name: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    columns = dict.fromkeys(key for row in rows for key in row)
    return {"name": name, "rows": len(rows), "columns": ", ".join(columns)}


def _ladder(metric: Metric) -> str:
    """Its steps in words, worst first: `> 2,000 ms RED, P1; >= 1,000 ms warns`."""
    return "; ".join(words.step(limit, metric.unit) for limit in metric.limits)


def _aim(metric: Metric) -> str:
    unit = metric.unit if metric.limits[-1].of in ladders.ABSOLUTE else ""
    return f"{metric.target} {unit if unit not in ('count', FLAG) else ''}".strip()


def _misfit(mildest: Limit, edge: Edge) -> str | None:
    """What an edge would have to be to stand in place of a step's, where it is something else."""
    if mildest.of == "trend":
        return None if edge in TRENDS else f"a trend: {', '.join(TRENDS)}"
    kind = FLAG if isinstance(mildest.edge, bool) else WORD if isinstance(mildest.edge, str) else "number"
    return misfit(kind, edge)


def _such_as(mildest: Limit) -> str:
    """Edges of a step that is no number, as they are written."""
    if mildest.of == "trend":
        return f"edge={' or '.join(map(repr, TRENDS))}"
    return "edge=True or edge=False" if isinstance(mildest.edge, bool) else f"such as edge={mildest.edge!r}"


def _held(limit: Limit, found: Measurement) -> float | None:
    """What was measured, as a step compares it: in times the baseline where that is what it is of."""
    value = number_of(found.value)
    if limit.of != "baseline":
        return value
    return value / found.baseline if value is not None and found.baseline else None


def _holds(step: Limit, found: Measurement | None) -> bool | None:
    """Whether a step holds of a measurement; None where that is not known."""
    unknown = found is None or found.value is None or (step.of == "baseline" and not found.baseline)
    return None if found is None or unknown else step.reached(found)


def _step_row(metric: Metric, limit: Limit, holds: bool | None) -> dict[str, Any]:
    return {
        "limit": words.beyond(limit, metric.unit),
        "status": limit.status.value,
        "priority": limit.priority and limit.priority.value,
        "report": words.of_report(limit) or None,
        "action": limit.action,
        "holds": holds,
    }


def _written(folder: Path, name: str, table: pd.DataFrame, kind: str) -> dict[str, Any]:
    path = folder / f"{name}.{kind}"
    plain = table.map(lambda value: str(value) if isinstance(value, list | tuple | dict) else value)
    if kind == "parquet":
        mixed = [column for column, kind in plain.dtypes.items() if str(kind) == "object"]
        write_table(path, plain.assign(**{column: plain[column].map(_as_text) for column in mixed}))
    else:
        plain.to_csv(path, index=False, date_format="%Y-%m-%dT%H:%M:%SZ")
    return {"file": str(path), "rows": len(table), "columns": len(table.columns)}


def _as_text(value: Any) -> str | None:
    """A value of a column that holds numbers, words and truths, which a Parquet column cannot."""
    return None if value is None or value is pd.NA or value != value else str(value)
