"""Twilio: messages without text or numbers, alerts by code, daily cost."""

from email.utils import format_datetime
from typing import Any

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
        "date_sent": format_datetime(at(created)),
        "body": "Your appointment is confirmed",
        "from": "+15005550006",
        "to": "+15550100004",
        **more,
    }


TEXTS = [
    message(6, "2025-03-04T15:00"),
    message(5, "2025-03-04T14:59", status="queued", date_sent=None),
    message(4, "2025-03-04T10:00", status="undelivered", error_code=30003),
    message(3, "2025-03-03T15:00", direction="inbound"),
    message(2, "2025-02-24T15:00"),
    message(1, "2025-02-24T14:59"),
]


def usage(day: str, price: Any, category: str = "totalprice") -> dict[str, Any]:
    return {"category": category, "start_date": day, "price": price, "price_unit": "usd"}


def alert(n: int, code: str, when: str) -> dict[str, Any]:
    url = "https://shop.example/hook?secret=1"
    return {"sid": f"NO{n}", "error_code": code, "date_generated": when, "request_url": url}


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
                alert(0, "11200", "2025-03-04T10:00:00Z"),
                alert(1, "11200", "2025-03-04T11:00:00Z"),
                alert(2, "11200", "2025-03-01T11:00:00Z"),
            ],
            "meta": {"next_page_url": None},
        },
        f"{ACCOUNT}.json": {"status": "active", "auth_token": "NEVER-STORE-THIS"},
        f"{ACCOUNT}/Balance.json": {"balance": "12.5", "currency": "USD"},
        **other,
    }


def collected(answer: Answer) -> tuple[Collection, Vendor]:
    with vendor(answer) as server:
        site = the_site("twilio", base_url=server.url, monitor_url=server.url, account_sid="AC1")
        return Collection(twilio.collect(site, the_scope())), server


def test_messages_of_the_window_and_the_week_before_are_kept_to_the_second() -> None:
    found = collected(routed(routes()))[0]["messages"].set_index("message").sort_index()
    assert found.index.tolist() == ["SM2", "SM3", "SM4", "SM5"]
    assert found.loc["SM4", ["error_code", "fault"]].tolist() == [30003, "recipient"]
    assert found["fault"].isna().sum() == 3
    assert found.loc["SM3", "direction"] == "inbound"


def test_the_newest_messages_are_read_without_the_filter_that_leaves_out_what_was_not_sent() -> None:
    (call,) = collected(routed(routes()))[1].asked(MESSAGES)
    assert dict(call.query) == {"PageSize": ["1000"]}


def test_pages_are_followed_back_to_the_week_before_at_the_configured_address() -> None:
    """The sixth message was made before the week begins, so that the page behind it is not asked for."""

    def paged(call: Call) -> Reply:
        page = int(call.one("Page", "0"))
        link = f"{MESSAGES}?PageSize=1000&Page={page + 1}&PageToken=PA{page}"
        return Reply({"messages": [TEXTS[min(page, 5)]], "next_page_uri": link})

    found, server = collected(routed(routes(**{MESSAGES: paged})))
    assert len(found["messages"]) == 4
    assert [call.one("Page") for call in server.asked(MESSAGES)] == ["", "1", "2", "3", "4", "5"]
    assert found["gaps"].empty


def test_where_the_week_before_is_too_many_messages_away_the_filter_helps_and_what_it_leaves_out_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A day beyond either end is asked for, since a message may be sent a day after it was made."""
    monkeypatch.setattr(twilio, "NEWEST", 2)

    def paged(call: Call) -> Reply:
        if call.one("DateSent>"):
            return Reply({"messages": TEXTS, "next_page_uri": None})
        link = f"{MESSAGES}?PageSize=1000&Page={int(call.one('Page', '0')) + 1}"
        return Reply({"messages": TEXTS[:1], "next_page_uri": link})

    found, server = collected(routed(routes(**{MESSAGES: paged})))
    assert len(found["messages"]) == 4
    last = server.asked(MESSAGES)[-1]
    assert (last.one("DateSent>"), last.one("DateSent<")) == ("2025-02-23", "2025-03-05")
    assert "before they were sent" in str(found["gaps"]["reason"].iloc[0])
    assert found["gaps"]["item"].tolist() == ["messages:unsent"]


def test_a_next_page_that_names_the_vendors_own_host_is_asked_of_the_configured_one() -> None:
    def paged(call: Call) -> Reply:
        link = None if call.one("Page") else "https://monitor.twilio.com/v1/Alerts?PageSize=50&Page=1"
        alerts = [alert(len(call.query), "11200", "2025-03-04T10:00:00Z")]
        return Reply({"alerts": alerts, "meta": {"next_page_url": link}})

    found, server = collected(routed(routes(**{ALERTS: paged})))
    assert len(server.asked(ALERTS)) == 2
    assert found["vendor_errors"]["code"].tolist() == ["11200", "11200"]


def test_a_next_page_on_a_foreign_host_is_never_asked() -> None:
    with vendor(routed({})) as other:
        stolen = {"messages": TEXTS[:1], "next_page_uri": f"{other.url}{MESSAGES}?Page=1"}
        found, _ = collected(routed(routes(**{MESSAGES: stolen})))
        assert other.calls == []
    assert found.gap("twilio", "messages") == ("error", "its next page lies on another host and is not followed")


def test_alerts_are_told_with_their_code_and_the_place_that_was_called() -> None:
    rows = collected(routed(routes()))[0]["vendor_errors"]
    assert set(rows["kind"]) == {"webhook"}
    assert set(rows["place"]) == {"shop.example/hook"}
    assert rows["at"].max() == at("2025-03-04T11:00")


def test_the_cost_is_the_total_price_of_each_day() -> None:
    costs = collected(routed(routes()))[0]["costs"].sort_values("start")
    assert costs["amount"].tolist() == [2.5, 3.1]
    assert set(costs["currency"]) == {"USD"}


def test_neither_text_nor_number_nor_token_is_kept() -> None:
    found, _ = collected(routed(routes()))
    kept = " ".join(table.to_csv() for table in found.frames.values())
    assert not any(secret in kept for secret in ("appointment", "+1555", "+1500", "NEVER-STORE", "secret=1"))


def test_a_key_that_may_not_read_the_account_is_explained_once_and_leaves_the_rest() -> None:
    refused = Reply({"code": 20003, "message": "Authenticate", "status": 401}, 401)
    found, _ = collected(routed(routes(**{f"{ACCOUNT}.json": refused, f"{ACCOUNT}/Balance.json": refused})))
    assert found["gaps"].empty
    rows = found["vendor_states"].query("kind == 'key'")
    assert rows["item"].tolist() == ["account", "balance"]
    assert set(rows["detail"]) == {"401: Authenticate"}
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
