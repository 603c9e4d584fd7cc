"""Which finding explains which: the rules by which findings become the chain of one cause.

Every link has a reason: the object that both are about, what one reading is made of, or the same time. No cause
began after its effect, or is too small for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from pdmlib.analysis.coverage import LOG_ENDED
from pdmlib.analysis.performance import ALL_FAILING, ALL_SLOWER
from pdmlib.frames.readings import Finding

# Words of SQL, of web addresses and of our own sentences, by which two findings have nothing in common.
COMMON = re.compile(
    "select|where|insert|update|delete|public|index|table|column|query|https|route|errors?|calls?|blocks?"
    "|before|after|since|their|missing|became|times|slower|failing|window|database|requests?|deployment"
)
LONG_ENOUGH = 5  # letters: shorter words are shared by chance
# How much later than its cause an effect may be noticed where both have a time: an hour's bucket and a probe.
TOGETHER = timedelta(hours=2)
# How many times its own size a cause may bring. A request cannot slow by a larger factor than the slowest of its
# parts does, but its p95 may by twice what a mean does; of some failures a tracker keeps one event in several.
BRINGS = {"times": 2.0, "requests": 4.0}
_WORD = re.compile(r"[A-Za-z]+")

# What the readings of one thing are made of, by the reading of the finding that speaks for it.
PARTS = {
    "integration_stripe": ("payment_failures", "webhooks_pending"),
    "integration_twilio": ("sms_failed_pct",),
    "integration_resend": ("email_bounce_pct", "email_complaint_pct", "email_failed_pct"),
}
LATENCIES = ("latency_p95_ms", "latency_p50_ms", "latency_p99_ms", "latency_avg_ms")  # the one that speaks first
DOWN = ("app_up", "health_ok", "uptime_pct", "downtime_minutes", "downtime_events", "error_rate_pct")
LOAD = ("requests_per_min_avg", "requests_per_min_peak", "requests_total")
VISITS = ("page_views", "unique_users")
BUSY = ("db_cpu_pct", "db_cpu_peak_pct", "db_connections_pct", *LATENCIES)


def words_of(text: str) -> frozenset[str]:
    """Words that say what a text is about: names of tables, routes, jobs and features."""
    words = (word.lower() for word in _WORD.findall(text.replace("_", " ")) if len(word) >= LONG_ENOUGH)
    return frozenset(word for word in words if not COMMON.fullmatch(word))


def _shares(cause: Finding, effect: Finding, of: str = "") -> str | None:
    """What both are about, by a word of their own; of an effect the text that is given, else all it says."""
    theirs = words_of(of or f"{effect.id} {effect.title} {effect.evidence}")
    shared = words_of(f"{cause.id} {cause.title} {cause.evidence}") & theirs
    longest = max(shared, key=lambda word: (len(word), word), default=None)
    return None if longest is None else f"both are about {longest}"


def _together(cause: Finding, effect: Finding) -> bool:
    """Whether an effect did not begin before its cause, as far as both have a time."""
    if cause.since is None or effect.since is None:
        return True
    return effect.since >= cause.since - TOGETHER


def _is_over(cause: Finding, effect: Finding) -> bool:
    """Whether a cause is an outage that is over, which explains nothing that holds now."""
    return _kind(cause, "incident:") and not cause.active and effect.active and effect.since is not None


def _large_enough(cause: Finding, effect: Finding) -> bool:
    """Whether a cause is not too small for its effect, as far as both have a size of one unit."""
    if cause.size is None or effect.size is None or cause.size[0] != effect.size[0]:
        return True
    return effect.size[1] <= BRINGS[cause.size[0]] * cause.size[1]


def _route(finding: Finding) -> str:
    """The path of a route's finding, empty for others."""
    return finding.id.removeprefix("route:").rpartition(":")[0] if finding.id.startswith("route:") else ""


def _kind(finding: Finding, *prefixes: str) -> bool:
    return finding.id.startswith(prefixes)


def _platform(cause: Finding, effect: Finding) -> str | None:
    """A database that is down, what its platform says of it, and what either takes down with it."""
    of_database = effect.id == "integration:supabase" and re.search(r"\b(?:db|database)", effect.evidence)
    if cause.id == "db_connection_errors" and of_database:
        return "its platform says so of the database"
    if cause.id == "db_connection_errors" and effect.id == "sources_read" and effect.value == "postgres":
        return "what the site keeps in its database is read there"
    down = cause.id in ("db_connection_errors", "integration:supabase")
    return "without its database the application fails" if down and effect.reading in DOWN else None


def _log(cause: Finding, effect: Finding) -> str | None:
    """A request log that ends, and that it was not read to the end."""
    alone = effect.id == "sources_read" and LOG_ENDED in effect.evidence and ";" not in effect.evidence
    return "it is the log that ends" if cause.id == "requests:ended" and alone else None


def _index_or_schema(cause: Finding, effect: Finding) -> str | None:
    if not _kind(cause, "database:drift:") or not _kind(effect, "query:", "database:"):
        return None
    name = cause.id.rpartition(" ")[2]
    if name.rpartition(".")[2] in effect.evidence:
        return f"{name} served it"
    return _shares(cause, effect) if _kind(effect, "query:") else None


def _database_check(cause: Finding, effect: Finding) -> str | None:
    checks = ("changed_plans", "missing_index", "seq_scans", "blocking", "density")
    of_tables = _kind(cause, *(f"database:{check}" for check in checks))
    return _shares(cause, effect) if of_tables and _kind(effect, "query:") else None


def _statement(cause: Finding, effect: Finding) -> str | None:
    if not _kind(cause, "query:"):
        return None
    if _kind(effect, "database:query_regression", "database:load"):
        return "it is what the check found"
    if effect.id.startswith("query_") and effect.id.endswith("_ms"):
        return _shares(cause, effect)
    return _shares(cause, effect, _route(effect)) if effect.id.endswith(":slower") else None


def _slower_together(cause: Finding, effect: Finding) -> str | None:
    """A busy or saturated database slows every route; so does what routes share that slowed together."""
    if not effect.id.endswith(":slower"):
        return None
    if "saturated" in cause.evidence or cause.id in ("db_cpu_pct", *LOAD):
        return "everything that asks the database waits"
    return "the routes slowed together" if cause.id == ALL_SLOWER else None


def _failing_together(cause: Finding, effect: Finding) -> str | None:
    """What routes share that fail together, but for one that fails far more often than they do."""
    if cause.id != ALL_FAILING or not effect.id.endswith(":failing"):
        return None
    alike = float(effect.value or 0) <= BRINGS["times"] * float(cause.value or 0)
    return "the routes fail together" if alike else None


def _traffic(cause: Finding, effect: Finding) -> str | None:
    return "more requests need more of it" if cause.id in LOAD and effect.id in BUSY else None


def _outage(cause: Finding, effect: Finding) -> str | None:
    seen_down = cause.id == "app_up" and effect.id == effect.reading
    if not (_kind(cause, "incident:", "app:") or seen_down):
        return None
    down = cause.reading != "error_rate_pct"
    if effect.reading in (DOWN if down else [cause.reading]) or effect.id.endswith(":failing"):
        return "what is down answers with errors" if down else "its requests are among those measured"
    if effect.since is None or cause.since is None or abs(effect.since - cause.since) > TOGETHER:
        return None
    if _kind(effect, "issue:"):
        return "first seen as it began"
    if effect.id.endswith(":stopped"):
        return "what is down asks for none"
    calls = effect.size is not None and effect.size[0] == "calls"
    return "it began then too" if calls or effect.id == "db_connections_refused" else None


def _error(cause: Finding, effect: Finding) -> str | None:
    """A new error, and the route that it fails."""
    of_route = _kind(cause, "issue:") and effect.id.endswith(":failing")
    return _shares(cause, effect, _route(effect)) if of_route else None


def _error_rate(cause: Finding, effect: Finding) -> str | None:
    """A new error, and the rate that it makes where no route tells of it."""
    whole = effect.id in ("error_rate_pct", ALL_FAILING)
    return "its events are failed requests" if _kind(cause, "issue:") and whole else None


def _measured(cause: Finding, effect: Finding) -> str | None:
    """A finding, and the reading that measures what it found."""
    if effect.id != effect.reading or cause.id == effect.id:
        return None
    if cause.id.startswith("route:") and cause.id.endswith(":slower") and effect.id in LATENCIES:
        return "its requests are among those measured"
    same = cause.reading == effect.id or effect.id in PARTS.get(cause.reading, ())
    return "it is what the reading measures" if same and cause.id != cause.reading else None


def _same_feature(cause: Finding, effect: Finding) -> str | None:
    """A feature of which nothing can be completed has no rate of completions that people could raise."""
    of, what = effect.id.rpartition(":")[::2]
    idle = of.startswith("feature:") and cause.id in (f"{of}:broken", f"{of}:abandoned")
    return "nothing of it was completed" if what == "rate" and idle else None


def _part(cause: Finding, effect: Finding) -> str | None:
    """A part that is not well by the application's health endpoint, and what that makes of the whole."""
    told = _kind(cause, "integration:") and "the health endpoint says" in cause.evidence
    return "it is one of its parts" if told and effect.id == "health:degraded" else None


def _job(cause: Finding, effect: Finding) -> str | None:
    return _shares(cause, effect) if _kind(cause, "cron:") and _kind(effect, "feature:") else None


def _same_requests(cause: Finding, effect: Finding) -> str | None:
    """Figures of one distribution of response times, of one host, or of one stream of visitors."""
    if (cause.id, effect.id) == ("db_cpu_pct", "db_cpu_peak_pct"):
        return "it is of the same host"
    if cause.id in LATENCIES and effect.id in LATENCIES:
        earlier = LATENCIES.index(cause.id) < LATENCIES.index(effect.id)
        return "it is of the same requests" if earlier else None
    return "visitors make the requests" if cause.id in LOAD and effect.id in VISITS else None


@dataclass(frozen=True)
class Link:
    """One finding explains another, and why."""

    cause: str
    effect: str
    reason: str


# From the root to what people notice; of several causes the first rule's is taken.
RULES: tuple[Callable[[Finding, Finding], str | None], ...] = (
    _platform,
    _outage,
    _log,
    _index_or_schema,
    _database_check,
    _statement,
    _slower_together,
    _failing_together,
    _error,
    _part,
    _job,
    _same_feature,
    _traffic,
    _measured,
    _error_rate,
    _same_requests,
)


def links_of(findings: Sequence[Finding]) -> dict[str, Link]:
    """For each finding that another explains the link to it, by the effect's id; no finding explains itself."""
    found: dict[str, Link] = {}
    for rule in RULES:
        for effect in findings:
            if effect.id in found:
                continue
            for cause in findings:
                possible = cause.id != effect.id and not _is_over(cause, effect)
                fits = possible and _together(cause, effect) and _large_enough(cause, effect)
                reason = rule(cause, effect) if fits else None
                if reason and root_of(found, cause.id) != effect.id:
                    found[effect.id] = Link(cause.id, effect.id, reason)
                    break
    return found


def root_of(links: dict[str, Link], name: str) -> str:
    """The finding that a chain of links leads back to."""
    while name in links:
        name = links[name].cause
    return name
