"""Routes and kinds of requests, as SQL: a path becomes a route before anything is written.

Query strings, ids, tokens and addresses in paths are dropped here; a client's address is never read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from pdmlib.requests.engine import literal

PLACEHOLDER = re.compile(r"\[(\.\.\.)?[^\[\]/]+\]")
# A segment that names one thing and not a kind of things: digits, three digits anywhere, a run of
# hexadecimal digits, a long run without a break, many capitals, or signs that no route is written with.
_ONE_OF_MANY = "/(?:" + "|".join((
    "[0-9]+",
    "(?:[^/0-9]*[0-9]){3,}[^/]*",
    "[0-9a-fA-F]{8,}",
    "[A-Za-z0-9]{20,}",
    "(?:[^/A-Z]*[A-Z]){6,}[^/]*",
    r"[^/]*[^A-Za-z0-9_.\[\]~()/-][^/]*",
)) + ")(/|$)"  # fmt: skip
_PLAIN = r"/|(?:/[a-z_.\[\]()-]{1,19})+"
_NOT_SO_PLAIN = "/[a-f]{8,}(/|$)|^/(_next|assets|static|images|fonts)/"
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


def route(path: str, patterns: Iterable[str]) -> str:
    """SQL of the route of a path expression: the site's patterns first, then the built-in rules."""
    bare = f"regexp_replace(split_part(split_part({path}, '?', 1), '#', 1), '^[A-Za-z]+://[^/]*', '')"
    cases = [f"WHEN regexp_full_match({bare}, {literal(pattern_regex(p))}) THEN {literal(p)}" for p in patterns]
    plain = f"regexp_full_match({path}, {literal(_PLAIN)}) AND NOT regexp_matches({path}, {literal(_NOT_SO_PLAIN)})"
    cases.append(f"WHEN {plain} THEN {_trimmed(path)}")
    cases.append(f"WHEN {bare} = '' THEN '/' WHEN NOT starts_with({bare}, '/') THEN {literal(OTHER)}")
    cases += [
        f"WHEN regexp_matches({bare}, {literal(rule)}) THEN regexp_replace({bare}, {literal(rule)}, {literal(to)})"
        for rule, to in _BUILT_IN
    ]
    doubled = f"replace({bare}, '/', '//')"
    named = f"regexp_replace({doubled}, {literal(_ONE_OF_MANY)}, '/[id]\\1', 'g')"
    return f"CASE {' '.join(cases)} ELSE {_trimmed(_single(named))} END"


def kind(path: str, agent: str, health: Iterable[str], cron: Iterable[str]) -> str:
    """SQL of who asked: cron, health (a health path or a monitor), bot or user."""
    bare = f"split_part({path}, '?', 1)"
    starts = " OR ".join([f"starts_with({path}, {literal(p)})" for p in cron] or ["false"])
    healthy = ", ".join(literal(p) for p in health)
    is_health = f"{bare} IN ({healthy})" if healthy else "false"
    return (
        f"CASE WHEN {starts} OR contains({agent}, {literal(CRON_AGENT)}) THEN 'cron' "
        f"WHEN {is_health} OR {_any(agent, MONITORS)} THEN 'health' "
        f"WHEN {_any(agent, CRAWLERS)} THEN 'bot' ELSE 'user' END"
    )


def _trimmed(path: str) -> str:
    return f"left(coalesce(nullif(rtrim({path}, '/'), ''), '/'), {LONGEST})"


def _single(path: str) -> str:
    return f"regexp_replace({path}, '/+', '/', 'g')"


def _any(agent: str, words: Iterable[str]) -> str:
    return "(" + " OR ".join(f"contains({agent}, {literal(word)})" for word in words) + ")"
