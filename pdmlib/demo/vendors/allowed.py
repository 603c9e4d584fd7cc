"""What each vendor may be asked by its published specification; the demo and the tests refuse everything else.

The facts are restated apart from the code that asks. A line is a request, `*` a parameter that is needed, `:` its
kind, `=` its words. Sentry: sentry-api-schema 0.272.0. Vercel: vercel/sdk 1.28.35 of 2026-09-20. Supabase:
Management API openapi of 2026-06-01, metrics by their guide, the log by its reference. Stripe: API versions
2026-06-24.dahlia and 2026-10-28.endive. Twilio: api_v2010 and monitor_v1 1.0.0 of 2026-04. Resend: resend-openapi
1.5.0 of 2026-08.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pdmlib.demo.exchange import Call

# ISO times, with a zone and without one (which Sentry ignores), a day, a whole number, a time in s or ms.
KINDS = {
    "iso": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?",
    "plain": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?",
    "day": r"\d{4}-\d\d-\d\d",
    "n": r"-?\d+",
    "s": r"\d{9,10}",
    "ms": r"\d{12,13}",
}
_TIMES = "start:plain end:plain statsPeriod environment project"
_PAGED = "ending_before expand[] limit:n starting_after"
_MADE = "created[gt]:s created[gte]:s created[lt]:s created[lte]:s"
_TWILIO = "Page:n PageSize:n PageToken"
_TEAM = "teamId slug"
_DATASETS = "dataset*=errors|logs|profile_functions|spans|tracemetrics|uptime_results"
_RESEND = "limit:n after before"
_ORG, _REF, _ACCOUNT = "/api/0/organizations/{}", "/v1/projects/{}", "/2010-04-01/Accounts/{}"
ALLOWED: Mapping[str, tuple[str, str]] = {
    "sentry": (
        "Bearer",
        f"""
        GET /api/0/projects/ cursor
        GET {_ORG}/events/ {_TIMES} field* {_DATASETS} per_page:n query sort allowAggregateConditions cursor
        GET {_ORG}/events-timeseries/ {_TIMES} {_DATASETS} topEvents:n comparisonDelta:n interval yAxis query \
            sort groupBy disableAggregateExtrapolation=0|1 preventMetricAggregates=0|1 excludeOther=0|1
        GET {_ORG}/issues/ {_TIMES} groupStatsPeriod=|14d|24h|auto shortIdLookup=0|1 query limit:n cursor \
            sort=date|freq|inbox|new|recommended|trends|user
        GET {_ORG}/releases/ project environment query per_page:n cursor
        GET {_ORG}/monitors/ project environment owner cursor
        GET {_ORG}/monitors/{{}}/checkins/ cursor
        GET {_ORG}/stats_v2/ start:plain end:plain statsPeriod project:n interval reason \
            groupBy*=outcome|category|reason|project field*=sum(quantity)|sum(times_seen) \
            category=error|transaction|attachment|replay|profile|monitor \
            outcome=accepted|filtered|rate_limited|invalid|abuse|client_discard|cardinality_limited
        """,
    ),
    "vercel": (
        "Bearer",
        f"""
        GET /v7/deployments {_TEAM} app from:ms limit:n projectId projectIds target to:ms users since:ms until:ms \
            state rollbackCandidate branch sha
        GET /v9/projects/{{}} {_TEAM}
        GET /v1/projects/{{}}/rolling-release {_TEAM} state=ACTIVE|COMPLETE|ABORTED
        GET /v3/events {_TEAM} limit:n since:iso until:iso types userId principalId projectIds entityId \
            withPayload=true|false
        GET /v3/deployments/{{}}/events {_TEAM} direction=backward|forward follow=0|1 limit:n name since:ms \
            until:ms statusCode delimiter=0|1 builds=0|1
        GET /v2/observability/schema {_TEAM}
        POST /v2/observability/query {_TEAM} .metric* .scope* .aggregation .groupBy .filter .limit .orderBy \
            .orderDirection .granularity .startTime .endTime .bucketTimezone
        GET /v1/query/web-analytics/visits/count {_TEAM} projectId* since until filter
        GET /v1/billing/charges {_TEAM} from*:iso to*:iso
        """,
    ),
    "supabase": (
        "Bearer",
        f"""
        GET {_REF}
        GET {_REF}/health services*=auth|db|db_postgres_user|pooler|realtime|rest|storage|pg_bouncer timeout_ms:n
        GET {_REF}/config/disk/util
        GET {_REF}/analytics/endpoints/logs sql iso_timestamp_start:iso iso_timestamp_end:iso
        """,
    ),
    "supabase metrics": ("Basic", "GET /customer/v1/privileged/metrics"),
    "stripe": (
        "Bearer",
        f"""
        GET /v1/charges {_PAGED} {_MADE} customer payment_intent transfer_group
        GET /v1/balance_transactions {_PAGED} {_MADE} currency payout source type
        GET /v1/events {_PAGED} {_MADE} delivery_success=true|false type types[]
        GET /v1/disputes {_PAGED} {_MADE} charge payment_intent
        GET /v1/webhook_endpoints {_PAGED}
        GET /v1/payouts {_PAGED} {_MADE} destination status=pending|in_transit|paid|failed|canceled
        GET /v1/balance expand[]
        GET /v1/payment_intents/{{}} client_secret expand[]
        POST /v1/payment_intents .amount*:n .currency* .confirm=true|false .payment_method .description \
            .payment_method_types[] .metadata[pdm]
        POST /v1/payment_intents/{{}}/cancel .cancellation_reason
        POST /v1/refunds .payment_intent .charge .amount:n
        """,
    ),
    "twilio": (
        "Basic",
        f"""
        GET {_ACCOUNT}.json
        GET {_ACCOUNT}/Balance.json
        GET {_ACCOUNT}/Messages.json {_TWILIO} To From DateSent:day DateSent<:day DateSent>:day
        GET {_ACCOUNT}/Messages/{{}}.json
        POST {_ACCOUNT}/Messages.json .To* .From .Body
        GET {_ACCOUNT}/Usage/Records/Daily.json {_TWILIO} Category StartDate:day EndDate:day IncludeSubaccounts
        GET /v1/Alerts {_TWILIO} LogLevel=error|warning|notice|debug StartDate:iso EndDate:iso
        """,
    ),
    "resend": (
        "Bearer",
        f"""
        GET /emails/metrics start_date:iso end_date:iso timezone granularity=hourly|daily|weekly|monthly metrics \
            dimensions=period|domain|email|broadcast domain_id email_id broadcast_id
        GET /emails/{{}}
        POST /emails .from* .to* .subject* .text .html
        GET /logs {_RESEND}
        GET /domains {_RESEND}
        GET /webhooks {_RESEND}
        """,
    ),
}
_PARAMETER = re.compile(r"(?P<name>[^*=:]+)(?P<needed>\*?)(:(?P<kind>\w+)|=(?P<words>\S*))?")


@dataclass(frozen=True)
class Request:
    """One request of a specification; `known` is the pattern of each parameter's values."""

    vendor: str
    method: str
    path: re.Pattern[str]
    scheme: str
    known: Mapping[str, re.Pattern[str]]
    needed: frozenset[str]

    def faults(self, call: Call) -> Iterator[str]:
        """What of a call the specification does not allow."""
        asked = {**call.query, **{f".{key}": values for key, values in call.fields().items()}}
        if call.headers.get("Authorization", "").partition(" ")[0] != self.scheme:
            yield f"needs {self.scheme} authorization"
        yield from (f"needs {name.lstrip('.')}" for name in sorted(self.needed - asked.keys()))
        for name, values in asked.items():
            if name not in self.known:
                yield f"knows no {name.lstrip('.')}"
            else:
                yield from (f"takes no {name} {v!r}" for v in values if not self.known[name].fullmatch(v))


def _request(vendor: str, scheme: str, line: str) -> Request:
    method, path, *parameters = line.split()
    found = [m for p in parameters if (m := _PARAMETER.fullmatch(p))]
    patterns = {
        m["name"]: KINDS[m["kind"]] if m["kind"] else ".*" if m["words"] is None else _one_of(m["words"])
        for m in found
    }
    known = {name: re.compile(pattern, re.DOTALL) for name, pattern in patterns.items()}
    whole = re.compile("[^/]+".join(map(re.escape, path.split("{}"))))
    return Request(
        vendor, method, whole, scheme, known=known, needed=frozenset(m["name"] for m in found if m["needed"])
    )


def _one_of(words: str) -> str:
    return "|".join(map(re.escape, words.split("|")))


REQUESTS = tuple(
    _request(vendor, scheme, line)
    for vendor, (scheme, lines) in ALLOWED.items()
    for line in lines.strip().splitlines()
)


def fault_of(call: Call) -> str | None:
    """Why no vendor allows a call to a path of its specification; None where one does, or none has the path."""
    known = [r for r in REQUESTS if r.method == call.method and r.path.fullmatch(call.path)]
    found = ["; ".join(request.faults(call)) for request in known]
    return None if not found or "" in found else f"{call.method} {call.path} {found[0]}"
