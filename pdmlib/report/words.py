"""Numbers, times and states in words: the same in every file of a report."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from markupsafe import Markup

from pdmlib.frames.readings import Limit, Reading, Status, Trend, amount, aside
from pdmlib.frames.states import Outcome, ReportStatus
from pdmlib.phases.window import spoken_day

if TYPE_CHECKING:
    from pdmlib.frames.case import Case

number = amount  # as templates and tables call it
OPEN = "nothing noted yet"
# Stands in a line of a template for a reading that the report does not have; such lines are left out. No text of a
# stranger holds it, since all that is not printable is taken out of those.
ABSENT = Markup("\x00")
MARKS = {Status.PASS: "✓", Status.WARN: "⚠", Status.FAIL: "✗", Status.INFO: "·", Status.UNKNOWN: "?"}
WORDS = {
    Status.PASS: "PASS",
    Status.WARN: "WARN",
    Status.FAIL: "FAIL",
    Status.INFO: "info",
    Status.UNKNOWN: "UNKNOWN",
}
SHAPES = {ReportStatus.GREEN: "●", ReportStatus.YELLOW: "▲", ReportStatus.RED: "■", ReportStatus.UNKNOWN: "?"}
LIGHTS = {ReportStatus.GREEN: "🟢", ReportStatus.YELLOW: "🟡", ReportStatus.RED: "🔴", ReportStatus.UNKNOWN: "⚪"}
STABILITY = {
    ReportStatus.GREEN: "STABLE",
    ReportStatus.YELLOW: "NEEDS ATTENTION",
    ReportStatus.RED: "UNSTABLE",
    ReportStatus.UNKNOWN: "NOT KNOWN",
}
OUTCOMES = {
    Outcome.SUCCESSFUL: "✓ SUCCESSFUL",
    Outcome.PARTIAL: "⚠️ PARTIAL",
    Outcome.FAILED: "✗ FAILED",
    Outcome.UNKNOWN: "? NOT KNOWN",
}
LONG_MIN = 180  # from which people count hours
LINE, SENTENCES, LONGEST_WORD = 300, 1500, 12
ARROWS = {Trend.UP: "↑", Trend.DOWN: "↓", Trend.FLAT: "→", Trend.NEW: "new", Trend.UNKNOWN: "?"}
# What Markdown would act on, and no more: a text full of backslashes cannot be pasted into a chat. Stars and
# underscores act only beside a word, brackets only where a target follows, a hash only at the start of a line.
_SPECIAL = re.compile(r"(\||\\(?=[^\w\s])|~(?=~)|\*(?=\S)|(?<=\S)\*|(?<!\w)_(?=\S)|(?<=\S)_(?!\w)|^#|(?<=\n)#)")
# What readers of Markdown take for a link though nobody marked it as one (GitHub's autolinks): cut by a backslash.
_LINK = re.compile(r"\b(?:(?:https?|ftp)(?=://)|(?:mailto|xmpp)(?=:)|www(?=\.))", re.IGNORECASE)
# A link has its target right behind the bracket; a definition of one begins a line (CommonMark 0.31).
_LINKED, _BRACKET = re.compile(r"\][(\[]|^\s*\[[^\]]*\]:"), re.compile(r"([!\[\]])")
_ISO_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_TAG, _ENTITY = re.compile(r"<(?=[A-Za-z/!?\\])"), re.compile(r"&(?=\\?#?\w+;)")
_QUOTE = re.compile(r"^(\s*)>(?!=)")  # `>= 99.9` at the start of a cell is a limit


def signed(pct: float) -> str:
    """A change in percent, with its sign."""
    return f"{pct:+,.0f} %"


def shown(reading: Reading | None) -> str:
    """A reading's value, or why there is none; `ABSENT` for one that this report does not have."""
    if reading is None:
        return ABSENT
    if reading.value is None:
        return f"not measured{aside(reading.why)}"
    return number(reading.value, reading.unit)


def as_word(reading: Reading | None, yes: str, no: str) -> str:
    """A reading that is true or false in a template's own words, or why there is none."""
    if reading is None or not isinstance(reading.value, bool):
        return shown(reading)
    return yes if reading.value else no


def or_none(reading: Reading | None, nothing: str = "none") -> str:
    """What an empty list says: that there is nothing only where the reading that counts it is known."""
    return ABSENT if reading is None else "not known" if reading.value is None else nothing


def held_against(reading: Reading | None) -> str:
    """The target and how it was met, in brackets behind a value; empty where nothing is judged."""
    if reading is None or reading.value is None or not reading.target or reading.status is Status.INFO:
        return ""
    return f" (target {target(reading)}, {judged(reading)})"


def target(reading: Reading | None) -> str:
    """What a pass looks like, its numbers written as those of values; `yes` for a question."""
    if reading is None or reading.unit == "bool":
        return "yes" if reading else ""
    sign, _, edge = reading.target.partition(" ")
    try:
        return f"{sign} {float(edge):,.10g}"
    except ValueError:
        return reading.target


def beyond(limit: Limit, unit: str) -> str:
    """What a step of a ladder compares with, as the reference of readings writes it: `lower bound > 2 %`."""
    whose = {"low": "lower bound ", "baseline": "times the baseline ", "trend": "trend "}.get(limit.of, "")
    if limit.op == "==" and isinstance(limit.edge, str | bool):
        return f"{whose}is {str(limit.edge).lower() if isinstance(limit.edge, bool) else limit.edge}"
    of = "" if limit.of in ("baseline", "trend") else unit.removesuffix(" of requests")
    return f"{whose}{limit.op} {number(limit.edge, of)}"


def of_report(limit: Limit) -> str:
    """What a step makes of the whole report: `RED`, `rollback`, or nothing."""
    return "rollback" if limit.rollback else "RED" if limit.critical else ""


def step(limit: Limit, unit: str) -> str:
    """A step of a ladder as the reference of readings writes it: `> 2,000 ms RED, P1`."""
    does = of_report(limit) or f"{limit.status}s"
    return f"{beyond(limit, unit)} {does}{f', {limit.priority}' if limit.priority else ''}"


def in_brackets(reading: Reading | None) -> str:
    """What a reading rests on, in brackets behind its value; empty where all is well or nothing is to be said."""
    well = reading is None or (reading.status is Status.PASS and isinstance(reading.value, str))
    evidence = None if reading is None or well else reading.measurement.evidence
    return aside(evidence) if evidence else ""


def of_limit(reading: Reading | None, limit: str) -> str:
    """A share in brackets behind the amount that it explains; empty where it was not measured."""
    return f"({shown(reading)} of {limit})" if reading is not None and reading.value is not None else ""


def interval(reading: Reading) -> str:
    """The 95 % interval, empty where none is defined."""
    return between(reading.measurement.low, reading.measurement.high)


def between(low: float | None, high: float | None) -> str:
    """An interval, empty where a bound is not known."""
    return f"{number(low)} to {number(high)}" if low is not None and high is not None else ""


def judged(reading: Reading | None) -> str:
    """A reading's status as mark and word."""
    return "?" if reading is None else marked(reading.status)


def marked(status: Status) -> str:
    """A status as mark and word."""
    return f"{MARKS[status]} {WORDS[status]}"


def arrow(trend: Trend | None) -> str:
    """A trend as an arrow; `?` where the data do not tell."""
    return ARROWS.get(trend or Trend.UNKNOWN, "?")


def local(moment: datetime | str | None, zone: ZoneInfo, pattern: str = "%a %-d %b %Y %H:%M %Z") -> str:
    """A time in the site's zone."""
    if moment is None:
        return "not known"
    if isinstance(moment, str):
        moment = datetime.fromisoformat(moment)
    return moment.astimezone(zone).strftime(pattern)


def day(value: str | None) -> str:
    """An ISO date as a person says it; `open` where there is none."""
    return day_or_words(value) if value else "open"


def day_or_words(text: str) -> str:
    """An ISO date as a person says it, and words as they are."""
    return spoken_day(date.fromisoformat(text)) if _ISO_DAY.fullmatch(text) else text


def lasting(minutes: float) -> str:
    """How long something took, at the start of a sentence."""
    if minutes < 1:
        return "Less than a minute"
    return number(minutes, "min") if minutes < LONG_MIN else number(round(minutes / 60), "h")


def deployed(case: Case) -> str:
    """When the deployment was, in the site's zone, and what people call it; said to be supposed where it is."""
    site, moment = case.site, case.scope.deployed_at
    name = "supposed, since " + case.doubt if case.doubt else site.deployment_name(moment)
    return local(moment, site.zone) + (f" ({name})" if name else "")


def in_words(value: str | None) -> str:
    """A word of a program in plain letters: `STALE_CLIENT` as `stale client`."""
    return (value or "").replace("_", " ").lower()


def one_line(value: Any, most: int = LINE) -> str:
    """Text of a stranger on one line, control characters out, at most so many characters."""
    return _cut(_spaced(value).strip(), most)


def sentences(value: Any) -> str:
    """Our own sentences on one line, in which a stranger's text may stand: as `one_line`, but room for several."""
    return one_line(value, SENTENCES)


def _spaced(value: Any) -> str:
    return re.sub(r"\s+", " ", "".join(c if c.isprintable() else " " for c in str(value)))


def _cut(text: str, most: int) -> str:
    """At most so many characters, cut between two words where one of ordinary length would be cut."""
    if len(text) <= most:
        return text
    head, _, rest = text[: most - 1].rpartition(" ")
    return f"{head} …" if head and len(rest) <= LONGEST_WORD else text[: most - 1] + "…"


def markdown(value: Any) -> Any:
    """A value made harmless for Markdown and the HTML it may become; `Markup` passes as it is.

    Only what begins a tag, an entity or a quotation is written otherwise, so that `< 1000` stays readable: `‹` for
    a tag, since an escape such as `&lt;` is shown as it is where a chat takes no HTML.
    A space at either end stays, since a template may join a value to what stands beside it.
    """
    if isinstance(value, Markup):
        return value
    if value is None:
        return ""
    return Markup("\n".join(_harmless(_cut(_spaced(line), SENTENCES)) for line in str(value).split("\n")))


def code(value: Any) -> Markup:
    """Text to be copied, such as a statement of SQL, as a span of code."""
    return Markup(f"`{_spaced(value).strip().replace('`', chr(39)).replace('|', chr(92) + '|')}`")


def _harmless(line: str) -> str:
    text = _SPECIAL.sub(r"\\\1", line)
    text = _BRACKET.sub(r"\\\1", text) if _LINKED.search(line) else text
    text = _TAG.sub("‹", _ENTITY.sub("&amp;", _LINK.sub(r"\g<0>\\", text)))
    return _QUOTE.sub(r"\1›", text)
