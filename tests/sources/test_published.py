"""Every field that is read, held against what the vendors themselves publish: its type, its words, its nulls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest

from pdmlib.frames.understanding import Kind
from pdmlib.sources.fields import Rule
from tests.sources.published import Schema, answers, kinds, objects, words
from tests.sources.test_reads import VENDORS, models

# Where the object of a model stands in the answer to its request, by the model's name.
PLACES: Mapping[str, str] = {
    "Figures": "data",
    "ErrorFigures": "data",
    "Check": "data",
    "Meta": "meta",
    "Line": "timeSeries",
    "SeriesMeta": "timeSeries.meta",
    "Value": "timeSeries.values",
    "Duration": "timeSeries.values",
    "Share": "timeSeries.values",
    "Assignee": "assignedTo",
    "Release": "lastRelease",
    "Deploy": "lastDeploy",
    "InProject": "projects",
    "Quota": "groups",
    "sentry.Outcome": "groups.by",
    "Amount": "groups.totals",
    "Deployment": "deployments",
    "AssignedAt": "deployments",
    "Commit": "deployments.meta",
    "Page": "pagination",
    "Crons": "crons",
    "Schedule": "crons.definitions",
    "AliasRequest": "lastAliasRequest",
    "Rolling": "rollingRelease",
    "Named": "rollingRelease.canaryDeployment",
    "Stage": "rollingRelease.activeStage",
    "vercel.Event": "events",
    "Payload": "events.payload",
    "Metric": "metrics",
    "Requests": "data",
    "Times": "summary",
    "Memory": "summary",
    "Ran": "summary",
    "Visits": "data",
    "Tags": "Tags",
    "Utilisation": "",
    "Disk": "metrics",
    "Refusal": "result",
    "stripe.Charge": "data",
    "stripe.Outcome": "data.outcome",
    "Transaction": "data",
    "stripe.Event": "data",
    "Dispute": "data",
    "Evidence": "data.evidence_details",
    "WebhookEndpoint": "data",
    "Payout": "data",
    "PaymentError": "last_payment_error",
    "Message": "messages",
    "UsageRecord": "usage_records",
    "Alert": "alerts",
    "Metrics": "totals",
    "Period": "data",
    "Log": "data",
    "Domain": "data",
    "Capabilities": "data.capabilities",
    "Webhook": "data",
}
# What the vendor may write for what is read, as JSON has it. Times and numbers are told as text at times.
TYPES: Mapping[Kind | None, frozenset[str]] = {
    Kind.WORD: frozenset({"string"}),
    Kind.TEXT: frozenset({"string"}),
    Kind.FLAG: frozenset({"boolean"}),
    Kind.NUMBER: frozenset({"number", "integer", "string"}),
    Kind.TIME: frozenset({"number", "integer", "string"}),
    None: frozenset({"object"}),
}
# What else stands there: an address that was assigned at a time not told, cells of a table of any metric.
CELLS = {"string", "number", "null"}
OTHERWISE: Mapping[str, set[str]] = {
    "vercel.AssignedAt.aliasAssigned": {"boolean"},
    "vercel.Requests.route": CELLS,
    "vercel.Times.route": CELLS,
    "vercel.Memory.route": CELLS,
}


# Words that are not taken for one although they are published: each tells that the vendor does not know.
UNTOLD: Mapping[str, set[str]] = {"sentry.Issue.level": {"unknown"}, "sentry.CheckIn.status": {"unknown"}}
# Any text to the specification; its words are told in the sentences that describe it.
DESCRIBED = {"stripe.WebhookEndpoint.status", "stripe.Payout.status", "resend.Webhook.status"}
# Without what is null there, an object cannot be told from others or judged.
NEEDED = {
    "vercel.Requests.http_status",
    "vercel.Requests.value",
    "twilio.Message.sid",
    "twilio.Message.date_created",
    "twilio.UsageRecord.start_date",
    "twilio.Alert.sid",
    "twilio.Alert.date_generated",
    "twilio.Alert.error_code",
}
# Left out at times by others than the specification: what is only shown, and what FOCUS 1.3 lets be null.
LENIENT = {"sentry.Issue.title", "sentry.Issue.permalink", "vercel.Charge.Tags"}


@dataclass(frozen=True)
class Found:
    """A field that is read, and its published schemas.

    Attributes:
        optional: whether it may be null or be left out; None where the specification needs nothing at all of the
            object, so that it does not say which of its fields are always there.
    """

    name: str
    rule: Rule
    schemas: tuple[Schema, ...]
    optional: bool | None


def fields(source: str) -> Iterator[Found]:
    """Every field of a vendor."""
    for model in models(source):
        whole = f"{source}.{model.__name__}"
        places = objects(answers(source)[model.request], PLACES.get(whole, PLACES.get(model.__name__, "")))
        for rule in model.rules.values():
            key = rule.name
            told = [place for place in places if key in place["properties"]]
            schemas = tuple(place["properties"][key] for place in told)
            yield Found(f"{whole}.{key}", rule, schemas, _optional(places, told, key))


def _optional(places: Sequence[Schema], told: Sequence[Schema], key: str) -> bool | None:
    if len(told) < len(places) or any("null" in kinds(place["properties"][key]) for place in told):
        return True
    if not any(place["required"] for place in told):
        return None
    return any(key not in place["required"] for place in told)


@pytest.mark.parametrize("source", VENDORS)
def test_every_field_that_is_read_is_published(source: str) -> None:
    assert [field.name for field in fields(source) if not field.schemas] == []


@pytest.mark.parametrize("source", VENDORS)
def test_every_field_is_of_the_published_type(source: str) -> None:
    for field in fields(source):
        for schema in field.schemas:
            known = {"null", *TYPES[field.rule.form], *OTHERWISE.get(field.name, ())}
            assert kinds(schema) <= known, field.name


@pytest.mark.parametrize("source", VENDORS)
def test_the_words_are_those_that_are_published(source: str) -> None:
    for field in fields(source):
        if field.rule.form is Kind.WORD and field.name not in DESCRIBED:
            published = {word for schema in field.schemas for word in words(schema)}
            assert set(field.rule.kind.split()) == published - UNTOLD.get(field.name, set()), field.name


@pytest.mark.parametrize("source", VENDORS)
def test_what_may_be_null_or_left_out_is_what_is_published_so(source: str) -> None:
    for field in fields(source):
        if field.name not in NEEDED | LENIENT and field.optional is not None:
            assert field.rule.null == field.optional, field.name
