"""What an answer of the application says: that it is up, degraded or down, or something not understood.

The words of a body are those of the IETF's draft health+json (pass, warn, fail and their aliases ok, up, error,
down), of Spring Boot (UP, DOWN, OUT_OF_SERVICE) and of ASP.NET Core (Healthy, Degraded, Unhealthy).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pdmlib.frames.understanding import Unclear, Vocabulary, mend_line
from pdmlib.site.terms import word
from pdmlib.site.vendors import Expect
from pdmlib.sources.http import told

WORDS = Vocabulary(
    {
        "up": ("up", "ok", "healthy", "operational", "pass"),
        "degraded": ("degraded", "warn", "warning"),
        "down": ("down", "unhealthy", "fail", "error", "out_of_service"),
    }
)
SWITCHES = ("ok", "healthy")  # keys of a JSON body whose true or false says all
TOKENS = (401, 403)  # RFC 9110: the credentials of the one who asks are missing or do not suffice
MOST_COMPONENTS = 50
MOST_MS = 86_400_000  # a day: no check of a component takes longer


@dataclass(frozen=True)
class Shot:
    """What one request brought: a status code and a body, or the error in words.

    Attributes:
        at: when it was made, by a steady clock in whole seconds.
    """

    code: int | None
    body: bytes
    ms: float
    error: str | None = None
    at: int = 0

    @property
    def text(self) -> str:
        """The body as text on one line."""
        return " ".join(self.body.decode("utf-8", errors="replace").split())


@dataclass(frozen=True)
class Endpoint:
    """One path that is asked: as a health check or as a page, and what the site file expects there.

    Attributes:
    """

    path: str
    health: bool
    expected: Expect | None = None

    @property
    def item(self) -> str:
        """How it is called in what was not understood."""
        return f"app.{self.path}"


Judged = tuple[str | None, str | None]
"""up, degraded, down or None for what is not understood, and what to say of it."""


def judged(endpoint: Endpoint, shot: Shot, unclear: Unclear) -> Judged:
    """What an answer says. A 2xx is up unless a body that is understood says otherwise."""
    if shot.code is None:
        return "down", shot.error
    said = _word(shot) if endpoint.health or endpoint.expected else None
    if endpoint.expected:
        return _as_expected(endpoint, endpoint.expected, shot, said=said, unclear=unclear)
    if shot.code in TOKENS:
        return None, _token(endpoint, shot, unclear)
    if not endpoint.health:
        return _page(endpoint, shot, unclear)
    meaning = WORDS.of(said)
    detail = told(f"HTTP {shot.code}, {said}" if said is not None else f"HTTP {shot.code}")
    if meaning == "down" or (meaning == "degraded" and shot.code in (200, 503)):
        return meaning, detail
    if shot.code >= 500:
        return "down", detail
    if 200 <= shot.code < 300:
        return "up", _unknown_word(endpoint, said, unclear) if said is not None and meaning is None else None
    return None, _code(endpoint, shot, unclear)


def _page(endpoint: Endpoint, shot: Shot, unclear: Unclear) -> Judged:
    code = shot.code or 0
    if code < 400:
        return "up", None
    return ("down", f"HTTP {code}") if code >= 500 else (None, _code(endpoint, shot, unclear))


def _as_expected(endpoint: Endpoint, expected: Expect, shot: Shot, said: str | None, unclear: Unclear) -> Judged:
    if _met(expected, shot):
        return "up", None
    if shot.code in TOKENS:
        return None, _token(endpoint, shot, unclear)
    detail = told(f"HTTP {shot.code}, {said or shot.text[:40]}, and not as the site file expects")
    return ("degraded" if WORDS.of(said) == "degraded" and shot.code in (200, 503) else "down"), detail


def _met(expected: Expect, shot: Shot) -> bool:
    code = shot.code or 0
    if code not in expected.status if expected.status else not 200 <= code < 300:
        return False
    if expected.text is not None and " ".join(expected.text.split()).casefold() not in shot.text.casefold():
        return False
    return not expected.body or _holds(_parsed(shot.body), expected.body)


def _holds(found: Any, expected: Any) -> bool:
    """Whether a JSON value is one that is expected: of an object the keys named, of a list any of its values."""
    if isinstance(expected, Mapping):
        return isinstance(found, dict) and all(k in found and _holds(found[k], v) for k, v in expected.items())
    if isinstance(expected, list):
        return any(_holds(found, one) for one in expected)
    return word(found) == word(expected)


def _token(endpoint: Endpoint, shot: Shot, unclear: Unclear) -> str:
    text = f"HTTP {shot.code}, needs a token"
    mend = mend_line("sources", "app", "headers_env", value={"Authorization": "NAME_OF_A_VARIABLE"})
    unclear.note(endpoint.item, "needs a token", f"HTTP {shot.code}", mend=mend)
    return text


def _code(endpoint: Endpoint, shot: Shot, unclear: Unclear) -> str:
    unclear.note(
        endpoint.item, "unknown answer", f"HTTP {shot.code}", mend=_expect(endpoint, {"status": [shot.code]})
    )
    return f"HTTP {shot.code}, and the site file does not say what that means"


def _unknown_word(endpoint: Endpoint, said: str, unclear: Unclear) -> str:
    mend = _expect(endpoint, {"json": {"status": said}})
    unclear.note(endpoint.item, "unknown word", told(said), taken_for="up", mend=told(mend))
    return told(f"not understood: {said}")


def _expect(endpoint: Endpoint, what: Mapping[str, Any]) -> str:
    return mend_line("sources", "app", "expect", value={endpoint.path: what})


def _word(shot: Shot) -> str | None:
    """The word by which a body says how it is: its `status`, a switch such as `ok: true`, or the text itself."""
    body = said_in(shot.body)
    if not body:
        text = shot.text
        return text if WORDS.of(text) else None
    if isinstance(body.get("status"), str):
        return str(body["status"])
    return next(("up" if body[key] else "down" for key in SWITCHES if isinstance(body.get(key), bool)), None)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def said_in(body: bytes) -> Mapping[str, Any]:
    """The JSON object of a health endpoint, its `data` where it is wrapped; empty when there is none."""
    found = _parsed(body)
    if isinstance(found, dict) and "status" not in found and isinstance(found.get("data"), dict):
        found = found["data"]
    return found if isinstance(found, dict) else {}


def components(endpoint: Endpoint, shot: Shot, at: datetime, unclear: Unclear) -> list[dict[str, Any]]:
    """Rows of `health_checks`: the components that a health endpoint names."""
    if not endpoint.health:
        return []
    body = said_in(shot.body)
    found: dict[str, Any] = next(
        (body[key] for key in ("checks", "components") if isinstance(body.get(key), dict)), {}
    )
    return [
        _component(endpoint, str(n), entry, at=at, unclear=unclear)
        for n, entry in list(found.items())[:MOST_COMPONENTS]
    ]


def _component(endpoint: Endpoint, name: str, entry: Any, at: datetime, unclear: Unclear) -> dict[str, Any]:
    if isinstance(entry, list) and entry and isinstance(entry[0], dict):
        entry = entry[0]  # the draft health+json has a list of one entry a node
    entry = entry if isinstance(entry, dict) else {"status": entry}
    details, said = entry.get("details"), entry.get("error") or entry.get("message")
    item = f"{endpoint.item}.{told(name)}"
    usage = details.get("usagePercentage") if isinstance(details, dict) else None
    return {
        "target": endpoint.path,
        "component": told(name),
        "checked_at": at,
        "status": _component_status(item, entry.get("status"), unclear),
        "response_ms": unclear.number(f"{item}.responseTime", entry.get("responseTime"), 0, MOST_MS),
        "value": unclear.number(f"{item}.usagePercentage", usage, 0, 100),
        "detail": told(said) if isinstance(said, str) else None,
    }


def _component_status(item: str, said: Any, unclear: Unclear) -> str | None:
    if isinstance(said, bool):
        return "up" if said else "down"
    meaning = WORDS.of(said)
    if said is not None and meaning is None:
        unclear.note(item, "unknown word", told(str(said)))
    return meaning
