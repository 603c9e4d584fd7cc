"""Payments, text messages and emails that no longer come are told, at once where they came all the time."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from pdmlib.analysis.integrations import stopped
from pdmlib.frames.readings import Finding
from pdmlib.phases.scope import incident_scope
from pdmlib.phases.window import Window
from pdmlib.report.card import card_of
from pdmlib.verdict.verdict import judge
from tests.builders import DEPLOYED, a_case, a_site, at, every, the_probes

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AS_OF = DEPLOYED + DAY
Row = Callable[[datetime], dict[str, Any]]


def payment(moment: datetime) -> dict[str, Any]:
    return {"source": "stripe", "payment": str(moment), "created_at": moment, "status": "succeeded", "fault": None}


def message(moment: datetime) -> dict[str, Any]:
    return {"message": str(moment), "created_at": moment, "status": "delivered", "direction": "outbound-api"}


def emails(moment: datetime) -> dict[str, Any]:
    return {"at": moment, "interval_s": 3600.0, "sent": 5, "delivered": 5}


STREAMS: dict[str, tuple[str, Row]] = {
    "payments:stopped": ("payments", payment),
    "sms:stopped": ("messages", message),
    "email:stopped": ("email_counts", emails),
}


def found(name: str, moments: list[datetime], as_of: datetime = AS_OF) -> list[Finding]:
    table, row = STREAMS[name]
    case = a_case({table: [row(moment) for moment in moments]}, "day1", DEPLOYED, as_of)
    return [one for one in stopped.findings(case).values() if one.id == name]


@pytest.mark.parametrize("name", STREAMS)
def test_what_came_each_hour_and_comes_no_more_since_the_deployment_is_told(name: str) -> None:
    (one,) = found(name, every(60, DEPLOYED - 7 * DAY, DEPLOYED))
    assert (one.priority, one.since, one.active) == ("P1", DEPLOYED, True)
    assert "for 25 hours; before that never for more than 60 minutes" in one.evidence


@pytest.mark.parametrize("name", STREAMS)
def test_a_night_and_a_weekend_are_no_stop(name: str) -> None:
    """Ten to six from Monday to Friday, four an hour; looked at on a Sunday evening."""
    sunday = at("2025-03-09T22:00")
    office = [m for m in every(15, sunday - 9 * DAY, sunday) if m.weekday() < 5 and 10 <= m.hour < 18]
    assert found(name, office, sunday) == []


def test_few_that_were_due_may_be_missing_by_chance() -> None:
    assert found("payments:stopped", every(6 * 60, DEPLOYED - 7 * DAY, DEPLOYED)) == []


def test_what_stopped_days_before_the_deployment_is_not_its_own() -> None:
    moments = every(10, DEPLOYED - 7 * DAY, DEPLOYED - 2 * DAY)
    frames = {"payments": map(payment, moments), "probes": the_probes(5, DEPLOYED - 8 * DAY, AS_OF)}
    verdict = judge(a_case(frames, "day1", DEPLOYED, AS_OF))
    (cause,) = [cause for cause in verdict.causes if cause.id == "payments:stopped"]
    assert cause.status == "standing"


def test_that_nobody_pays_since_the_deployment_is_a_cause_with_an_action() -> None:
    frames = {
        "payments": map(payment, every(10, DEPLOYED - 7 * DAY, DEPLOYED)),
        "probes": the_probes(5, DEPLOYED - 8 * DAY, AS_OF),
    }
    verdict = judge(a_case(frames, "day1", DEPLOYED, AS_OF))
    (cause,) = [cause for cause in verdict.causes if cause.id == "payments:stopped"]
    assert (cause.status, cause.priority, cause.action) == ("new", "P1", "Try to pay as a customer does")
    assert verdict.recommendation == "investigate"
    (reading,) = [reading for reading in verdict.readings if reading.id == "integration_stripe"]
    assert reading.value == "ISSUES" and "No payment has been attempted since" in str(reading.measurement.evidence)
    assert not [cause for cause in verdict.causes if cause.id.startswith("integration:")]


def test_a_site_without_stripe_whose_own_payments_stop_hears_nothing_of_stripe() -> None:
    own = [payment(moment) | {"source": "database"} for moment in every(10, DEPLOYED - 7 * DAY, DEPLOYED)]
    site = a_site(unused=["stripe"], payments={"table": "shop.payments"})
    verdict = judge(a_case({"payments": own}, "day1", DEPLOYED, AS_OF, site=site))
    assert [cause.chain for cause in verdict.causes if "payments:stopped" in cause.chain] == [
        ("payments:stopped",)
    ]
    assert [r.id for r in verdict.readings if "stripe" in r.id] == []
    assert "Stripe" not in str(verdict.tables["integrations"]) + str([t.before for t in card_of(verdict).tiles])


@pytest.mark.parametrize(
    ("since", "told"),
    [
        (None, []),  # nobody asked for the payments of the six days between the deployment and this hour
        (timedelta(hours=5), ["No payment since Sun 9 Mar 11:50 CDT"]),
    ],
)
def test_no_silence_is_known_where_nothing_was_read(since: timedelta | None, told: list[str]) -> None:
    """The report of an hour, or a day, begins six days after the week that ends with the deployment."""
    end = at("2025-03-09T22:00")
    window = Window(end - (HOUR if since is None else DAY), end)
    moments = every(10, DEPLOYED - 7 * DAY, DEPLOYED)
    moments += [] if since is None else every(10, window.start, end - since)
    case = a_case({"payments": map(payment, moments)}, as_of=end)
    scope = incident_scope(case.scope.zone, DEPLOYED, window, end)
    assert [one.title for one in stopped.findings(replace(case, scope=scope, window=window)).values()] == told
