"""Whether one table holds the probes of several monitors, which column names the monitor, and where they disagree.

Probes of several monitors or regions are not one series: read as one, a printer that is off at night takes the
shop down. Where the site file does not say which counts, a probe that the others contradict is not understood.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median, quantiles
from typing import Any

from pdmlib.frames.index_text import quoted
from pdmlib.frames.understanding import mend_line
from pdmlib.sources.postgres.session import Session, compose, identifier, joined, written
from pdmlib.sources.postgres.visibility import BY_POLICY, Sight

LOOKED_AT = 5_000  # newest rows: some days of two monitors that probe once a minute
LOOK_S = 4.0
MOST_COLUMNS = 12  # that are looked at for the monitor's name
MOST_MONITORS = 50  # values of a column; with more it names something else
FEWEST = 20  # probes of a monitor: fewer show no rhythm
STEADY = 1.5  # the upper quartile of the gaps of one monitor is at most so many times the lower
ROUND = 3.0  # gaps inside a round of probes are at least so many times shorter than those between rounds
FEW = 3  # probes in a row that another monitor contradicts: no accident of one
NAMES = ("smallint", "integer", "bigint", "text", "character varying", "uuid")


@dataclass(frozen=True)
class Apart:
    """What tells the monitors of one table apart."""

    column: str
    names: tuple[str, ...]

    @property
    def mend(self) -> str:
        """The line of the site file that chooses one of them."""
        return mend_line(
            "uptime", "where", value=f"{quoted(self.column)} = '<one of {', '.join(self.names[:5])}>'"
        )


UNNAMED = mend_line("uptime", "where", value="<column> = '<one monitor>'")


def apart(session: Session, sight: Sight, time: str, taken: Sequence[str]) -> Apart | None:
    """What tells the monitors of a table apart; None where all its probes are of one.

    Args:
        taken: columns that are read as something else.

    Raises:
        SourceError: the table cannot be read.
    """
    free = [name for name, kind in sight.columns.items() if kind in NAMES and name not in taken]
    if not free:
        return None
    names = free[:MOST_COLUMNS]
    query = compose(
        'SELECT extract(epoch FROM {time})::float8 AS "@", {names} FROM {table} '
        "WHERE isfinite({time}) ORDER BY {time} DESC LIMIT {n}",
        time=identifier(time),
        names=joined([compose("left({c}::text, 60) AS {c}", c=identifier(name)) for name in names]),
        table=identifier(sight.table),
        n=written(str(LOOKED_AT)),
    )
    rows = session.rows(query, {}, timeout_s=LOOK_S, row_security=sight.state == BY_POLICY)
    return told_apart([row["@"] for row in rows], {name: [row[name] for row in rows] for name in names})


def told_apart(times: Sequence[float], columns: Mapping[str, Sequence[Any]]) -> Apart | None:
    """The column whose values come in turns, each with a rhythm of its own; of several the one with the fewest."""
    found = [(len(names), name, names) for name, values in columns.items() if (names := _rhythms(times, values))]
    return Apart(min(found)[1], min(found)[2]) if found else None


def _rhythms(times: Sequence[float], values: Sequence[Any]) -> tuple[str, ...]:
    """The values that each come at regular times, in turns; empty unless nearly all rows have one of them."""
    ordered = sorted((t, str(v)) for t, v in zip(times, values, strict=True) if v is not None)
    series: dict[str, list[float]] = defaultdict(list)
    for at, value in ordered:
        series[value].append(at)
        if len(series) > MOST_MONITORS:
            return ()
    steady = {value: at for value, at in series.items() if len(at) >= FEWEST and _is_steady(at)}
    turns = sum(one[1] != other[1] for one, other in pairwise(ordered))
    if len(steady) < 2 or sum(map(len, steady.values())) < 0.9 * len(times):
        return ()
    return tuple(sorted(steady)) if turns >= 0.8 * sorted(map(len, steady.values()))[-2] else ()


def _is_steady(times: Sequence[float]) -> bool:
    low, _, high = quantiles([b - a for a, b in pairwise(times)], n=4)
    return low > 0 and high <= STEADY * low


def contradicted(
    times: Sequence[float],
    words: Sequence[str | None],
    monitors: Sequence[Any] | None = None,
    chosen: bool = False,
) -> set[int]:
    """Positions of probes that others of the same time contradict: of one round, or of the other monitors.

    Args:
        chosen: the site file says which probes count, so that only those of one instant can contradict each other.
    """
    known = sorted((t, n) for n, t in enumerate(times))
    found: set[int] = set()
    for group in _groups(known, 0.0 if chosen else _round_of([t for t, _ in known])):
        if len({words[n] for _, n in group}) > 1:
            found |= {n for _, n in group}
    if monitors is None:
        return found
    series: dict[Any, list[tuple[float, int]]] = defaultdict(list)
    for at, n in known:
        series[monitors[n]].append((at, n))
    return found.union(*(_overruled(series, monitor, words) for monitor in series))


def _groups(known: Iterable[tuple[float, int]], near: float) -> Iterator[list[tuple[float, int]]]:
    """Probes in order of time, those together that come within some seconds after the one before."""
    group: list[tuple[float, int]] = []
    for probe in known:
        if group and probe[0] - group[-1][0] > near:
            yield group
            group = []
        group.append(probe)
    yield group


def _round_of(times: Sequence[float]) -> float:
    """Seconds within which probes are of one round; 0 where each comes alone, so that one instant is a round."""
    gaps = sorted(b - a for a, b in pairwise(times) if b > a)
    edge = len(gaps) // 20  # an outage or a retry makes a few gaps of other lengths
    jumps = [(b / a, a * b) for a, b in pairwise(gaps[edge : len(gaps) - edge])]
    ratio, product = max(jumps, default=(0.0, 0.0))
    if ratio < ROUND:
        return 0.0
    sizes = Counter(len(group) for group in _groups([(t, 0) for t in times], product**0.5))
    size, count = sizes.most_common(1)[0]
    return product**0.5 if size > 1 and count >= 0.8 * sizes.total() else 0.0


def _overruled(
    series: Mapping[Any, Sequence[tuple[float, int]]], monitor: Any, words: Sequence[str | None]
) -> set[int]:
    """Probes of a monitor, several in a row, each between two of another that agree and say something else.

    One alone may be a short outage that only this monitor met: some take turns in probing one application.
    """
    found: set[int] = set()
    for other, probes in series.items():
        if other == monitor or len(probes) < FEWEST:
            continue
        near = STEADY * median(b - a for (a, _), (b, _) in pairwise(probes))
        run: list[int] = []
        for at, n in series[monitor]:
            if not _disagree(probes, at, near, words=words, word=words[n]):
                run = []
                continue
            run.append(n)
            if len(run) >= FEW:
                found.update(run[-FEW:])
    return found


def _disagree(
    probes: Sequence[tuple[float, int]], at: float, near: float, words: Sequence[str | None], word: str | None
) -> bool:
    """Whether the probes before and after a moment are near, of one word, and that is another."""
    after = bisect_left(probes, (at, -1))
    if not 0 < after < len(probes) or probes[after][0] - probes[after - 1][0] > near:
        return False
    said = {words[probes[after - 1][1]], words[probes[after][1]]}
    return len(said) == 1 and word not in said
