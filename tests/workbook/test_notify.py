"""Messages to a webhook: one when it matters, none twice, nothing hostile in it, and no report fails for it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pdmlib.errors import SiteError, SourceError
from pdmlib.workbook.notify import notify, webhook
from tests.builders import a_site


class Receiver:
    """A webhook on loopback that keeps what it gets."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                receiver.paths.append(self.path)
                if receiver.status == 200:
                    receiver.bodies.append(body)
                self.send_response(receiver.status)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/T000/B000/verysecretword?wait=1"

    @property
    def texts(self) -> list[str]:
        return [body["text"] for body in self.bodies]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


def an_alert(
    name: str = "error_rate_pct", priority: str = "P1", action: str = "Investigate errors"
) -> dict[str, Any]:
    return {"id": name, "priority": priority, "reading": name, "title": f"Title {name}", "action": action}


def content(
    status: str, *alerts: dict[str, Any], at: int = 10, phase: str = "day1", **more: Any
) -> dict[str, Any]:
    return {
        "site": "shop",
        "title": "Shop",
        "phase": phase,
        "status": status,
        "recommendation": "investigate",
        "as_of": f"2025-03-10T{at}:00:00Z",
        "alerts": list(alerts),
        "readings": [],
        **more,
    }


def test_an_alert_is_told_once_when_it_begins_and_once_when_it_ends(receiver: Receiver, tmp_path: Path) -> None:
    notify(receiver.url, tmp_path, content("GREEN", at=10), None)
    notify(receiver.url, tmp_path, content("YELLOW", an_alert(), at=11), None)
    notify(receiver.url, tmp_path, content("YELLOW", an_alert(), at=12), None)
    notify(receiver.url, tmp_path, content("YELLOW", an_alert(), at=12), None)
    notify(receiver.url, tmp_path, content("GREEN", at=13), None)
    notify(receiver.url, tmp_path, content("GREEN", at=14), None)
    assert receiver.texts == [
        "Shop, day1: YELLOW (was GREEN), investigate\nbegan: P1 Title error_rate_pct: Investigate errors",
        "Shop, day1: GREEN (was YELLOW), investigate\nended: P1 Title error_rate_pct",
    ]
    assert receiver.paths[0] == "/services/T000/B000/verysecretword?wait=1"


def test_a_worse_status_is_told_and_a_better_one_is_not(receiver: Receiver, tmp_path: Path) -> None:
    for hour, status in enumerate(("GREEN", "UNKNOWN", "YELLOW", "RED", "YELLOW", "RED"), start=10):
        notify(receiver.url, tmp_path, content(status, at=hour), None)
    assert [text.split(": ")[1] for text in receiver.texts] == [
        "UNKNOWN (was GREEN), investigate",
        "YELLOW (was UNKNOWN), investigate",
        "RED (was YELLOW), investigate",
        "RED (was YELLOW), investigate",
    ]


def test_the_last_report_of_the_phase_counts_where_nothing_was_said(receiver: Receiver, tmp_path: Path) -> None:
    notify(receiver.url, tmp_path / "a", content("YELLOW"), {"status": "GREEN"})
    notify(receiver.url, tmp_path / "b", content("YELLOW"), {"status": "YELLOW"})
    notify(receiver.url, tmp_path / "c", content("YELLOW"), None)
    assert len(receiver.texts) == 1


def test_a_p2_alert_is_not_worth_a_message(receiver: Receiver, tmp_path: Path) -> None:
    notify(receiver.url, tmp_path, content("YELLOW", an_alert(priority="P2")), None)
    assert receiver.texts == []


def test_an_alert_that_gets_more_urgent_is_told_again(receiver: Receiver, tmp_path: Path) -> None:
    notify(receiver.url, tmp_path, content("RED", an_alert(priority="P1"), at=10), None)
    notify(receiver.url, tmp_path, content("RED", an_alert(priority="P0"), at=11), None)
    notify(receiver.url, tmp_path, content("RED", an_alert(priority="P1"), at=12), None)
    assert [text.split("\n")[1][:9] for text in receiver.texts] == ["began: P1", "began: P0"]


def test_an_alert_that_can_no_longer_be_seen_has_not_ended(receiver: Receiver, tmp_path: Path) -> None:
    blind = [{"id": "error_rate_pct", "status": "unknown"}]
    notify(receiver.url, tmp_path, content("YELLOW", an_alert(), at=10), None)
    notify(receiver.url, tmp_path, content("YELLOW", at=11, readings=blind), None)
    assert len(receiver.texts) == 1
    notify(receiver.url, tmp_path, content("GREEN", at=12), None)
    assert receiver.texts[1].endswith("ended: P1 Title error_rate_pct")


def test_two_phases_that_see_one_alert_tell_it_once(receiver: Receiver, tmp_path: Path) -> None:
    notify(receiver.url, tmp_path, content("YELLOW", an_alert(), phase="week1"), None)
    notify(receiver.url, tmp_path, content("YELLOW", an_alert(), phase="day1"), None)
    notify(receiver.url, tmp_path, content("GREEN", at=11, phase="day1"), None)
    assert len(receiver.texts) == 1
    notify(receiver.url, tmp_path, content("GREEN", at=12, phase="week1"), None)
    assert "ended" in receiver.texts[1]


def test_a_report_of_the_past_tells_nobody(receiver: Receiver, tmp_path: Path) -> None:
    notify(receiver.url, tmp_path, content("GREEN", at=12), None)
    assert notify(receiver.url, tmp_path, content("RED", an_alert(), at=11), None) is None
    assert receiver.texts == []


def test_hostile_text_is_only_text(receiver: Receiver, tmp_path: Path) -> None:
    alert = an_alert(action="<!channel> & <https://evil.example|click>\nP0 second line")
    notify(receiver.url, tmp_path, content("RED", alert), None)
    body = receiver.bodies[0]
    assert "&lt;!channel&gt; &amp; &lt;https://evil.example|click&gt; P0 second line" in body["text"]
    assert len(body["text"].split("\n")) == 2
    assert (body["mrkdwn"], body["unfurl_links"]) == (False, False)


def test_slack_gets_the_decision_card_as_blocks_of_plain_text(receiver: Receiver, tmp_path: Path) -> None:
    """Slack takes 150 characters in a header and 3,000 in a section."""
    cause = {"number": 1, "said": "<!channel> waits" * 400, "priority": "P1", "since": "", "fix": "DROP"}
    cause |= {"owner": "Backend", "due": "Tue 11 Mar", "action": "Mend it"}
    tile = {"title": "Errors", "value": "6 %", "judged": "✗ FAIL"}
    card = {"sentence": "RED. " + "It fails. " * 40, "advice": "Roll back now.", "causes": [cause], "others": []}
    card |= {"tiles": [tile], "dates": "Deployed Mon 3 Mar", "unknown": ""}
    notify(receiver.url, tmp_path, content("RED", an_alert(), card=card), None)
    (body,) = receiver.bodies
    kinds = [block["type"] for block in body["blocks"]]
    assert kinds == ["header", "section", "section", "section", "context"]
    texts = [part for block in body["blocks"] for part in (block.get("text"), *block.get("fields", ())) if part]
    assert {part["type"] for part in texts} == {"plain_text"}
    assert len(body["blocks"][0]["text"]["text"]) <= 150
    assert all(len(part["text"]) <= 3000 for part in texts)
    assert "Backend, by Tue 11 Mar: Mend it" not in body["text"] and "began: P1" in body["text"]


def test_a_refusal_is_one_line_without_the_address_and_the_next_call_tries_again(
    receiver: Receiver, tmp_path: Path
) -> None:
    receiver.status = 403
    with pytest.raises(SourceError) as caught:
        notify(receiver.url, tmp_path, content("RED", an_alert()), None)
    assert str(caught.value).startswith("webhook: not notified: 403")
    assert "verysecretword" not in str(caught.value)
    receiver.status = 200
    notify(receiver.url, tmp_path, content("RED", an_alert()), None)
    assert len(receiver.texts) == 1


def test_nobody_listening_is_one_line(receiver: Receiver, tmp_path: Path) -> None:
    unused = "http://127.0.0.1:9/services/verysecretword"
    with pytest.raises(SourceError, match="webhook: not notified: the connection failed"):
        notify(unused, tmp_path, content("RED", an_alert()), None)
    assert not (tmp_path / ".notified.json").exists()


def test_two_reports_at_once_say_it_once(receiver: Receiver, tmp_path: Path) -> None:
    report = content("RED", an_alert())
    threads = [threading.Thread(target=notify, args=(receiver.url, tmp_path, report, None)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(receiver.texts) == 1


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://hooks.slack.com/services/T/B/X", True),
        ("http://127.0.0.1:8080/hook", True),
        ("http://[::1]:8080/hook", True),
        ("http://localhost/hook", True),
        ("http://hooks.slack.com/services/T/B/X", False),
        ("http://localhost.evil.example/hook", False),
        ("file:///etc/passwd", False),
        ("nonsense", False),
    ],
)
def test_only_https_or_loopback_addresses_are_posted_to(
    url: str, allowed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_WEBHOOK", url)
    site = a_site(notify_env="SHOP_WEBHOOK")
    if allowed:
        assert webhook(site) == url
    else:
        with pytest.raises(SiteError, match="SHOP_WEBHOOK must hold") as caught:
            webhook(site)
        assert url not in str(caught.value)


def test_a_site_without_a_webhook_says_which_key_is_needed() -> None:
    with pytest.raises(SiteError, match="notify_env: is required by --notify"):
        webhook(a_site())
    with pytest.raises(SiteError, match="set the environment variable SHOP_NOT_SET"):
        webhook(a_site(notify_env="SHOP_NOT_SET"))


@pytest.mark.parametrize(
    "kept",
    [
        "",
        '{"phases": {"daily"',
        "[]",
        '{"phases": {"daily": {"status": "BLUE"}}}',
        '{"phases": {"day1": {"status": "RED", "as_of": 5}}}',
        '{"alerts": {"a": {"priority": "P1", "title": {}, "reading": "a", "latest_s": 60}}}',
        '{"alerts": {"a": {"priority": "P1", "title": "a", "reading": [], "latest_s": 60}}}',
        "\x00",
    ],
)
def test_a_damaged_record_of_what_was_said_is_set_aside_and_all_is_said_again(
    receiver: Receiver, tmp_path: Path, kept: str
) -> None:
    (tmp_path / ".notified.json").write_text(kept, encoding="utf-8")
    assert notify(receiver.url, tmp_path, content("RED", an_alert()), None)
    assert notify(receiver.url, tmp_path, content("RED", an_alert()), None) is None
    assert (tmp_path / ".notified.json.damaged").read_text(encoding="utf-8") == kept


def test_alerts_of_one_cause_are_one_line_with_the_fix_of_its_root(receiver: Receiver, tmp_path: Path) -> None:
    """The index that went, the statement and the route it slowed: one thing to know, and one to do."""
    cause = {
        "id": "database:drift:index",
        "title": "An index is gone → a slow statement",
        "priority": "P1",
        "chain": ["database:drift:index", "latency_p95_ms", "query:slow"],
        "action": "Create it again",
        "fix": "CREATE INDEX ON orders (customer_id);",
    }
    both = [an_alert("latency_p95_ms"), an_alert("query:slow")]
    notify(receiver.url, tmp_path, content("YELLOW", *both, causes=[cause]), None)
    (text,) = receiver.texts
    assert text.splitlines()[1:] == [
        "began: P1 An index is gone → a slow statement: Create it again",
        "   CREATE INDEX ON orders (customer_id);",
    ]
    notify(receiver.url, tmp_path, content("YELLOW", both[0], causes=[cause], at=11), None)
    notify(receiver.url, tmp_path, content("GREEN", causes=[], at=12), None)
    assert receiver.texts[1:] and receiver.texts[-1].count("ended:") == 1
    assert len(receiver.texts) == 2


def test_a_cause_is_told_in_the_words_of_the_card(receiver: Receiver, tmp_path: Path) -> None:
    """Titles of findings are for tables: nobody says that there are connection errors 3."""
    action = "Check Supabase status, restart if needed"
    cause = {
        "id": "db_connection_errors",
        "title": "Connection errors 3 → Supabase has issues",
        "priority": "P0",
        "chain": ["db_connection_errors"],
        "action": action,
        "fix": None,
    }
    told = {"number": 1, "said": "The database cannot be reached", "priority": "P0", "since": "", "fix": ""}
    card = {
        **{"sentence": "RED.", "advice": "Roll back now.", "tiles": [], "dates": "", "unknown": "", "others": []},
        "causes": [told | {"owner": "Backend team", "due": "Mon 10 Mar", "action": action}],
    }
    began = content("RED", an_alert("db_connection_errors", "P0"), causes=[cause], card=card)
    notify(receiver.url, tmp_path, began, None)
    assert receiver.texts[0].splitlines()[1:] == [f"began: P0 The database cannot be reached: {action}"]
