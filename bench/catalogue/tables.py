"""The catalogue's tables as Markdown: one row a fault and server, the shares that were wanted, what was missed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bench.catalogue.peers import NAMES
from bench.catalogue.trial import Trial
from bench.proof.tally import share, table

EQUAL = 1.1  # times: two factors that differ by less are one
LONGEST = 240


def report(trials: Sequence[Trial]) -> str:
    """All tables."""
    versions = sorted({t.version for t in trials}, reverse=True)
    names = list(dict.fromkeys(t.name for t in trials))
    faults = {(t.name, t.version): t for t in trials}
    head = [
        "fault",
        *(column for v in versions for column in (f"{v}: found", "cause", "factor", "advice", "false")),
    ]
    rows = [[name, *(cell for v in versions for cell in _cells(faults.get((name, v))))] for name in names]
    parts = [table(("what", "wanted", *versions), targets(trials, versions)), table(head, rows)]
    missed = list(_missed(trials))
    if missed:
        parts.append("What was not as wanted, in the report's own words:\n\n" + "\n".join(missed))
    return "\n\n".join(parts)


def beside(trials: Sequence[Trial]) -> str:
    """What peers found in the same databases: those of their checks that tell of the fault, and did not before."""
    rows = [(t.name, "yes" if t.found else "no", *map(_checks, t.peers.values())) for t in _asked(trials)]
    totals = [sum(bool(t.peers[name]) for t in _asked(trials)) for name in NAMES]
    found = sum(t.found for t in _asked(trials))
    return table(("fault", "this workbook", *NAMES), [*rows, (f"all {len(rows)}", found, *totals)])


def _asked(trials: Sequence[Trial]) -> list[Trial]:
    return [t for t in trials if t.peers and not t.nothing]


def _checks(lines: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(f"`{line.partition(':')[0]}`" for line in lines)) or "-"


def targets(trials: Sequence[Trial], versions: Sequence[int]) -> Iterator[Sequence[object]]:
    """What was wanted, and what each server's trials reached."""

    def row(what: str, wanted: str, of: Callable[[Sequence[Trial]], str]) -> Sequence[object]:
        return what, wanted, *(of([t for t in trials if t.version == v]) for v in versions)

    def real(some: Sequence[Trial]) -> list[Trial]:
        return [t for t in some if not t.nothing]

    yield row("faults found", ">= 95 %", lambda some: share(sum(t.found for t in real(some)), len(real(some))))
    yield row(
        "cause right, of those found",
        ">= 90 %",
        lambda some: share(sum(t.cause for t in real(some)), sum(t.found for t in real(some))),
    )
    yield row('wrong causes said without "likely"', "0", lambda some: str(sum(len(t.wrong) for t in some)))
    yield row(
        "factor within 10 % of the one measured beside",
        "all",
        lambda some: share(sum(_equal(t) for t in some if t.ours), sum(bool(t.ours) for t in some)),
    )
    yield row(
        "statements of advice executed without harm",
        "all",
        lambda some: share(sum(len(t.advice) - len(t.harmful) for t in some), sum(len(t.advice) for t in some)),
    )
    yield row("false findings beside", "0", lambda some: str(sum(len(t.false) for t in some)))
    yield row(
        "found where nothing is wrong",
        "0",
        lambda some: share(sum(bool(t.false) for t in some if t.nothing), sum(t.nothing for t in some)),
    )


def _equal(trial: Trial) -> bool:
    if not trial.ours or not trial.measured:
        return False
    return 1 / EQUAL <= trial.ours / trial.measured <= EQUAL


def _cells(trial: Trial | None) -> tuple[str, ...]:
    if trial is None:
        return ("not run", "", "", "", "")
    if trial.nothing:
        return ("nothing" if trial.found else "**something**", "-", "-", "-", str(len(trial.false)))
    cause = "right" if trial.cause else "**wrong**" if trial.wrong else "none" if trial.found else ""
    factor = f"{_x(trial.ours)} / {_x(trial.measured)}" if trial.ours or trial.measured else "-"
    advice = "; ".join(dict.fromkeys(result.split(":")[0] for _, result in trial.advice)) or "-"
    return ("yes" if trial.found else "**no**", cause, factor, advice, str(len(trial.false)))


def _x(factor: float | None) -> str:
    return f"x{factor:.3g}" if factor else "-"


def _missed(trials: Sequence[Trial]) -> Iterator[str]:
    for trial in trials:
        where = f"- {trial.name}, {trial.version}"
        if not (trial.found and trial.cause) and not trial.nothing:
            yield f"{where}: {_short(trial.said)}"
        for sentence in trial.wrong:
            yield f"{where}, wrong cause: {_short(sentence)}"
        for advice, result in trial.harmful:
            yield f"{where}, advice {_short(advice)}: {_short(result)}"
        for finding in trial.false:
            yield f"{where}, false beside: {_short(finding)}"


def _short(text: str) -> str:
    return f"`{text[:LONGEST].replace('`', ' ').replace(chr(10), ' ')}`" if text else "nothing"
