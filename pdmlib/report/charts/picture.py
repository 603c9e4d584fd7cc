"""Sheets to draw on, and the picture that a notebook shows. The only file that imports matplotlib.

Pictures are SVG inside an `<img>`: sharp at any zoom, nothing in them can run, and their alt
text says what they show. Type is 11 pt and up; colours hold for the colour-blind, and each
meaning has a word, a mark or a hatch beside its colour.
"""

from __future__ import annotations

import html
import unicodedata
import warnings
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from io import BytesIO
from math import isfinite
from typing import Any
from zoneinfo import ZoneInfo

import matplotlib
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

INK, MUTED, RULE = "#1f2328", "#59626b", "#dfe3e6"
BLUE, SKY, PALE = "#00518f", "#56a0d3", "#cfe2f1"
RED, AMBER, GREEN = "#b3261e", "#e69f00", "#bfe3d0"

Look = Mapping[str, Any]
HATCHED: Look = {"facecolor": "white", "edgecolor": "#9aa3ab", "linewidth": 0.5, "hatch": "////"}

Row = Mapping[str, Any]

WIDTH = 10.5
NO_ROWS = "the source gave no rows"

STYLE: Any = {
    "font.family": ["DejaVu Sans", "sans-serif"],
    "font.size": 11,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": False,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "grid.color": RULE,
    "hatch.linewidth": 0.8,
    "svg.fonttype": "none",
    "svg.hashsalt": "pdmlib",
}

styled = matplotlib.rc_context(STYLE)


@dataclass(frozen=True, eq=False)
class Picture:
    """A drawn figure, with words for those who cannot see it; a notebook shows it as an image."""

    figure: Figure
    alt: str

    def svg(self) -> bytes:
        """The figure as SVG, the same bytes each time."""
        return self._saved("svg", 72, {"Date": None})

    def png(self, dpi: int = 144) -> bytes:
        """The figure as PNG, the same bytes each time."""
        return self._saved("png", dpi, {})

    @styled
    def _saved(self, kind: str, dpi: int, metadata: dict[str, str | None]) -> bytes:
        target = BytesIO()
        with warnings.catch_warnings():
            # Names may hold characters that our font lacks; the reader's browser has them.
            warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
            self.figure.savefig(target, format=kind, dpi=dpi, metadata=metadata)
        return target.getvalue()

    def _repr_html_(self) -> str:
        pixels = round(self.figure.get_figwidth() * 96)
        return (
            f'<div class="picture" tabindex="0"><img alt="{html.escape(self.alt)}" width="{pixels}" '
            f'style="max-width:100%;height:auto" '
            f'src="data:image/svg+xml;base64,{b64encode(self.svg()).decode()}"></div>'
        )

    def __repr__(self) -> str:
        return f"Picture({self.alt!r})"


def blank(title: str, height: float) -> Figure:
    """An empty figure of a height in inches, with its title."""
    figure = Figure(figsize=(WIDTH, height))
    figure.text(0.1 / WIDTH, 1 - 0.08 / height, title, size=13, weight="bold", va="top")
    return figure


def sheet(
    title: str, height: float, *, left: float = 0.85, right: float = 1.85, top: float = 0.68, bottom: float = 0.4
) -> tuple[Figure, Axes]:
    """A figure with a title and one pair of axes; the margins are inches."""
    figure = blank(title, height)
    ax = axes_at(figure, left, bottom, width=WIDTH - left - right, height=height - top - bottom)
    ax.tick_params(length=0, pad=6)
    return figure, ax


def axes_at(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Axes whose lower left corner and size are given in inches."""
    wide, high = figure.get_size_inches()
    return figure.add_axes((x / wide, y / high, width / wide, height / high))


@styled
def nothing(title: str, reason: str) -> Picture:
    """A picture that says why there is nothing to draw."""
    words = f"no data: {plain(reason, 300)}"
    figure = blank(title, 1.2)
    ax = axes_at(figure, 0.1, 0.12, width=WIDTH - 0.2, height=0.64)
    boxes(ax, [(0, 0, 1, 1)], facecolor="white", edgecolor=RULE, hatch="//")
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.set_axis_off()
    ax.text(0.5, 0.5, shortened(words, 110), ha="center", va="center", bbox=PAPER)
    return Picture(figure, f"{title}: {words}.")


PAPER = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85}


def boxes(ax: Axes, places: Sequence[tuple[float, float, float, float]], **style: Any) -> None:
    """Rectangles `(x, y, width, height)` of one look, in data units."""
    corners = [((x, y), (x + w, y), (x + w, y + h), (x, y + h)) for x, y, w, h in places]
    if corners:
        ax.add_collection(PolyCollection(corners, **style), autolim=False)


def shade(share: float) -> tuple[float, ...]:
    """A blue from nearly white at 0 to dark at 1."""
    low, high = (0.93, 0.96, 0.985), (0.0, 0.30, 0.54)
    return tuple(a + (b - a) * share for a, b in zip(low, high, strict=True))


def beside(ax: Axes, y: float, words: str, *, bold: bool = False) -> None:
    """Words in the right margin at a height in data units."""
    weight = "bold" if bold else "normal"
    place: Look = {"xycoords": ax.get_yaxis_transform(), "textcoords": "offset points", "annotation_clip": False}
    ax.annotate(words, (1, y), (10, 0), va="center_baseline", weight=weight, **place)


def key(figure: Figure, entries: Sequence[tuple[str, Look]]) -> None:
    """What the looks mean, in words, in a line at the top right; a look is that of a marker or of a box."""
    high = figure.get_figheight()
    marks = axes_at(figure, 0, high - 0.28, width=WIDTH, height=0.18)
    marks.set(xlim=(0, WIDTH), ylim=(0, 0.18))
    marks.set_axis_off()
    x = WIDTH - 0.05 - sum(0.093 * columns(word) + 0.5 for word, _ in entries)
    for word, look in entries:
        figure.text((x + 0.32) / WIDTH, 1 - 0.19 / high, word, va="center")
        if "marker" in look:
            marks.plot([x + 0.12], [0.09], linestyle="none", clip_on=False, **look)
        else:
            boxes(marks, [(x, 0, 0.24, 0.18)], **look)
        x += 0.093 * columns(word) + 0.5


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places in the same order, moved apart so that neighbours keep the gap, inside `[low, high]` if they fit."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    floor = low
    for i in order:
        moved[i] = floor = max(floor, places[i])
        floor += gap
    ceiling = high
    for i in reversed(order):
        moved[i] = ceiling = min(ceiling, moved[i])
        ceiling -= gap
    return moved


def plain(value: object, width: int) -> str:
    """Text from outside on one line without control characters, at most `width` columns."""
    words = " ".join(str(value).split())
    return shortened("".join(c for c in words if c.isprintable()), width)


def shortened(text: str, width: int) -> str:
    """Text of at most `width` columns; what is cut leaves an ellipsis."""
    if columns(text) <= width:
        return text
    while columns(text) > width - 1:
        text = text[: min(len(text) - 1, width - 1)]
    return text.rstrip() + "…"


def columns(text: str) -> int:
    """How many columns a text takes: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def moment_text(seconds: float, zone: ZoneInfo) -> str:
    """A time (seconds since 1970) as `Mon 3 Mar 09:00` in the zone."""
    local = datetime.fromtimestamp(seconds, UTC).astimezone(zone)
    return f"{day_text(local.date())} {local:%H:%M}"


def day_text(day: date) -> str:
    """A day as `Mon 3 Mar`."""
    return f"{day:%a} {day.day} {day:%b}"


def count_text(value: float, limit: int = 100_000) -> str:
    """A count as `1,234`, from `limit` on as `120k`, `3.4M`."""
    if abs(value) < limit:
        return f"{value:,.0f}" if abs(value) >= 10 or value == round(value) else f"{value:.1f}"
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            scaled = value / size
            return f"{scaled:.1f}{letter}" if abs(scaled) < 10 else f"{scaled:,.0f}{letter}"
    return f"{value:,.0f}"


def ms_text(value: float) -> str:
    """A duration in milliseconds as `0.4 ms`, `850 ms` or `1.4 s`."""
    if abs(value) >= 1000:
        return f"{value / 1000:,.1f} s"
    return f"{value:.0f} ms" if abs(value) >= 10 else f"{value:.2g} ms"


def minutes_text(minutes: float) -> str:
    """A length of time as `35 s`, `12 min`, `3 h` or `3 h 05 min`."""
    if 0 < minutes < 0.99:
        return f"{minutes * 60:.0f} s"
    hours, rest = divmod(round(minutes), 60)
    if not hours:
        return f"{rest} min"
    return f"{hours} h {rest:02} min" if rest else f"{hours} h"


def finite(value: Any) -> float | None:
    """A value as a number; None for what is missing, infinite or no number."""
    try:
        found = float(value)
    except (TypeError, ValueError):
        return None
    return found if isfinite(found) else None


def number(row: Row, *names: str) -> float | None:
    """The first of the named values that is a finite number."""
    found = (finite(row.get(name)) for name in names)
    return next((value for value in found if value is not None), None)
