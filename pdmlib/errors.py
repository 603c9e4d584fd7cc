"""Every error a person can meet, one tree.

PdmError
├── SiteError      a site, notes or parameter file is wrong: names file, key and what is allowed
├── CallError      a command, or a cell of a notebook, asks for something impossible
│   └── NoSuchNameError   an attribute that a notebook misspelt
├── SourceError    a source could not be read; becomes a gap in `sources.collect`
├── FrameError     rows from a source do not fit the frame they claim to be
└── ReportError    a report could not be computed or written
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

# How much of a value is repeated in an error, in characters: enough to find it, short enough for one line.
SHOWN = 60
MOST_NEAR = 3  # names that a mistyped one may have meant, as many as a line can hold


def where(error: BaseException) -> str:
    """The kind of an error nobody expected and our line that met it; never its text, which may hold anything."""
    place, trace = "", error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        if "pdmlib" in code.co_filename:
            place = f" in {Path(code.co_filename).stem}.{code.co_name}, line {trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__}{place}"


class PdmError(Exception):
    """Base of all expected failures; its text is one line for a person."""

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows in place of a traceback: who misspelt a name needs no forty lines of our code."""
        return [f"{type(self).__name__}: {_one_line(str(self))}"]


class SiteError(PdmError):
    """A wrong key or value in a YAML file."""

    def __init__(self, file: str, key: str, allowed: str, line: int | None = None) -> None:
        where = f"line {line}: " if line else ""
        super().__init__(_one_line(f"{file}: {where}{key}: {allowed}"))
        self.file, self.key, self.allowed, self.line = file, key, allowed, line


def _one_line(text: str) -> str:
    """A text whose line ends and control characters are written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class CallError(PdmError):
    """A wrong option of a command, or a wrong name or value in a cell of a notebook."""


class NoSuchNameError(CallError, AttributeError):
    """An attribute that is not there, said to a person and still no attribute to a program."""


class SourceError(PdmError):
    """A source that could not be read, with the reason in the vendor's terms."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"{source}: {reason}")
        self.source, self.reason = source, reason


class FrameError(PdmError):
    """Rows that break the schema of their frame."""


class ReportError(PdmError):
    """A report that could not be computed, validated or written."""


def spelt_like(name: str, allowed: Iterable[str], most: int = 1) -> list[str]:
    """The names that are spelt like one in whatever case, best first, at most so many."""
    from difflib import get_close_matches  # only who has mistyped waits for it

    folded = {known.casefold(): known for known in allowed}
    return [folded[found] for found in get_close_matches(name[:200].casefold(), folded, n=most)]


def near(name: str, known: Iterable[str]) -> list[str]:
    """The names that somebody may have meant, best first: those spelt like it, then those that contain it."""
    names, text = list(known), name[:200].casefold()
    holding = [one for one in names if len(text) > 2 and text in one.casefold()]
    return list(dict.fromkeys([*spelt_like(name, names, MOST_NEAR), *holding]))[:MOST_NEAR]


def no_attribute(
    name: str, known: Iterable[str], what: str, keys: Mapping[str, str] = MappingProxyType({})
) -> NoSuchNameError:
    """What a misspelt attribute raises; plain for the names that programs try.

    Args:
        keys: names that are no attributes but keys, and how they are written.
    """
    if name.startswith("_"):
        return NoSuchNameError(name)
    meant = [keys.get(one, one) for one in near(name, [*(k for k in known if k[0] != "_"), *keys])]
    told = f"did you mean {' or '.join(meant)}? " if meant else ""
    return NoSuchNameError(f"{what} has no {shown(name)}; {told}`dir(..)` lists what it has")


class Spelt:
    """What a notebook hands out: an attribute that it has not is answered with where that is, or the nearest."""

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and (where := self._where_is(name)):
            raise NoSuchNameError(f"{self._called()} has no {shown(name)} of its own: it is {where}")
        raise no_attribute(name, dir(self), self._called())

    @classmethod
    def _called(cls) -> str:
        """What a person calls it, with its article."""
        return f"a {cls.__name__.removeprefix('Shown').lower()}"

    def _where_is(self, name: str) -> str:
        """Where something is that people look for here; empty where it is nowhere."""
        return ""


def nearest(name: str, allowed: Iterable[str]) -> str:
    """`did you mean latency_p95_ms? `, empty where nothing is near."""
    return "".join(f"did you mean {found}? " for found in spelt_like(name, allowed))


def one_of(name: str, allowed: Iterable[str], what: str = "") -> str:
    """What is wrong with a name that is none of the allowed ones: the nearest, and all of them."""
    known = list(allowed)
    return f"{shown(name)} is not {what or 'known'}; {nearest(name, known)}allowed are {', '.join(known)}"


def shown(value: object) -> str:
    """A value as an error repeats it: quoted and short."""
    text = str(value)
    return repr(text if len(text) <= SHOWN else text[:SHOWN] + "..")
