"""What a vendor answered, read field by field against what its specification says of each.

A model stands for one object of an answer and is the table of what is read of it: which request, which
specification, and of each field its type, its words, whether it may be null, and its meaning. A field that holds
something else becomes None and a row of `not_understood`; nothing of a stranger's raises, and the other fields
and the other objects are kept.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any, ClassVar, Self

from pdmlib.errors import SourceError
from pdmlib.frames.understanding import EARLIEST, Kind, Said, Unclear, Vocabulary, Word
from pdmlib.site.masking import masked
from pdmlib.site.terms import known_words
from pdmlib.sources.http import one_line, told, worded

# No vendor counts further, and float64 holds every whole number below 9e15 exactly.
MOST = 1e15
# A response time in ms: the longest function of any platform ends within hours, so that a week is no request.
LONGEST_MS = 7 * 86_400_000.0
EPOCHS = {"ms": 1000.0, "s": 1.0}
# Seconds to nanoseconds since 1970, of 2001 to 2103: no number is of those years in two of them.
COUNTED, FIRST_S, LAST_S = (1.0, 1e3, 1e6, 1e9), 1e9, 4.2e9
NESTED = (list, dict)
UTC_OR_NUMBER = "UTC, or a number since 1970"


@dataclass(frozen=True)
class Rule:
    """How one field is read.

    Attributes:
        name: what the vendor calls it.
        meaning: what it says.
        kind: type and words, as the documentation names them.
        form: what it holds; None: an object of its own.
        null: whether the specification allows null, or leaves the field out at times.
        needed: whether a reading rests on it, so that a null is counted although it is allowed.
    """

    name: str
    meaning: str
    kind: str
    form: Kind | None
    null: bool
    read: Callable[[Unclear, str, Any], Any]
    needed: bool = False


def word(name: str, meaning: str, words: str, null: bool = False) -> Any:
    """A field of one of the specification's words, separated by spaces here."""
    known = Vocabulary({each: [each] for each in words.split()})
    return Rule(
        name,
        meaning,
        words,
        Kind.WORD,
        null=null,
        read=lambda unclear, item, value: unclear.word(item, value, known),
    )


def number(
    name: str, meaning: str, high: float = MOST, low: float = 0.0, unit: str = "number", null: bool = False
) -> Any:
    """A field of a finite number from low to high, written as one or as text."""
    return Rule(
        name,
        meaning,
        unit,
        Kind.NUMBER,
        null=null,
        read=lambda unclear, item, value: unclear.number(item, value, low, high),
    )


def moment(name: str, meaning: str, unit: str = "ISO", null: bool = False, needed: bool = False) -> Any:
    """A field of a time: ISO text with a zone or in `UTC`, `RFC 2822`, or `ms` or `s` since 1970."""

    def read(unclear: Unclear, item: str, value: Any) -> datetime | None:
        if unit == UTC_OR_NUMBER:
            return unclear.moment(item, _since_1970(value) or _zoned(value, "UTC"))
        if unit in ("ISO", "UTC", "RFC 2822"):
            return unclear.moment(item, _zoned(value, unit))
        seconds = unclear.number(item, value, 0, LAST_S * EPOCHS[unit])  # so that `moment` judges it
        return (
            None if seconds is None else unclear.moment(item, datetime.fromtimestamp(seconds / EPOCHS[unit], UTC))
        )

    return Rule(name, meaning, f"time, {unit}", Kind.TIME, null=null, read=read, needed=needed)


def _since_1970(value: Any) -> datetime | None:
    """The time that a number counts, whose unit its size tells; None where it is no such number."""
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError, OverflowError):
        return None
    seconds = next((number / unit for unit in COUNTED if FIRST_S <= number / unit <= LAST_S), None)
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _zoned(value: Any, unit: str) -> datetime | str:
    """A text's time with its zone, UTC where such a text without one means that; as it is, where it is none."""
    if not isinstance(value, str) or unit == "ISO":
        return value if isinstance(value, str) else repr(value)
    try:
        found = parsedate_to_datetime(value) if unit == "RFC 2822" else datetime.fromisoformat(value)
    except (TypeError, ValueError, IndexError, OverflowError):
        return value
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found


def text(name: str, meaning: str, null: bool = False) -> Any:
    """A field of any text that says something, on one line and without what looks like a key."""

    def read(unclear: Unclear, item: str, value: Any) -> str | None:
        if isinstance(value, str) and value.strip():
            return value
        unclear.note(item, "not a text", _kind(value))
        return None

    return Rule(name, meaning, "text", Kind.TEXT, null=null, read=read)


def flag(name: str, meaning: str, null: bool = False) -> Any:
    """A field of true or false."""

    def read(unclear: Unclear, item: str, value: Any) -> bool | None:
        if isinstance(value, bool):
            return value
        unclear.note(item, "neither true nor false", value)
        return None

    return Rule(name, meaning, "true false", Kind.FLAG, null=null, read=read)


def part(name: str, meaning: str, model: type[Answer], null: bool = False) -> Any:
    """A field that is an object of its own."""
    return Rule(
        name,
        meaning,
        f"{model.__name__} below",
        None,
        null=null,
        read=lambda unclear, item, value: model.read(value, unclear),
    )


class Answer:
    """One object of a vendor's answer; a field is None where the vendor said nothing, or nothing understood.

    Attributes:
        item: what a field's row of `not_understood` begins with, such as `issues` in `issues.level`.
        request, specification: what is asked, and where it is written what comes back.
        rules: how each field is read, by our name of it.
    """

    item: ClassVar[str] = ""
    request: ClassVar[str] = ""
    specification: ClassVar[str] = ""
    rules: ClassVar[Mapping[str, Rule]] = {}

    def __init_subclass__(cls) -> None:
        cls.rules = {**cls.rules, **{ours: rule for ours, rule in vars(cls).items() if isinstance(rule, Rule)}}

    def __init__(self, values: Mapping[str, Any]) -> None:
        vars(self).update(values)

    @classmethod
    def of(cls, entry: Any, unclear: Unclear) -> Self | None:
        """The object, which is kept as an example if it is the newest; None, and counted, when it is none."""
        found = cls.read(entry, unclear)
        if found is not None:
            unclear.example(cls.item, _newness(found), partial(_said, found, entry))
        return found

    @classmethod
    def read(cls, entry: Any, unclear: Unclear) -> Self | None:
        """The object; None, and counted, when the entry is no object."""
        if isinstance(entry, Mapping):
            return cls(
                {ours: _read(cls.item, rule, entry.get(rule.name), unclear) for ours, rule in cls.rules.items()}
            )
        unclear.note(cls.item, "not an object", _kind(entry))
        return None

    @classmethod
    def field(cls, ours: str, entry: Any, unclear: Unclear) -> Any:
        """One field of an object alone, by our name; None where the entry is no object."""
        rule = cls.rules[ours]
        return _read(cls.item, rule, entry.get(rule.name), unclear) if isinstance(entry, Mapping) else None

    @classmethod
    def each(cls, entries: Iterable[Any], unclear: Unclear) -> list[Self]:
        """The objects of a list, those left out that are none."""
        return [found for entry in entries if (found := cls.of(entry, unclear)) is not None]


def _read(inside: str, rule: Rule, value: Any, unclear: Unclear) -> Any:
    """A field's value; None, and counted, where it is not understood."""
    item = f"{inside}.{rule.name}"
    if isinstance(value, str):
        return rule.read(unclear, item, one_line(value))
    if value is None:
        if rule.needed or not rule.null:
            unclear.note(item, "missing", "null")
        return None
    if isinstance(value, NESTED) and rule.form is not None:
        unclear.note(item, "neither text nor number", _kind(value))
        return None
    return rule.read(unclear, item, value)


def _newness(found: Answer) -> tuple[datetime, int]:
    """When something last happened to an object, and how much of it is understood."""
    values = [value for value in vars(found).values() if value is not None]
    return max([v for v in values if isinstance(v, datetime)], default=EARLIEST), len(values)


def _said(found: Answer, entry: Any, inside: str = "") -> Iterator[Said]:
    """The fields of an object as they are understood, those of the objects in it behind the name of each."""
    for ours, rule in found.rules.items():
        value, raw = getattr(found, ours), entry.get(rule.name) if isinstance(entry, Mapping) else None
        if isinstance(value, Answer):
            yield from _said(value, raw, f"{inside}{rule.name}.")
            continue
        form = rule.form or Kind.TEXT
        plain = value is not None and form is not Kind.TEXT
        yield Said(
            ours=inside + ours,
            theirs=inside + rule.name,
            value=None if raw is None else one_line(str(raw)) if plain else masked(_kind(raw)),
            taken_for="null" if raw is None else "NOT UNDERSTOOD" if value is None else _taken(value, rule),
            kind=form,
            means=rule.meaning,
        )


def _taken(value: Any, rule: Rule) -> str:
    """What a value was taken for; a text is what it is."""
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, float):
        unit = "" if rule.kind == Kind.NUMBER else rule.kind.partition(",")[0]
        return f"{value:.15g} {unit}".rstrip()
    return "as it is" if rule.form is Kind.TEXT else str(value).lower() if isinstance(value, bool) else str(value)


def described(model: type[Answer]) -> list[tuple[str, str, str, str]]:
    """Name, type or words, `null` where allowed, and meaning of each field: the rows of the documentation."""
    return [(rule.name, rule.kind, "yes" if rule.null else "", rule.meaning) for rule in model.rules.values()]


def entries(source: str, body: Any, key: str | None = None) -> list[Any]:
    """The list in a JSON answer, under a key or the answer itself, whatever its entries are.

    Raises:
        SourceError: there is no list.
    """
    found = body if key is None else body.get(key) if isinstance(body, dict) else None
    if not isinstance(found, list):
        says = told(worded(body)) if isinstance(body, dict) else ""
        none = f"its answer has no list {key!r}" if key else "its answer is not a list"
        raise SourceError(source, f"{none}: {says}" if says else none)
    return found


def goes_on(source: str, body: Any, key: str = "has_more") -> bool:
    """Whether a list has more pages than this one.

    Raises:
        SourceError: the answer does not say.
    """
    found = body.get(key) if isinstance(body, dict) else None
    if not isinstance(found, bool):
        raise SourceError(source, f"its answer does not tell by {key!r} whether the list goes on")
    return found


def _kind(value: Any) -> str:
    """What stands in for a value whose text is not shown: it may hold anything."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    return one_line(str(value)) or "an empty text"


def vocabulary(words: Mapping[str, str | Iterable[Word]], declared: Mapping[Any, Iterable[Word]]) -> Vocabulary:
    """A source's words, in one text or each alone, where the site file does not declare that they mean another."""
    known = {ours: theirs.split() if isinstance(theirs, str) else theirs for ours, theirs in words.items()}
    return Vocabulary(known_words(known, declared))
