"""What was answered already: the reports of one moment ask each question once, whichever of them comes first."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")


class Memory:
    """The answers of one moment."""

    current: Memory | None = None

    def __init__(self) -> None:
        self.answers: dict[Hashable, Any] = {}

    @contextmanager
    def used(self) -> Iterator[None]:
        """Questions that it knows are not asked again meanwhile, in any thread."""
        Memory.current = self
        try:
            yield
        finally:
            Memory.current = None


def once(question: Hashable, ask: Callable[[], T]) -> T:
    """The answer to a question, remembered where a memory is used; a failure is no answer and is asked again."""
    memory = Memory.current
    if memory is None:
        return ask()
    if question not in memory.answers:
        memory.answers[question] = ask()
    found: T = memory.answers[question]
    return found
