"""pdmlib: says whether a deployment is safe.

One way through, from left to right::

    params/<site>.yaml -> site -> sources -> frames -> analysis -> verdict -> report
                                    |                ^
                                    +---> storage ---+    workbook: opens, runs, watches; cli and notebooks call it

A room imports only from the rooms below it, and a file inside a room only from the files below it there
(`tests/test_house.py` holds the order). What you may touch when you are new here stands behind each.

===========  =====================================================================================================
`cli`        the `pdm` command: one file a group of commands. Touch: an option, a line that is printed
`demo`       a production of real parts to try the workbook on. Touch: a scenario, a vendor's answer
`workbook`   what notebooks and commands do: open a report, gather, run a notebook, watch, status, notify, lab
`report`     a verdict as files: JSON, Markdown, pages, slides, tables, `charts/`. Touch: a column, a chart, words
`verdict`    the only judge: ladders, alerts, status, checklist, changes since the last report, actions
`analysis`   pure functions of a case, a folder a part of the guide. Touch: a metric, a table, a finding
`sources`    one vendor a file or folder, read-only and bounded. Touch: a source, a query in `postgres/sql`
`storage`    what is kept: samples over time, earlier reports, raw request logs
`frames`     the tidy frames that sources fill: schemas, rows, the case to judge, readings. Touch: a column
`site`       the site file: one block a file, its errors, the environment, the notes. Touch: a key
`phases`     time: windows, the phases of the guide, the scope of a report, what is due. Touch: a phase
`stats`      intervals and tests, thin calls into scipy
`errors`     every failure that a person can meet
===========  =====================================================================================================

In a notebook there are `open_report`, `open_incident`, `compare`, `load_site` and `Report`; `docs/python.md` has
each with examples, and `help(pdmlib.Report)` all that a report can be asked.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pdmlib.workbook.report import Report, compare, load_site, open_incident, open_report

__all__ = ["Report", "compare", "load_site", "open_incident", "open_report"]


def __getattr__(name: str) -> Any:
    """Public names, imported when they are first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("pdmlib")
    if name in __all__:
        from pdmlib.workbook import report

        return getattr(report, name)
    if name.startswith("_"):
        raise AttributeError(f"module 'pdmlib' has no attribute {name!r}")
    from pdmlib.errors import no_attribute

    raise no_attribute(name, __all__, "pdmlib")


def __dir__() -> list[str]:
    return [*__all__, "__doc__", "__version__"]
