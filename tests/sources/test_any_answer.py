"""Whatever a vendor answers: every word of its specification, null, other types, later versions, and garbage.

The facts below restate the published specifications (Stripe OpenAPI of 2026-06-24.dahlia, Twilio api_v2010 and
monitor_v1 1.0.0, Resend 1.5.0) apart from the code, and the counts that a report may show are made from them here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection, Coverage
from pdmlib.frames.readings import Answer, Status
from pdmlib.sources import resend, stripe, twilio
from tests.analysis.integrations.answered import Judged, of_case
from tests.sources.loopback import Call, Reply, routed, the_scope, the_site, vendor
from tests.sources.reads import ODD, UNKNOWN_WORDS, read, reads, words

SCOPE = the_scope()
START, END = SCOPE.window.start, SCOPE.window.end
GARBAGE: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**20), 10**20),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(ODD),
    st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=4), st.integers(), max_size=2),
)
Bodies = dict[str, list[Any]]


def word(*known: str, null: bool = False) -> st.SearchStrategy[Any]:
    """One of a specification's words as vendors write them, null where allowed, and what nobody allowed."""
    said = st.sampled_from(known).flatmap(lambda w: st.sampled_from([w, w, w.upper(), f" {w} "]))
    later = st.sampled_from(UNKNOWN_WORDS)
    return st.one_of(said, said, said, st.none() if null else said, later, GARBAGE)


def listed(source: str, of: str, field: str, *often: str) -> st.SearchStrategy[Any]:
    """A word of the table, some of them more often."""
    return word(*words(source, of, field), *often, null=read(source, of, field).null)


def mostly(usual: st.SearchStrategy[Any], *others: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(usual, usual, usual, usual, *others, GARBAGE)


def thing(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with its fields, some left out, some more than are specified; sometimes no object at all."""
    known = st.fixed_dictionaries({}, optional=fields)
    whole = st.fixed_dictionaries(fields)
    more = st.fixed_dictionaries({"field_of_the_next_version": GARBAGE, **fields})
    return st.one_of(whole, whole, whole, more, known, GARBAGE)


def numbered(things: st.SearchStrategy[Any], key: str, prefix: str) -> st.SearchStrategy[list[Any]]:
    """A list of objects, of which those that are well have an id of their own."""

    def named(found: list[Any]) -> list[Any]:
        for n, one in enumerate(found):
            if isinstance(one, dict) and isinstance(one.get(key), int) and not isinstance(one[key], bool):
                one[key] = f"{prefix}{n}"
        return found

    return st.lists(things, max_size=5).map(named)


ID = st.one_of(st.just(1), st.just(1), st.just(1), st.just(1), st.just(1), st.none(), st.just([]))
MOMENTS = st.integers(0, int((END - START).total_seconds()) - 1).map(lambda s: START + timedelta(seconds=s))


class Routes(dict[str, Any]):
    """What is answered by path, and which of it was asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: set[str] = set()

    def get(self, key: str, default: Any = None) -> Any:
        if key in self:
            self.asked.add(key)
        return super().get(key, default)


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[str, dict[str, Any]]]:
    """One server for all examples, and what it answers by path."""
    routes = Routes()
    with vendor(lambda call: routed(routes)(call)) as running:
        yield running.url, routes


def judged(
    source: str, collect: Callable[..., Any], server: tuple[str, dict[str, Any]], routes: dict[str, Any]
) -> Judged:
    """What a report makes of the answers; a foreign exception of any part would be told in the gaps."""
    url, served = server
    served.clear()
    served.update(routes)
    block = {"base_url": url, **({"monitor_url": url, "account_sid": "AC1"} if source == "twilio" else {})}
    frames = collect(the_site(source, **block), SCOPE)
    gaps = frames.get("gaps")
    reasons = [] if gaps is None else gaps["reason"].tolist()
    assert not [r for r in reasons if "was not understood (" in r]
    site = the_site(source, **block)
    coverage = (Coverage(source, Answer.PARTIAL if reasons else Answer.OK, 1, 0.1),)
    return of_case(Case(site, SCOPE, Collection(frames, coverage), SCOPE.window))


def fixed(entries: list[Any], key: str) -> dict[str, Any]:
    return {key: entries, "has_more": False}


def plain(value: Any) -> str | None:
    return value.strip().casefold() if isinstance(value, str) and value.strip() else None


def inside(moment: datetime | None) -> bool:
    return moment is not None and START <= moment < END


# ---- Stripe

CODES = {
    "customer": ("insufficient_funds", "account_closed", "card_declined", "expired_card", "no_account"),
    "ours": ("processing_error", "rate_limit", "api_error"),
}
CHARGE = thing(
    id=ID,
    created=mostly(MOMENTS.map(lambda m: int(m.timestamp())), st.just(0), st.just(10**13)),
    status=listed("stripe", "charges", "status", "failed", "failed"),
    failure_code=word(*CODES["customer"], *CODES["ours"], null=True),
    outcome=st.one_of(
        st.none(),
        st.fixed_dictionaries(
            {"type": word("authorized", "manual_review", "issuer_declined", "blocked", "invalid")}
        ),
        GARBAGE,
    ),
)
TRANSACTION = thing(
    created=mostly(MOMENTS.map(lambda m: int(m.timestamp()))),
    type=listed("stripe", "balance_transactions", "type"),
    reporting_category=word("charge", "refund", "fee", "tax", "payout"),
    amount=mostly(st.integers(-(10**8), 10**8)),
    fee=mostly(st.integers(-100, 10**6)),
    currency=word("usd", "eur", "jpy", "ugx", "kwd", "isk"),
)
EVENT = thing(
    id=ID,
    type=word("charge.failed", "payment_intent.succeeded"),
    created=mostly(MOMENTS.map(lambda m: int(m.timestamp()))),
    pending_webhooks=mostly(st.integers(0, 3)),
)
DISPUTE = thing(
    id=ID,
    created=mostly(MOMENTS.map(lambda m: int(m.timestamp()))),
    status=listed("stripe", "disputes", "status"),
    reason=word("fraudulent", "general", "duplicate"),
    evidence_details=st.one_of(st.fixed_dictionaries({"due_by": mostly(st.just(0), st.none())}), GARBAGE),
)
ENDPOINT = thing(
    id=ID,
    url=mostly(st.sampled_from(["https://shop.example/h", "https://[x", "//"])),
    status=listed("stripe", "webhook_endpoints", "status"),
)
PAYOUT = thing(
    id=ID,
    created=st.just(0),
    status=listed("stripe", "payouts", "status"),
    failure_code=GARBAGE,
)
STRIPE = st.fixed_dictionaries(
    {
        "charges": numbered(CHARGE, "id", "ch_"),
        "balance_transactions": st.lists(TRANSACTION, max_size=4),
        "events": numbered(EVENT, "id", "evt_"),
        "disputes": numbered(DISPUTE, "id", "dp_"),
        "webhook_endpoints": numbered(ENDPOINT, "id", "we_"),
        "payouts": numbered(PAYOUT, "id", "po_"),
        "balance": st.one_of(st.fixed_dictionaries({"livemode": st.one_of(st.just(True), GARBAGE)}), GARBAGE),
    }
)


def epoch(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 4e9:
        return None
    return datetime.fromtimestamp(value, UTC)


def fault(charge: dict[str, Any]) -> str:
    """Whose fault a failed charge is, after the facts alone: customer, ours, none or unknown."""
    status = plain(charge.get("status"))
    if status in ("succeeded", "pending"):
        return "none"
    outcome = charge.get("outcome")
    kind = outcome.get("type") if isinstance(outcome, dict) else outcome
    told = None if kind is None else plain(kind) or "odd"
    if status != "failed" or told not in (
        None,
        "authorized",
        "manual_review",
        "issuer_declined",
        "blocked",
        "invalid",
    ):
        return "unknown"
    if told in ("issuer_declined", "blocked"):
        return "customer"
    if told == "invalid":
        return "ours"
    code = plain(charge.get("failure_code"))
    return next((side for side, codes in CODES.items() if code in codes), "unknown")


def check_stripe(bodies: dict[str, Any], server: tuple[str, dict[str, Any]]) -> None:
    routes = {
        f"/v1/{name}": fixed(found, "data") if name != "balance" else Reply(found)
        for name, found in bodies.items()
    }
    found = judged("stripe", stripe.collect, server, routes)
    charges = [c for c in bodies["charges"] if isinstance(c, dict) and isinstance(c.get("id"), str)]
    faults = [fault(c) for c in charges if inside(epoch(c.get("created")))]
    reading = found.readings["payment_failures"]
    if reading.value is not None:
        assert reading.value == faults.count("ours")
    if "unknown" in faults:
        assert reading.status is not Status.PASS
    assert found.recommendation != "rollback" or "ours" in faults
    events = [e for e in bodies["events"] if isinstance(e, dict) and isinstance(e.get("id"), str)]
    whens = [(e, epoch(e.get("created"))) for e in events]
    mine = [e for e, when in whens if when is None or START <= when < END - timedelta(minutes=5)]  # of delivery
    odd = [e for e in mine if not isinstance(e.get("pending_webhooks"), int | float | str)]
    if odd:
        assert found.readings["webhooks_pending"].status is not Status.PASS
    if not isinstance(bodies["balance"], dict) or not isinstance(bodies["balance"].get("livemode"), bool):
        assert found.readings["integration_stripe"].status is not Status.PASS
    statuses = {plain(e.get("status")) for e in bodies["webhook_endpoints"] if isinstance(e, dict)}
    if statuses - {"enabled", "disabled"}:
        assert found.readings["integration_stripe"].status is not Status.PASS


# ---- Twilio

LOST_CODES = {"recipient": (21211, 21610, 30003, 30005, 30006), "ours": (30007, 30008, 30032, 30034)}
MESSAGE_STATES = words("twilio", "messages", "status")
MESSAGE = thing(
    sid=ID,
    date_created=mostly(MOMENTS.map(format_datetime)),
    date_sent=st.none(),
    status=listed("twilio", "messages", "status", "failed", "undelivered"),
    direction=listed("twilio", "messages", "direction"),
    error_code=mostly(
        st.sampled_from([*LOST_CODES["recipient"], *LOST_CODES["ours"]]), st.none(), st.just(39_999)
    ),
)
USAGE = thing(
    category=word("totalprice", null=True),
    start_date=mostly(st.sampled_from(["2025-03-03", "2025-03-04"])),
    price=mostly(st.one_of(st.floats(0, 100), st.just("3.10")), st.none()),
    price_unit=word("usd", "eur", null=True),
)
ALERT = thing(
    sid=ID,
    date_generated=mostly(MOMENTS.map(lambda m: m.isoformat().replace("+00:00", "Z"))),
    error_code=mostly(st.sampled_from(["11200", "12300", "30007"])),
    request_url=mostly(st.just("https://shop.example/h?x=1"), st.just("http://[")),
)
TWILIO = st.fixed_dictionaries(
    {
        "messages": numbered(MESSAGE, "sid", "SM"),
        "usage_records": st.lists(USAGE, max_size=4),
        "alerts": numbered(ALERT, "sid", "NO"),
        "account": st.one_of(st.fixed_dictionaries({"status": listed("twilio", "account", "status")}), GARBAGE),
        "balance": st.one_of(
            st.fixed_dictionaries({"balance": mostly(st.just("12.5")), "currency": GARBAGE}), GARBAGE
        ),
        "next": st.one_of(st.none(), st.none(), st.integers()),
    }
)


def rfc(value: Any) -> datetime | None:
    try:
        return datetime.strptime(value, "%a, %d %b %Y %H:%M:%S %z")
    except (TypeError, ValueError):
        return None


def check_twilio(bodies: dict[str, Any], server: tuple[str, dict[str, Any]]) -> None:
    account = "/2010-04-01/Accounts/AC1"
    routes = {
        f"{account}/Messages.json": {"messages": bodies["messages"], "next_page_uri": bodies["next"]},
        f"{account}/Usage/Records/Daily.json": {"usage_records": bodies["usage_records"], "next_page_uri": None},
        "/v1/Alerts": {"alerts": bodies["alerts"], "meta": {"next_page_url": bodies["next"]}},
        f"{account}.json": Reply(bodies["account"]),
        f"{account}/Balance.json": Reply(bodies["balance"]),
    }
    found = judged("twilio", twilio.collect, server, routes)
    texts = [m for m in bodies["messages"] if isinstance(m, dict) and isinstance(m.get("sid"), str)]
    texts = [m for m in texts if inside(rfc(m.get("date_created")))]
    out = [m for m in texts if (plain(m.get("direction")) or "").startswith("outbound-")]
    gone = [m for m in out if plain(m.get("status")) in ("failed", "undelivered")]
    codes = {c: side for side, many in LOST_CODES.items() for c in many}
    sides = [
        codes.get(m.get("error_code"), "unknown")
        if not isinstance(m.get("error_code"), list | dict)
        else "unknown"
        for m in gone
    ]
    reading = found.readings["sms_failed_pct"]
    odd = "unknown" in sides or any(plain(m.get("status")) not in MESSAGE_STATES for m in out)
    if odd:
        assert reading.status is not Status.PASS
        assert found.readings["integration_twilio"].status is not Status.PASS
    if reading.value is not None:
        ended = len(gone) + sum(
            plain(m.get("status")) in ("delivered", "sent", "read", "partially_delivered") for m in out
        )
        assert round(reading.value * (reading.measurement.samples or 0) / 100) == sides.count("ours")
        assert odd or reading.measurement.samples == ended or bodies_with_odd_times(bodies["messages"])
    if not isinstance(bodies["account"], dict) or plain(bodies["account"].get("status")) not in (
        "active",
        "suspended",
        "closed",
    ):
        assert found.readings["integration_twilio"].status is not Status.PASS


def bodies_with_odd_times(messages: list[Any]) -> bool:
    """Whether a message's time or direction is not understood, so that it may be one of the window's."""
    directions = words("twilio", "messages", "direction")
    return any(
        isinstance(m, dict) and (rfc(m.get("date_created")) is None or plain(m.get("direction")) not in directions)
        for m in messages
    )


# ---- Resend

COUNTS = tuple(row.field for row in reads("resend") if row.listed == "email_metrics")
COUNTED = thing(**{name: mostly(st.integers(0, 1000), st.integers(0, 1000)) for name in COUNTS})
RESEND = st.fixed_dictionaries(
    {
        "totals": st.one_of(COUNTED, COUNTED, COUNTED, st.none()),
        "logs": numbered(
            thing(
                id=ID,
                created_at=mostly(MOMENTS.map(lambda m: m.strftime("%Y-%m-%d %H:%M:%S.%f+00"))),
                endpoint=mostly(st.sampled_from(["/emails", "/emails/batch", "/domains"]), st.just("http://[")),
                method=word("GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"),
                response_status=mostly(st.sampled_from([200, 403, 422, 429, 500])),
                user_agent=mostly(st.just("resend-node:4.0.0"), st.none()),
            ),
            "id",
            "l",
        ),
        "domains": st.lists(
            thing(
                name=mostly(st.just("mail.example")),
                status=listed("resend", "domains", "status"),
                capabilities=st.one_of(
                    st.fixed_dictionaries({"sending": listed("resend", "domains.capabilities", "sending")}),
                    GARBAGE,
                ),
            ),
            max_size=3,
        ),
        "webhooks": numbered(
            thing(
                id=ID,
                endpoint=mostly(st.just("https://shop.example/h")),
                status=listed("resend", "webhook_endpoints", "status"),
            ),
            "id",
            "w",
        ),
    }
)


def count(value: Any) -> float | None:
    try:
        found = float("nan") if isinstance(value, bool | list | dict) else float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return found if 0 <= found < 1e15 else None


def check_resend(bodies: dict[str, Any], server: tuple[str, dict[str, Any]]) -> None:
    def metrics(call: Call) -> Reply:
        return Reply({"totals": bodies["totals"], "data": []})

    routes = {
        "/emails/metrics": metrics,
        **{f"/{n}": fixed(bodies[n], "data") for n in ("logs", "domains", "webhooks")},
    }
    found = judged("resend", resend.collect, server, routes)
    totals = bodies["totals"] if isinstance(bodies["totals"], dict) else {}
    for metric, event, trial in (
        ("email_bounce_pct", "bounced", "sent"),
        ("email_complaint_pct", "complained", "delivered"),
    ):
        events, trials, reading = count(totals.get(event)), count(totals.get(trial)), found.readings[metric]
        if events is None or not trials or round(events) > round(trials):
            assert reading.status not in (Status.PASS, Status.FAIL)
            assert reading.value is None
        elif reading.value is not None:
            assert reading.value == pytest.approx(100 * round(events) / round(trials))
    states = [(d, "domains") for d in bodies["domains"]] + [(w, "webhooks") for w in bodies["webhooks"]]
    known = {
        "domains": words("resend", "domains", "status"),
        "webhooks": words("resend", "webhook_endpoints", "status"),
    }
    if any(not isinstance(s, dict) or plain(s.get("status")) not in known[kind] for s, kind in states):
        assert found.readings["integration_resend"].status is not Status.PASS


CHECKS = {"stripe": (STRIPE, check_stripe), "twilio": (TWILIO, check_twilio), "resend": (RESEND, check_resend)}
BODIES_AN_EXAMPLE = {"stripe": 7, "twilio": 5, "resend": 4}
BODIES = 1000  # of each source in the slow tests
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]


def run(source: str, server: tuple[str, dict[str, Any]], bodies: int) -> None:
    """Checks examples of so many bodies, each asked for in fact and counted once."""
    made, check = CHECKS[source]
    routes = server[1]
    assert isinstance(routes, Routes)
    answered = 0

    @settings(
        max_examples=math.ceil(bodies / BODIES_AN_EXAMPLE[source]),
        deadline=None,
        suppress_health_check=QUIET,
        phases=[Phase.generate],
    )
    @given(made)
    def holds(body: dict[str, Any]) -> None:
        nonlocal answered
        routes.asked.clear()
        check(body, server)
        answered += len(routes.asked)

    holds()
    assert answered >= bodies, f"only {answered} bodies of {bodies}"


@pytest.mark.parametrize("source", CHECKS)
def test_no_answer_breaks_a_report_or_passes_from_what_is_not_understood(
    source: str, server: tuple[str, dict[str, Any]]
) -> None:
    run(source, server, 4 * BODIES_AN_EXAMPLE[source])


@pytest.mark.slow
@pytest.mark.parametrize("source", CHECKS)
def test_none_of_a_thousand_bodies_does(source: str, server: tuple[str, dict[str, Any]]) -> None:
    run(source, server, BODIES)
