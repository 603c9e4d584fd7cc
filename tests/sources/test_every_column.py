"""Everything that Sentry, Vercel and Supabase tell is judged or shown: without a column the report is another.

Stripe, Twilio and Resend are walked in `tests/analysis/integrations/test_everything_shown.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pandas as pd
import pytest

from pdmlib.analysis.traffic.hourly import hourly
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.readings import Answer
from pdmlib.report.document import document
from pdmlib.site.site import Site
from pdmlib.verdict.verdict import judge
from tests.sources import test_sentry
from tests.sources.loopback import Call, Reply, routed, the_scope, the_site
from tests.sources.test_entries import BLOCKS
from tests.sources.test_specifications import COLLECTED

ADDRESS = "https://shop.example"
NEVER_EMPTY = {("request_counts", "interval_s")}  # the source's own; without it no hour can be counted
OTHERS = ("understood", "costs")  # the doctor's; a report of a day has no costs, which the other walk looks at
SITES: Mapping[str, Mapping[str, Any]] = {
    "sentry": {"base_url": ADDRESS},
    "vercel": {"base_url": ADDRESS},
    "supabase": {"metrics_url": ADDRESS, "management_url": ADDRESS},
}
# Columns that these answers give no cause to show: what the source itself writes, what `frames/rewind.py` takes a
# report of the past back by, and what only a finding names that tests of its own call for.
# Whose report is made quickest: of Sentry many columns are walked. The others are of a day.
PHASES = {"sentry": "hour1"}
ELSEWHERE: Mapping[str, frozenset[tuple[str, str]]] = {
    "sentry": frozenset(
        {
            ("latencies", "complete"),  # drawn hollow: tests/report/test_charts.py
            ("issues", "events_latest"),  # of phases with a latest part: tests/analysis/test_errors.py
            ("deployments", "created_at"),  # rewound by
            ("deployments", "ready_at"),  # rewound by
            ("deployments", "move"),  # the same for every release
            ("deployments", "state"),  # the same
            ("deployments", "target"),  # the same
        }
    ),
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


# What the usual answers of the tests leave out: an issue that came back, with a word of security in its place in
# the code, one that an older release still meets, and a release that went live long after it was made.
OLDER = {"firstSeen": "2025-02-20T15:00:00Z", "lastSeen": "2025-03-03T15:50:00Z"}
BACK = {"substatus": "regressed", "priority": "high", "culprit": "auth/unauthorized", "permalink": f"{ADDRESS}/1"}
LATER = test_sentry.deploy("production", "2025-03-03T15:45:00Z")
MORE: Mapping[str, Any] = {
    test_sentry.ISSUES: [
        test_sentry.issue("SHOP-1", **OLDER, **BACK),
        test_sentry.issue("SHOP-2", level="info"),
        test_sentry.issue("SHOP-3", status="resolved"),
        test_sentry.issue("SHOP-5", **OLDER, lastRelease={"version": "shop@1"}),
    ],
    f"{test_sentry.ORG}/releases/": [
        *test_sentry.RELEASES,
        test_sentry.release("shop@3", "2025-03-03T14:58:00Z", lastDeploy=LATER),
    ],
}


def sentry_events(call: Call) -> Reply:
    """As the usual answers, with the slowest spans and the events of a second issue."""
    fields, answer = call.query["field"], test_sentry.events(call)
    if call.one("dataset") == "spans":
        return Reply({"data": [{**row, "p99(span.duration)": 1500.0} for row in answer.body["data"]]})
    if "issue" in fields and "release" not in fields:
        return Reply({"data": [*answer.body["data"], {"issue": "SHOP-5", "count()": 6, "count_unique(user)": 2}]})
    return answer


def collected(source: str) -> Collection:
    if source != "sentry":
        return COLLECTED[source]()
    answers = {**MORE, test_sentry.EVENTS: sentry_events}
    return test_sentry.collected(routed(test_sentry.routes(**answers)), PHASES[source])[0]


def shown(site: Site, frames: Mapping[str, pd.DataFrame], phase: str) -> str:
    """All that a report holds, and the hours that its charts draw."""
    scope = the_scope(phase)
    coverage = (Coverage(name, Answer.OK, 1, 0.1) for name in SITES if site.source(name) is not None)
    case = Case(site, scope, Collection(frames, tuple(coverage)), scope.window)
    return json.dumps(document(judge(case), scope.as_of), default=str, sort_keys=True) + hourly(case).to_csv()


@pytest.mark.slow
@pytest.mark.parametrize("source", SITES)
def test_a_report_without_a_column_that_a_source_fills_is_another_report(source: str) -> None:
    site = the_site(source, **{**BLOCKS[source], **SITES[source]}).model_copy(update={"url": ADDRESS})
    frames = {name: table for name, table in collected(source).frames.items() if name not in OTHERS}
    phase = PHASES.get(source, "day1")
    whole = shown(site, frames, phase)
    unseen = set()
    for name, table in frames.items():
        for column in table.columns[table.notna().any()]:
            if (name, column) in NEVER_EMPTY:
                continue
            blank = table.assign(**{column: pd.Series(None, index=table.index, dtype=table[column].dtype)})
            if shown(site, {**frames, name: blank}, phase) == whole:
                unseen.add((name, column))
    assert unseen == ELSEWHERE[source]
