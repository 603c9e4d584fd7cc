"""What a vendor may answer beside the usual: all that its specification allows, and what its next version may.

Drawn from the tables of what is read of each vendor, so that whatever is read is varied. Which field of an object
is, and how, follows from the object and the hour of the clock alone: one that is asked for twice is the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from zlib import crc32

from pdmlib.demo.exchange import Call, Reply
from pdmlib.demo.scenarios import ALLOWED, LATER
from pdmlib.frames.understanding import Kind
from pdmlib.sources.fields import Answer, Rule
from pdmlib.sources.specifications import resend, sentry, stripe, supabase, twilio, vercel

_ASKED: Mapping[str, tuple[type[Answer], ...]] = {
    "sentry": sentry.ASKED,
    # How a list goes on is left alone: an answer that says so is no other one.
    "vercel": tuple(model for model in vercel.ASKED if model is not vercel.Page),
    "supabase": supabase.ASKED,
    "stripe": stripe.ASKED,
    "twilio": twilio.ASKED,
    "resend": resend.ASKED,
}
_EVERY = 4  # one field in so many is varied, so that most of each object stays what it was
_EMPTY = (
    11  # one answer in so many is a list of nothing; no list of words is as long, so that they meet in all ways
)
_MORE = {"field_of_the_next_version": {"since": None, "parts": [1, "two"]}}
_WORD = "a_word_of_the_next_version"


def varied(vendor: str, call: Call, reply: Reply, how: str, turn: int) -> Reply:
    """A vendor's reply with some of its fields changed.

    Args:
        how: ALLOWED, by the specification, or LATER, also by one that nobody knows yet.
        turn: the hour; what varies is another from one to the next.
    """
    if not isinstance(reply.body, str):
        return replace(reply, body=_body(vendor, call, reply.body, how=how, turn=turn))
    if reply.content_type.startswith("text/"):
        return replace(reply, body=_scrape(reply.body, how, turn))
    lines = [_body(vendor, call, json.loads(line), how=how, turn=turn) for line in reply.body.splitlines()]
    return replace(reply, body="".join(json.dumps(line) + "\n" for line in lines))


def _body(vendor: str, call: Call, body: Any, how: str, turn: int) -> Any:
    if (crc32(f"{call.path} {sorted(call.query.items())}".encode()) + turn) % _EMPTY == 0 and not _goes_on(body):
        body = [] if isinstance(body, list) else {k: [] if isinstance(v, list) else v for k, v in body.items()}
    return _changed(body, [model for model in _ASKED[vendor] if _asks(model, call)], how, turn)


def _goes_on(body: Any) -> bool:
    """Whether a list tells of a next page, which an empty one cannot lead to."""
    if isinstance(body, list):
        return False
    pages = body.get("pagination") or body.get("meta") or {}
    return bool(
        body.get("has_more") or body.get("next_page_uri") or pages.get("next") or pages.get("next_page_url")
    )


def _asks(model: type[Answer], call: Call) -> bool:
    """Whether a call is the one that a table of fields is about."""
    _, address, *query = model.request.split()
    path = re.sub(r"^https://[^/]+|\?.*", "", address)
    pattern = "[^/]+".join(re.escape(part) for part in re.split(r"\{\w+\}", path))
    wanted = [pair.partition("=") for pair in query]
    return bool(re.search(f"{pattern}$", call.path)) and all(call.one(name) == value for name, _, value in wanted)


def _changed(value: Any, models: list[type[Answer]], how: str, turn: int) -> Any:
    """Every object of an answer that is one of the tables', and those in it, with some of their fields changed."""
    if isinstance(value, list):
        return [_changed(one, models, how, turn) for one in value]
    if not isinstance(value, dict):
        return value
    inner = {name: _changed(one, models, how, turn) for name, one in value.items()}
    for model in models:
        inner |= dict(_fields(model, value, how, turn))
    return inner | _MORE


def _fields(model: type[Answer], value: Mapping[str, Any], how: str, turn: int) -> Iterator[tuple[str, Any]]:
    """The changed fields of an object; none where it is not one of the table's."""
    known = [(_name(rule.name, value), rule) for rule in model.rules.values()]
    names = {name for name, rule in known if not rule.null}
    if not (names or {name for name, _ in known} & value.keys()) or names - value.keys():
        return
    named = next((value.get(name) for name, rule in known if rule.form in (Kind.TEXT, Kind.TIME)), None)
    who = crc32(f"{model.item} {named}".encode())
    for place, (name, rule) in enumerate(known):
        left_out = name not in value and (not rule.null or rule.form is not Kind.WORD)
        options = [] if left_out else list(_options(rule, value.get(name), how))
        if options and (who + place + turn) % _EVERY == 0:
            yield name, options[(who // _EVERY + turn // _EVERY) % len(options)]


def _name(theirs: str, value: Mapping[str, Any]) -> str:
    """A field's name in an object: in those of the metrics query that of the metric and what is made of it."""
    found = (name for name in value if name.startswith("vercel_"))
    return next(found, theirs) if theirs == "value" else theirs


def _options(rule: Rule, usual: Any, how: str) -> Iterator[Any]:
    """What a field may hold instead of the usual; a text is an id or anything at all, and stays."""
    if rule.form is Kind.WORD:
        yield from rule.kind.split()
    if rule.form is Kind.FLAG:
        yield from (True, False)
    if rule.null:
        yield None
    if how == LATER and rule.form is not Kind.TEXT:
        yield from (_WORD, [usual], {"value": usual})


def _scrape(text: str, how: str, turn: int) -> str:
    """Metrics of which one in so many is not known, and in a next version no number that can be."""
    values = ("NaN",) if how == ALLOWED else ("NaN", "+Inf", "-1", _WORD)
    lines = []
    for place, line in enumerate(text.splitlines()):
        name, _, _ = line.rpartition(" ")
        change = (place + turn) % (2 * _EVERY) == 0 and not line.startswith("#")
        lines.append(f"{name} {values[(place + turn) // _EVERY % len(values)]}" if change else line)
    return "\n".join([*lines, "# TYPE metric_of_the_next_version gauge", "metric_of_the_next_version 1", ""])
