"""Routes and kinds of requests, as SQL: a path becomes a route before anything is written.

Query strings, ids, tokens and addresses in paths are dropped here; a client's address is never read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pdmlib.storage.engine import literal

PLACEHOLDER = re.compile(r"\[(\.\.\.)?[^\[\]/]+\]")
# A segment that names one thing and not a kind of things: digits, three digits anywhere, a run of
# hexadecimal digits, a long run without a break, many capitals, or signs that no route is written with.
_ONE_OF_MANY = (
    "/(?:"
    + "|".join(
        (
            "[0-9]+",
            "(?:[^/0-9]*[0-9]){3,}[^/]*",
            "[0-9a-fA-F]{8,}",
            "[A-Za-z0-9]{20,}",
            "(?:[^/A-Z]*[A-Z]){6,}[^/]*",
            r"[^/]*[^A-Za-z0-9_.\[\]()/-][^/]*",
        )
    )
    + ")(/|$)"
)
# Paths that are routes already; a segment of the letters a to f alone may be hexadecimal.
_PLAIN = r"/|(?:/[a-f]{0,7}[g-z_.\[\]()-][a-z_.\[\]()-]{0,11}){1,8}"
_FILES = ("/_next/", "/assets/", "/static/", "/images/", "/fonts/")
_BUILT_IN = (
    ("^/_next/(static|data|image|webpack-hmr)(/.*)?$", r"/_next/\1"),
    ("^/(assets|static|images|fonts)/.+$", r"/\1/[file]"),
)
LONGEST = 160
OTHER = "[other]"
CRAWLERS = ("bot", "Bot", "crawl", "Crawl", "pider", "lurp", "facebookexternalhit", "HeadlessChrome", "Lighthouse")
MONITORS = ("ptime", "ingdom", "tatusCake", "ite24x7", "heckly", "kube-probe", "HealthChecker")
CRON_AGENT = "vercel-cron"


def pattern_regex(pattern: str) -> str:
    """A pattern such as /jobs/[id] or /docs/[...page] as an anchored regular expression."""
    parts, last = [], 0
    for found in PLACEHOLDER.finditer(pattern):
        parts += [re.escape(pattern[last : found.start()]), ".+" if found[1] else "[^/]+"]
        last = found.end()
    return "^" + "".join([*parts, re.escape(pattern[last:].rstrip("/") or pattern[last:])]) + "/?$"


def route(path: str, patterns: Sequence[str]) -> str:
    """SQL of the route of a path expression: the site's patterns first, then the built-in rules."""
    plain = f"regexp_full_match({path}, {literal(_PLAIN)})"
    plain += "".join(f" AND NOT starts_with({path}, {literal(folder)})" for folder in _FILES)
    bare = f"regexp_replace(split_part(split_part({path}, '?', 1), '#', 1), '^[A-Za-z]+://[^/]*', '')"
    # A lambda, since the engine would compute what several branches share for plain paths too.
    return (
        f"CASE WHEN {plain} THEN {_by_pattern(path, patterns, path)} "
        f"ELSE list_transform([{bare}], lambda p: {_by_pattern('p', patterns, _named('p'))})[1] END"
    )


def kind(path: str, agent: str, health: Iterable[str], cron: Iterable[str]) -> str:
    """SQL of who asked: cron, health (a health path or a monitor), bot or user."""
    starts = " OR ".join([f"starts_with({path}, {literal(p)})" for p in cron] or ["false"])
    healthy = " OR ".join(
        [f"{path} = {literal(p)} OR starts_with({path}, {literal(p + '?')})" for p in health] or ["false"]
    )
    return (
        f"CASE WHEN {starts} THEN 'cron' WHEN {healthy} THEN 'health' WHEN {_browser(agent)} THEN 'user' "
        f"WHEN contains({agent}, {literal(CRON_AGENT)}) THEN 'cron' WHEN {_any(agent, MONITORS)} THEN 'health' "
        f"WHEN {_any(agent, CRAWLERS)} THEN 'bot' ELSE 'user' END"
    )


def _browser(agent: str) -> str:
    """Browsers name no software after their version: most lines are decided here, cheaply."""
    starts = f"(starts_with({agent}, 'Mozilla/5.0 (') OR starts_with({agent}, '[\"Mozilla/5.0 ('))"
    ends = f"regexp_matches({agent}, '(Safari|Firefox|Edg|OPR)/[0-9.]+(\"\\])?$')"
    return f"{starts} AND {ends} AND NOT contains({agent}, 'ompatible') AND NOT contains({agent}, 'Headless')"


def _by_pattern(path: str, patterns: Sequence[str], otherwise: str) -> str:
    cases = [f"WHEN regexp_full_match({path}, {literal(pattern_regex(p))}) THEN {literal(p)}" for p in patterns]
    return f"CASE {' '.join(cases)} ELSE {otherwise} END" if cases else otherwise


def _named(path: str) -> str:
    cases = [f"WHEN {path} = '' THEN '/' WHEN NOT starts_with({path}, '/') THEN {literal(OTHER)}"]
    cases += [
        f"WHEN regexp_matches({path}, {literal(rule)}) THEN regexp_replace({path}, {literal(rule)}, {literal(to)})"
        for rule, to in _BUILT_IN
    ]
    doubled = f"replace({path}, '/', '//')"
    named = f"regexp_replace({doubled}, {literal(_ONE_OF_MANY)}, '/[id]\\1', 'g')"
    single = f"regexp_replace({named}, '/+', '/', 'g')"
    trimmed = f"left(coalesce(nullif(rtrim({single}, '/'), ''), '/'), {LONGEST})"
    return f"CASE {' '.join(cases)} ELSE {trimmed} END"


def _any(agent: str, words: Iterable[str]) -> str:
    return "(" + " OR ".join(f"contains({agent}, {literal(word)})" for word in words) + ")"
