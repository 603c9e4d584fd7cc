"""pdmlib: says whether a deployment is safe.

One way through, from left to right::

    params/<site>.yaml -> site -> sources -> frames -> analysis -> verdict -> report

=============  ====================================================================
`errors`       every failure a person can meet
`window`       time: half-open UTC windows, local days, the only clock
`stats`        intervals and tests, thin calls into scipy
`readings`     measurements in five states, limits, metrics, readings, findings
`frames`       the tidy frames that sources fill, one schema each
`site`         a site file; the only reader of the environment
`notes`        what only a person can say of a report
`phases`       which window each report looks at
`case`         a site, a scope and its frames: what every analysis is a function of
`sources`      one file a vendor: read-only, bounded, each result or a gap
`requests`     raw request logs: histograms that merge, exact where it can be
`history`      samples over time, as Parquet
`analysis`     one file a section of the guide: pure functions of a case
`sections`     every metric, finding and table, in the report's order
`judging`      one measurement against one ladder
`verdict`      the only judge
`charts`       one function a picture
`report`       the verdict as JSON, Markdown, HTML and slides
`asking`       the scope of a report, what it gathers
`figures`      the pictures of a case, by name
`workbook`     what a notebook works with
`run`          executes a notebook and puts its report into place
`cli`          the `pdm` command
`demo`         a production of real parts to try it on
=============  ====================================================================
"""

import sys
from typing import TYPE_CHECKING, Any

# jsonschema loads this optional checker of IRIs where JupyterLab has brought it, which takes a second.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]

if TYPE_CHECKING:
    from pdmlib.workbook import Report, open_incident, open_report

__all__ = ["Report", "open_incident", "open_report"]


def __getattr__(name: str) -> Any:
    """Public names, imported when they are first used."""
    if name == "__version__":
        from importlib.metadata import version

        return version("pdmlib")
    if name in __all__:
        from pdmlib import workbook

        return getattr(workbook, name)
    raise AttributeError(f"module 'pdmlib' has no attribute {name!r}")
