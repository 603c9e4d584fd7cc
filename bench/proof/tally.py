"""The proof's tables: how often verdicts named what was true, and what was not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from statistics import median

from bench.proof.trial import Trial
from pdmlib.sources.catalogue import SOURCES
from pdmlib.stats import wilson

Row = Sequence[object]


def share(hits: int, of: int) -> str:
    """A share in percent with its 95 % interval."""
    if not of:
        return "none drawn"
    low, high = wilson(hits, of)
    return f"{hits}/{of} = {100 * hits / of:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def report(trials: Sequence[Trial]) -> str:
    """All tables as Markdown."""
    parts = (
        ("Targets", ("what", "wanted", "reached"), targets(trials)),
        ("Unchanged deployments", ("phase", "verdicts", "RED", "GREEN", "false finding", "arrows"), _calm(trials)),
        ("Faults", ("fault", "size", "named", "time to detection", "false findings", "statuses"), faults(trials)),
        ("Confidence", ("level", "right verdicts"), confidence(trials)),
        ("False findings", ("finding", "unchanged", "with another fault"), false_findings(trials)),
    )
    return "\n\n".join(f"### {title}\n\n{table(head, rows)}" for title, head, rows in parts)


def table(head: Row, rows: Iterable[Row]) -> str:
    """Rows as a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def split(trials: Iterable[Trial]) -> tuple[list[Trial], list[Trial]]:
    """Unchanged deployments, and those with a fault."""
    trials = list(trials)
    return [t for t in trials if not t.draw.fault.named], [t for t in trials if t.draw.fault.named]


def targets(trials: Sequence[Trial]) -> Iterator[Row]:
    """What was to be reached, and what was."""
    calm, ill = split(trials)
    looks = [look for t in calm for look in t.looks]
    weeks = [t.last for t in calm if t.draw.fault.phase == "week1"]
    sure = [t for t in ill if t.draw.fault.decidable]
    dead = [t for t in ill if t.draw.fault.dead]
    red = [t for t in ill if t.draw.fault.red]
    yield "RED on an unchanged deployment", "<= 0.5 %", share(sum(x.status == "RED" for x in looks), len(looks))
    for kind in ("readings", "days"):
        arrows, cells = (sum(look.cells[kind][n] for look in looks) for n in (0, 1))
        yield f"arrows on unchanged {kind}", "<= 5 % of cells", share(arrows, cells)
    false = sum(bool(look.false) for look in weeks)
    yield "false findings in unchanged week-1 reports", "<= 1 in 20", share(false, len(weeks))
    yield "decidable faults named", ">= 99 %", share(sum(t.detected for t in sure), len(sure))
    yield "RED where the limits call for it", "all", share(sum(t.last.status == "RED" for t in red), len(red))
    yield "GREEN with a dead or silent source", "none", _green(dead)
    for source in SOURCES:
        mine = [
            t for t in dead if t.draw.fault.name == "dead source" and t.draw.fault.size.startswith(source.name)
        ]
        yield f"GREEN while {source.name} is dead", "none", _green(mine)


def _green(trials: Sequence[Trial]) -> str:
    statuses = [look.status for t in trials for look in t.looks]
    return share(statuses.count("GREEN"), len(statuses))


def _calm(trials: Sequence[Trial]) -> Iterator[Row]:
    for size, group in _grouped(split(trials)[0]):
        looks = [look for t in group for look in t.looks]
        arrows = [sum(look.cells[kind][n] for look in looks for kind in look.cells) for n in (0, 1)]
        counts = Counter(look.status for look in looks)
        false = sum(bool(look.false) for look in looks)
        yield (
            size[1],
            len(looks),
            share(counts["RED"], len(looks)),
            share(counts["GREEN"], len(looks)),
            share(false, len(looks)),
            share(*arrows),
        )


def faults(trials: Sequence[Trial]) -> Iterator[Row]:
    """One row a fault and size."""
    for (name, size), group in _grouped(split(trials)[1]):
        fault = group[0].draw.fault
        statuses = ", ".join(f"{n} {s}" for s, n in Counter(t.last.status for t in group).most_common())
        named = share(sum(t.detected for t in group), len(group)) + ("" if fault.decidable else " (not decidable)")
        false = share(sum(bool(t.last.false) for t in group), len(group))
        yield name, size, named, _waited(group) if len(fault.looks) > 1 else "one look", false, statuses


def _waited(group: Sequence[Trial]) -> str:
    minutes = sorted(t.after.total_seconds() / 60 for t in group if t.after is not None)
    if not minutes:
        return "never"
    return f"{median(minutes):.0f} min ({minutes[0]:.0f} to {minutes[-1]:.0f})"


def confidence(trials: Sequence[Trial]) -> Iterator[Row]:
    """How often a verdict of each level of confidence was right: what is true named, nothing else alleged."""
    known = [t for t in trials if t.draw.fault.decidable]
    for level in ("high", "medium", "low"):
        mine = [t for t in known if t.last.confidence == level]
        yield level, share(sum(right(t) for t in mine), len(mine))


def right(trial: Trial) -> bool:
    """Whether the last verdict was right: no false finding, and the fault named or nothing RED."""
    if trial.last.false:
        return False
    return (
        (trial.detected and trial.last.status != "GREEN") if trial.draw.fault.named else trial.last.status != "RED"
    )


def false_findings(trials: Sequence[Trial]) -> Iterator[Row]:
    """Each finding that no truth explains, with how many last verdicts held it."""
    calm, ill = (Counter(_kind(name) for t in group for name in t.last.false) for group in split(trials))
    for name in sorted({*calm, *ill}, key=lambda n: (-calm[n], -ill[n], n)):
        yield f"`{name}`", calm[name], ill[name]


def _kind(name: str) -> str:
    return name if name.count(":") < 2 else f"{name.split(':')[0]}:..:{name.rsplit(':', 1)[-1]}"


def _grouped(trials: Iterable[Trial]) -> list[tuple[tuple[str, str], list[Trial]]]:
    groups: dict[tuple[str, str], list[Trial]] = {}
    for t in trials:
        groups.setdefault((t.draw.fault.name, t.draw.fault.size), []).append(t)
    return list(groups.items())


def between(page: str, text: str, marks: tuple[str, str]) -> str:
    """A page with a text in place of what stands between two marks.

    Raises:
        ValueError: the page has no such marks.
    """
    begin, end = marks
    before, _, rest = page.partition(begin)
    _, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"the page has no lines {begin} and {end}")
    return f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}"
