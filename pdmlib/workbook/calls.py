"""A person's mistake in a cell is one line: which name or kind was wrong, and the nearest right ones."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from numbers import Integral, Real
from pathlib import Path
from types import FunctionType
from typing import Any, TypeVar, cast

from pdmlib.errors import CallError, near, shown
from pdmlib.site.site import Site

T = TypeVar("T")
Call = TypeVar("Call", bound=Callable[..., Any])
MOST_LISTED = 24  # names that a line can list; of more it says where they all are
# Annotation -> what is taken for it, and in words. What is annotated otherwise is checked where it is used.
KINDS: dict[str, tuple[type, str]] = {
    "str": (str, "text"),
    "int": (Integral, "a whole number"),
    "float": (Real, "a number"),
    "bool": (bool, "true or false"),
    "None": (type(None), "nothing"),
    "Path": (Path, "a path"),
    "datetime": (datetime, "a datetime"),
    "Site": (Site, "what load_site gave"),
}


def misnamed(name: object, known: Iterable[str], what: str, listed: str = "", count: int | None = None) -> str:
    """What is wrong with a name that is not there: the nearest right ones and where all are, else all of them.

    Args:
        what: what it should be, with its article: `a table`.
        listed: the call that lists all; without one all stand here, which are few.
        count: how many that call lists, where more are known than it lists.
    """
    names = sorted(known)
    meant = near(str(name), names)
    told = f"did you mean {' or '.join(meant)}? " if meant else ""
    if not listed or (not meant and len(names) <= MOST_LISTED):
        return f"{shown(name)} is not {what}; {told}there are {', '.join(names)}"
    number = f"all {len(names)}" if count is None else f"the {count} of this report"
    return f"{shown(name)} is not {what}; {told}{listed} lists {number}"


def named(name: str, known: Iterable[str], what: str, listed: str = "", count: int | None = None) -> str:
    """The name, which must be one of the known; else as `misnamed`.

    Raises:
        CallError: it is none, with the nearest right ones.
    """
    names = list(known)
    if name not in names:
        raise CallError(misnamed(name, names, what, listed, count=count))
    return name


@contextmanager
def written_into(folder: str | Path) -> Iterator[Path]:
    """A folder to write files into, which is made.

    Raises:
        CallError: it is not named or cannot be made, or a file cannot be written there.
    """
    if folder == "":
        raise CallError("folder is empty; name the one to write into, such as 'outputs/mine', or '.' for this one")
    target = Path(folder)
    try:
        target.mkdir(parents=True, exist_ok=True)
        yield target
    except OSError as error:
        raise CallError(f"{folder}: nothing can be written there: {error.strerror or error}") from None


def told(call: Call) -> Call:
    """A function whose wrong arguments are one line in place of a traceback."""
    signature = inspect.signature(call)

    @wraps(call)
    def checked(*args: Any, **kwargs: Any) -> Any:
        check(call.__name__, signature, args, kwargs)
        return call(*args, **kwargs)

    return cast(Call, checked)


def each_told(kind: type[T]) -> type[T]:
    """Every public method of a class, so guarded."""
    for name, method in list(vars(kind).items()):
        if isinstance(method, FunctionType) and not name.startswith("_"):
            setattr(kind, name, told(method))
    return kind


def check(name: str, signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Fails on the first argument that a call does not take.

    Raises:
        CallError: one too many, one too few, one of another name, or one of the wrong kind.
    """
    form = _form(name, signature)
    for given in kwargs:
        if given not in signature.parameters and not _takes_any_name(signature):
            raise CallError(misnamed(given, [p for p in signature.parameters if p != "self"], "an argument", form))
    try:
        bound = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise CallError(f"{form}: {error}") from None
    for argument, value in bound.items():
        parameter = signature.parameters[argument]
        many = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        values = value.values() if isinstance(value, dict) and many else value if many else (value,)
        for one in values:
            _fits(form, argument, str(parameter.annotation), one)


def _takes_any_name(signature: inspect.Signature) -> bool:
    return any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())


def _form(name: str, signature: inspect.Signature) -> str:
    """How a call is written: `table(name, most=None)`."""
    parts = [p.replace(annotation=p.empty) for p in signature.parameters.values() if p.name != "self"]
    return f"{name}{inspect.Signature(parts)}"


def _fits(form: str, argument: str, annotation: str, value: object) -> None:
    if argument == "most" and isinstance(value, Integral) and value < 1:
        raise CallError(f"{form}: most is 1 or more, not {value}")
    words = annotation.split(" | ")
    if not all(word in KINDS for word in words):
        return
    truth = isinstance(value, bool) and "bool" not in words
    if truth or not isinstance(value, tuple(KINDS[word][0] for word in words)):
        wanted = " or ".join(KINDS[word][1] for word in words if word != "None")
        raise CallError(f"{form}: {argument} is {wanted}, not {_kind(value)}")


def _kind(value: object) -> str:
    """What somebody gave instead."""
    return f"{shown(value)} ({type(value).__name__})" if isinstance(value, str | Real) else type(value).__name__
