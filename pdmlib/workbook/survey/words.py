"""Which of our words a stranger's word may stand for: only a guess, which a person confirms in the site file.

The words of health checks are those of the draft health+json, Spring Boot, ASP.NET Core and usual monitors; those
of jobs are of Sidekiq, Celery, pg_cron, Airflow and GitHub Actions; those of payments of Stripe, Adyen and PayPal;
those of tickets of Zendesk, Jira and GitHub.
"""

from __future__ import annotations

from collections.abc import Mapping

from pdmlib.site.terms import Terms, word

Meanings = Mapping[str, tuple[str, ...]]


def _all(**words: str) -> Meanings:
    return {ours: tuple(theirs.split()) for ours, theirs in words.items()}


_HEALTH = _all(
    up="up ok okay healthy operational pass passed success online alive available reachable good green serving",
    degraded="degraded slow warn warning partial yellow amber impaired unstable",
    down="down fail failed failure error err unhealthy critical offline dead red unreachable unavailable timeout"
    " timedout outage outofservice refused",
    maintenance="maintenance maint planned paused",
)
_GUESSES: Mapping[tuple[str, str], Meanings] = {
    ("uptime", "status"): _HEALTH,
    ("integration_checks", "status"): _HEALTH,
    ("cron", "status"): _all(
        started="started start running begin began inprogress queued processing active",
        completed="completed complete done success successful succeeded ok finished finish end ended pass passed",
        failed="failed fail failure error errored err timeout timedout crash crashed killed aborted dead",
    ),
    ("tickets", "status"): _all(
        open="open new opened todo pending inprogress working waiting assigned hold onhold reopened escalated",
        closed="closed resolved solved done completed fixed cancelled canceled rejected duplicate wontfix",
    ),
    ("tickets", "priority"): _all(
        low="low minor trivial lowest p4 p5 sev4",
        normal="normal medium moderate standard default p3 sev3",
        high="high major important p2 sev2",
        urgent="urgent critical highest blocker emergency immediate p1 p0 sev1",
    ),
    ("payments", "status"): _all(
        succeeded="succeeded success successful paid captured completed settled approved authorised authorized",
        failed="failed fail failure error chargeback",
        declined="declined refused rejected denied",
        pending="pending processing created initiated open waiting requiresaction inprogress",
        refunded="refunded refund reversed partiallyrefunded returned",
    ),
    ("app_alerts", "severity"): _all(
        info="info information notice debug low ok",
        warning="warning warn medium minor",
        critical="critical crit error fatal high emergency major severe",
    ),
}
# What a true, or a 1, of a column of such a name stands for; by default a true is good.
BAD_WHEN_TRUE = ("fail", "down", "error", "broken", "crash", "is_bad", "timed_out")
EXIT_CODES = ("exit", "code", "rc", "return")  # 0 is good (POSIX 2.8.2)
GOOD_WHEN_TRUE = ("ok", "succe", "pass", "done", "complet", "finish", "well", "is_")
_GOOD_BAD = {
    ("uptime", "status"): ("up", "down"),
    ("integration_checks", "status"): ("up", "down"),
    ("cron", "status"): ("completed", "failed"),
    ("payments", "status"): ("succeeded", "failed"),
    ("tickets", "status"): ("open", "closed"),
}


def meaning(terms: Terms, ours: str, column: str, theirs: str) -> str | None:
    """Our word that theirs may stand for; None where nothing suggests one.

    Args:
        ours: our name of the column, and column the table's.
    """
    said = word(theirs) or ""
    for known in terms.words[ours]:
        if said == known.name or said in known.usual:
            return known.name
    pair = _GOOD_BAD.get((terms.block, ours))
    if pair and said in ("true", "t", "1", "yes", "y", "false", "f", "0", "no", "n"):
        return _switched(pair, column.casefold(), said)
    if pair and terms.block in ("uptime", "integration_checks") and said.isdigit() and len(said) == 3:
        return {"2": pair[0], "3": pair[0], "5": pair[1]}.get(said[0])
    bare = "".join(c for c in said if c.isalnum())
    guesses = _GUESSES.get((terms.block, ours), {})
    return next((name for name, words in guesses.items() if bare in words), None)


def _switched(pair: tuple[str, str], column: str, said: str) -> str | None:
    good, bad = pair
    true = said in ("true", "t", "1", "yes", "y")
    if said in ("0", "1") and any(name in column for name in EXIT_CODES):
        return good if said == "0" else bad
    wrong = any(name in column for name in BAD_WHEN_TRUE)
    # How a run came out is a 0 to some (an exit code) and a 1 to others: where no name tells, a person does.
    if said in ("0", "1") and good == "completed" and not (wrong or any(n in column for n in GOOD_WHEN_TRUE)):
        return None
    if pair == ("open", "closed"):
        wrong = any(name in column for name in ("clos", "solv", "done", "resol"))
    return good if true != wrong else bad
