"""How a value of a table becomes the text of a cell."""

from __future__ import annotations

from typing import Any

from markupsafe import Markup

from pdmlib.report import words


def count(value: Any) -> str:
    """A count; a question mark where it is not known."""
    return "?" if value is None else words.number(float(value))


def amount(value: Any) -> str:
    """A value of any kind; nothing where there is none."""
    return "" if value is None else words.one_line(words.number(value))


def pct(value: Any) -> str:
    """A change in percent, with its sign."""
    return "" if value is None else words.signed(float(value))


def share(value: Any) -> str:
    """A share in percent."""
    return "" if value is None else f"{float(value):.1f} %"


def script(value: Any) -> Any:
    """Statements to run one by one, folded."""
    lines = str(value or "").split("\n")
    fold = '<details class="rest"><summary>{}</summary><pre tabindex="0">{}</pre></details>'
    return (
        Markup(fold).format(f"{len(lines)} statement{'s' * (len(lines) > 1)}", "\n".join(lines)) if value else ""
    )


def ms(value: Any) -> str:
    """A time; a question mark where it is not known."""
    return "?" if value is None else words.number(float(value), "ms")


def text(value: Any) -> str:
    """Text on one line."""
    return "" if value is None else words.one_line(value)


def in_words(value: Any) -> str:
    """A word of a program in plain letters: `STALE_CLIENT` as `stale client`."""
    return text(words.in_words(value))


def marked(value: Any) -> Any:
    """Text that may hold a link of our own."""
    return value if isinstance(value, Markup) else text(value)


def sentences(value: Any) -> str:
    """Sentences, cut where they are too many."""
    return "" if value is None else words.sentences(value)


def yes(value: Any) -> str:
    """Whether it does, in words and by a sign."""
    return "not judged" if value is None else "✓ yes" if value else "✗ no"


def holds(value: Any) -> str:
    """Whether a criterion holds."""
    return "unknown" if value is None else "✗ holds" if value else "✓ does not hold"


def plan(value: Any) -> str:
    """Whether a plan is the same as before."""
    return "one look only" if value is None else "changed" if value else "same"


def incident(value: Any) -> str:
    """What an incident was, by the reading that showed it."""
    return {"app_up": "down", "error_rate_pct": "too many requests failed"}.get(str(value), text(value))


def wrong(value: Any) -> str:
    """A count of what should not be."""
    return f"✗ {count(value)}" if value else count(value)


def state(value: Any) -> str:
    """A state with its sign."""
    signs = {
        "done": "✓ done",
        "failed": "✗ failed",
        "manual": "☐ open",
        "OPERATIONAL": "✓ OPERATIONAL",
        "ISSUES": "✗ ISSUES",
    }
    return signs.get(str(value), text(value))
