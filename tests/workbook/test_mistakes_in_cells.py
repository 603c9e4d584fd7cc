"""A mistake in a cell of a notebook is one line that names the nearest right name: no traceback of ours."""

import contextlib
import io
import pydoc
import re
from collections.abc import Callable
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

import pdmlib
from pdmlib.errors import PdmError
from tests.workbook.test_questions import a_report

WEEK = a_report()
MISTAKES: dict[str, tuple[Callable[[Any], Any], tuple[str, ...]]] = {
    "a section": (lambda w: w.readings("performence"), ("'performence'", "performance")),
    "a table": (lambda w: w.table("rotes"), ("'rotes'", "routes")),
    "a table of another phase": (lambda w: w.table("timeline"), ("'timeline'", "a table of daily", "routes")),
    "a listed table": (lambda w: w.tables.rotes, ("'rotes'", "routes")),
    "a chart": (lambda w: w.chart("respons_time"), ("'respons_time'", "response_time")),
    "a frame": (lambda w: w.frame("latencys"), ("'latencys'", "latencies")),
    "a reading": (lambda w: w["p95"], ("'p95'", "latency_p95_ms")),
    "a tile": (lambda w: w.tiles("error_rate"), ("'error_rate'", "error_rate_pct")),
    "a method": (lambda w: w.tabel("routes"), ("'tabel'", "table")),
    "a reading as attribute": (lambda w: w.latency_p95, ("'latency_p95'", '["latency_p95_ms"]')),
    "a key of the notes": (lambda w: w.noted("lesson"), ("'lesson'", "lessons")),
    "a priority": (lambda w: w.issues("P9"), ("'P9'", "P0, P1, P2")),
    "a reading with limits": (lambda w: w.what_if("latency_p96_ms", 3), ("'latency_p96_ms'", "latency_p95_ms")),
    "an edge": (lambda w: w.limits("latency_p95_ms", "high"), ("'high'", "a number")),
    "an edge that is a truth": (lambda w: w.limits("latency_p95_ms", True), ("True", "a number")),
    "a way to slice": (lambda w: w.slice("latencies", "rout"), ("'rout'", "route")),
    "a step": (lambda w: w.add("x", 1, limits=["over 3"]), ("'over 3'", "> 800 warn")),
    "a step without a number": (lambda w: w.add("x", 1, limits=["> b warn"]), ("'> b warn'", "needs a number")),
    "an edge that is a list": (lambda w: w.limits("latency_p95_ms", [1, 2]), ("[1, 2]", "a number")),
    "an edge that is no number": (lambda w: w.what_if("latency_p95_ms", [float("nan")]), ("nan", "a number")),
    "an edge that is nothing": (lambda w: w.what_if("latency_p95_ms", [None]), ("None", "a number")),
    # What a site file refuses of a ladder is refused here: an edge that is no number, a step that never holds.
    "a step of no number": (lambda w: w.add("x", 1, limits=["> nan warn"]), ("> nan warn", "no number")),
    "a step without end": (lambda w: w.add("x", 1, limits=["< inf warn"]), ("< inf warn", "no number")),
    "a step that never holds": (
        lambda w: w.add("x", 1, limits=["> 2.5 warn", "> 2 fail P1"]),
        ("'> 2.5 warn'", "never reached", "'> 2 fail'"),
    ),
    "a step that is there twice": (lambda w: w.add("x", 1, limits=["> 2 warn", "> 2 warn"]), ("never reached",)),
    "a word as limit of a number": (lambda w: w.add("x", 1, limits=["== open warn"]), ("'open'", "a number")),
    "a number as limit of a truth": (lambda w: w.add("x", True, limits=["> 0 warn"]), ("'0'", "true or false")),
    "an interval turned round": (lambda w: w.add("x", 3, low=5, high=1), ("low=5", "high=1", "interval")),
    "an interval beside its value": (lambda w: w.add("x", 9, low=1, high=5), ("low=1", "high=5", "9")),
    "a bound beyond its value": (lambda w: w.add("x", 1, low=5), ("low=5", "1")),
    "a bound that is no number": (lambda w: w.add("x", 1, low=float("nan")), ("low=nan", "no number")),
    "a limit beyond a worse one": (
        lambda w: w.limits("latency_p95_ms", 3000),
        ("3000", "never reached", "> 2,000 ms RED, P1"),
    ),
    "a limit to try beyond a worse one": (lambda w: w.what_if("latency_p95_ms", 3000), ("3000", "never reached")),
    "a truth to try": (lambda w: w.what_if("app_up"), ("app_up", "edge=True or edge=False")),
    "a word to try": (lambda w: w.what_if("integration_stripe"), ("integration_stripe", "edge='ISSUES'")),
    "a trend to try": (lambda w: w.what_if("unique_users"), ("unique_users", "edge='up'", "'down'")),
    "a trend": (lambda w: w.limits("unique_users", "sideways"), ("'sideways'", "a trend", "down")),
    "a number for a trend": (lambda w: w.limits("unique_users", 5), ("5", "a trend", "down")),
    "limits that are no list": (lambda w: w.add("x", 1, limits=3), ("'3'", "> 800 warn")),
    "an id": (lambda w: w.add("my metric", 1), ("'my metric'", "night_p95_ms")),
    "a value": (lambda w: w.add("x", [1]), ("a number, a word", "list")),
    "a folder": (lambda w: w.export("/proc/x", "readings"), ("/proc/x", "nothing can be written there")),
    "a folder of a report": (lambda w: w.write("/proc/x"), ("/proc/x", "nothing can be written there")),
    "an attribute of a reading": (lambda w: w["app_up"].valu, ("'valu'", "value")),
    "an attribute of a table": (lambda w: w.table("routes").fram, ("'fram'", "frame")),
    "an attribute of a chart": (lambda w: w.chart("uptime").figur, ("'figur'", "figure")),
    "an attribute of a cause": (lambda w: w.causes[0].evidenc, ("'evidenc'", "evidence")),
    # What people try first, as they know it from pandas, matplotlib and dictionaries: where it is.
    "a column of a table": (lambda w: w.table("routes")["route"], ("a table", ".frame['route']")),
    "rows of a table": (lambda w: list(w.table("routes")), ("a table", ".rows", ".frame")),
    "a method of pandas": (lambda w: w.table("routes").head(), ("a table", "'head'", ".frame.head")),
    "a file of pandas": (lambda w: w.table("routes").to_csv("x"), ("'to_csv'", ".frame.to_csv")),
    "a method of matplotlib": (lambda w: w.chart("uptime").savefig("x"), ("'savefig'", ".figure.savefig")),
    "a part of a measurement": (
        lambda w: w["app_up"].evidence,
        ("a reading", "'evidence'", ".measurement.evidence"),
    ),
    "a misspelt part of a reading": (lambda w: w["app_up"].sample, ("a reading has no 'sample'", "samples")),
    "a misspelt part of a cause": (lambda w: w.causes[0].ownr, ("a cause has no 'ownr'", "owner")),
    "a part of the verdict": (lambda w: w.summary, ("a report", "'summary'", ".verdict.summary")),
    "a part of a site": (lambda w: w.site.time_zon, ("a site has no 'time_zon'", "time_zone")),
    "a part of a window": (lambda w: w.window.strat, ("a window has no 'strat'", "start")),
    "a site without a name": (lambda _: pdmlib.load_site(""), ("'': file:", "No such file")),
    "a chart to zoom": (lambda w: w.zoom("respons_time"), ("'respons_time'", "response_time")),
    "a chart without time": (lambda w: w.zoom("routes"), ("routes", "no time")),
    "a limit to slide": (lambda w: w.slide_limit("latency_p96_ms"), ("'latency_p96_ms'", "latency_p95_ms")),
    "a taken id": (lambda w: w.add("latency_p95_ms", 1), ("'latency_p95_ms'", "another name")),
    "no folder": (lambda w: w.export("", "readings"), ("folder is empty", "outputs/mine")),
    "fewer rows than one": (lambda w: w.table("routes", most=-1), ("table(name, most=None)", "1 or more", "-1")),
    "no cause at all": (lambda w: w.top_findings(0), ("top_findings(most)", "1 or more", "0")),
    "notes": (
        lambda _: pdmlib.open_report("params/demo.yaml", "week1", notes="/nope.yaml"),
        ("notes: /nope.yaml is not a file",),
    ),
    "notes of an incident": (
        lambda _: pdmlib.open_incident("params/demo.yaml", "2025-03-05", "2025-03-06", notes="/nope.yaml"),
        ("notes: /nope.yaml is not a file",),
    ),
    "a frame to export": (lambda w: w.export("x", "latencys"), ("'latencys'", "latencies", "report.tables lists")),
    "a kind of file": (lambda w: w.export("x", kind="xls"), ("'xls'", "csv", "parquet")),
    "a kind of argument": (lambda w: w.table(3), ("table(name, most=None)", "name is text", "3")),
    "a missing argument": (lambda w: w.table(), ("table(name, most=None)", "'name'")),
    "an unknown argument": (lambda w: w.table("cron", mots=3), ("'mots'", "most")),
    "a thing to compare": (lambda w: pdmlib.compare(w, 3), ("two reports", "int")),
    "a call": (lambda _: pdmlib.open_reprot, ("'open_reprot'", "open_report")),
    "a site": (lambda _: pdmlib.open_report(3, "week1"), ("open_report", "site is", "3")),  # type: ignore[arg-type]
    "a site file": (
        lambda _: pdmlib.load_site("params/dmo.yml"),
        ("params/dmo.yml: file: No such file or directory; did you mean params/demo.yaml?",),
    ),
    "a collection": (
        lambda _: pdmlib.open_report("params/demo.yaml", "week1", collection="/nowhere"),
        ("/nowhere", "no saved collection"),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_one_line_that_names_what_is_right(mistake: str) -> None:
    make, named = MISTAKES[mistake]
    with pytest.raises(PdmError) as raised:
        make(WEEK)
    text = str(raised.value)
    assert "\n" not in text and len(text) < 400, text
    assert [part for part in named if part not in text] == [], text


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_said_to_list_names_lists_so_many(mistake: str) -> None:
    with pytest.raises(PdmError) as raised:
        MISTAKES[mistake][0](WEEK)
    for call, number in re.findall(r"(report\.[\w.()]+) lists (?:all |the )?(\d+)", str(raised.value)):
        assert len(eval(call, {"report": WEEK})) == int(number), call
    assert "columns lists" not in str(raised.value) and "P2 lists" not in str(raised.value)


def test_a_notebook_shows_that_line_and_no_traceback() -> None:
    shell, out = InteractiveShell(), io.StringIO()
    shell.user_ns["week"] = WEEK
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(out):
        shell.run_cell("week.table('rotes')")
    wrong = "'rotes' is not a table of daily; did you mean routes?"
    assert out.getvalue() == f"CallError: {wrong} report.tables lists all {len(WEEK.tables)}\n"


def test_what_a_program_tries_is_an_attribute_that_is_not_there() -> None:
    assert not hasattr(WEEK, "_ipython_display_") and not hasattr(WEEK, "tabel")
    assert not hasattr(pdmlib, "__wrapped__")


def test_a_report_and_a_reading_have_what_people_try_first() -> None:
    assert (WEEK.status, WEEK.phase, WEEK.site.title) == ("UNKNOWN", "daily", "Shop"), "nothing was seen"
    assert "latency_p95_ms" in WEEK and "latency_p59_ms" not in WEEK and 0 not in WEEK
    assert list(WEEK) == list(WEEK.readings_frame.index) and len(WEEK) == len(list(WEEK))
    assert (WEEK["app_up"].low, WEEK["app_up"].high, WEEK["app_up"].samples) == (None, None, None)
    assert len(WEEK.table("cron")) == 2, "the two jobs of the site"
    assert bool(WEEK.table("routes")) and bool(WEEK), "also where there is no row"


def test_a_site_lists_its_keys_and_not_what_it_is_made_with() -> None:
    listed = {name for name in dir(WEEK.site) if not name.startswith("_")}
    assert {"time_zone", "deployments", "zone", "source"} <= listed
    assert listed & {"construct", "from_orm", "json", "model_dump", "parse_obj"} == set()
    assert not hasattr(WEEK.site, "time_zon") and WEEK.site == WEEK.site.model_copy()


def test_the_public_names_are_listed_and_helped_with() -> None:
    assert {"Report", "compare", "load_site", "open_incident", "open_report"} <= set(dir(pdmlib))
    helped = pydoc.plain(pydoc.render_doc(pdmlib))
    assert "open_report(" in helped and "deployed_at: times with their zone" in helped.replace("as_of, ", "")
    for name in ("frames", "slice", "limits", "what_if", "add", "export", "readings_frame"):
        assert f"{name}" in pydoc.plain(pydoc.render_doc(pdmlib.Report)), name
