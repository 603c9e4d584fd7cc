"""Sheets to draw on, and the picture that a notebook shows. The only file that imports matplotlib.

Each picture is drawn twice, for a screen and for a phone, as SVG in the page: sharp at any zoom, its type never
below 11 pixels, the figures under the pointer as `<title>`, and its alt text says what it shows. All text in it is
escaped. Colours hold for the colour-blind, and each meaning has a word, a mark or a hatch beside its colour.
"""

from __future__ import annotations

import html
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import wraps
from io import BytesIO
from math import isfinite
from textwrap import fill
from typing import Any, ParamSpec
from zlib import crc32
from zoneinfo import ZoneInfo

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure

from pdmlib.errors import Spelt

INK, MUTED, RULE = "#1f2328", "#59626b", "#dfe3e6"
BLUE, SKY, PALE = "#00518f", "#56a0d3", "#cfe2f1"
RED, AMBER, GREEN = "#b3261e", "#e69f00", "#bfe3d0"

Look = Mapping[str, Any]
HATCHED: Look = {"facecolor": "white", "edgecolor": "#9aa3ab", "linewidth": 0.5, "hatch": "////"}

Row = Mapping[str, Any]

P = ParamSpec("P")
# Inches, 96 pixels each on a screen. Wide: a page of 768 pixels shows it at three quarters, its type at 11 pixels.
# Narrow: what a phone of 390 pixels has between its margins.
WIDE, NARROW = 9.8, 3.75
NO_ROWS = "the source gave no rows"

# A picture stands alone in a notebook, whose dark theme is an attribute of JupyterLab's and nbconvert's pages.
# What moves there is a widget, whose ground is white: its canvas is turned as a picture is, and not its tools.
DARK = (
    '<style>[data-jp-theme-light="false"] :is(.picture, .moved .jupyter-matplotlib-canvas-container) '
    "{ filter: invert(.93) hue-rotate(180deg); }</style>"
)
FONT = "'DejaVu Sans',sans-serif"
STYLE: Any = {
    "figure.figsize": (WIDE, 1),
    "font.family": FONT.replace("'", "").split(","),
    "font.size": 11,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": MUTED,
    "axes.facecolor": "none",
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
SMALL: Any = {**STYLE, "figure.figsize": (NARROW, 0.93), "font.size": 9}
# A third of a wall's screen shows what a phone does, flatter and enlarged, so that its type is read from afar.
WALL: Any = {**SMALL, "figure.figsize": (NARROW, 0.46)}


Spot = tuple[Axes, tuple[tuple[float, float], tuple[float, float]], str]  # two corners in data units, and words


class Sheet(Figure):
    """A figure to draw on, and what its parts say under the pointer."""

    def __init__(self, **size: Any) -> None:
        super().__init__(**size)
        self.spots: list[Spot] = []


@dataclass(frozen=True, eq=False)
class Picture(Spelt):
    """A drawn figure, with words for those who cannot see it; a notebook shows it in the size of its screen."""

    figure: Sheet
    alt: str
    narrow: Sheet | None = None

    def _where_is(self, name: str) -> str:
        return f".figure.{name}, since .figure is matplotlib's" if hasattr(Figure, name) else ""

    def svg(self) -> bytes:
        """The figure as SVG, the same bytes each time."""
        return _saved(self.figure, "svg", 72, dict.fromkeys(("Date", "Creator", "Format", "Type")))

    def png(self, dpi: int = 144) -> bytes:
        """The figure as PNG, the same bytes each time."""
        return _saved(self.figure, "png", dpi, {})

    def _repr_html_(self) -> str:
        alt = html.escape(" ".join(self.alt.split()))
        sizes = [_inline(self, "wide", "")]
        if self.narrow:
            sizes.append(_inline(replace(self, figure=self.narrow), "narrow", "display:none;"))
        return f'<div class="picture" role="img" aria-label="{alt}">{DARK}{"".join(sizes)}</div>'

    def __repr__(self) -> str:
        return f"Picture({self.alt!r})"


@matplotlib.rc_context(STYLE)
def _saved(figure: Figure, kind: str, dpi: int, metadata: dict[str, Any]) -> bytes:
    target = BytesIO()
    with warnings.catch_warnings():
        # Names may hold characters that our font lacks; the reader's browser has them.
        warnings.filterwarnings("ignore", message="Glyph", category=UserWarning)
        ground = "none" if kind == "svg" else "white"  # a page has its own
        figure.savefig(target, format=kind, dpi=dpi, metadata=metadata, facecolor=ground)
    return target.getvalue()


def _inline(picture: Picture, name: str, style: str) -> str:
    """A figure as an element of a page, its names its own: pictures of one page share no clip and no hatch."""
    wide, high = picture.figure.get_size_inches()
    drawn = picture.svg().decode()
    drawn = drawn[drawn.index(">", drawn.index("<svg")) + 1 : drawn.rindex("</svg>")]
    drawn = re.sub(r"<style.*?</style>|<!--.*?-->|font-family: [^;]*; ?", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r"(\d\.\d\d)\d+", r"\1", drawn)  # a hundredth of a point is seen by nobody
    used, own = set(re.findall(r"#(\w+)", drawn)), f"{crc32(picture.alt.encode()):08x}{name[0]}-"
    drawn = re.sub(r' id="([^"]*)"', lambda found: f' id="{own}{found[1]}"' if found[1] in used else "", drawn)
    drawn = re.sub(r"(url\(|href=\")#", rf"\1#{own}", re.sub(r"\s*\n\s*(?=<)|(?<=>)\s*\n\s*", "", drawn))
    return (
        f'<svg class="{name}" viewBox="0 0 {wide * 72:g} {high * 72:g}" width="{wide * 96:.0f}" '
        f'style="{style}max-width:100%;height:auto;stroke-linejoin:round;font-family:{FONT}">{drawn}{_titles(picture.figure)}</svg>'
    )


def _titles(figure: Sheet) -> str:
    """What each part says under the pointer, over all that is drawn."""
    wide, high = figure.get_size_inches() * 72
    found: list[str] = []
    for ax in dict.fromkeys(ax for ax, _, _ in figure.spots):
        mine = [(corners, words) for at, corners, words in figure.spots if at is ax]
        to_figure = ax.transData + figure.transFigure.inverted()
        ends = to_figure.transform(np.array([corners for corners, _ in mine]).reshape(-1, 2)) * (wide, high)
        places = (ends * (1, -1) + (0, high)).reshape(-1, 2, 2)  # SVG counts from the top
        (left, top), (width, height) = places.min(axis=1).T, np.ptp(places, axis=1).T
        for x, y, w, h, (_, words) in zip(left, top, width, height, mine, strict=True):
            box = f'x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{h:.1f}"'
            found.append(f"<rect {box}><title>{html.escape(words)}</title></rect>")
    return f'<g fill="transparent">{"".join(found)}</g>' if found else ""


def styled(draw: Callable[P, Picture]) -> Callable[P, Picture]:
    """A chart in the one look of all, drawn for a screen and for a phone."""

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> Picture:
        with matplotlib.rc_context(STYLE):
            wide = draw(*args, **kwargs)
        with matplotlib.rc_context(WALL if _wall.get() else SMALL):
            narrow = draw(*args, **kwargs)
        return replace(wide, narrow=narrow.figure)

    return drawn


_wall: ContextVar[bool] = ContextVar("wall", default=False)


@contextmanager
def on_a_wall() -> Iterator[None]:
    """What is drawn inside has the flat size of a wall in place of a phone's."""
    token = _wall.set(True)
    try:
        yield
    finally:
        _wall.reset(token)


def width() -> float:
    """The width in inches of what is being drawn."""
    return float(matplotlib.rcParams["figure.figsize"][0])


def is_narrow() -> bool:
    """Whether what is being drawn is for a phone."""
    return width() < WIDE


def is_flat() -> bool:
    """Whether what is being drawn is for a wall, where a heading stands above it."""
    return float(matplotlib.rcParams["figure.figsize"][1]) < 0.7


def column_inches() -> float:
    """How wide a column of text is, about: DejaVu Sans is 0.59 of its size wide."""
    return 0.59 * float(matplotlib.rcParams["font.size"]) / 72


def blank(title: str, height: float) -> Sheet:
    """An empty figure of a height in inches, with its title; a phone has no room for what follows a colon."""
    figure = Sheet(figsize=(width(), height))
    words, size = (title.partition(":")[0], 11) if is_narrow() else (title, 13)
    if is_flat():
        return figure
    figure.text(0.1 / width(), 1 - 0.08 / height, words, size=size, weight="bold", va="top")
    return figure


def sheet(
    title: str, height: float, *, left: float = 0.85, right: float = 1.75, top: float = 0.68, bottom: float = 0.4
) -> tuple[Sheet, Axes]:
    """A figure with a title and one pair of axes; the margins are inches, on a phone as small as can be."""
    if is_narrow():
        left, right, height = 0.52, 1.0 if right else 0.1, height * float(matplotlib.rcParams["figure.figsize"][1])
        top, bottom = (0.28, 0.3) if is_flat() else (top, bottom)
    figure = blank(title, height)
    ax = axes_at(figure, left, bottom, width=width() - left - right, height=height - top - bottom)
    ax.tick_params(length=0, pad=6)
    return figure, ax


@dataclass(frozen=True)
class Rows:
    """Rows of one chart under each other: name, marks, words.

    On a screen the name stands left of the marks and the words right of them; on a phone both stand above.

    Attributes:
        middle: where the marks of a row are, in rows from its top.
    """

    figure: Sheet
    ax: Axes
    middle: float

    def tell(self, row: int, name: str, words: str, *, bold: bool = False) -> None:
        """A row's name and words, shortened to what the sheet has room for, whole under the pointer."""
        weight = "bold" if bold else "normal"
        shown, said = plain(name, 200), plain(words, 200)
        place: Look = {"xycoords": self.ax.get_yaxis_transform(), "annotation_clip": False, "weight": weight}
        if is_narrow():
            room = int((width() - 0.2) / column_inches())
            said = plain(said, room - 12)
            self.ax.annotate(said, (1, row + 0.25), ha="right", va="center", **place)
            shown, heavy = plain(shown, room - columns(said) - 1), {**place, "weight": "normal"}
            self.ax.annotate(shown, (0, row + 0.25), ha="left", va="center", **heavy)
            return
        box = self.ax.get_position()
        points: Look = {"textcoords": "offset points", "va": "center_baseline"}
        room = int(((1 - box.x1) * width() - 0.15) / column_inches())
        self.ax.annotate(plain(said, room), (1, row + self.middle), (10, 0), **points, **place)
        left = int((box.x0 * width() - 0.1) / column_inches())
        heavy = {**place, "weight": "normal"}
        self.ax.annotate(plain(shown, left), (0, row + self.middle), (-10, 0), ha="right", **points, **heavy)
        low, high = self.ax.get_xlim()
        self.figure.spots.append((self.ax, ((low, row), (high, row + 1)), f"{shown}: {said}"))


def listing(title: str, count: int, *, left: float, right: float, pitch: float = 0.34, foot: float = 0.4) -> Rows:
    """A sheet with so many rows, the first at the top; margins and pitch are inches on a screen."""
    pitch = 0.46 if is_narrow() else pitch
    left, right = (0.1, 0.1) if is_narrow() else (left, right)
    height = (0.4 if is_narrow() else 0.6) + foot + pitch * count
    figure = blank(title, height)
    ax = axes_at(figure, left, foot, width=width() - left - right, height=pitch * count)
    ax.set_ylim(count, 0)
    ax.set_yticks([])
    ax.tick_params(length=0, pad=6)
    ax.spines["left"].set_visible(False)
    return Rows(figure, ax, 0.72 if is_narrow() else 0.5)


def axes_at(figure: Figure, x: float, y: float, width: float, height: float) -> Axes:
    """Axes whose lower left corner and size are given in inches."""
    wide, high = figure.get_size_inches()
    return figure.add_axes((x / wide, y / high, width / wide, height / high))


def nothing(title: str, reason: str) -> Picture:
    """A picture that says why there is nothing to draw."""
    words = f"no data: {plain(reason, 300)}"
    figure = blank(title, 1.2)
    ax = axes_at(figure, 0.1, 0.12, width=width() - 0.2, height=0.64)
    boxes(ax, [(0, 0, 1, 1)], facecolor="white", edgecolor=RULE, hatch="//")
    ax.set(xlim=(0, 1), ylim=(0, 1))
    ax.set_axis_off()
    room = int((width() - 0.4) / column_inches())
    ax.text(0.5, 0.5, fill(shortened(words, 3 * room), room), ha="center", va="center", bbox=PAPER)
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


def key(figure: Figure, entries: Sequence[tuple[str, Look]]) -> None:
    """What the looks mean, in words; a look is that of a marker or of a box.

    On a screen a line at the top right; on a phone lines at the foot, for which the figure grows.
    """
    length, narrow = [column_inches() * columns(word) + 0.5 for word, _ in entries], is_narrow()
    rows = _lines(length, width() - 0.2) if narrow else [list(range(len(entries)))] * bool(entries)
    if narrow:
        _grow(figure, 0.22 * len(rows))
    high = figure.get_figheight()
    for n, row in enumerate(rows):
        base = 0.22 * (len(rows) - n) - 0.2 if narrow else high - 0.28
        marks = axes_at(figure, 0, base, width=width(), height=0.18)
        marks.set(xlim=(0, width()), ylim=(0, 0.18))
        marks.set_axis_off()
        x = 0.1 if narrow else width() - 0.05 - sum(length)
        for i in row:
            _entry(marks, x, *entries[i])
            x += length[i]


def _lines(lengths: Sequence[float], room: float) -> list[list[int]]:
    lines: list[list[int]] = []
    for i, length in enumerate(lengths):
        if lines and sum(lengths[j] for j in lines[-1]) + length <= room:
            lines[-1].append(i)
        else:
            lines.append([i])
    return lines


def _entry(marks: Axes, x: float, word: str, look: Look) -> None:
    marks.text(x + 0.32, 0.09, word, va="center")
    if "marker" in look:
        marks.plot([x + 0.12], [0.09], linestyle="none", clip_on=False, **look)
    else:
        boxes(marks, [(x, 0, 0.24, 0.18)], **look)


def _grow(figure: Figure, inches: float) -> None:
    """The figure made higher at its foot, all that is drawn staying in its size and place."""
    high = figure.get_figheight()
    figure.set_figheight(high + inches)
    for ax in figure.axes:
        box = ax.get_position()
        y, height = (box.y0 * high + inches) / (high + inches), box.height * high / (high + inches)
        ax.set_position((box.x0, y, box.width, height))
    for text in figure.texts:
        x, y = text.get_position()
        text.set_position((x, (y * high + inches) / (high + inches)))


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
