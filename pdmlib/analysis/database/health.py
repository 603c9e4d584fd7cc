"""Database: load and room of the host, connections, critical queries, and what its checks found."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from pdmlib.analysis import limits
from pdmlib.analysis.confounders import rivals
from pdmlib.analysis.database import counters, host, pairs, statements
from pdmlib.analysis.database.alike import joined
from pdmlib.analysis.database.drift import GONE
from pdmlib.analysis.database.host import Stretches
from pdmlib.analysis.metric import Began, Metric
from pdmlib.analysis.traffic.onset import newest_run
from pdmlib.frames.case import Case, once
from pdmlib.frames.frame import frame
from pdmlib.frames.readings import (
    Answer,
    Finding,
    Limit,
    Measurement,
    Priority,
    State,
    Status,
    amount,
    counted,
    significant,
)
from pdmlib.frames.rows import json_rows
from pdmlib.frames.statement_text import normalised
from pdmlib.frames.states import Pace, Probe, Unread
from pdmlib.phases.window import spoken
from pdmlib.site.site import Site
from pdmlib.site.tables import Query

SECTION = "database"
SCALE = "Review queries, consider scaling"
BACKLOG = "Add to optimization backlog"
SLOW = "Check database queries, optimize"
POOL = "Connect through the pooler, or allow more connections"
RESTART = "Check Supabase status, restart if needed"
# The guide: over 100 ms is slow, over a second goes to the backlog; one call in a row of few is no mean.
SLOW_MS, SLOW_CALLS, BACKLOG_MS = 100.0, 5, 1000.0
GB = 1e9
WORST_FIRST = (Status.FAIL, Status.WARN, Status.UNKNOWN, Status.INFO, Status.PASS)
FEWEST_LOOKS = 3  # in a row: one failed sample is a lost packet
COLLECT = "`pdm watch`, or `pdm collect` now and then, takes them from now on"
_NO_HOST = f"no sample of the host falls into the window; {COLLECT}"
_UNTOLD = "the host was looked at, and its metrics do not tell this; a newer version may call it otherwise"
FREE_ONE = (
    "See in pg_stat_activity who holds the connections, end those that are idle, and only then raise the limit"
)
# How PostgreSQL (SQLSTATE 53300), PgBouncer and Supavisor refuse where all connections are taken.
_FULL = re.compile(
    r"remaining connection slots|too many (?:clients|connections)|no more connections|max client connections", re.I
)
_NOT_THE_SERVER = re.compile(
    r"password|authentication|certificate|\bssl\b|permission|pg_hba|does not exist|translate host name",
    re.IGNORECASE,
)


def db_cpu_pct(case: Case) -> Measurement:
    """CPU in use, averaged over the window by time."""
    load = host.cpu_pct(case)
    return _of_stretches(case, load, load.mean, "cpu_idle_s")


def db_cpu_peak_pct(case: Case) -> Measurement:
    """The busiest stretch between two samples, and when it was."""
    load = host.cpu_pct(case)
    if load.table.empty:
        return _of_stretches(case, load, float("nan"), "cpu_idle_s")
    top = load.peak
    minutes = (top["end"] - top["start"]).total_seconds() / 60
    when = f"{spoken(top['end'], case.site.zone)}, average of {minutes:.0f} min"
    return _of_stretches(case, load, float(top["value"]), metric="cpu_idle_s", evidence=when)


def db_memory_pct(case: Case) -> Measurement:
    """Memory in use, averaged over the window by time; a single sample is no average."""
    used = host.gauge(case, "memory_pct")
    if len(used.table) == 1:
        why = f"one sample only ({used.mean:.0f} %), and an average needs two; {COLLECT}"
        return case.missing("supabase", "host_metrics", why)
    return _of_stretches(case, used, used.mean, "memory_pct")


def _no_host(case: Case) -> str:
    """Why a figure of the host is not known: nobody looked, or who looked was not told."""
    return _UNTOLD if len(case.within("host_metrics", "at")) else _NO_HOST


def _of_stretches(
    case: Case, found: Stretches, value: float, metric: str, evidence: str | None = None
) -> Measurement:
    lost = (
        f"{counted(found.restarts, 'stretch', 'stretches')} left out: a counter fell, so the host was restarted"
        if found.restarts
        else None
    )
    if found.table.empty:
        seen = len(host.samples(case, metric))
        why = lost or (f"one sample only, and a load needs two; {COLLECT}" if seen == 1 else _no_host(case))
        return case.missing("supabase", "host_metrics", why)
    return Measurement(
        State.MEASURED,
        value,
        reason=lost,
        samples=len(found.table),
        source="supabase",
        window=case.window,
        coverage_pct=found.coverage_pct,
        evidence=evidence,
    )


def db_connections(case: Case) -> Measurement:
    """Connections at the newest sample of the window."""
    now = host.newest(case, "connections")
    if now is None:
        return case.missing("supabase", "host_metrics", _no_host(case))
    limit = host.newest(case, "max_connections")
    of = f"{now['value']:.0f} of {limit['value']:.0f}" if limit is not None else f"{now['value']:.0f}"
    text = f"{of} at {spoken(now['at'], case.site.zone)}{host.age(case, now)}"
    return _gauged(case, int(now["value"]), text, str(now["source"]))


def db_connections_pct(case: Case) -> Measurement:
    """The most connections of any sample in the window, in percent of those allowed, at most all."""
    used, limit = host.in_window(case, "connections"), host.newest(case, "max_connections")
    if used.empty or limit is None or not limit["value"]:
        return case.missing("supabase", "host_metrics", _no_host(case))
    top = used.loc[used["value"].idxmax()]
    share = 100 * float(top["value"]) / float(limit["value"])
    of = "of" if share <= 100 else "were counted, and no more are allowed than"
    text = f"{top['value']:.0f} {of} {limit['value']:.0f}, at {spoken(top['at'], case.site.zone)}"
    value = min(100.0, share)
    return _gauged(case, value, text, source=str(top["source"]), samples=len(used))


def _gauged(
    case: Case, value: float, evidence: str, source: str = "supabase", samples: int | None = None
) -> Measurement:
    return Measurement(
        State.MEASURED, value, samples=samples, source=source, window=case.window, evidence=evidence
    )


def db_connection_errors(case: Case) -> Measurement:
    """Signs that the database cannot be reached: failed samples, a failed connection of our own, its platform.

    A refusal by a limit is in no counter of the database itself, so these three witnesses are added up.
    The last two speak of now, and only for a window that ends now.
    """
    samples = host.in_window(case, "db_up")
    down = int((samples["value"] == 0).sum())
    signs = [f"{down} of {counted(len(samples), 'sample')} found it down"] if down else []
    now = _signs_now(case) if case.window.end >= case.scope.window.end else []
    if samples.empty and not now and not _connected(case):
        return case.missing("supabase", "host_metrics", "nothing watched the database in this window")
    seen = (
        f"up at each of {counted(len(samples), 'look')}" if len(samples) else "a connection of our own succeeded"
    )
    return Measurement(
        State.MEASURED,
        down + len(now),
        samples=len(samples),
        source="supabase" if len(samples) else "postgres",
        window=case.window,
        evidence="; ".join(signs + now) or seen,
    )


def db_connections_refused(case: Case) -> Measurement:
    """Connections that the server refused since all were taken, by its own log."""
    refused = _refusals(case.within("vendor_errors", "at"))
    if doubt := case.unclear("supabase", "refusals"):
        return Measurement.missing(State.NOT_UNDERSTOOD, doubt, "supabase")
    unread = _unread(case, "refusals")
    if unread is not None or not case.answered("supabase", "refusals"):
        return case.missing("supabase", "refusals", unread or "the server's log was not read")
    least = "at least so many, " if case.collection.gap("supabase", "refusals:rest") else ""
    last = f"{least}the last at {spoken(refused['at'].max(), case.site.zone)}" if len(refused) else None
    return _gauged(case, len(refused), last or "the server's log holds none")


def _refusals(errors: pd.DataFrame) -> pd.DataFrame:
    return errors[(errors["vendor"] == "supabase") & (errors["kind"] == "connection")]


def _refused_since(case: Case) -> Began | None:
    """Since when connections are refused, by the server's own log."""
    errors = case["vendor_errors"]
    began = newest_run(_refusals(errors[errors["at"] < case.window.end])["at"])
    return None if began is None else Began(began)


def _unread(case: Case, item: str) -> str | None:
    """Why an item was not asked for, or could not be read with this key; None where it was read."""
    states = case["vendor_states"]
    mine = states[(states["vendor"] == "supabase") & (states["kind"] == "key") & (states["item"] == item)]
    if mine.empty:
        return None
    refused = mine["status"].iloc[0] == Unread.REFUSED
    return "the key may not read the server's log" if refused else str(mine["detail"].iloc[0])


def _connected(case: Case) -> bool:
    """Whether the database was reached by ourselves, near enough to the window's end to be evidence for it."""
    return case.answered("postgres", "database_gauges") and case.window.end >= case.scope.window.end


def _signs_now(case: Case) -> list[str]:
    return [*_platform_says(case, ok=False), *_refused(case)]


def _platform_says(case: Case, ok: bool) -> list[str]:
    """What the platform says of the database itself, well or not."""
    states = case["vendor_states"]
    told = states[
        (states["vendor"] == "supabase")
        & (states["kind"] == "service")
        & states["item"].isin(["db", "db_postgres_user"])
        & (states["ok"] == ok)
    ]
    return [f"the platform says {i} is {s}" for i, s in zip(told["item"], told["status"], strict=True)]


def _refused(case: Case) -> list[str]:
    """Why the database could not be reached from here, after several tries.

    Where nothing at all answers, the fault may as well lie on this side. That it cannot be reached now says
    nothing of an incident that is long past.
    """
    answers, scope = case.collection.coverage, case.scope
    heard = any(answer.status.heard for answer in answers) and scope.asked_at == scope.seen_at
    if case.collection.asked_later("postgres"):
        return []
    lost = [a.detail or "" for a in answers if a.source == "postgres" and a.status is Answer.FAILED]
    return [detail for detail in lost if heard and is_connection_failure(detail)]


def _component_up(case: Case) -> str | None:
    """A health endpoint that finds the database well, seen by the application itself."""
    checks = case.within("health_checks", "checked_at", case.scope.present).sort_values("checked_at")
    newest = checks[checks["component"].str.lower().isin(["database", "db", "postgres"])].tail(1)
    well = bool((newest["status"] == Probe.UP).any())
    return "the application's health endpoint finds its database well" if well else None


def down_confirmed(case: Case) -> bool:
    """Whether the database is down now: three looks in a row, or one witness that no other contradicts."""
    samples = host.in_window(case, "db_up")["value"].tail(FEWEST_LOOKS)
    if len(samples) == FEWEST_LOOKS and (samples == 0).all():
        return True
    refused, told = _refused(case), _platform_says(case, ok=False)
    if refused and not told:
        return not (_component_up(case) or _platform_says(case, ok=True))
    return bool(told) and (bool(refused) or not _connected(case))


def _doubtful(case: Case) -> list[Finding]:
    """A sign that the database is down which another witness contradicts: to be looked into."""
    signs = _signs_now(case)
    if not signs or down_confirmed(case.present()):
        return []
    told = _platform_says(case, ok=True)
    against = _component_up(case) or (told[0] if told else "a connection of our own succeeded")
    full = any(map(_FULL.search, _refused(case)))
    title = "The database has no free connection" if full else "The database may be down"
    return [
        Finding(
            id="database:unconfirmed",
            title=title,
            priority=Priority.P1,
            reading="db_connection_errors",
            evidence=f"not confirmed, investigate: {'; '.join(signs)}, while {against}.",
            action=FREE_ONE
            if full
            else "Find out whether it is down or only out of reach from here, before restarting anything",
            becomes_green=f"no look finds it down (now {len(signs)})",
            since=case.scope.as_of if _refused(case) else None,
            value=len(signs),
            threshold="0 signs",
            owner=case.site.people.owners.get("database"),
            said=f"{title}{_unreached(case)}",
        )
    ]


def _unreached(case: Case) -> str:
    """When it could not be reached from here, and when it last could."""
    if not _refused(case):
        return ""
    zone, as_of = case.site.zone, case.scope.as_of
    kept = case["database_gauges"]["at"]
    last = kept[kept < as_of].max()
    before = "" if pd.isna(last) else f"; the last look that it answered is of {spoken(last, zone)}"
    return f": it could not be reached from here at {spoken(as_of, zone)}{before}"


def is_connection_failure(reason: str) -> bool:
    """Whether a reason for not reading the database means that it could not be reached.

    A wrong password or certificate is the monitor's own fault and says nothing of the database.
    """
    return reason.startswith("cannot connect") and not _NOT_THE_SERVER.search(reason)


def db_storage_pct(case: Case) -> Measurement:
    """Used share of the database's volume at the newest sample."""
    used, size = host.newest(case, "disk_used_bytes"), host.newest(case, "disk_size_bytes")
    if used is None or size is None or not size["value"]:
        return case.missing("supabase", "host_metrics", _no_host(case))
    text = f"{used['value'] / GB:.2f} of {size['value'] / GB:.2f} GB{host.age(case, used)}"
    return _gauged(case, 100 * float(used["value"]) / float(size["value"]), text)


def db_storage_gb(case: Case) -> Measurement:
    """Used space of the database's volume at the newest sample, else the size of the database."""
    used, size = host.newest(case, "disk_used_bytes"), host.newest(case, "disk_size_bytes")
    if used is None:
        used, size = host.newest(case, "db_size_bytes"), None
    if used is None:
        return case.missing("supabase", "host_metrics", _no_host(case))
    room = size["value"] / GB if size is not None else case.site.capacity.storage_gb
    text = f"{used['value'] / GB:.2f} of {room:.2f} GB" if room else f"{used['value'] / GB:.2f} GB"
    return _gauged(case, float(used["value"]) / GB, text + host.age(case, used), str(used["source"]))


def db_cache_hit_pct(case: Case) -> Measurement:
    """Blocks found in memory, in percent of those asked for between looks at the counters in the window.

    Lifetime figures say nothing of this deployment, so one look is not enough.
    """
    hits, reads = (_grown(host.increments(case, name)) for name in ("blks_hit", "blks_read"))
    if hits is None or reads is None:
        why = f"it takes two looks at the counters, and no reset between; {COLLECT}"
        return case.missing("postgres", "database_gauges", why)
    if hits + reads < counters.FEWEST_BLOCKS:
        return case.missing("postgres", "database_gauges", f"only {hits + reads:,.0f} blocks were asked for")
    value, text = counters.hit_share(hits, reads), counters.from_disk(hits, reads)
    return Measurement(State.MEASURED, value, source="postgres", window=case.window, evidence=text)


def _grown(found: Stretches) -> float | None:
    table = found.table
    return None if table.empty else float((table["value"] * table["seconds"]).sum())


def cpu_series(case: Case) -> pd.DataFrame:
    """Series for charts: `at` and `end` of each stretch, and `cpu_pct`."""
    stretches = host.cpu_pct(case).table
    return stretches.rename(columns={"start": "at", "value": "cpu_pct"})[["at", "end", "cpu_pct"]]


def db_queries_total(case: Case) -> Measurement:
    """Statements run in the window: what the counter grew by between its samples."""
    grown = host.increments(case, "queries_total")
    return _of_stretches(case, grown, round(_grown(grown) or 0.0), "queries_total")


def db_slow_queries(case: Case) -> Measurement:
    """Statements whose mean since the deployment is above 100 ms over at least five calls.

    One look at the counters gives lifetime figures, which say nothing of this deployment.
    """
    rows = [r for r in queries(case) if (r["calls"] or 0) >= SLOW_CALLS]
    slow = sorted((r for r in rows if (r["mean_ms"] or 0) > SLOW_MS), key=lambda r: -float(r["mean_ms"]))
    text = "; ".join(f"{r['mean_ms']:.0f} ms over {r['calls']:.0f} calls: {r['query'][:60]}" for r in slow[:3])
    if not rows:
        return case.missing(
            "postgres", "statements", f"no statement was run five times between two looks; {COLLECT}"
        )
    if any(r["verdict"] == statements.LIFETIME for r in rows):
        slower = f"{counted(len(slow), 'statement')} above {SLOW_MS:g} ms"
        why = f"lifetime figures only ({slower}): {rows[0]['told']}; {COLLECT}"
        return case.missing("postgres", "statements", why)
    return Measurement(
        State.MEASURED, len(slow), samples=len(rows), source="postgres", window=case.window, evidence=text or None
    )


def query_ms(case: Case, query: Query) -> Measurement:
    """Median of the timed runs of one critical query, as the application's role where it was timed so.

    A run that returned no row timed nothing and is unknown. The administrator's time is told beside.
    """
    item = f"query:{query.name}"
    runs = case["query_timings"]
    runs = runs[(runs["query"] == query.name) & runs["ms"].notna()]
    if runs.empty:
        return case.missing("postgres", item, "it was not timed")
    medians = runs.groupby("role")["ms"].median()
    role = "application" if "application" in medians else str(medians.index[0])
    ours = runs[runs["role"] == role]
    if ours["rows"].fillna(1).max() == 0:
        why = f"as role {role} it returned no row, so its time ({amount(medians[role], 'ms')}) means nothing"
        return Measurement.missing(State.NO_DATA, why, "postgres")
    order = sorted(medians.items(), key=lambda one: one[0] != role)
    text = ", ".join(f"{significant(ms, 2)} ms as role {name}" for name, ms in order)
    return Measurement(
        State.MEASURED,
        float(medians[role]),
        samples=len(ours),
        low=float(ours["ms"].min()),
        high=float(ours["ms"].max()),
        source="postgres",
        window=case.window,
        evidence=text,
    )


def queries(case: Case) -> list[dict[str, Any]]:
    """Rows of `queries`: statements after the deployment against before, most time first."""
    return statements.compare(case)


@once
def checks(case: Case) -> pd.DataFrame:
    """Rows of `database_findings`; where a reading tells of the same thing, its ladder grades both."""
    table = counters.checks(case)
    by_name: dict[tuple[str, str | None], Metric] = {
        ("connections", None): CONNECTIONS,
        ("cache_hit", None): CACHE_HIT,
    }
    by_name |= {("critical_query", query.name): _query_metric(query) for query in case.site.queries}
    rows = [
        _graded(case, row, by_name.get((row["check"], _text(row["object"])))) for row in table.to_dict("records")
    ]
    return frame("database_findings", rows)


def _text(value: Any) -> str | None:
    return None if pd.isna(value) else str(value)


def _graded(case: Case, row: dict[Any, Any], metric: Metric | None) -> dict[Any, Any]:
    if metric is None or pd.isna(row["value"]) or row["severity"] == Status.UNKNOWN:
        return row
    metric = limits.for_case(case, metric)
    step = next((limit for limit in metric.limits if limit.holds(float(row["value"]))), None)
    graded = {"severity": step.status if step else Status.PASS, "threshold": f"{metric.target} {metric.unit}"}
    return row | graded | {"action": row["action"] if step else None}


def database_findings(case: Case) -> list[dict[str, Any]]:
    """Rows of `database_findings`: what the checks of the database found, worst first."""
    table = checks(case)
    detail = table["evidence"].fillna(table["unknown_reason"])
    order = table["severity"].map({status: place for place, status in enumerate(WORST_FIRST)})
    table = table.assign(detail=detail, order=order).sort_values(["order", "check", "object"])
    return joined(json_rows(table[["check", "object", "severity", "detail", "action"]]), "object", "action")


def visibility(case: Case) -> list[dict[str, Any]]:
    """Rows of `visibility`: what the monitoring role can see of each object, and the grant that mends it."""
    return joined(json_rows(case["visibility"].sort_values("object")), "object", "grant")


def findings(case: Case) -> list[Finding]:
    """Statements that regressed, are slow or may time out, and what the checks of the database found."""
    statement = [_statement(case, row) for row in queries(case)]
    table = checks(case)
    spoken = (table["check"] == "critical_query") & (table["unit"] == "ms") | (
        table["check"] == "query_regression"
    )
    bad = table[table["severity"].isin([Status.FAIL, Status.WARN]) & ~spoken].sort_values(["check", "object"])
    checked = [_checked(case, row) for row in bad.to_dict("records")]
    return [*(f for f in statement if f), *checked, *_doubtful(case)]


def _statement(case: Case, row: dict[str, Any]) -> Finding | None:
    if row["regressed"]:
        return _regression(case, row)
    if row["verdict"] == Pace.GONE_MAYBE_TIMEOUT:
        again = "it is recorded again (now 0 calls)"
        return _about(
            case,
            row,
            "gone",
            title="No longer recorded",
            evidence=f"{row['reason']}.",
            goal=again,
            threshold="> 0 calls",
        )
    if row["verdict"] == Pace.IN_A_LOOP:
        return _about(
            case,
            row,
            "loop",
            title="Asked in a loop",
            evidence=f"{row['reason']}.",
            goal="it is called as often as before for each of the others",
            action="Read all its rows at once: one query with a join or IN (..)",
            since=case.scope.deployed_at,
            threshold=f"< x{pairs.IN_A_LOOP:g}",
        )
    if row["verdict"] == Pace.NEW and _heavy(row):
        evidence = f"{significant(row['mean_ms'])} ms on average over {row['calls']:.0f} calls, "
        evidence += f"{row['share_pct']:.1f} % of the database's time. {row['reason']}."
        goal = f"its mean is at most {SLOW_MS:g} ms (now {significant(row['mean_ms'])} ms)"
        return _about(
            case, row, "new", title="New and slow", evidence=evidence, goal=goal, threshold=f"<= {SLOW_MS:g} ms"
        )
    few = row["calls"] < SLOW_CALLS
    if row["verdict"] != statements.LIFETIME and not few and (row["mean_ms"] or 0) > BACKLOG_MS:
        evidence = f"{row['mean_ms']:.0f} ms on average over {row['calls']:.0f} calls."
        goal = f"its mean is at most {BACKLOG_MS:g} ms (now {row['mean_ms']:.0f} ms)"
        return _about(
            case, row, "slow", title="Slow query", evidence=evidence, goal=goal, threshold=f"<= {BACKLOG_MS:g} ms"
        )
    return None


def _heavy(row: dict[str, Any]) -> bool:
    """Whether a new statement is slow by the guide's line, or takes much of the database's time and is felt."""
    felt = row["mean_ms"] >= statements.FELT_MS and (row["share_pct"] or 0) >= statements.MUCH_PCT
    return row["calls"] >= statements.FEWEST and (row["mean_ms"] > SLOW_MS or felt)


def _about(
    case: Case, row: dict[str, Any], kind: str, title: str, evidence: str, goal: str, **more: Any
) -> Finding:
    found = Finding(
        id=f"query:{row['role']}:{_slug(row['query'])}:{kind}",
        title=f"{title}: {row['query'][:80]}",
        priority=Priority.P2,
        reading="db_slow_queries",
        evidence=evidence,
        action=BACKLOG,
        becomes_green=goal,
        value=row["mean_ms"],
        owner=case.site.people.owners.get("database"),
    )
    return replace(found, **more)


def _regression(case: Case, row: dict[str, Any]) -> Finding:
    """A regressed statement."""
    before, now = row["before_mean_ms"], row["mean_ms"]
    share = row["share_pct"] or 0.0
    goal = statements.FACTOR * before
    return _about(
        case,
        row,
        "regressed",
        title="All statements slower together, most" if row["saturated"] else "Slower since the deployment",
        evidence=f"{significant(before)} ms before, {significant(now)} ms now over {row['calls']:,.0f} calls "
        f"({share:.1f} % of the database's time){_why(row)}",
        goal=f"its mean is under {significant(goal)} ms (now {significant(now)} ms)",
        size=("times", now / before) if before else None,
        priority=Priority.P1 if statements.urgent(row) else Priority.P2,
        action=f"{SLOW}: EXPLAIN it with the parameters of today and compare its plan",
        since=case.scope.deployed_at,
        threshold=f"< {significant(goal)} ms",
        rivals=tuple(rivals(case)),
    )


def _why(row: Mapping[str, Any]) -> str:
    """What explains a regression, behind its figures."""
    why = str(row["told"])
    return f": {why.removesuffix(';')}{';' if why.endswith(';') else '.'}" if why else "."


def _slug(text: str) -> str:
    """A name for a statement that its next report gives it again."""
    form = normalised(text)
    words = "-".join(re.findall(r"[a-z_][a-z0-9_]*", form)[:6])
    return f"{words}-{hashlib.sha256(form.encode()).hexdigest()[:6]}"


_READING_OF = {
    "connections": "db_connections_pct",
    "cache_hit": "db_cache_hit_pct",
    "slow_now": "db_slow_queries",
    "slow_queries": "db_slow_queries",
}


def _checked(case: Case, row: dict[str, Any]) -> Finding:
    severe = row["severity"] == Status.FAIL
    name = row["object"] if not pd.isna(row["object"]) else ""
    limit = "nothing" if pd.isna(row["threshold"]) else row["threshold"]
    return Finding(
        id=f"database:{row['check']}:{name}",
        title=_titled(row["check"], name, row["evidence"]),
        priority=Priority.P1 if severe else Priority.P2,
        reading=f"query_{name}_ms"
        if row["check"] == "critical_query"
        else _READING_OF.get(row["check"], "db_findings"),
        evidence="" if pd.isna(row["evidence"]) else str(row["evidence"]).replace(GONE, "it was ", 1),
        action=BACKLOG if pd.isna(row["action"]) else row["action"],
        becomes_green=_goal(name, row),
        value=None if pd.isna(row["value"]) else float(row["value"]),
        threshold=limit,
        owner=case.site.people.owners.get("database"),
    )


def _titled(check: str, name: str, evidence: Any) -> str:
    if check == "drift" and str(evidence).startswith(GONE):
        return f"{name.capitalize()} is gone"
    return f"Database check {check}: {name}" if name else f"Database check {check}"


def _goal(name: str, row: dict[str, Any]) -> str:
    """What a check has to find for its finding to go away."""
    if str(row["evidence"]).startswith(GONE):
        return f"the check finds {name} again"
    if pd.isna(row["threshold"]):
        return f"the check no longer finds this{_found(row)}"
    return f"the check finds {row['threshold']}{_found(row)}"


def _found(row: dict[str, Any]) -> str:
    """What a check finds now, as an addition to a sentence."""
    if pd.isna(row["value"]):
        return ""
    unit = "" if pd.isna(row["unit"]) or row["unit"] in ("count", "bool") else f" {row['unit']}"
    return f" (now {significant(row['value'], 4)}{unit})"


# What the database's report is asked for: a slower statement, a pool that is full, sessions that wait. Where one
# of these was not seen, that nothing was found says nothing.
DECIDING = ("query_regression", "connections", "blocking")


def db_findings(case: Case) -> Measurement:
    """How many of the database's checks warn or fail; unknown where none does and one of `DECIDING` is unknown."""
    table = checks(case)
    if table.empty:
        return case.missing("postgres", "database_findings", "the database was not checked")
    bad = int(table["severity"].isin([Status.FAIL, Status.WARN]).sum())
    unseen = table[table["severity"] == Status.UNKNOWN]
    text = f"{len(table)} results, {len(unseen)} of them unknown"
    deciding = unseen[unseen["check"].isin(DECIDING)]
    if not bad and len(deciding):
        why = f"nothing was found by the checks that could be made; {deciding.iloc[0]['unknown_reason']}"
        return replace(case.missing("postgres", "database_findings", why), evidence=text)
    return Measurement(State.MEASURED, bad, samples=len(table), source="postgres", evidence=text)


_CPU = (
    Limit(">", 80, Status.FAIL, priority=Priority.P2, action=SCALE),
    Limit(">=", 70, Status.WARN, action=SCALE),
)
_PEAK = (Limit(">", 80, Status.WARN, priority=Priority.P2, action=SCALE),)
_MEMORY = (
    Limit(">", 90, Status.FAIL, priority=Priority.P1, action=SCALE),
    Limit(">=", 80, Status.WARN, priority=Priority.P2, action=SCALE),
)
_CONNECTIONS = (
    Limit(">=", 90, Status.FAIL, priority=Priority.P1, action=SCALE),
    Limit(">=", 70, Status.WARN, priority=Priority.P2, action=SCALE),
)
_DOWN = (Limit(">", 0, Status.FAIL, priority=Priority.P0, action=RESTART, critical=True, rollback=True),)
_REFUSED = (Limit(">", 0, Status.WARN, priority=Priority.P2, action=POOL),)
_STORAGE = (
    Limit(">=", 90, Status.FAIL, priority=Priority.P1, action=SCALE),
    Limit(">=", 80, Status.WARN, priority=Priority.P2, action=SCALE),
)
_CACHE = (
    Limit("<", 94, Status.FAIL, priority=Priority.P2, action=SCALE),
    Limit("<", 99, Status.WARN, action=SCALE),
)
_SLOW = (Limit(">", 0, Status.WARN, action=BACKLOG),)

CPU = Metric(
    "db_cpu_pct",
    "CPU, average",
    "%",
    section=SECTION,
    measure=db_cpu_pct,
    limits=_CPU,
    target="< 70",
    better="lower",
    series=True,
)
CONNECTIONS = Metric(
    "db_connections_pct",
    "Connections in use, peak",
    "%",
    section=SECTION,
    measure=db_connections_pct,
    limits=_CONNECTIONS,
    target="< 70",
    better="lower",
    series=True,
)
STORAGE = Metric(
    "db_storage_pct",
    "Storage used",
    "%",
    section=SECTION,
    measure=db_storage_pct,
    limits=_STORAGE,
    target="< 80",
    better="lower",
    series=True,
)
CACHE_HIT = Metric(
    "db_cache_hit_pct",
    "Cache hits",
    "%",
    section=SECTION,
    measure=db_cache_hit_pct,
    limits=_CACHE,
    target=">= 99",
    better="higher",
    series=True,
)

METRICS: tuple[Metric, ...] = (
    CPU,
    Metric(
        "db_cpu_peak_pct",
        "CPU, peak",
        "%",
        section=SECTION,
        measure=db_cpu_peak_pct,
        limits=_PEAK,
        target="<= 80",
        better="lower",
        series=True,
    ),
    Metric(
        "db_memory_pct",
        "Memory, average",
        "%",
        section=SECTION,
        measure=db_memory_pct,
        limits=_MEMORY,
        target="< 80",
        better="lower",
        series=True,
    ),
    Metric("db_connections", "Connections", "count", section=SECTION, measure=db_connections, better="lower"),
    CONNECTIONS,
    Metric(
        "db_connection_errors",
        "Connection errors",
        "count",
        section=SECTION,
        measure=db_connection_errors,
        limits=_DOWN,
        target="0",
        better="lower",
        series=True,
        holds=down_confirmed,
    ),
    Metric(
        "db_connections_refused",
        "Connections refused",
        "count",
        adds_up=True,
        section=SECTION,
        measure=db_connections_refused,
        limits=_REFUSED,
        target="0",
        better="lower",
        began=_refused_since,
    ),
    STORAGE,
    Metric(
        "db_storage_gb", "Size of what is stored", "GB", section=SECTION, measure=db_storage_gb, better="lower"
    ),
    CACHE_HIT,
    Metric("db_queries_total", "Queries", "count", adds_up=True, section=SECTION, measure=db_queries_total),
    Metric(
        "db_slow_queries",
        "Slow queries",
        "count",
        section=SECTION,
        measure=db_slow_queries,
        limits=_SLOW,
        target="0",
        better="lower",
    ),
    Metric(
        "db_findings",
        "Findings of the database checks",
        "count",
        section=SECTION,
        measure=db_findings,
        better="lower",
        alerts=False,
    ),
)


def metrics(site: Site) -> tuple[Metric, ...]:
    """The database's metrics, those of the site's critical queries after them."""
    return (*METRICS, *(_query_metric(query) for query in site.queries))


def _query_metric(query: Query) -> Metric:
    ladder = (
        Limit(">=", query.limit_ms, Status.FAIL, priority=Priority.P2, action=BACKLOG),
        Limit(">", 0.7 * query.limit_ms, Status.WARN, action=BACKLOG),
    )
    return Metric(
        f"query_{query.name}_ms",
        query.title,
        "ms",
        section="queries",
        measure=partial(query_ms, query=query),
        limits=ladder,
        target=f"< {query.limit_ms:.10g}",
        better="lower",
    )
