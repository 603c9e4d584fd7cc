"""What is under way and how long it will take: a bar on a terminal, nothing where nobody looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

from pdmlib.cli.terminal import console

# What is done, and which share of the whole that makes: None while no share is known.
Step = Callable[[str, float | None], None]


@contextmanager
def steps(first: str) -> Iterator[Step]:
    """Shows steps as they are told, with the time left at the pace so far."""
    columns = (
        SpinnerColumn(),
        BarColumn(24),
        TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
    )
    bar = Progress(
        *columns,
        TextColumn("{task.description}"),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(first, total=None)

        def step(text: str, share: float | None = None) -> None:
            bar.update(task, description=text[: console.width // 2])
            if share is not None:
                bar.update(task, total=1.0, completed=share)

        yield step


def of_sources(step: Step, count: int, until: float = 1.0) -> Callable[[str, str], None]:
    """Told of each source as it ends, of so many; together they are that share of the whole."""
    done: list[str] = []

    def told(source: str, state: str) -> None:
        done.append(source)
        step(f"{source} {state}", until * len(done) / max(count, 1))

    return told
