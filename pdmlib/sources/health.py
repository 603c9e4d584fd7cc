"""What an answer of the application says: that it is up, degraded or down, or something not understood.

The words of a body are those of the IETF's draft health+json (pass, warn, fail and their aliases ok, up, error,
down), of Spring Boot (UP, DOWN, OUT_OF_SERVICE), of ASP.NET Core (Healthy, Degraded, Unhealthy) and of
spatie/laravel-health (ok, warning, failed, crashed), which answers 200 whatever its checks found. Kubernetes'
`/livez?verbose` has a line a check, django-health-check a sentence. Keys are compared without case: those that
ASP.NET Core writes of an object of its own begin with capitals.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pdmlib.frames.understanding import Unclear, Vocabulary, mend_line, mend_words
from pdmlib.site.terms import word
from pdmlib.site.vendors import Expect
from pdmlib.sources.http import told

USUAL = {
    "up": ("up", "ok", "healthy", "operational", "pass"),
    "degraded": ("degraded", "warn", "warning"),
    "down": ("down", "unhealthy", "fail", "error", "out_of_service", "failed", "crashed"),
}
WORDS = Vocabulary(USUAL)
# Keys of a JSON body whose true or false says all; `status` may be such a switch, too.
SWITCHES = ("ok", "healthy", "success", "up", "alive", "ready")
PARTS = ("checks", "components", "entries", "services", "dependencies")
# What a part of a list is called by.
NAMES = ("name", "component")
# Keys that hold something only when something is wrong, and the words that say that it is nothing.
FAULTS = ("error", "errors", "exception")
NOTHING = ("", "-", "none", "null", "n/a", "no error", "no errors")
# Keys of a part whose word tells how it is; a word of another key, such as a level of logging, tells nothing.
STATES = ("status", "state", "health", "result", "overall")
_SIGN_OF_FAULT = re.compile(
    r"\b(?:not (?:ok|ready|healthy|available)|down|fail(?:ed|ure|ing)?|errors?|unhealthy|unavailable"
    r"|out of service)\b",
    re.IGNORECASE,
)
# A page at a health path that is no health check: of an error, or one that asks for a password.
# The page of a server that nobody has set up is in the application's place, too (nginx, Apache, IIS), and one that
# says that it is being maintained.
_OTHER_PAGE = re.compile(
    r"<title>[^<]*\b(?:[45]\d\d|error|not found|log ?in|sign ?in)\b|type=.?password"
    r"|<(?:title|h[1-3])\b[^>]*>[^<]*\b(?:welcome to nginx|default page|it works!|iis windows server"
    r"|unavailable|maintenance|wartung|wartungsarbeiten|mantenimiento|manutenzione)",
    re.IGNORECASE,
)
# What ended a program, as Python and PHP print it, which may do so into an answer of 200.
_TRACE = re.compile(r"Traceback \(most recent call last\):|\bFatal error\b|\bStack trace:")
_CHECK_LINE = re.compile(r"^\[([+-])\](\S+) (?:ok|excluded: ok|failed\b.*)$", re.MULTILINE)
_DJANGO = re.compile(r"(working)|(warning): .*|(?:unavailable|unexpected result|unknown error): .*", re.DOTALL)
_NO_TEXT = {"\0", "\ufffd"}  # what is in bytes that are no UTF-8, once they are read as if they were
_TAG = re.compile(r"<[^>]*>?")  # what a page is made of, and no word of it
_HTML = re.compile(r"<(?:!doctype html|html|head|body)\b", re.IGNORECASE)
SHORT = 200  # characters: a longer text is a page, and its words say nothing of the application
DEEPEST = 4  # levels of a body that are looked at: health formats have three
TOKENS = (401, 403)  # RFC 9110: the credentials of the one who asks are missing or do not suffice
NOT_THERE = (404, 405, 410)  # RFC 9110: nothing there, nothing there that can be read, nothing there any more
MOST_COMPONENTS = 50
MOST_MS = 86_400_000  # a day: no check of a component takes longer


@dataclass(frozen=True)
class Shot:
    """What one request brought: a status code and a body, or the error in words.

    Attributes:
        at: when it was made, by a steady clock in whole seconds.
        path: the path that answered in the end, where a redirect led to another.
        stopped: the header by which a firewall says that it answered in the application's place.
        unread: why the body is not the whole of what was sent, or none of it.
    """

    code: int | None
    body: bytes
    ms: float
    error: str | None = None
    at: int = 0
    path: str | None = None
    stopped: str | None = None
    unread: str | None = None

    @property
    def text(self) -> str:
        """The body as text on one line."""
        return " ".join(self.body.decode("utf-8", errors="replace").split())


@dataclass(frozen=True)
class Endpoint:
    """One path that is asked: as a health check or as a page, and what the site file expects there.

    Attributes:
        words: what the words of its body mean.
    """

    path: str
    health: bool
    expected: Expect | None = None
    words: Vocabulary = WORDS

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
    if shot.stopped:
        return None, _stopped(endpoint, shot.stopped, unclear)
    said = said_by(shot, endpoint.words) if endpoint.health or endpoint.expected else Said()
    if endpoint.expected:
        return _as_expected(endpoint, endpoint.expected, shot, said=said, unclear=unclear)
    if shot.code in TOKENS:
        return None, _token(endpoint, f"HTTP {shot.code}", unclear)
    if not endpoint.health:
        return _page(endpoint, shot, unclear)
    if shot.path is not None and shot.code < 400:
        return None, _token(endpoint, f"redirected to {told(shot.path)}", unclear)
    detail = told(f"HTTP {shot.code}, {said.text}" if said.text else f"HTTP {shot.code}")
    if said.meaning == "down" or (said.meaning == "degraded" and shot.code in (200, 503)):
        return said.meaning, detail
    if shot.code >= 500:
        return "down", detail
    if 200 <= shot.code < 300:
        return "up", _not_understood(endpoint, said, unclear) if said.text and said.meaning is None else None
    return None, _code(endpoint, shot, unclear)


def _page(endpoint: Endpoint, shot: Shot, unclear: Unclear) -> Judged:
    code = shot.code or 0
    if code < 400:
        return "up", None
    return ("down", f"HTTP {code}") if code >= 500 else (None, _code(endpoint, shot, unclear))


def _as_expected(endpoint: Endpoint, expected: Expect, shot: Shot, said: Said, unclear: Unclear) -> Judged:
    if _met(expected, shot):
        return "up", None
    if shot.code in TOKENS:
        return None, _token(endpoint, f"HTTP {shot.code}", unclear)
    detail = told(f"HTTP {shot.code}, {said.text or shot.text[:40]}, and not as the site file expects")
    return ("degraded" if said.meaning == "degraded" and shot.code in (200, 503) else "down"), detail


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


def _token(endpoint: Endpoint, seen: str, unclear: Unclear) -> str:
    mend = mend_line("sources", "app", "headers_env", value={"Authorization": "NAME_OF_A_VARIABLE"})
    unclear.note(endpoint.item, "needs a token", seen, mend=mend)
    return f"{seen}, needs a token"


def _stopped(endpoint: Endpoint, seen: str, unclear: Unclear) -> str:
    """A firewall stood in the way: nothing is known of the application behind it."""
    line = mend_line("sources", "app", "headers_env", value={"X-Monitor-Key": "NAME_OF_A_VARIABLE"})
    mend = f"{line}  # a header that a rule of the firewall lets through; or let this address through there"
    unclear.note(endpoint.item, "stopped on its way", seen, mend=mend)
    return f"stopped by a firewall ({told(seen)})"


def _code(endpoint: Endpoint, shot: Shot, unclear: Unclear) -> str:
    mend, why = _expect(endpoint, {"status": [shot.code]}), "and the site file does not say what that means"
    if shot.code in NOT_THERE:
        mend += f"; else name the right path in place of {endpoint.path} in sources.app"
        why = "as a path that is not there: does the site file name the right one?"
    unclear.note(endpoint.item, "unknown answer", f"HTTP {shot.code}", mend=mend)
    return f"HTTP {shot.code}, {why}"


def _not_understood(endpoint: Endpoint, said: Said, unclear: Unclear) -> str:
    text = told(said.text)
    mend = _expect(endpoint, {"text": "what it holds when all is well"})
    if said.word:
        mend = mend_words("sources", "app", ours=endpoint.words.ours, theirs=text)
    unclear.note(endpoint.item, "unknown word" if said.word else "unknown answer", text, taken_for="up", mend=mend)
    return f"not understood: {text}"


def _expect(endpoint: Endpoint, what: Mapping[str, Any]) -> str:
    """The line that declares what up looks like; that the answer of now is it nobody here can know."""
    line = mend_line("sources", "app", "expect", value={endpoint.path: what})
    return f"{line}  # only if that is the answer when all is well"


@dataclass(frozen=True)
class Said:
    """What a body says: a meaning that is understood, or a text that is not; neither where it says nothing.

    Attributes:
        word: the text is a word that the site file could explain.
    """

    meaning: str | None = None
    text: str = ""
    word: bool = False


def said_by(shot: Shot, words: Vocabulary) -> Said:
    """What a body says of the application: by its `status`, a switch such as `ok: true`, its parts, its text."""
    if shot.unread and not _HTML.search(shot.text):
        return Said(text=shot.unread)
    found = _parsed(shot.body)
    lines = [line[0] for line in _CHECK_LINE.finditer(_decoded(shot.body))] if found is _NO_JSON else []
    if lines:
        failed = [line for line in lines if line.startswith("[-]")]
        return Said("degraded" if failed else "up", "; ".join(failed or lines))
    if sentences := _sentences(found):
        bad = [name for name, state in sentences.items() if state != "up"]
        return Said("degraded" if bad else "up", "; ".join(f"{name}: {found[name]}" for name in bad))
    if found is _NO_JSON or isinstance(found, str):
        return _of_text(found if isinstance(found, str) else shot.text, words)
    if isinstance(found, int | float) and not isinstance(found, bool):
        return Said(text=shot.text)
    body = said_in(shot.body)
    key = next((key for key in ("status", *SWITCHES) if key in body), None)
    said = Said() if key is None else _of_value(body[key], key, words)
    faults = list(_faults(_unwrapped(found), words, known=said.meaning is not None))
    if said.meaning == "up" and faults:
        return Said("degraded", f"{said.text}, but {faults[0]}")
    if said.meaning or said.text:
        return said
    # A body of which no word is understood may as well say that all is lost, in words of its own.
    return (
        Said(text=faults[0])
        if faults
        else Said()
        if _says_well(_unwrapped(found), words)
        else Said(text=shot.text)
    )


def _of_value(value: Any, key: str, words: Vocabulary) -> Said:
    """What one value says: a word, a switch, or a number that is a status code."""
    if isinstance(value, bool):
        return Said("up" if value else "down", f"{key}: {str(value).lower()}")
    if isinstance(value, int) and 200 <= value <= 599:
        return Said("up" if value < 300 else "down" if value >= 500 else None, f"{key}: {value}")
    if isinstance(value, str):
        return Said(words.of(value), value, word=True)
    if isinstance(value, dict):
        return _of_indicator(value, words)
    return Said(text=f"{key}: {json.dumps(value)}")


def _of_indicator(status: Mapping[str, Any], words: Vocabulary) -> Said:
    """What a status that is an object says; Statuspage's `indicator` is `none` when nothing is wrong."""
    said = next(
        (status[key] for key in ("indicator", "status", "state") if isinstance(status.get(key), str)), None
    )
    if said is None or word(said) == "none":
        return Said() if said is None else Said("up", said)
    return Said(words.of(said), said, word=True)


def _of_text(text: str, words: Vocabulary) -> Said:
    """What a text says: all of it a word, or a sign that something is wrong in a short one."""
    if words.of(text):
        return Said(words.of(text), text, word=True)
    if trace := _TRACE.search(text):
        return Said(text=text[trace.start() :])
    if _HTML.search(text):
        other = _OTHER_PAGE.search(text)
        return Said(text=" ".join(_TAG.sub(" ", other[0]).split())) if other else Said()
    broken = text.startswith(("{", "[")) or not _NO_TEXT.isdisjoint(text)
    wrong = len(text) <= SHORT and _SIGN_OF_FAULT.search(text)
    return Said(text=text) if broken or wrong else Said()


def _faults(value: Any, words: Vocabulary, path: str = "", depth: int = 0, known: bool = True) -> Iterator[str]:
    """The signs in a JSON body that something is wrong: a part that is down or false, an error that is told.

    Where the body does not say how all is, a part that is degraded is such a sign, too.
    """
    if isinstance(value, list):
        value = {str(number): one for number, one in enumerate(value)}
    if isinstance(value, dict):
        # `debug: false` is a setting: a false tells of a part only among parts, or where all are true or false.
        parts = path.rpartition(".")[2].casefold() in PARTS or all(isinstance(one, bool) for one in value.values())
        for key, one in value.items() if depth < DEEPEST else ():
            at = f"{path}.{key}" if path else str(key)
            name = str(key).casefold()
            if (name in FAULTS and _is_something(one)) or (one is False and (parts or name in SWITCHES)):
                yield f"{at}: {json.dumps(one)[:SHORT]}"
            elif not known and name in STATES and isinstance(one, str) and words.of(one) == "degraded":
                yield f"{at}: {json.dumps(one)}"
            else:
                yield from _faults(one, words, at, depth + 1, known=known)
    elif isinstance(value, str) and words.of(value) == "down":
        yield f"{path}: {json.dumps(value)}"
    elif not path and not value:
        yield json.dumps(value)


def _says_well(value: Any, words: Vocabulary, path: str = "", depth: int = 0) -> bool:
    """Whether a JSON body says of anything that it is well: by a word, or by a part or a switch that is true."""
    if isinstance(value, list):
        value = {str(number): one for number, one in enumerate(value)}
    if not isinstance(value, dict):
        return words.of(value) == "up" if isinstance(value, str) else value is True and not path
    parts = path.rpartition(".")[2].casefold() in PARTS or all(isinstance(one, bool) for one in value.values())
    return any(
        (one is True and (parts or str(key).casefold() in SWITCHES))
        or (depth < DEEPEST and one is not True and _says_well(one, words, f"{path}.{key}", depth + 1))
        for key, one in value.items()
    )


def _is_something(fault: Any) -> bool:
    """Whether a value under a key of faults tells of one: not where all that it holds is empty, zero or "none"."""
    if isinstance(fault, dict | list):
        return any(_is_something(one) for one in (fault.values() if isinstance(fault, dict) else fault))
    return fault.strip().casefold() not in NOTHING if isinstance(fault, str) else bool(fault)


_NO_JSON = object()


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _NO_JSON


def said_in(body: bytes) -> Mapping[str, Any]:
    """A health endpoint's JSON object, by keys in small letters, its `data` where it is wrapped; else empty."""
    return _small(_unwrapped(_parsed(body)))


def _unwrapped(found: Any) -> Any:
    """A body of JSON, its `data` where it is an object that has no status beside it."""
    body = _small(found)
    return body["data"] if "status" not in body and isinstance(body.get("data"), dict) else found


def _small(entry: Any) -> Mapping[str, Any]:
    """A JSON object by its keys in small letters; empty where it is none."""
    return {str(key).casefold(): value for key, value in entry.items()} if isinstance(entry, dict) else {}


def _decoded(body: bytes) -> str:
    return body.decode("utf-8", errors="replace").replace("\r\n", "\n")


def parts_of(shot: Shot) -> Mapping[str, Any]:
    """The components that a body names, with what it says of each."""
    found, body = _parsed(shot.body), said_in(shot.body)
    if found is _NO_JSON:
        return {name: sign == "+" for sign, name in _CHECK_LINE.findall(_decoded(shot.body))}
    named = next((body[key] for key in PARTS if isinstance(body.get(key), dict)), None)
    return named or _listed([found, *body.values()]) or _nested(body.values()) or _sentences(found)


def _listed(values: Iterable[Any]) -> Mapping[str, Any]:
    """Components that are a list under whatever name: objects that each have a name and a status."""
    for value in values:
        entries = [_small(entry) for entry in value] if isinstance(value, list) else []
        called = [next((key for key in NAMES if key in entry and "status" in entry), "") for entry in entries]
        if entries and all(called):
            return {str(entry[key]): entry for key, entry in zip(called, entries, strict=True)}
    return {}


def _nested(values: Iterable[Any]) -> Mapping[str, Any]:
    """Components that are an object under whatever name, such as the `details` of NestJS: the largest of such."""
    objects = (value for value in values if isinstance(value, dict))
    named = (value for value in objects if value and all("status" in _small(entry) for entry in value.values()))
    return max(named, key=len, default={})


def _sentences(found: Any) -> Mapping[str, str]:
    """What django-health-check says of each of its plugins; empty where the body is not its own."""
    texts = found if isinstance(found, dict) and all(isinstance(text, str) for text in found.values()) else {}
    said = {name: _DJANGO.fullmatch(text) for name, text in texts.items()}
    if not all(said.values()):
        return {}
    return {name: ("up" if of[1] else "degraded" if of[2] else "down") for name, of in said.items() if of}


def components(endpoint: Endpoint, shot: Shot, at: datetime, unclear: Unclear) -> list[dict[str, Any]]:
    """Rows of `health_checks`: the components that a health endpoint names."""
    if not endpoint.health:
        return []
    found = parts_of(shot)
    return [
        _component(endpoint, str(n), entry, at=at, unclear=unclear)
        for n, entry in list(found.items())[:MOST_COMPONENTS]
    ]


def _component(endpoint: Endpoint, name: str, entry: Any, at: datetime, unclear: Unclear) -> dict[str, Any]:
    if isinstance(entry, list) and entry and isinstance(entry[0], dict):
        entry = entry[0]  # the draft health+json has a list of one entry a node
    entry = _small(entry) if isinstance(entry, dict) else {"status": entry}
    details, said = entry.get("details"), entry.get("error") or entry.get("message")
    item = f"{endpoint.item}.{told(name)}"
    usage = details.get("usagePercentage") if isinstance(details, dict) else None
    return {
        "target": endpoint.path,
        "component": told(name),
        "checked_at": at,
        "status": _component_status(endpoint, item, entry.get("status"), unclear),
        "response_ms": unclear.number(f"{item}.responseTime", entry.get("responsetime"), 0, MOST_MS),
        "value": unclear.number(f"{item}.usagePercentage", usage, 0, 100),
        "detail": told(said) if isinstance(said, str) else None,
    }


def _component_status(endpoint: Endpoint, item: str, said: Any, unclear: Unclear) -> str | None:
    if isinstance(said, bool):
        return "up" if said else "down"
    meaning = endpoint.words.of(said)
    if said is not None and meaning is None:
        text = told(str(said))
        mend = mend_words("sources", "app", ours=endpoint.words.ours, theirs=text)
        unclear.note(item, "unknown word", text, mend=mend)
    return meaning
