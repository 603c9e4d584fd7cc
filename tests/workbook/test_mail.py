"""The decision card as a mail: taken by a real mail server, read by a real parser, and never sent in the open."""

import email
import socket
from collections.abc import Iterator
from datetime import timedelta
from email import policy
from typing import Any

import pytest
from aiosmtpd.controller import Controller

from pdmlib.errors import CallError, SourceError
from pdmlib.report.document import document
from pdmlib.verdict.verdict import judge
from pdmlib.workbook.mail import check_mail, send
from tests.builders import DEPLOYED, WEEK_LATER, a_case, at, every, the_probes

HOSTILE = "<img src=x onerror=alert(1)>"


class Inbox:
    """A mail server on loopback that keeps what it takes."""

    def __init__(self) -> None:
        self.taken: list[Any] = []

    async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802
        self.taken.append(email.message_from_bytes(envelope.content, policy=policy.default))
        return "250 taken"


@pytest.fixture
def inbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Inbox]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    made = Inbox()
    controller = Controller(made, hostname="127.0.0.1", port=port)
    controller.start()
    for name, value in {
        "HOST": "127.0.0.1",
        "PORT": str(port),
        "SECURITY": "none",
        "FROM": "pdm@shop.test",
    }.items():
        monkeypatch.setenv(f"SMTP_{name}", value)
    yield made
    controller.stop()


def content() -> dict[str, Any]:
    """A week in which the application was down for 45 minutes, and which ended well."""
    down = every(5, at("2025-03-05T10:00"), at("2025-03-05T10:45"))
    verdict = judge(a_case({"probes": the_probes(5, DEPLOYED, WEEK_LATER, down)}))
    return document(verdict, WEEK_LATER + timedelta(minutes=1))


@pytest.mark.slow
def test_a_mail_server_takes_the_card_as_text_and_as_a_page(inbox: Inbox) -> None:
    send("team@shop.test", content())
    (mail,) = inbox.taken
    assert (mail["To"], mail["From"]) == ("team@shop.test", "pdm@shop.test")
    assert mail["Subject"].startswith("Shop, week1: YELLOW. ")
    text, page = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    for part in (text, page):
        assert "The application was down for 45 minutes" in part
        assert "Wed 5 Mar 04:00 CST" in part, "Chicago is six hours behind in March"
    assert "<script" not in page and "style=" in page


@pytest.mark.slow
def test_hostile_text_in_a_mail_is_text(inbox: Inbox) -> None:
    told = content()
    told["card"]["sentence"] = f"RED. {HOSTILE}\r\nBcc: everybody@shop.test"
    send("team@shop.test", told)
    (mail,) = inbox.taken
    assert mail["Bcc"] is None
    assert HOSTILE in mail["Subject"]
    assert HOSTILE not in mail.get_body(("html",)).get_content()


@pytest.mark.slow
def test_a_server_without_encryption_gets_no_mail_unless_the_environment_says_so(
    inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SMTP_SECURITY")
    with pytest.raises(SourceError, match=r"mail: not sent by 127\.0\.0\.1"):
        send("team@shop.test", content())
    assert inbox.taken == []


@pytest.mark.parametrize(
    ("address", "environment", "message"),
    [
        ("team", {"SMTP_HOST": "x"}, "is not an address"),
        ("a@b.test, c@d.test", {"SMTP_HOST": "x"}, "is not an address"),
        ("team@shop.test", {}, "set the environment variable SMTP_HOST"),
        ("team@shop.test", {"SMTP_HOST": "x", "SMTP_SECURITY": "ssl"}, "must be one of starttls, tls, none"),
        ("team@shop.test", {"SMTP_HOST": "x", "SMTP_PORT": "smtp"}, "SMTP_PORT must be a number"),
    ],
)
def test_a_mail_that_cannot_be_sent_is_one_line_before_any_source_is_asked(
    address: str, environment: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOST", "PORT", "SECURITY"):
        monkeypatch.delenv(f"SMTP_{name}", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CallError, match=message):
        check_mail(address)
