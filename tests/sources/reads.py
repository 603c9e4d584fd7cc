"""What every source reads: its words and numbers by the vendors' specifications, and what none of them is.

The one table from which the tests of what is not understood are drawn: one field by itself (`test_reads.py`),
whole answers (`test_any_answer.py`, `test_bodies.py`), tables of an application (`test_not_understood.py`). Its
rows restate the published specifications (named in `docs/vendors.md`), the formats of health checks and the
reference of the site file, apart from the code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

# What may stand where a word or a number is read and is neither: of the next version, of another type, a mistake.
UNKNOWN_WORDS = ("zzz", "", "<script>", "a_word_of_the_next_version", "Unbekannt", "  ", "\ud800")
ODD_NUMBERS = (
    -1e300,
    -5e17,
    1e300,
    float("inf"),
    float("-inf"),
    float("nan"),
    10**400,
    "NaN",
    "Infinity",
    "4e300",
)
ODD_TYPES: tuple[Any, ...] = (True, [], {}, [{}], {"deep": [None]}, "9999-99-99T00:00:00Z", "0001-01-01T00:00:00Z")
ODD: tuple[Any, ...] = (None, *UNKNOWN_WORDS, *ODD_NUMBERS, *ODD_TYPES, "NEXT_VERSION", "urgent!", "-3", -1, -7.5)


@dataclass(frozen=True)
class Read:
    """One field that is read.

    Attributes:
        item: list and field, as the report calls them.
        words: those that are understood; empty for a number.
        low, high: what a number can be.
        null: whether it may be left out, so that a null is nothing to tell.
    """

    source: str
    item: str
    words: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1e15
    null: bool = False

    @property
    def field(self) -> str:
        """The vendor's name of it: what its list is called may hold dots, and so may the field."""
        return self.item.split(" ")[1]

    @property
    def listed(self) -> str:
        """What its list is called."""
        return self.item.split(" ")[0]


# List, field, then the words or the range; a ? at the end: null is allowed; a line that begins with + goes on with
# the one before. A week has 604800000 ms.
TABLE = {
    "sentry": """
        spans p50(span.duration) 0..604800000 ?
        spans p95(span.duration) 0..604800000 ?
        spans p99(span.duration) 0..604800000 ?
        spans avg(span.duration) 0..604800000 ?
        spans count() 0..1e15
        spans http_response_rate(5) 0..1 ?
        spans http_response_rate(4) 0..1 ?
        spans count_unique(span.status_code) 0..1e15 ?
        errors count() 0..1e15
        errors count_unique(user) 0..1e15 ?
        errors count_unique(issue) 0..1e15 ?
        events.meta dataScanned full partial ?
        events-timeseries.meta interval 1..86400000
        events-timeseries.meta dataScanned full partial ?
        events-timeseries value 0..1
        events-timeseries sampleCount 0..1e15 ?
        events-timeseries sampleRate 0..1 ?
        issues level sample debug info warning error fatal
        issues status resolved ignored pending_deletion pending_merge reprocessing unresolved
        issues substatus archived_until_escalating archived_until_condition_met archived_forever escalating
        + ongoing regressed new ?
        issues priority low medium high ?
        issues userCount 0..1e15
        releases.projects id 0..1e15
        stats_v2.by outcome accepted filtered rate_limited invalid abuse client_discard cardinality_limited
        stats_v2.totals sum(quantity) 0..1e15
        monitors status active disabled
        cron status ok error in_progress missed timeout
        cron duration 0..604800000 ?
        uptime check_status success failure missed_window disallowed_by_robots
        uptime check_duration_us 0..3600000000 ?
    """,
    "vercel": """
        deployments readyState BLOCKED BUILDING CANCELED DELETED ERROR INITIALIZING QUEUED READY
        deployments readySubstate PROMOTED ROLLING STAGED ?
        deployments target production staging ?
        deployments oomReport out-of-memory ?
        deployments.pagination next 0..1e15 ?
        project.lastAliasRequest jobStatus failed in-progress pending skipped succeeded
        project.lastAliasRequest type promote rollback
        rolling state ABORTED ACTIVE COMPLETE
        rolling currentCanaryPercentage 0..100 ?
        rolling.activeStage targetPercentage 0..100
        events type manual-deployment-promotion-created instant-rollback-created
        + project-rolling-release-started project-rolling-release-aborted
        requests http_status -1..599
        requests value 0..1e15
        requests.durations value 0..604800000 ?
        requests.memory value 0..1e15 ?
        requests.invocations value 0..1e15 ?
        visits visitors 0..1e15
        visits pageviews 0..1e15
        charges BilledCost -1e9..1e9
    """,
    "supabase": """
        project status ACTIVE_HEALTHY ACTIVE_UNHEALTHY COMING_UP GOING_DOWN INACTIVE INIT_FAILED
        + PAUSE_FAILED PAUSING REMOVED RESIZING RESTARTING RESTORE_FAILED RESTORING UNKNOWN UPGRADING
        services name auth db db_postgres_user pooler realtime rest storage pg_bouncer
        services status ACTIVE_HEALTHY COMING_UP UNHEALTHY
        disk fs_size_bytes 0..1e15
        disk fs_used_bytes 0..1e15
    """,
    "stripe": """
        charges status succeeded pending failed
        balance_transactions type charge payment refund stripe_fee stripe_fx_fee tax_fee payout adjustment
        balance_transactions amount -1e15..1e15
        balance_transactions fee -1e15..1e15
        events pending_webhooks 0..1e15
        disputes status needs_response warning_needs_response appeal_needs_response under_review
        + warning_under_review appeal_under_review won lost prevented warning_closed
        disputes.evidence_details due_by 0..4e9 ?
        webhook_endpoints status enabled disabled
        payouts status paid pending in_transit canceled failed
        payment_intents status requires_payment_method requires_confirmation requires_action processing
        + requires_capture canceled succeeded
    """,
    "twilio": """
        messages status queued sending sent failed delivered undelivered receiving received accepted
        + scheduled read partially_delivered canceled
        messages direction inbound outbound-api outbound-call outbound-reply
        messages error_code 1..99999 ?
        usage_records price -1e15..1e15 ?
        account status active suspended closed
        balance balance -1e15..1e15 ?
    """,
    "resend": """
        email_metrics sent 0..1e15
        email_metrics delivered 0..1e15
        email_metrics bounced 0..1e15
        email_metrics bounced_permanent 0..1e15
        email_metrics bounced_transient 0..1e15
        email_metrics complained 0..1e15
        email_metrics failed 0..1e15
        email_metrics suppressed 0..1e15
        email_metrics delivery_delayed 0..1e15
        logs method GET POST PUT DELETE PATCH OPTIONS
        logs response_status 100..599
        domains status pending verified failed not_started partially_verified partially_failed
        domains.capabilities sending enabled disabled ?
        webhook_endpoints status enabled disabled
        emails last_event queued scheduled sent delivered delivery_delayed bounced complained opened clicked
        + failed canceled suppressed
    """,
    "app": """
        health status up ok healthy operational pass degraded warn warning down unhealthy fail error
        + out_of_service failed crashed ?
    """,
    "postgres": """
        uptime status up degraded down maintenance
        uptime response_ms 0..86400000 ?
        cron status completed started failed
        cron duration_ms 0..31622400000 ?
        cron attempts 0..1e6 ?
        tickets category bug question ?
        tickets status open closed ?
        tickets priority low normal high urgent ?
        tickets rating 1..5 ?
        activity pages 0..1e9
        activity duration_s 0..1e9 ?
        payments status succeeded failed declined pending refunded
        payments amount -1e15..1e15 ?
        integration_checks status up degraded down
        integration_checks response_ms 0..86400000 ?
        app_alerts severity info warning critical ?
        sales amount 0..1e300
    """,
    "requests": """
        log status 100..599 ?
        log duration_ms 0..1e9 ?
    """,
}


@cache
def reads(source: str) -> tuple[Read, ...]:
    """The fields of a source."""
    return tuple(_rows(source))


def _rows(source: str) -> Iterator[Read]:
    for line in TABLE[source].replace("\n        +", "").strip().splitlines():
        listed, field, *rest = line.split()
        null = rest[-1] == "?"
        said = rest[:-1] if null else rest
        low, dots, high = said[0].partition("..")
        if dots:
            yield Read(source, f"{listed} {field}", low=float(low), high=float(high), null=null)
        else:
            yield Read(source, f"{listed} {field}", tuple(said), null=null)


def read(source: str, listed: str, field: str) -> Read:
    """One field of the table."""
    return next(row for row in reads(source) if (row.listed, row.field) == (listed, field))


def words(source: str, listed: str, field: str) -> tuple[str, ...]:
    """The words of a field."""
    return read(source, listed, field).words
