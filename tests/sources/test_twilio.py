"""Twilio: messages without text or numbers, alerts by code, daily cost."""

from email.utils import format_datetime
from typing import Any

import pandas as pd
import pytest

from pdmlib.errors import SourceError
from pdmlib.frames.collection import Collection
from pdmlib.sources import twilio
from tests.builders import at
from tests.sources.loopback import Answer, Call, Reply, Vendor, routed, the_scope, the_site, vendor

ACCOUNT = "/2010-04-01/Accounts/AC1"
MESSAGES, COSTS, ALERTS = f"{ACCOUNT}/Messages.json", f"{ACCOUNT}/Usage/Records/Daily.json", "/v1/Alerts"


def message(n: int, created: str, **more: Any) -> dict[str, Any]:
    return {
        "sid": f"SM{n}",
        "date_created": format_datetime(at(created)),
        "status": "delivered",
        "direction": "outbound-api",
        "error_code": None,
        "price": "-0.00790",
        "price_unit": "USD",
        "body": "Your appointment is confirmed",
        "from": "+15005550006",
        "to": "+15550100004",
        **more,
    }


TEXTS = [
    message(6, "2025-03-04T15:00"),
    message(5, "2025-03-04T14:59", status="queued", price=None),
    message(4, "2025-03-04T10:00", status="undelivered", error_code=30003),
    message(3, "2025-03-03T15:00", direction="inbound"),
    message(2, "2025-02-24T15:00"),
    message(1, "2025-02-24T14:59"),
]


def usage(day: str, price: Any, category: str = "totalprice") -> dict[str, Any]:
    return {"category": category, "start_date": day, "price": price, "price_unit": "usd"}


def alert(code: str, when: str) -> dict[str, Any]:
    return {"error_code": code, "date_generated": when, "request_url": "https://shop.example/hook?secret=1"}


def routes(**other: Any) -> dict[str, Any]:
    return {
        MESSAGES: {"messages": TEXTS, "next_page_uri": None},
        COSTS: {
            "usage_records": [
                usage("2025-03-04", "3.1"),
                usage("2025-03-03", 2.5),
                usage("2025-03-04", "9", "sms"),
            ],
            "next_page_uri": None,
        },
        ALERTS: {
            "alerts": [
                alert("11200", "2025-03-04T10:00:00Z"),
                alert("11200", "2025-03-04T11:00:00Z"),
                alert("11200", "2025-03-01T11:00:00Z"),
            ],
            "meta": {"next_page_url": None},
        },
        f"{ACCOUNT}.json": {"status": "active", "auth_token": "NEVER-STORE-THIS"},
        **other,
    }


def collected(answer: Answer) -> tuple[Collection, Vendor]:
    with vendor(answer) as server:
        site = the_site("twilio", base_url=server.url, monitor_url=server.url, account_sid="AC1")
        return Collection(twilio.collect(site, the_scope())), server


def test_messages_of_the_window_and_the_week_before_are_kept_to_the_second() -> None:
    found = collected(routed(routes()))[0]["messages"].set_index("message").sort_index()
    assert found.index.tolist() == ["SM2", "SM3", "SM4", "SM5"]
    assert found["price"].iloc[0] == pytest.approx(0.0079)
    assert pd.isna(found.loc["SM5", "price"])
    assert found.loc["SM4", "error_code"] == 30003
    assert found.loc["SM3", "direction"] == "inbound"


def test_a_day_beyond_either_end_is_asked_for() -> None:
    (call,) = collected(routed(routes()))[1].asked(MESSAGES)
    assert (call.one("DateSent>"), call.one("DateSent<")) == ("2025-02-23", "2025-03-05")


def test_pages_are_followed_to_the_end_at_the_configured_address() -> None:
    def paged(call: Call) -> Reply:
        page = int(call.one("Page", "0"))
        link = f"{MESSAGES}?DateSent%3E={call.one('DateSent>')}&PageSize=1000&Page={page + 1}&PageToken=PA{page}"
        return Reply({"messages": [TEXTS[page + 1]], "next_page_uri": link if page < 3 else None})

    found, server = collected(routed(routes(**{MESSAGES: paged})))
    assert len(found["messages"]) == 4
    assert [call.one("DateSent>") for call in server.asked(MESSAGES)] == ["2025-02-23"] * 4


def test_a_next_page_that_names_the_vendors_own_host_is_asked_of_the_configured_one() -> None:
    def paged(call: Call) -> Reply:
        link = None if call.one("Page") else "https://monitor.twilio.com/v1/Alerts?PageSize=50&Page=1"
        return Reply({"alerts": [alert("11200", "2025-03-04T10:00:00Z")], "meta": {"next_page_url": link}})

    found, server = collected(routed(routes(**{ALERTS: paged})))
    assert len(server.asked(ALERTS)) == 2
    assert found["vendor_states"].query("kind == 'log'")["detail"].tolist() == ["2 alerts"]


def test_a_next_page_on_a_foreign_host_is_never_asked() -> None:
    with vendor(routed({})) as other:
        stolen = {"messages": TEXTS[:1], "next_page_uri": f"{other.url}{MESSAGES}?Page=1"}
        found, _ = collected(routed(routes(**{MESSAGES: stolen})))
        assert other.calls == []
    assert found.gap("twilio", "messages") == ("error", "its next page lies on another host and is not followed")


def test_alerts_of_the_window_are_counted_by_code() -> None:
    rows = collected(routed(routes()))[0]["vendor_states"].query("kind == 'log'")
    assert rows[["item", "detail"]].to_numpy().tolist() == [["11200", "2 alerts"]]


def test_the_cost_is_the_total_price_of_each_day() -> None:
    costs = collected(routed(routes()))[0]["costs"].sort_values("start")
    assert costs["amount"].tolist() == [2.5, 3.1]
    assert set(costs["currency"]) == {"USD"}


def test_neither_text_nor_number_nor_token_is_kept() -> None:
    found, _ = collected(routed(routes()))
    kept = " ".join(table.to_csv() for table in found.frames.values())
    assert not any(secret in kept for secret in ("appointment", "+1555", "+1500", "NEVER-STORE", "secret=1"))


def test_a_key_that_may_not_read_the_account_leaves_the_rest() -> None:
    refused = Reply({"code": 20003, "message": "Authenticate", "status": 401}, 401)
    found, _ = collected(routed(routes(**{f"{ACCOUNT}.json": refused})))
    assert found.gap("twilio", "account") == ("error", "401: Authenticate")
    assert len(found["messages"]) == 4


def test_a_first_429_is_overcome() -> None:
    limited = iter([Reply({"code": 20429, "message": "Too Many Requests"}, 429)])
    texts = {"messages": TEXTS, "next_page_uri": None}
    found, _ = collected(routed(routes(**{MESSAGES: lambda call: next(limited, Reply(texts))})))
    assert len(found["messages"]) == 4


def test_a_wrong_key_is_a_source_that_could_not_be_read() -> None:
    with pytest.raises(SourceError) as caught:
        collected(lambda call: Reply({"code": 20003, "message": "Authenticate", "status": 401}, 401))
    assert caught.value.reason == "401: Authenticate"
