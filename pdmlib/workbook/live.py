"""What moves in JupyterLab and stands still everywhere else: sliders, and charts to pan and zoom.

Moving needs a person in front of a Jupyter server; papermill, nbconvert and reports have the still picture. The
only file that imports ipywidgets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeVar

from markupsafe import escape

from pdmlib.errors import PdmError, Spelt
from pdmlib.report.html import Html, dressed
from pdmlib.site.environment import environment_value

T = TypeVar("T")
WIDGETS = ("ipywidgets", "ipympl")
_LEFT = (
    "<style>.stands, .moved.jupyter-widgets-disconnected { display: none !important; } "
    ".moved.jupyter-widgets-disconnected ~ .stands { display: block !important; }</style>"
)
SESSION = "JPY_SESSION_NAME"  # a Jupyter server sets it in the kernel of a notebook that somebody has open


@dataclass(frozen=True, eq=False)
class Live(Spelt):
    """Something that a person may move in JupyterLab.

    Attributes:
        what: what it is, for its one line.
        still: what is shown where it cannot be moved.
        moving: makes the widget; None: it cannot be moved, and `why` says why not.
    """

    what: str
    still: Html
    moving: Callable[[], Any] | None
    why: str = ""

    def __repr__(self) -> str:
        return f"Live({self.what})"

    def _repr_html_(self) -> str:
        why = self.why or _why_still() or "it moves in a JupyterLab that has the widgets of pdmlib[lab]"
        return dressed(f"{self.still.html}<p class='soft'>Stands still here: {escape(why)}.</p>")

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        shown = {"text/plain": repr(self), "text/html": self._repr_html_()}
        if self.moving is None or _why_still():
            return shown
        return {**self.moving()._repr_mimebundle_(), **shown}


def _why_still() -> str:
    """Why nothing can be moved here; empty where it can."""
    if not environment_value(SESSION):
        return "it moves in JupyterLab (`make lab`)"
    missing = [name for name in WIDGETS if find_spec(name) is None]
    return f"{' and '.join(missing)} missing: pip install 'pdmlib[lab]'" if missing else ""


def themed(shown: Any, style: str, still: str) -> Any:
    """A widget under a style sheet that knows it by the class `moved`.

    Args:
        still: HTML that takes its place in a notebook that is opened again, when no kernel moves it any more.
    """
    import ipywidgets

    shown.add_class("moved")
    left = ipywidgets.HTML(still)
    left.add_class("stands")
    return ipywidgets.VBox([ipywidgets.HTML(f"{style}{_LEFT}"), shown, left])


def slider(options: Sequence[tuple[str, T]], at: int, label: str, show: Callable[[T], Html]) -> Any:
    """A slider over options, each with its words, and under it what each shows, at once."""
    import ipywidgets

    moved = ipywidgets.SelectionSlider(options=options, index=at, description=label, **_look())
    shown = ipywidgets.HTML(dressed(show(options[at][1]).html))

    def move(change: dict[str, Any]) -> None:
        shown.value = dressed(show(change["new"]).html)

    moved.observe(move, "value")
    return ipywidgets.VBox([moved, shown])


def range_slider(
    options: Sequence[tuple[str, T]], at: tuple[int, int], button: str, show: Callable[[T, T], str]
) -> Any:
    """A slider of two ends, a button that asks, and under it the answer."""
    import ipywidgets

    words = {value: text for text, value in options}
    moved = ipywidgets.SelectionRangeSlider(
        options=options, index=at, description="window", readout=False, **_look()
    )
    told, pressed, shown = ipywidgets.Label(), ipywidgets.Button(description=button), ipywidgets.HTML()

    def tell(_: object = None) -> None:
        told.value = "from {} to {}".format(*(words[end] for end in moved.value))

    def ask(_: object) -> None:
        pressed.disabled, shown.value = True, dressed("<p>asking the sources …</p>")
        try:
            shown.value = show(*moved.value)
        except PdmError as error:
            shown.value = dressed(f"<p>{escape(str(error))}</p>")
        finally:
            pressed.disabled = False

    tell()
    moved.observe(tell, "value")
    pressed.on_click(ask)
    return ipywidgets.VBox([moved, told, pressed, shown])


def _look() -> dict[str, Any]:
    return {"layout": {"width": "95%"}, "style": {"description_width": "initial"}}
