"""What an ingest tells while it runs and when it is done."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pdmlib import stats

# Of all lines: were each of them a failed request, they alone would break the mildest limit of the error rate.
FEW = 0.005


def many(rejected: float, lines: float) -> bool:
    """Whether so many lines were surely rejected that no figure of the others speaks for them all."""
    return bool(lines) and stats.proportion(round(rejected), round(lines))[0] > FEW


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

    @property
    def share(self) -> float:
        """Which share of the log is read, 0 to 1."""
        return self.bytes_done / self.bytes_total if self.bytes_total else 1.0

    def __str__(self) -> str:
        left = "" if self.left_s is None else f", {self.left_s:.0f} s left"
        size, pace = self.bytes_total / 1e6, self.bytes_per_s / 1e6
        return f"{100 * self.share:.0f} % of {size:,.0f} MB, {pace:,.0f} MB/s{left}"


OnProgress = Callable[[Progress], None]


class Taken(StrEnum):
    """What became of a file."""

    TAKEN = "taken"  # its new lines were read
    KNOWN = "known"  # nothing in it was new
    SKIPPED = "skipped"  # it is no log of requests, as far as is understood; tried again next time
    FAILED = "failed"  # it could not be read; tried again next time


@dataclass(frozen=True)
class FileReport:
    """What became of one file, how many lines of it were read and rejected, and why it was not taken.

    `unclear`: requests that were taken, of which the status or the time is not understood.
    """

    name: str
    state: Taken
    lines: int = 0
    rejected: int = 0
    reason: str = ""
    unclear: int = 0

    def __str__(self) -> str:
        rejected = f", {self.rejected:,} rejected" if self.rejected else ""
        unclear = f", {self.unclear:,} understood in part" if self.unclear else ""
        return f"{self.state:<8}{self.name}: {self.reason or f'{self.lines:,} lines{rejected}{unclear}'}"


@dataclass(frozen=True)
class IngestReport:
    """What an ingest did.

    Attributes:
        each: what became of every file.
        lines: log lines (or objects) read.
        requests: requests added to the store, each once; views: page views and events added.
        excluded: lines of no request: build output, revalidations, other environments.
        rejected: lines that were not understood; a few masked in `examples`.
        unclear: requests that count, of which the status or the time is not understood and so not known; of a few,
            what it is in `doubts`.
        duplicates: lines of requests that were counted already, by an earlier line or delivery.
        late: requests added to a day older than the newest one held before.
        read_otherwise: the store, where it holds what was read as the site file said before; it stays as it is.
    """

    each: tuple[FileReport, ...] = ()
    lines: int = 0
    requests: int = 0
    views: int = 0
    excluded: int = 0
    rejected: int = 0
    unclear: int = 0
    duplicates: int = 0
    late: int = 0
    days: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    read_otherwise: str = ""
    seconds: float = 0.0

    def named(self, state: Taken) -> tuple[str, ...]:
        """The names of the files of which one thing became."""
        return tuple(one.name for one in self.each if one.state is state)

    @property
    def files(self) -> int:
        """How many files were read."""
        return len(self.named(Taken.TAKEN))

    @property
    def files_known(self) -> int:
        """How many files had nothing new."""
        return len(self.named(Taken.KNOWN))

    @property
    def failed(self) -> tuple[tuple[str, str], ...]:
        """Files that could not be read, with the reason."""
        return tuple((one.name, one.reason) for one in self.each if one.state is Taken.FAILED)

    @property
    def skipped(self) -> tuple[str, ...]:
        """The files that are no logs of requests, as far as is understood."""
        return self.named(Taken.SKIPPED)

    @property
    def good(self) -> bool:
        """Whether every file could be read, something is held of one, and few lines were rejected."""
        return not self.failed and bool(self.files or self.files_known) and not self.doubtful

    @property
    def doubtful(self) -> bool:
        """Whether many lines of the files that were taken were rejected."""
        taken = [one for one in self.each if one.state is Taken.TAKEN]
        return many(sum(one.rejected for one in taken), sum(one.lines for one in taken))

    def __str__(self) -> str:
        parts = [str(one) for one in self.each if one.state is not Taken.KNOWN]
        parts += [
            f"{self.requests:,} requests of {self.lines:,} lines in {self.files} files ({self.files_known} known)",
            f"{self.duplicates:,} duplicates, {self.excluded:,} of no request, {self.rejected:,} rejected",
        ]
        parts += [f"rejected {example}" for example in self.examples]
        if self.unclear:
            parts.append(f"{self.unclear:,} requests count, of which the status or the time is not known")
        parts += [f"not understood {doubt}" for doubt in self.doubts]
        if self.read_otherwise:
            parts.append(
                "what was taken before `requests` of the site file changed stays as it was read then: to have it "
                f"read anew, remove {self.read_otherwise} and take the logs in again"
            )
        if self.doubtful:
            parts.append("many lines were rejected; `pdm ingest --explain FILE` shows what they lack")
        elif not self.good and not self.failed:
            parts.append("nothing was taken; `pdm ingest --explain FILE` shows how a file is understood")
        return "\n".join(parts)
