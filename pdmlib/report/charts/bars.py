"""Figures of few things side by side: routes, queries, costs, capacity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from pdmlib.report.charts.picture import (
    BLUE,
    HATCHED,
    INK,
    MUTED,
    NO_ROWS,
    RED,
    SKY,
    Picture,
    Row,
    Rows,
    boxes,
    count_text,
    is_narrow,
    key,
    listing,
    ms_text,
    nothing,
    number,
    plain,
    styled,
)

MOST_ROWS = 15
TEN_YEARS = 3650
FULL_PCT = 100.0  # of a limit that no ladder warns of, only being full is a warning


@styled
def routes_bar(rows: Sequence[Row], *, reason: str = NO_ROWS) -> Picture:
    """p95 of each route before and after the deployment (`route, before_p95, p95` in ms, `regressed`)."""
    return _dumbbells(
        "p95 of routes, before and after",
        rows,
        "route",
        before=("before_p95", "before_p95_ms"),
        after=("p95", "p95_ms"),
        reason=reason,
    )


@styled
def query_bar(rows: Sequence[Row], *, reason: str = NO_ROWS) -> Picture:
    """Mean time of each query before and after (`query, before_mean_ms, mean_ms, regressed`)."""
    return _dumbbells(
        "Mean time of queries, before and after",
        rows,
        "query",
        before=("before_mean_ms",),
        after=("mean_ms",),
        reason=reason,
    )


def _dumbbells(
    title: str, rows: Sequence[Row], name: str, before: tuple[str, ...], after: tuple[str, ...], reason: str
) -> Picture:
    known = [r for r in rows if number(r, *after, *before) is not None]
    if not known:
        return nothing(title, reason)
    shown = sorted(known, key=lambda r: not r.get("regressed"))[:MOST_ROWS]
    pairs = [(number(r, *before), number(r, *after)) for r in shown]
    listed = listing(title, len(shown), left=3.1, right=3.1, foot=0.45)
    _ms_axis(listed.ax, [v for pair in pairs for v in pair if v is not None])
    for i, (row, pair) in enumerate(zip(shown, pairs, strict=True)):
        regressed = bool(row.get("regressed"))
        _dumbbell(listed.ax, i + listed.middle, *pair, regressed=regressed)
        listed.tell(i, str(row.get(name) or "?"), _change(*pair, regressed), bold=regressed)
    key(
        listed.figure,
        [
            ("before", {"marker": "o", **RING}),
            ("after", {"marker": "o", "color": BLUE, "markersize": 9}),
            ("regressed", {"marker": "D", "color": RED, "markersize": 9}),
        ],
    )
    more = len(known) - len(shown)
    said = [
        f"{plain(r.get(name) or '?', 80)}: {_change(*pair, bool(r.get('regressed')))}."
        for r, pair in zip(shown, pairs, strict=True)
    ]
    if more:
        said.append(f"{more} more not drawn.")
        place: Mapping[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points"}
        listed.ax.annotate(f"and {more} more", (1, 0), (0, -20), ha="right", va="top", color=MUTED, **place)
    return Picture(listed.figure, f"{title}. {' '.join(said)}")


RING: Mapping[str, Any] = {"color": MUTED, "markerfacecolor": "white", "markersize": 8, "markeredgewidth": 1.8}


def _dumbbell(ax: Axes, y: float, old: float | None, new: float | None, regressed: bool) -> None:
    color, least = RED if regressed else BLUE, ax.get_xlim()[0]
    ends = [max(v, least) for v in (old, new) if v is not None]
    ax.plot(
        ends,
        [y] * len(ends),
        color=color if regressed else SKY,
        linewidth=4 if regressed else 2.5,
        alpha=0.6,
        zorder=2,
    )
    if old is not None:
        ax.plot([max(old, least)], [y], "o", zorder=3, clip_on=False, **RING)
    if new is not None:
        ax.plot(
            [max(new, least)], [y], "D" if regressed else "o", color=color, markersize=9, zorder=4, clip_on=False
        )


def _change(old: float | None, new: float | None, regressed: bool) -> str:
    if old is None or new is None:
        return f"{ms_text(new)}, none before" if new is not None else f"{ms_text(old or 0)} before, none now"
    factor = (
        f", {new / old:.1f}× slower" if regressed and new > 1.05 * old > 0 else ", regressed" if regressed else ""
    )
    return f"{ms_text(old)} → {ms_text(new)}{factor}"


def _ms_axis(ax: Axes, values: Sequence[float]) -> None:
    """A logarithmic axis, on which equal lengths are equal factors."""
    positive = [v for v in values if v > 0] or [1.0]
    ax.set_xscale("log")
    ax.set_xlim(max(min(positive) * 0.6, 0.01), max(positive) * 1.7)
    low, high = ax.get_xlim()
    decades = [
        float(f"{m}e{e}")
        for e in range(-2, 9)
        for m in ((1, 2, 5) if high / low < 30 else (1, 3) if high / low < 300 else (1,))
    ]
    near = (high / low) ** (0.06 if is_narrow() else 0)  # a phone cuts what is written at its edge
    places = [v for v in decades if low * near <= v <= high / near]
    ax.set_xticks(places, [ms_text(v) for v in places])
    ax.set_xticks([], minor=True)
    ax.grid(True, axis="x")
    ax.spines["left"].set_visible(False)


@styled
def cost_bars(rows: Sequence[Row], *, reason: str = NO_ROWS) -> Picture:
    """Cost of each service (`title` or `name`, `amount`, `currency`, `before_amount`), as it was before as a mark.

    Amounts of different currencies are drawn each to its own scale and never added.
    """
    title = "Costs"
    if all(number(r, "amount") is None for r in rows):
        return nothing(title, reason)
    shown = sorted(rows, key=lambda r: (str(r.get("currency")), -(number(r, "amount") or 0)))[:MOST_ROWS]
    mixed = len({str(r.get("currency")) for r in shown}) > 1
    title += ", each currency to its own scale" * mixed
    listed = listing(title, len(shown), left=2.9, right=2.8, foot=0.15)
    listed.ax.set(xlim=(0, 1.03), xticks=[])
    said = [_cost_bar(listed, i, row, shown) for i, row in enumerate(shown)]
    listed.ax.spines["bottom"].set_visible(False)
    if any(number(r, "before_amount") is not None for r in shown):
        key(
            listed.figure,
            [("period before", {"marker": "|", "color": INK, "markersize": 14, "markeredgewidth": 2.5})],
        )
    told = " ".join(f"{plain(_name(r), 60)}: {word}." for r, word in zip(shown, said, strict=True))
    return Picture(listed.figure, f"{title}. {told}")


def _name(row: Row) -> object:
    return row.get("title") or row.get("name") or "?"


def _cost_bar(listed: Rows, i: int, row: Row, rows: Sequence[Row]) -> str:
    currency = row.get("currency")
    same = [
        number(r, n) or 0.0 for r in rows if r.get("currency") == currency for n in ("amount", "before_amount")
    ]
    most = max(same) or 1.0
    amount, before = number(row, "amount"), number(row, "before_amount")
    y = i + listed.middle
    if amount is None:
        boxes(listed.ax, [(0, y - 0.24, 1, 0.48)], **{**HATCHED, "hatch": "//"})
        listed.tell(i, str(_name(row)), "not known")
        return "not known"
    boxes(listed.ax, [(0, y - 0.24, max(amount, 0) / most, 0.48)], facecolor=SKY, linewidth=0)
    if before is not None:
        listed.ax.plot([before / most] * 2, [y - 0.28, y + 0.28], color=INK, linewidth=2.5)
    word = f"{amount:,.2f} {plain(currency or '', 6)}".strip()
    word += f" (before {before:,.2f})" if before is not None else ""
    listed.tell(i, str(_name(row)), word)
    return word


@styled
def capacity_line(rows: Sequence[Row], *, reason: str = NO_ROWS) -> Picture:
    """How much of each limit of the plan is used (`title`, `used`, `limit`, `unit`, `days_left`, `warn_pct`).

    A use or a limit that is not known gives a hatched line; `days_left` None: no growth that reaches it.
    """
    title = "Capacity: share of the limit used"
    if all(number(r, "used") is None for r in rows):
        return nothing(title, reason)
    shown = list(rows)[:MOST_ROWS]
    listed = listing(title, len(shown), left=3.1, right=3.3, pitch=0.4)
    listed.ax.set_xlim(0, 100)
    said = [_capacity(listed, i, row) for i, row in enumerate(shown)]
    shares = range(20, 100, 20) if is_narrow() else range(0, 101, 20)
    listed.ax.set_xticks(shares, [f"{v} %" for v in shares])
    told = " ".join(f"{plain(_name(r), 60)}: {word}." for r, word in zip(shown, said, strict=True))
    return Picture(listed.figure, f"{title}. {told}")


def _capacity(listed: Rows, i: int, row: Row) -> str:
    ax, y = listed.ax, i + listed.middle
    used, limit, left = number(row, "used"), number(row, "limit"), number(row, "days_left")
    unit = plain(row.get("unit") or "", 14)
    if used is None or not limit:
        boxes(ax, [(0, y - 0.2, 100, 0.4)], **{**HATCHED, "hatch": "//"})
        word = "not measured" if used is None else f"{count_text(used)} {unit}".rstrip() + ", limit not known"
        listed.tell(i, str(_name(row)), word)
        return word
    warn, share = number(row, "warn_pct"), used / limit * 100
    full = share >= (FULL_PCT if warn is None else warn)
    boxes(ax, [(0, y - 0.2, 100, 0.4)], facecolor="#eef1f3", linewidth=0)
    boxes(ax, [(0, y - 0.2, min(share, 100), 0.4)], facecolor=RED if full else SKY, linewidth=0)
    if warn is not None:
        ax.plot([warn, warn], [y - 0.32, y + 0.32], color=INK, linewidth=1.5, dashes=(3, 2))
    word = f"{share:.0f} %: {count_text(used)} of {count_text(limit)} {unit}".rstrip()
    word += f", full in {left:,.0f} days" if left is not None and left <= TEN_YEARS else ""
    listed.tell(i, str(_name(row)), word, bold=full)
    return word
