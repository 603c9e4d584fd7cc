"""A chart that JupyterLab pans and zooms along its time axis. The only file that imports ipympl."""

from __future__ import annotations

import warnings
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.text import Annotation

from pdmlib.report.charts.clock import Times
from pdmlib.report.charts.picture import STYLE, Picture

PIXELS = 96  # an inch on a screen, as in the still pictures


def is_over_time(picture: Picture) -> bool:
    """Whether a chart has a time axis to move along."""
    return any(isinstance(ax.xaxis.get_major_locator(), Times) for ax in picture.figure.axes)


def canvas(picture: Picture) -> Any:
    """The chart as a widget with tools under it: drag to pan, draw a box to zoom, home to see all again."""
    from ipympl.backend_nbagg import Canvas, FigureManager

    class Styled(Canvas):  # type: ignore[misc]
        """Draws what comes into view in the looks of all charts."""

        def draw(self) -> None:
            with matplotlib.rc_context(STYLE):
                super().draw()

    figure = picture.figure
    figure.set_facecolor("white")  # its colours are made for a light ground, which `DARK` turns
    figure.set_dpi(PIXELS)
    with warnings.catch_warnings():  # of how ipympl calls traitlets, theirs to mend
        warnings.filterwarnings("ignore", "Passing unrecognized arguments", DeprecationWarning)
        shown = Styled(figure)
        FigureManager(shown, 0)
    shown.header_visible, shown.resizable = False, False
    shown.toolbar_visible, shown.toolbar_position = True, "bottom"  # elsewhere it would hide a part of the chart
    for ax in figure.axes:
        if isinstance(ax.xaxis.get_major_locator(), Times):
            _along_time_alone(ax)
        else:
            ax.set_navigate(False)
    return shown


def _along_time_alone(ax: Axes) -> None:
    """Keeps the scale of the values, beside which their names stand, and hides words whose time is out of view."""
    low, high = ax.get_ylim()

    def keep_values(_: Axes) -> None:
        ax.set_ylim(low, high, emit=False)

    def hide_words(_: Axes) -> None:
        left, right = ax.get_xlim()
        for text in ax.texts:
            if not isinstance(text, Annotation):  # which knows by itself whether what it names is in view
                text.set_visible(left <= text.get_position()[0] <= right)

    ax.callbacks.connect("ylim_changed", keep_values)
    ax.callbacks.connect("xlim_changed", hide_words)
