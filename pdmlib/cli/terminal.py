"""What is said to a person beside a command's results: on stderr, plain where that is no terminal."""

from __future__ import annotations

from rich.console import Console

console = Console(stderr=True, highlight=False)
