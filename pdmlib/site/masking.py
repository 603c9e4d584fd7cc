"""Hides in a stranger's text what may name a person or open a door, before it is kept, shown or sent.

The one place that does. Frames mask every column of prose when they are made; what never becomes a frame, such as
a vendor's refusal, is masked where it is read.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

SHOWN = 60  # characters of a stranger's value: enough to recognise it, short enough for one line of a table
_WHOLE = 10_000  # characters that are looked at; the rest is cut before
# A piece of a secret as long as this is hidden: vendors repeat the beginning or the end of a key that they refuse.
# A shorter secret is hidden where it stands whole, and one of a few letters not at all: it would be any word.
PIECE, FEWEST = 8, 4
HIDDEN = "***"

# What a key of a known kind looks like: its beginning, and more with a digit in it.
KEYS = re.compile(
    r"\b(?:(?:[srp]k_(?:live|test)|rk|re|sbp|sb_secret|sntr[yus]+|whsec|gh[pousr])_"
    r"|xox[abp]-|AKIA|SK(?=[0-9a-f]{32}\b)|(?:Bearer|Basic)[ _])"
    r"(?=\S*\d)[\w+/=.-]{8,}"
)
_WORD = "token|key|secret|passw(?:or)?d|pwd|sig(?:nature)?|auth|code|session|jwt|credential"
_LETTER = r"[^\s<>@,;:\"'()\[\]{}/?&=]"  # of an e-mail address
_secrets: set[str] = set()
_pieces: set[str] = set()


def keep_secret(value: str) -> None:
    """Hides a secret from now on, in each form in which it could come back, and of an address what opens it."""
    for secret in _opening(value):
        for form in _forms(secret):
            if len(form) > PIECE:
                _pieces.update(form[n : n + PIECE] for n in range(len(form) - PIECE + 1))
            elif len(form) >= FEWEST:
                _secrets.add(form)


def _opening(value: str) -> Iterator[str]:
    """What of a secret is secret: of an address the password, a DSN's key, the query and a webhook's path."""
    parts = urlsplit(value) if "://" in value else None
    if parts is None:
        yield value
        return
    yield from (parts.password or parts.username or "", *(word for _, word in parse_qsl(parts.query)))
    if parts.scheme.startswith("http"):
        yield from (word for word in parts.path.split("/") if len(word) >= PIECE)


def _forms(secret: str) -> set[str]:
    plain = unquote(secret)
    coded = {quote(plain, safe=""), quote_plus(plain), quote(plain)}
    return {
        secret,
        plain,
        *coded,
        *(re.sub("%..", lambda m: m[0].lower(), form) for form in coded),
        json.dumps(plain)[1:-1],
        base64.b64encode(plain.encode(errors="replace")).decode().rstrip("="),
    }


def without_secrets(text: str) -> str:
    """A text without the secrets of this process, or any longer piece of one."""
    for secret in _secrets:
        text = text.replace(secret, HIDDEN)
    if not _pieces:
        return text
    hidden = [False] * len(text)
    for start in range(len(text) - PIECE + 1):
        if text[start : start + PIECE] in _pieces:
            hidden[start : start + PIECE] = [True] * PIECE
    if True not in hidden:
        return text
    marked = "".join("\0" if is_hidden else letter for letter, is_hidden in zip(text, hidden, strict=True))
    return re.sub("\0+", HIDDEN, marked)


# In this order: what contains another comes first. A value of a kind is replaced whole by the name of its kind.
# These are told from all else by their form alone, so that they are hidden in names, too.
_CERTAIN = (
    # An address that carries a user and a password (RFC 3986, 3.2.1). The longest scheme that is registered has 36
    # letters; without a bound a long word of dots would be read again from each of them.
    ("(address)", re.compile(r"\b[a-z][a-z0-9+.-]{0,39}://[^\s/@]+@\S+", re.IGNORECASE)),
    # Its parts are as long as they may be (RFC 5321, 4.5.3.1), so that no long word is read again and again. The
    # last part of a host is never all numbers (RFC 3696, 2): `shop@1.2.3` is a release.
    ("(e-mail)", re.compile(rf"(?<!{_LETTER}){_LETTER}{{1,64}}@{_LETTER}{{1,255}}\.[^\W\d]\w+")),
    # A parameter of an address whose name says that it opens something.
    (r"\1(hidden)", re.compile(rf"([?&;#][\w.-]*(?:{_WORD})[\w.-]*=)[^&\s#]+", re.IGNORECASE)),
    ("(token)", KEYS),
    # A postal address as English writes it: a number, one to three names, and what kind of way it is.
    (
        "(postal address)",
        re.compile(
            r"\b\d{1,5} (?:[A-Z][\w'.-]* ){1,3}"
            r"(?:Street|St|Avenue|Ave|Road|Rd|Lane|Ln|Drive|Dr|Boulevard|Blvd|Court|Ct|Way|Place|Square)\b\.?"
        ),
    ),
    # A telephone number has 7 to 15 digits (ITU-T E.164), and a plus where it is written in full.
    ("(phone)", re.compile(r"(?<![\w.:-])\+\d[\d ().-]{5,18}\d(?![\w:-])")),
)
_KINDS = (
    # A JSON Web Token begins with base64 of `{"` (RFC 7519).
    ("(token)", re.compile(r"\beyJ[\w-]{5,}(?:\.[\w-]*){0,2}")),
    *_CERTAIN,
    # A long run of letters and digits with both.
    ("(token)", re.compile(r"\b(?=[\w+/=]*\d)(?=[\w+/=]*[A-Za-z])(?![0-9a-f]{8}-)[\w+/=]{24,}")),
    # A UUID names a row, and perhaps a person: its beginning is enough to find it.
    (r"\1-(..)", re.compile(r"\b([0-9a-fA-F]{8})-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")),
    ("(IP address)", re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9a-fA-F]{1,4}:){4,7}[0-9a-fA-F]{1,4}\b")),
    # A telephone number without + has a separator, or ten digits at least.
    (
        "(phone)",
        re.compile(r"(?<![\w.:-])(?:\(?\d{2,5}\)?[ .-]\d{2,5}[ .-]\d{3,6}|0?\d{10,15})(?![\w:-])"),
    ),
)
# What a text must hold for a kind that is certain: most names are looked at no further.
_SIGN = re.compile(r"[@?&;#+]|_(?=live|test)|\bSK|\b[rR]e_|AKIA|Bearer|\d [A-Z]|xox|sbp_|sntr|whsec|gh[pousr]_")


def printable(text: str) -> str:
    """A text with a space for each character that cannot be printed; most have none."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def masked(value: object, limit: int = SHOWN) -> str:
    """A stranger's value as one bounded, printable line without what names a person or opens a door."""
    text = printable(without_secrets(str(value)[:_WHOLE]))
    for name, pattern in _KINDS:
        text = pattern.sub(name, text)
    text = " ".join(text.split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def named(text: str) -> str:
    """A stranger's name of something, such as a path or a code, without what surely names a person or is a key."""
    if not (_SIGN.search(text) or _pieces or _secrets):
        return text
    text = without_secrets(text)
    for name, pattern in _CERTAIN:
        text = pattern.sub(name, text)
    return text
