"""What a collection costs a database and vendors, and that it changes nothing, also as a role that may write."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from pdmlib.site.load import load_site
from pdmlib.sources import catalogue, resend, stripe
from pdmlib.sources.postgres import source
from pdmlib.workbook.scope import scope_for
from tests.builders import a_scope
from tests.hostile.database import BLOCKS, TABLES
from tests.hostile.proxy import Fault, Handler, faulty
from tests.hostile.vendors import DEMO
from tests.servers import MONITOR, Database

# How often the guide looks in a deployment's first week: every five minutes in its first hour, every thirty in its
# first day, three times a day after.
WEEK: Mapping[str, int] = {"hour1": 12, "day1": 23 * 2, "daily": 6 * 3}
ROUNDS_A_WEEK = sum(WEEK.values())
WEEK_S = 7 * 86_400
LIGHT = ("AccessShareLock", "ExclusiveLock")  # the second on its own transaction's number alone
TABLES_THERE = """
SELECT c.oid::regclass::text AS name, c.relkind::text, c.relfilenode::text, pg_relation_size(c.oid)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND c.relkind IN ('r', 'v', 'S') ORDER BY 1
"""
SETTINGS = "SELECT setdatabase, setrole, setconfig FROM pg_db_role_setting ORDER BY 1, 2"
ROLES = "SELECT rolname, rolsuper, rolcanlogin FROM pg_roles ORDER BY 1"


@dataclass(frozen=True)
class Harm:
    """What some collections did.

    Attributes:
        seconds: that the server worked on our statements, by its own count.
        locks: the modes that our connections were seen to hold on anything, the heavy ones by what they held.
        changed: what is not as it was before.
    """

    rounds: int
    seconds: float
    locks: frozenset[str]
    changed: tuple[str, ...]

    @property
    def share_pct(self) -> float:
        """Of one core, over a week at the guide's pace."""
        return share_pct(self.seconds / self.rounds)


def measured(database: Database, rounds: int = 3) -> Harm:
    """Collects as a role that may write everything, and compares the database before and after."""
    database.run(
        TABLES,
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {MONITOR}",
        f"GRANT ALL ON SCHEMA public TO {MONITOR}",
    )
    before, worked = _content(database), _worked(database)
    locks, over = set[str](), threading.Event()
    looking = threading.Thread(target=_look, args=(database, locks, over))
    looking.start()
    site = database.site(MONITOR, **BLOCKS)
    try:
        for _ in range(rounds):
            source.collect(site, a_scope(site))
    finally:
        over.set()
        looking.join()
    after = _content(database)
    changed = tuple(str(row) for row in sorted(set(after) ^ set(before), key=str))
    return Harm(rounds, _worked(database) - worked, frozenset(locks), changed)


def _content(database: Database) -> list[Any]:
    with database.admin() as admin:
        queries = (TABLES_THERE, SETTINGS, ROLES)
        rows = [(query[:12], *map(str, row)) for query in queries for row in admin.execute(query.encode())]
        tables = [row[1] for row in rows if row[2:3] == ("r",)]
        digest = "SELECT md5(string_agg(t::text, ';' ORDER BY t::text)) FROM {} t"
        return rows + [(name, *(admin.execute(digest.format(name).encode()).fetchone() or ())) for name in tables]


def _worked(database: Database) -> float:
    """Seconds that connections to this database were active, by the server's own count."""
    query = "SELECT active_time / 1000 FROM pg_stat_database WHERE datname = current_database()"
    with database.admin() as admin:
        admin.execute("SELECT pg_stat_force_next_flush(), pg_stat_clear_snapshot()")
        row = admin.execute(query.encode()).fetchone()
    assert row
    return float(row[0])


def _look(database: Database, locks: set[str], over: threading.Event) -> None:
    query = (
        "SELECT DISTINCT CASE WHEN l.mode = 'AccessShareLock' OR l.locktype = 'virtualxid' THEN 'light' "
        "ELSE l.mode || ' on ' || l.locktype END FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
        f"WHERE a.usename = '{MONITOR}'"
    )
    with database.admin() as admin:
        while not over.is_set():
            locks.update(row[0] for row in admin.execute(query.encode()))


def cost_s(environ: Mapping[str, str], rounds: int = 3) -> float:
    """Seconds that the database of the demo, of the size of a small company's, worked for one collection."""
    site = load_site(DEMO, environ)
    scope, address = scope_for(site, "week1"), environ["PDM_DEMO_DATABASE_URL"]
    before = _active(address)
    for _ in range(rounds):
        source.collect(site, scope)
    return (_active(address) - before) / rounds


@dataclass(frozen=True)
class Allowed:
    """What a vendor allows.

    Attributes:
        requests, seconds: so many requests in so many seconds.
        gap_s: seconds that we leave between two requests.
        source: where the vendor says so.
    """

    requests: int
    seconds: int
    source: str
    gap_s: float = 0.0


# Vercel's and Twilio's pages name no number for what is read here, and Sentry's says that each endpoint has one of
# its own: of these an answer's 429 and its headers are obeyed, and the number of requests is told.
ALLOWED: Mapping[str, Allowed] = {
    "stripe": Allowed(25, 1, "docs.stripe.com/rate-limits, of a test key", stripe.GAP_S),
    "resend": Allowed(5, 1, "resend.com/docs/api-reference/rate-limit", resend.GAP_S),
    "supabase": Allowed(120, 60, "supabase.com/docs/reference/api/introduction, of a project"),
}


def asked(environ: Mapping[str, str], phase: str) -> Counter[str]:
    """How many requests one collection of a phase makes of each vendor of the demo."""
    found, lock = Counter[str](), threading.Lock()

    def counting(call: Handler) -> None:
        with lock:
            found[call.path.split("/")[1]] += 1
        status, headers, body = call.fetched()
        call.send(body, status, headers)

    with faulty(Fault("counting", counting), environ["PDM_DEMO_URL"]) as url:
        site = load_site(DEMO, {**environ, "PDM_DEMO_URL": url})
        catalogue.collect(site, scope_for(site, phase))
    return found


def beyond(vendor: str, requests: int) -> str:
    """Why so many requests of one collection may be more than a vendor allows; empty: they are not."""
    allowed = ALLOWED.get(vendor)
    if allowed is None:
        return ""
    most = min(requests, allowed.seconds / allowed.gap_s + 1) if allowed.gap_s else requests
    many = f"{vendor}: {most:.0f} requests in {allowed.seconds} s"
    return f"{many}, and {allowed.requests} are allowed" if most > allowed.requests else ""


def share_pct(seconds: float) -> float:
    """Of one core, where a collection takes so long, over a week at the guide's pace."""
    return 100 * seconds * ROUNDS_A_WEEK / WEEK_S


def _active(address: str) -> float:
    query = "SELECT active_time / 1000 FROM pg_stat_database WHERE datname = current_database()"
    with psycopg.connect(address, autocommit=True) as connection:
        row = connection.execute(query).fetchone()
    assert row
    return float(row[0])
