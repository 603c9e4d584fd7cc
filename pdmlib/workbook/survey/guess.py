"""A guess: what it is, and what it rests on in words for a person."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Guess:
    """A value that may be right, and why it was chosen."""

    value: str
    why: str
