"""The decision card as one mail, by the mail server that the environment names."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Mapping
from email.message import EmailMessage
from typing import Any

from pdmlib.errors import CallError, SourceError
from pdmlib.report import html
from pdmlib.report.card import lines
from pdmlib.report.words import one_line
from pdmlib.site.environment import environment_value

# The variables that mail programs and containers commonly take; only the host is required.
HOST, PORT, USER, PASSWORD, SENDER, SECURITY = (
    f"SMTP_{name}" for name in ("HOST", "PORT", "USER", "PASSWORD", "FROM", "SECURITY")
)
SECURITIES = ("starttls", "tls", "none")
PORTS = {"starttls": 587, "tls": 465, "none": 25}  # RFC 6409, RFC 8314, RFC 5321
SECONDS = 20.0
SUBJECT = 150  # characters; programs show fewer


def check_mail(address: str) -> None:
    """Fails where no mail could be sent, before any source is asked.

    Raises:
        CallError: names the variable and what is allowed.
    """
    if "@" not in address.strip("@") or len(address.split()) != 1:
        raise CallError(f"--mail-to: {address!r} is not an address such as team@example.com")
    if environment_value(HOST) is None:
        raise CallError(f"--mail-to: set the environment variable {HOST} to the mail server's name")
    if _security() not in SECURITIES:
        raise CallError(f"--mail-to: {SECURITY} must be one of {', '.join(SECURITIES)}")
    if not (environment_value(PORT) or "1").isdigit():
        raise CallError(f"--mail-to: {PORT} must be a number")


def send(address: str, content: Mapping[str, Any]) -> None:
    """Sends the card of a `report.json` as HTML and as plain text.

    Raises:
        SourceError: the mail was not taken; no part of the password is in it.
    """
    message = mail_of(address, content)
    security, host = _security(), environment_value(HOST) or ""
    port = int(environment_value(PORT) or PORTS[security])
    try:
        with _server(security, host, port) as server:
            if security == "starttls":
                server.starttls(context=ssl.create_default_context())
            user = environment_value(USER)
            if user is not None:
                server.login(user, environment_value(PASSWORD) or "")
            server.send_message(message)
    except (OSError, smtplib.SMTPException) as error:
        raise SourceError("mail", f"not sent by {host}:{port}: {type(error).__name__}") from None


def mail_of(address: str, content: Mapping[str, Any]) -> EmailMessage:
    """The mail: its subject is the card's sentence."""
    card, title = content["card"], f"{content.get('title', content['site'])}, {content['phase']}"
    message = EmailMessage()
    message["Subject"] = one_line(f"{title}: {card['sentence']}", SUBJECT)
    message["From"] = environment_value(SENDER) or address
    message["To"] = address
    message.set_content("\n".join(lines(card)) + "\n")
    page = f'<!DOCTYPE html><html lang="en"><body>{html.mail(card, title).html}</body></html>'
    message.add_alternative(page, subtype="html")
    return message


def _security() -> str:
    return (environment_value(SECURITY) or "starttls").lower()


def _server(security: str, host: str, port: int) -> smtplib.SMTP:
    if security == "tls":
        return smtplib.SMTP_SSL(host, port, timeout=SECONDS, context=ssl.create_default_context())
    return smtplib.SMTP(host, port, timeout=SECONDS)
