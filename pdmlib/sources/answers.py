"""What a vendor answered, read field by field against what its specification says of each.

A field that does not hold what its specification allows (an unknown word, a null where there is none, a number
that cannot be) is None in the model and noted: counted, with an example. Nothing is dropped in silence, nothing
that a stranger wrote can raise, and the other fields and rows are kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field

from pdmlib.errors import SourceError
from pdmlib.frames.understanding import EARLIEST, LATEST, Unclear, Vocabulary, Word

MOST = 1e15  # of anything counted: float64 holds every whole number below 9e15 exactly


@dataclass(frozen=True)
class Rule:
    """How one field is read: its type in words, its reader, whether it may be null, and where it stands."""

    kind: str
    read: Callable[[Any], Any]
    null: bool
    path: str


def word(meaning: str, *known: str, null: bool = False, path: str = "") -> Any:
    """A field of one of the specification's words, whatever its case and the space around it.

    Args:
        known: the words, several in one text with spaces between.
    """
    words = each(*known)
    folded = {one.casefold(): one for one in words}

    def read(value: Any) -> str:
        found = folded.get(value.strip().casefold()) if isinstance(value, str) else None
        if found is None:
            raise ValueError("unknown word")
        return found

    return _field(meaning, " ".join(words), read, null, path)


def each(*texts: str) -> tuple[str, ...]:
    """The words of texts, in their order."""
    return tuple(" ".join(texts).split())


def number(
    meaning: str, low: float = 0.0, high: float = MOST, unit: str = "number", null: bool = False, path: str = ""
) -> Any:
    """A field of a finite number, written as one or as text, between what is possible."""

    def read(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError("not a number")
        try:
            found = float(value)
        except (ValueError, OverflowError):
            raise ValueError("not a number") from None
        if not low <= found <= high:
            raise ValueError("out of range")
        return found

    return _field(meaning, unit, read, null, path)


def moment(meaning: str, unit: str = "ISO", null: bool = False, path: str = "") -> Any:
    """A field of a time: text as `ISO` (UTC where it names no zone) or `RFC 2822`, or epoch seconds `s`."""

    def read(value: Any) -> datetime:
        try:
            found = _moment(value, unit)
        except (TypeError, ValueError, OverflowError, OSError):
            raise ValueError("not a time") from None
        if not EARLIEST <= found <= LATEST:
            raise ValueError("out of range")
        return found

    return _field(meaning, f"time, {unit}", read, null, path)


def _moment(value: Any, unit: str) -> datetime:
    if unit == "s":
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise TypeError
        return datetime.fromtimestamp(value, UTC)
    if not isinstance(value, str):
        raise TypeError
    found = parsedate_to_datetime(value) if unit == "RFC 2822" else datetime.fromisoformat(value)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def text(meaning: str, null: bool = False, path: str = "") -> Any:
    """A field of any text that is not empty."""

    def read(value: Any) -> str:
        if not isinstance(value, str) or not value.strip():
            raise ValueError("not a text")
        return value.strip()

    return _field(meaning, "text", read, null, path)


def flag(meaning: str, null: bool = False, path: str = "") -> Any:
    """A field of true or false."""

    def read(value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError("neither true nor false")
        return value

    return _field(meaning, "true false", read, null, path)


def _field(meaning: str, kind: str, read: Callable[[Any], Any], null: bool, path: str) -> Any:
    return Field(default=None, description=meaning, json_schema_extra={"rule": Rule(kind, read, null, path)})  # type: ignore[dict-item]


class Answer(BaseModel):
    """One object of an answer. A field is None where the vendor did not say, or said what is not understood.

    Attributes:
        request: the call that brings it.
        specification: where the vendor publishes what its fields mean, with the version.
        resource: what its fields are named after in what was not understood: `charges` of `charges.status`.
        odd: fields that held something that is not understood, and are None for it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    request: ClassVar[str]
    specification: ClassVar[str]
    resource: ClassVar[str]
    odd: frozenset[str] = frozenset()

    @classmethod
    def of(cls, entry: Any, unclear: Unclear) -> Self | None:
        """The object as read; None, and noted, where it is none."""
        if not isinstance(entry, Mapping):
            unclear.note(cls.resource, "not an object", _example(entry))
            return None
        odd: set[str] = set()
        values = {name: cls._read(name, rule, entry, unclear, odd) for name, rule in cls.rules()}
        return cls.model_construct(**values, odd=frozenset(odd))

    @classmethod
    def rules(cls) -> Iterable[tuple[str, Rule]]:
        """Each field and how it is read."""
        for name, info in cls.model_fields.items():
            extra: Any = info.json_schema_extra
            if extra:
                yield name, extra["rule"]

    @classmethod
    def _read(cls, name: str, rule: Rule, entry: Mapping[str, Any], unclear: Unclear, odd: set[str]) -> Any:
        value: Any = entry
        for step in (rule.path or name).split("."):
            value = value.get(step) if isinstance(value, Mapping) else value
        if value is None and rule.null:
            return None
        item = f"{cls.resource}.{rule.path or name}"
        try:
            if value is None:
                raise ValueError("missing")
            return rule.read(value)
        except ValueError as error:
            unclear.note(item, str(error), "null" if value is None else _example(value))
            odd.add(name)
            return None


def _example(value: Any) -> Any:
    """What is shown of a value: of a list or an object its kind alone, since it may hold anything."""
    return value if isinstance(value, str | int | float | bool | None) else f"a {type(value).__name__}"


def entries(source: str, body: Any, key: str) -> list[Any]:
    """The list in an answer under a key, whatever its elements are.

    Raises:
        SourceError: there is none.
    """
    found = body.get(key) if isinstance(body, dict) else None
    if not isinstance(found, list):
        raise SourceError(source, f"its answer has no list {key!r}")
    return found


def vocabulary(words: Mapping[str, Iterable[Word]], declared: Mapping[Any, Iterable[Word]]) -> Vocabulary:
    """A source's words together with those that the site file declares."""
    return Vocabulary({ours: (*theirs, *declared.get(ours, ())) for ours, theirs in words.items()})
