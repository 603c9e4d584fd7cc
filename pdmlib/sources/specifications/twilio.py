"""Twilio: what is asked, each field that is read, the specification it is from, and whose fault a loss is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from pdmlib.sources.fields import MOST, Answer, moment, number, text, word

API, MONITOR = "twilio-oai api_v2010 1.0.0 of 2026-04", "twilio-oai monitor_v1 1.0.0 of 2026-04"
ACCOUNTS = "GET /2010-04-01/Accounts/{sid}"


class Message(Answer):
    """One text message, outbound or inbound."""

    item, request, specification = "messages", f"{ACCOUNTS}/Messages.json", API
    sid: str | None = text("sid", "the message")
    date_created: datetime | None = moment("date_created", "when it was asked for or came in", "RFC 2822")
    status: str | None = word(
        "status",
        "how far it is; failed: never left Twilio, undelivered: the carrier refused it",
        "queued sending sent failed delivered undelivered receiving received accepted scheduled read "
        "partially_delivered canceled",
    )
    direction: str | None = word("direction", "who sent it", "inbound outbound-api outbound-call outbound-reply")
    error_code: float | None = number(
        "error_code", "why it was lost, by the error dictionary", low=1, high=99_999, null=True
    )


class UsageRecord(Answer):
    """What one category cost on one GMT day."""

    item, request, specification = (
        "usage_records",
        f"{ACCOUNTS}/Usage/Records/Daily.json?Category=totalprice",
        API,
    )
    category: str | None = text(
        "category", "what was used; categories overlap, totalprice is all of them", null=True
    )
    start_date: datetime | None = moment("start_date", "the GMT day", "UTC")
    price: float | None = number("price", "what it cost; null until it is billed", low=-MOST, null=True)
    price_unit: str | None = text("price_unit", "the currency", null=True)


class Alert(Answer):
    """One error that Twilio met with the application: a webhook that did not answer, a refused call."""

    item, request, specification = "alerts", "GET https://monitor.twilio.com/v1/Alerts?LogLevel=error", MONITOR
    sid: str | None = text("sid", "the alert")
    date_generated: datetime | None = moment("date_generated", "when it happened", "UTC")
    error_code: str | None = text("error_code", "what happened, by the error dictionary")
    request_url: str | None = text("request_url", "what was called; of it host and path are kept", null=True)


class Account(Answer):
    """The account; of the answer, which holds a secret, one word is read."""

    item, request, specification = "account", f"{ACCOUNTS}.json", API
    status: str | None = word("status", "whether it may send", "active suspended closed")


class Balance(Answer):
    """What is left of the money paid in."""

    item, request, specification = "balance", f"{ACCOUNTS}/Balance.json", API
    balance: float | None = number("balance", "what is left; below 0: owed", low=-MOST, null=True)
    currency: str | None = text("currency", "its currency", null=True)


ASKED = (Message, UsageRecord, Alert, Account, Balance)

LOST = ("failed", "undelivered")  # states of a message that did not arrive
# Whose fault a lost message is, by Twilio's error dictionary. What stands in neither list is not understood.
CODES: Mapping[str, tuple[int, ...]] = {
    "recipient": (
        21211,  # not a phone number
        21265,  # a short code cannot be written to
        21610,  # opted out
        21614,  # no mobile number
        21635,  # a landline
        30003,  # handset off or out of reach
        30004,  # blocked by the recipient
        30005,  # number unknown or gone
        30006,  # landline, or a carrier that takes no messages
        30011,  # the recipient's number takes no pictures
    ),
    "ours": (
        11200,  # our webhook did not answer
        20003,  # not authenticated
        20429,  # too many requests
        21408,  # region not switched on
        21606,  # sender cannot send messages
        21608,  # trial account, recipient not verified
        21612,  # this sender does not reach this recipient
        21617,  # too long
        30001,  # queue overflow: sent faster than allowed
        30002,  # account suspended
        30007,  # filtered by the carrier
        30008,  # the carrier gives no reason
        30010,  # dearer than the price we allow
        30019,  # larger than the carrier takes
        30022,  # faster than the campaign allows
        30023,  # daily limit reached
        30024,  # sender not set up at the carrier
        30027,  # the campaign's daily limit reached
        30032,  # toll-free number not verified
        30034,  # number without a registered campaign
        30036,  # not sent before it ran out
        30450,  # blocked as suspicious traffic
    ),
}
# Alerts that Twilio could not get, or not read, what our webhook answers: 11xxx and 12xxx of the error dictionary.
WEBHOOK_CODES = ("11", "12")
