"""Everything that Vercel and Supabase tell is judged or shown: without a column the report is another.

Stripe, Twilio and Resend are walked in `tests/analysis/integrations/test_everything_shown.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import pandas as pd
import pytest

from pdmlib.analysis.traffic.hourly import hourly
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.readings import Answer
from pdmlib.report.document import document
from pdmlib.site.site import Site
from pdmlib.verdict.verdict import judge
from tests.sources.loopback import the_scope, the_site
from tests.sources.test_entries import BLOCKS
from tests.sources.test_specifications import COLLECTED

ADDRESS = "https://shop.example"
NEVER_EMPTY = {("request_counts", "interval_s")}  # the source's own; without it no hour can be counted
OTHERS = ("understood", "costs")  # the doctor's; a report of a day has no costs, which the other walk looks at
SITES: Mapping[str, Mapping[str, str]] = {
    "vercel": {"base_url": ADDRESS},
    "supabase": {"metrics_url": ADDRESS, "management_url": ADDRESS},
}
# Columns that these answers give no cause to show: what the source itself writes, what `frames/rewind.py` takes a
# report of the past back by, and what only a finding names that tests of its own call for.
ELSEWHERE: Mapping[str, frozenset[tuple[str, str]]] = {
    "vercel": frozenset(
        {
            ("latencies", "sample_rate"),  # 1, as all requests are counted
            ("latencies", "complete"),  # true, as windows that are over are asked for
            ("deployments", "ready_at"),  # rewound by
            ("build_logs", "at"),  # rewound by
            ("deployments", "move"),  # traffic that left the deployment: tests/analysis/test_deployment.py
            ("deployments", "sha"),  # the way back: the same
            ("deployments", "rollback_candidate"),  # the way back: the same
            ("platform_crons", "path"),  # what is in which list: tests/analysis/test_cron.py
            ("platform_crons", "schedule"),  # the same
        }
    ),
    "supabase": frozenset(),
}


def shown(site: Site, frames: Mapping[str, pd.DataFrame]) -> str:
    """All that a report holds, and the hours that its charts draw."""
    scope = the_scope()
    coverage = (Coverage(name, Answer.OK, 1, 0.1) for name in SITES if site.source(name) is not None)
    case = Case(site, scope, Collection(frames, tuple(coverage)), scope.window)
    return json.dumps(document(judge(case), scope.as_of), default=str, sort_keys=True) + hourly(case).to_csv()


@pytest.mark.slow
@pytest.mark.parametrize("source", SITES)
def test_a_report_without_a_column_that_a_source_fills_is_another_report(source: str) -> None:
    site = the_site(source, **{**BLOCKS[source], **SITES[source]}).model_copy(update={"url": ADDRESS})
    frames = {name: table for name, table in COLLECTED[source]().frames.items() if name not in OTHERS}
    whole = shown(site, frames)
    unseen = set()
    for name, table in frames.items():
        for column in table.columns[table.notna().any()]:
            if (name, column) in NEVER_EMPTY:
                continue
            blank = table.assign(**{column: pd.Series(None, index=table.index, dtype=table[column].dtype)})
            if shown(site, {**frames, name: blank}) == whole:
                unseen.add((name, column))
    assert unseen == ELSEWHERE[source]
