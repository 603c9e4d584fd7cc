"""What an ingest tells while it runs and when it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """How far an ingest is.

    Attributes:
        left_s: seconds left at the rate so far; None before there is one.
    """

    bytes_done: int
    bytes_total: int
    lines: int
    seconds: float

    @property
    def bytes_per_s(self) -> float:
        """Log read a second so far."""
        return self.bytes_done / self.seconds if self.seconds else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds left at the rate so far."""
        rate = self.bytes_per_s
        return (self.bytes_total - self.bytes_done) / rate if rate else None

    def __str__(self) -> str:
        share = 100 * self.bytes_done / self.bytes_total if self.bytes_total else 100
        left = "" if self.left_s is None else f", {self.left_s:.0f} s left"
        return f"{share:.0f} % of {self.bytes_total / 1e6:,.0f} MB, {self.bytes_per_s / 1e6:,.0f} MB/s{left}"


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did.

    Attributes:
        files: files of which something was read; files_known: of which nothing was new.
        lines: log lines (or objects) read.
        requests: requests added to the store, each once; views: page views and events added.
        excluded: lines of no request: build output, revalidations, other environments.
        rejected: lines that were not understood; a few masked in `examples`.
        duplicates: lines of requests that were counted already, by an earlier line or delivery.
        late: requests added to a day older than the newest one held before.
        failed: files that could not be read, with the reason; tried again next time.
        skipped: files in the folders that are no logs.
    """

    files: int = 0
    files_known: int = 0
    lines: int = 0
    requests: int = 0
    views: int = 0
    excluded: int = 0
    rejected: int = 0
    duplicates: int = 0
    late: int = 0
    days: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    skipped: tuple[str, ...] = ()
    seconds: float = 0.0

    def __str__(self) -> str:
        parts = [
            f"{self.requests:,} requests of {self.lines:,} lines in {self.files} files ({self.files_known} known)",
            f"{self.duplicates:,} duplicates, {self.excluded:,} of no request, {self.rejected:,} rejected",
        ]
        parts += [f"rejected {example}" for example in self.examples]
        parts += [f"failed {name}: {reason}" for name, reason in self.failed]
        return "\n".join(parts)
