"""Adoption: counts by feature and day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from matplotlib.axes import Axes

from pdmlib.frames.states import Cell
from pdmlib.report.charts.picture import (
    HATCHED,
    INK,
    MUTED,
    NO_ROWS,
    PAPER,
    RULE,
    Look,
    Picture,
    Rows,
    boxes,
    count_text,
    finite,
    is_narrow,
    key,
    listing,
    nothing,
    plain,
    shade,
    styled,
)

CELL_LOOKS: Mapping[str, Look] = {
    Cell.COUNT: {"linewidth": 1, "edgecolor": "white"},
    Cell.ZERO: {"facecolor": "white", "linewidth": 1, "edgecolor": RULE},
    Cell.NO_DATA: {**HATCHED, "hatch": "//"},
    Cell.NOT_YET: {"facecolor": "white", "linewidth": 0},
    Cell.PARTIAL: {"linewidth": 1.4, "edgecolor": INK, "linestyle": (0, (3, 2))},
}
CELL_KEY: Sequence[tuple[str, str, Look]] = (
    (Cell.NO_DATA, "no data", CELL_LOOKS[Cell.NO_DATA]),
    (Cell.PARTIAL, "day not over", {**CELL_LOOKS[Cell.PARTIAL], "facecolor": "white"}),
    (Cell.NOT_YET, "not yet", {"marker": ".", "markersize": 4, "color": MUTED}),
)
BLOCK_DAYS, FEW_DAYS = 15, 8  # in one block, on a screen and on a phone


@styled
def adoption_heatmap(rows: Sequence[Mapping[str, Any]], *, reason: str = NO_ROWS) -> Picture:
    """Counts of each feature on each day; darker is nearer to the feature's own best day.

    A row has `title` (or `feature`), `dates`, `days` (count or None) and `cells` (count, zero,
    no_data, not_yet, partial); optional `total`, `target` and `abandoned`, or `state` with a word
    of its own. More days than a sheet has room for go on in a block below.
    """
    title = "Use of features by day"
    rows = [r for r in rows if r.get("days")]
    if not rows:
        return nothing(title, reason)
    dates = list(max((r.get("dates") or () for r in rows), key=len))
    days = max(len(dates), *(len(r["days"]) for r in rows))
    blocks = -(-days // (FEW_DAYS if is_narrow() else BLOCK_DAYS))
    wide, pitch = -(-days // blocks), len(rows) + 1
    listed = listing(title, blocks * pitch, left=2.4, right=2.6, pitch=0.32, foot=0.05)
    listed.ax.set(xlim=(0, max(wide, 5)))
    listed.ax.set_axis_off()
    for block in range(blocks):
        shown = range(block * wide, min(days, (block + 1) * wide))
        _dates(listed.ax, dates, shown, block * pitch + 0.9)
        _cells(listed, rows, shown, first=block * pitch + 1, limit=10_000 if wide <= 8 else 1000)
        for i, row in enumerate(rows):
            _row_words(listed, row, block * pitch + 1 + i)
    kinds = {_kind(r, i) for r in rows for i in range(days)}
    key(listed.figure, [(word, look) for kind, word, look in CELL_KEY if kind in kinds])
    return Picture(listed.figure, f"{title}. " + " ".join(_adoption_words(r, days) for r in rows))


def _value(row: Mapping[str, Any], i: int) -> float | None:
    return finite(row["days"][i]) if i < len(row["days"]) else None


def _kind(row: Mapping[str, Any], i: int) -> str:
    cells, value = row.get("cells") or (), _value(row, i)
    kind = str(cells[i]) if i < len(cells) else Cell.COUNT
    if kind not in CELL_LOOKS or (value is None and kind != Cell.NOT_YET):
        return Cell.NO_DATA
    return Cell.ZERO if kind == Cell.COUNT and value == 0 else kind


def _dates(ax: Axes, dates: Sequence[date | str], shown: range, y: float) -> None:
    for x, i in enumerate(shown):
        if i < len(dates):
            value = dates[i]
            day = date.fromisoformat(value) if isinstance(value, str) else value
            ax.text(x + 0.5, y, f"{day:%a}\n{day.day}", ha="center", va="bottom", color=MUTED, linespacing=1)


def _cells(listed: Rows, rows: Sequence[Mapping[str, Any]], shown: range, first: int, limit: int) -> None:
    places: dict[str, list[tuple[float, float, float, float]]] = {kind: [] for kind in CELL_LOOKS}
    colors: dict[str, list[tuple[float, ...]]] = {kind: [] for kind in CELL_LOOKS}
    half = 0.25 if is_narrow() else 0.43
    for r, row in enumerate(rows):
        best = max((v for v in (_value(row, i) for i in range(len(row["days"]))) if v is not None), default=0)
        for x, i in enumerate(shown):
            kind, value = _kind(row, i), _value(row, i)
            share = min(1.0, (value or 0) / best) if best > 0 else 0.0
            y = first + r + listed.middle
            places[kind].append((x + 0.03, y - half, 0.94, 2 * half))
            colors[kind].append(shade(share))
            paper = PAPER if kind == Cell.NO_DATA else None
            color = "white" if share > 0.55 else INK
            word = _cell_text(kind, value, limit)
            listed.ax.text(x + 0.5, y, word, ha="center", va="center", color=color, bbox=paper)
    for kind, look in CELL_LOOKS.items():
        shaded: Look = {"facecolor": colors[kind]} if "facecolor" not in look else {}
        boxes(listed.ax, places[kind], **look, **shaded)


def _cell_text(kind: str, value: float | None, limit: int = 10_000) -> str:
    if kind == Cell.NOT_YET:
        return "·"
    return "?" if kind == Cell.NO_DATA or value is None else count_text(value, limit)


def _state(row: Mapping[str, Any]) -> str:
    return "abandoned" if row.get("abandoned") else plain(row.get("state") or "", 12)


def _row_words(listed: Rows, row: Mapping[str, Any], place: int) -> None:
    total, target = finite(row.get("total")), finite(row.get("target"))
    aim = f" (target {count_text(target)})" if target else ""
    parts = [] if total is None else [count_text(total) + aim]
    name, state = str(row.get("title") or row.get("feature") or "?"), _state(row)
    words = "  ".join([*([state] if state else []), *parts])
    listed.tell(place, name, words, bold=bool(row.get("abandoned")))


def _adoption_words(row: Mapping[str, Any], days: int) -> str:
    kinds = [_kind(row, i) for i in range(days)]
    said = [
        _cell_text(k, _value(row, i)) + " (day not over)" * (k == Cell.PARTIAL)
        for i, k in enumerate(kinds)
        if k in (Cell.COUNT, Cell.ZERO, Cell.PARTIAL)
    ]
    lacking = [
        f"{kinds.count(kind)} {word}"
        for kind, word, _ in CELL_KEY
        if kind in (Cell.NO_DATA, Cell.NOT_YET) and kind in kinds
    ]
    state = _state(row)
    name = plain(row.get("title") or row.get("feature") or "?", 60)
    return f"{name}{f' ({state})' if state else ''}: {', '.join([*said, *lacking])}."
