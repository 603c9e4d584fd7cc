"""Hides in a stranger's text what may name a person or open a door, before it reaches a terminal."""

from __future__ import annotations

import re

SHOWN = 60  # characters of a stranger's value: enough to recognise it, short enough for one line of a table
_WHOLE = 10_000  # characters that are looked at; the rest is cut before

# In this order: what contains another comes first. A value of a kind is replaced whole by the name of its kind.
_KINDS = (
    # A JSON Web Token begins with base64 of `{"` (RFC 7519).
    ("(token)", re.compile(r"\beyJ[\w-]{5,}(?:\.[\w-]*){0,2}")),
    # An address that carries a user and a password (RFC 3986, 3.2.1).
    ("(address)", re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s/@]+@\S+", re.IGNORECASE)),
    ("(e-mail)", re.compile(r"[^\s<>@,;:\"'()]+@[^\s<>@,;:\"'()]+\.\w+")),
    # Keys: a known beginning and more, or a long run of letters and digits with both.
    (
        "(token)",
        re.compile(
            r"\b(?:(?:[srp]k_(?:live|test)|re|sbp|sb_secret|sntr[yus]+|whsec|gh[pousr])_"
            r"|xox[abp]-|AKIA|(?:Bearer|Basic) )"
            r"(?=\S*\d)[\w+/=.-]{8,}"
        ),
    ),
    ("(token)", re.compile(r"\b(?=[\w+/=]*\d)(?=[\w+/=]*[A-Za-z])(?![0-9a-f]{8}-)[\w+/=]{24,}")),
    # A UUID names a row, and perhaps a person: its beginning is enough to find it.
    (r"\1-(..)", re.compile(r"\b([0-9a-fA-F]{8})-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")),
    ("(IP address)", re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9a-fA-F]{1,4}:){4,7}[0-9a-fA-F]{1,4}\b")),
    # A telephone number has 7 to 15 digits (ITU-T E.164); one without + has a separator, or ten digits at least.
    (
        "(phone)",
        re.compile(
            r"(?<![\w.:-])(?:\+\d[\d ().-]{5,18}\d|\(?\d{2,5}\)?[ .-]\d{2,5}[ .-]\d{3,6}|0?\d{10,15})(?![\w:-])"
        ),
    ),
)


def masked(value: object, limit: int = SHOWN) -> str:
    """A stranger's value as one bounded, printable line without e-mail addresses, phone numbers or keys."""
    text = "".join(c if c.isprintable() else " " for c in str(value)[:_WHOLE])
    for name, pattern in _KINDS:
        text = pattern.sub(name, text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"
