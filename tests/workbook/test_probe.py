"""A probe is made once for a deployment, by test means unless really, and told by the vendor's own record."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from pdmlib.cli.main import application
from pdmlib.demo.exchange import Call
from pdmlib.errors import CallError
from pdmlib.frames.case import Case
from pdmlib.frames.collection import Collection
from pdmlib.frames.states import Proof
from pdmlib.report.text import report_markdown
from pdmlib.site.notes import Notes
from pdmlib.site.site import Site
from pdmlib.sources.probes import PROBES, Check
from pdmlib.sources.writes import ALLOWED, PAY, Writer
from pdmlib.verdict.verdict import judge
from pdmlib.workbook.gather import with_past
from pdmlib.workbook.probe import probe
from pdmlib.workbook.probe_record import Record
from tests.builders import DEPLOYED, a_scope
from tests.sources.loopback import SECRET, Reply, Vendor, routed, the_site, vendor

INTENT, ACCOUNT = "/v1/payment_intents", "/2010-04-01/Accounts/AC1"
# Of the vendors' specifications: stripe 2026-06-24.dahlia, api_v2010 1.0.0, resend-openapi 1.5.0.
PAID = {"id": "pi_1", "status": "succeeded", "created": 1741014000, "last_payment_error": None}
TAKEN = {"id": "evt_1", "type": "payment_intent.succeeded", "created": 1741014000, "pending_webhooks": 0}
ENDPOINTS = {"data": [{"id": "we_1", "status": "enabled", "enabled_events": ["payment_intent.succeeded"]}]}
QUEUED = {"sid": "SM1", "status": "queued", "direction": "outbound-api", "error_code": None}
SENT = {**QUEUED, "date_created": "Mon, 03 Mar 2025 15:00:00 +0000"}


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pdmlib.sources.probes.AGAIN_S", 0.01)
    monkeypatch.setattr("pdmlib.sources.writes.AGAIN_S", 0.01)


def stripe(**routes: Any) -> dict[str, Any]:
    events = {"data": [{**TAKEN, "data": {"object": {"id": "pi_1"}}}]}
    usual = {INTENT: PAID, f"{INTENT}/pi_1": PAID, "/v1/webhook_endpoints": ENDPOINTS, "/v1/events": events}
    return {**usual, **{path.replace("intent", INTENT): answer for path, answer in routes.items()}}


def site_of(source: str, url: str, key: str = SECRET, **block: Any) -> Site:
    """A shop of one vendor whose deployment is known; a live key belongs to no demo."""
    more = {"account_sid": "AC1"} if source == "twilio" else {}
    site = the_site(source, base_url=url, **more, **block)
    secrets = {name: SecretStr(key) for name in site.secrets} | {"TO": SecretStr("ana@example.com")}
    return site.model_copy(update={"deployed_at": DEPLOYED, "secrets": secrets, "demo": None})


def made(running: Vendor, out: Path, name: str, really: bool = False, **block: Any) -> Record:
    site = site_of(PROBES[name].vendor, running.url, **block)
    return probe(site, name, out, lambda said: None, really=really)


def posted(running: Vendor) -> list[Call]:
    return [call for call in running.calls if call.method == "POST"]


def form(call: Call) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(call.body.decode()).items()}


def test_a_test_payment_of_the_smallest_amount_is_made_once_and_told_by_stripes_record(tmp_path: Path) -> None:
    with vendor(routed(stripe())) as running:
        first, second = made(running, tmp_path, "payment"), made(running, tmp_path, "payment")
    (call,) = posted(running)
    sent = form(call)
    assert (sent["amount"], sent["currency"], sent["payment_method"]) == ("50", "usd", "pm_card_visa")
    assert call.headers["Idempotency-Key"] == sent["metadata[pdm]"]
    assert [(check.what, check.state) for check in first.checks] == [("payment", "worked"), ("webhook", "worked")]
    assert (second.checks, second.earlier) == (first.checks, True)


def test_a_declined_payment_failed_and_says_why(tmp_path: Path) -> None:
    declined = {**PAID, "status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}}
    refusal = Reply({"error": {"type": "card_error", "payment_intent": declined}}, 402)
    routes = {**stripe(), INTENT: refusal, f"{INTENT}/pi_1": declined}
    with vendor(routed(routes)) as running:
        found = made(running, tmp_path, "payment")
        made(running, tmp_path, "payment")
    assert (found.state, found.checks[0].evidence) == (Proof.FAILED, "pi_1 was not paid: card_declined")
    assert len(posted(running)) == 1


def test_what_was_interrupted_before_the_answer_is_never_sent_again(tmp_path: Path) -> None:
    def interrupted(said: str) -> None:
        assert json.loads(next(tmp_path.rglob("*-sms.json")).read_text())["step"] == "begun"
        raise KeyboardInterrupt

    with vendor(routed({})) as running:
        site = site_of("twilio", running.url)
        with pytest.raises(KeyboardInterrupt):
            probe(site, "sms", tmp_path, interrupted)
        found = probe(site, "sms", tmp_path, lambda said: None)
    assert running.calls == []
    assert (found.state, found.checks[0].evidence.split(":")[0]) == (Proof.NOT_KNOWN, "sent perhaps")
    assert "console.twilio.com" in found.checks[0].todo


def once_lost(answers: list[Any]) -> Any:
    """A vendor that accepts, answers too late the first time, and answers the same thing to the same key."""
    keys: dict[str | None, Any] = {}

    def answer(call: Call) -> Reply:
        key = call.headers.get("Idempotency-Key")
        if key not in keys:
            keys[key] = answers.pop(0)
            time.sleep(0.4)
        return Reply(keys[key])

    return answer


def test_an_answer_that_is_lost_is_asked_for_again_with_the_same_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdmlib.sources.http.READ_S", 0.2)
    with vendor(routed({**stripe(), INTENT: once_lost([PAID])})) as running:
        found = made(running, tmp_path, "payment")
    assert found.state is Proof.WORKED
    keys = {call.headers["Idempotency-Key"] for call in posted(running)}
    assert (len(keys), len(posted(running))) == (1, 2)


def test_a_vendor_that_knows_no_such_key_is_never_asked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pdmlib.sources.http.READ_S", 0.2)
    with vendor(routed({f"{ACCOUNT}/Messages.json": once_lost([QUEUED])})) as running:
        found = [made(running, tmp_path, "sms") for _ in range(2)]
    assert [record.checks[0].evidence.split(":")[0] for record in found] == ["sent perhaps"] * 2
    assert len(running.calls) == 1


@pytest.mark.parametrize("key", ["sk_live_51Habcdefgh", "rk_live_51Habcdefgh", "sk_org_51Habcdefgh"])
def test_a_live_key_is_refused_before_anything_is_asked(tmp_path: Path, key: str) -> None:
    with vendor(routed(stripe())) as running, pytest.raises(CallError, match="is no test key") as refused:
        made(running, tmp_path, "payment", key=key)
    assert running.calls == []
    assert list(tmp_path.rglob("*")) == []
    assert "51Habcdefgh" not in str(refused.value)


def test_with_a_live_key_nobody_pays_and_what_was_made_is_cancelled(tmp_path: Path) -> None:
    states: Iterator[str] = iter(["requires_payment_method", "canceled"])
    over = {**TAKEN, "type": "payment_intent.canceled", "data": {"object": {"id": "pi_1"}}}
    routes = {
        **stripe(),
        f"{INTENT}/pi_1": lambda call: {**PAID, "status": next(states)},
        f"{INTENT}/pi_1/cancel": {**PAID, "status": "canceled"},
        "/v1/webhook_endpoints": {"data": [{"status": "enabled", "enabled_events": ["*"]}]},
        "/v1/events": {"data": [over]},
    }
    with vendor(routed(routes)) as running:
        found = made(running, tmp_path, "payment", really=True, key="sk_live_51Habcdefgh")
    assert [call.path for call in posted(running)] == [INTENT, f"{INTENT}/pi_1/cancel"]
    assert form(posted(running)[0]).keys().isdisjoint({"confirm", "payment_method"})
    assert found.state is Proof.WORKED
    assert "charged to nobody" in found.checks[0].evidence


def test_with_really_a_test_payment_is_refunded(tmp_path: Path) -> None:
    with vendor(routed({**stripe(), "/v1/refunds": {"id": "re_1"}})) as running:
        found = made(running, tmp_path, "payment", really=True)
    assert form(posted(running)[1]) == {"payment_intent": "pi_1"}
    assert found.checks[0].evidence == "0.50 USD was paid and refunded: pi_1"


@pytest.mark.parametrize(
    ("routes", "state", "why"),
    [
        ({"/v1/webhook_endpoints": {"data": [], "has_more": False}}, Proof.NOT_KNOWN, "no webhook endpoint"),
        (
            {"/v1/webhook_endpoints": {"data": [{"status": "disabled", "enabled_events": ["*"]}]}},
            Proof.FAILED,
            "is switched off",
        ),
        (
            {"/v1/events": {"data": [{**TAKEN, "pending_webhooks": 1, "data": {"object": {"id": "pi_1"}}}]}},
            Proof.FAILED,
            "not taken yet by 1 of 1",
        ),
    ],
)
def test_a_webhook_that_nobody_takes_is_not_known_and_one_that_never_arrives_failed(
    tmp_path: Path, routes: dict[str, Any], state: Proof, why: str
) -> None:
    with vendor(routed({**stripe(), **routes})) as running:
        found = made(running, tmp_path, "payment")
    assert (found.checks[0].state, found.checks[1].state) == (Proof.WORKED, state)
    assert why in found.checks[1].evidence


def test_what_was_refused_may_be_sent_again_under_another_key(tmp_path: Path) -> None:
    answers = iter([Reply({"error": {"message": "No such currency"}}, 400), Reply(PAID)])
    with vendor(routed({**stripe(), INTENT: lambda call: next(answers)})) as running:
        first, second = made(running, tmp_path, "payment"), made(running, tmp_path, "payment")
    assert (first.state, second.state) == (Proof.FAILED, Proof.WORKED)
    assert first.checks[0].evidence == "nothing was sent: 400: No such currency"
    assert len({call.headers["Idempotency-Key"] for call in posted(running)}) == 2


def test_a_test_message_has_the_vendors_test_number_and_is_followed_until_it_is_delivered(tmp_path: Path) -> None:
    states = iter(["sending", "delivered"])
    one = f"{ACCOUNT}/Messages/SM1.json"
    routes = {f"{ACCOUNT}/Messages.json": Reply(QUEUED, 201), one: lambda c: {**SENT, "status": next(states)}}
    with vendor(routed(routes)) as running:
        found = made(running, tmp_path, "sms")
    sent = form(posted(running)[0])
    assert (sent["To"], sent["From"]) == ("+15005550006", "+15005550006")
    assert found.checks == (Check("message", Proof.WORKED, "SM1 to ***06 was delivered"),)


REFUSED = {"code": 20008, "message": "Resource not accessible with Test Account Credentials", "status": 403}
NOT_TEST = {"code": 21606, "message": "The 'From' phone number is not a valid one of yours", "status": 400}


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (Reply(QUEUED, 201), "lets test credentials read nothing back"),
        (Reply(NOT_TEST, 400), "no test credentials"),
    ],
)
def test_what_test_credentials_cannot_show_is_not_known(tmp_path: Path, sent: Reply, why: str) -> None:
    routes = {f"{ACCOUNT}/Messages.json": sent, f"{ACCOUNT}/Messages/SM1.json": Reply(REFUSED, 403)}
    with vendor(routed(routes)) as running:
        found = made(running, tmp_path, "sms")
    assert found.state is Proof.NOT_KNOWN
    assert why in found.checks[0].evidence


def test_an_e_mail_goes_to_the_vendors_test_address_and_really_to_the_one_of_the_site(tmp_path: Path) -> None:
    with vendor(routed({"/emails": {"id": "e-1"}, "/emails/e-1": {"last_event": "delivered"}})) as running:
        found = [made(running, tmp_path, "email", really=r, probe_to_env="TO") for r in (False, True)]
    assert [json.loads(call.body)["to"] for call in posted(running)] == ["delivered@resend.dev", "ana@example.com"]
    assert found[1].checks[0].evidence == "e-1 to a***@example.com was delivered"
    kept = "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    assert SECRET not in kept
    assert "ana@" not in kept


def test_nothing_but_what_the_table_allows_is_ever_sent() -> None:
    assert sorted(write.path for write in ALLOWED) == [
        "/2010-04-01/Accounts/{}/Messages.json",
        "/emails",
        INTENT,
        f"{INTENT}/{{}}/cancel",
        "/v1/refunds",
    ]
    with Writer("stripe", "http://127.0.0.1:9") as api, pytest.raises(ValueError, match="may be made"):
        api.write(PAY, {"customer": "cus_1"}, "key")


def test_a_misspelt_name_is_one_line_with_the_nearest() -> None:
    result = CliRunner().invoke(application(), ["doctor", "--probe", "paymnt"])
    assert result.exit_code == 2
    assert result.stderr == (
        "pdm: --probe: 'paymnt' is not a probe; did you mean payment? allowed are payment, sms, email\n"
    )


@pytest.mark.parametrize(("event", "code"), [("delivered", 0), ("bounced", 1)])
def test_the_command_tells_the_box_and_fails_where_the_probe_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, event: str, code: int
) -> None:
    monkeypatch.setenv("MAIL_KEY", SECRET)
    with vendor(routed({"/emails": {"id": "e-1"}, "/emails/e-1": {"last_event": event}})) as running:
        file = tmp_path / "shop.yaml"
        file.write_text(
            f"{{site: shop, title: Shop, time_zone: UTC, deployed_at: 2025-03-03T15:00:00Z, sources: "
            f"{{resend: {{base_url: '{running.url}', key_env: MAIL_KEY, probe_to_env: NEVER_SET}}}}}}"
        )
        call = ["doctor", "--site", str(file), "--out", str(tmp_path), "--probe", "email"]
        shown = CliRunner().invoke(application(), call)
        told = CliRunner().invoke(application(), [*call, "--json"])
    assert (shown.exit_code, told.exit_code) == (code, code)
    assert shown.stdout.startswith(f"Resend: Test email delivered: {'FAILED' if code else 'WORKED'}\n")
    assert [row["state"] for row in json.loads(told.stdout)["probes"]] == ["failed" if code else "worked"]
    assert SECRET not in shown.output + told.output


def test_two_probes_at_once_send_once(tmp_path: Path) -> None:
    with vendor(routed(stripe())) as running, ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda _: made(running, tmp_path, "payment"), range(2)))
    assert len(posted(running)) == 1
    assert sorted(record.earlier for record in found) == [False, True]


def test_a_refusal_after_a_lost_answer_does_not_say_that_nothing_was_sent(tmp_path: Path) -> None:
    answers = iter([Reply("", 503), Reply({"error": {"message": "Invalid API Key"}}, 401), Reply("", 503)])
    with vendor(routed({**stripe(), INTENT: lambda call: next(answers)})) as running:
        found = made(running, tmp_path, "payment")
    assert (found.step, found.checks[0].evidence) == ("begun", "sent perhaps: 503: Service Unavailable")


def told_of(running: Vendor, out: Path, hours: float, phase: str = "hour1") -> tuple[dict[str, Any], Any, Any]:
    """What a report of so long after the deployment says of the test payment: its box, its reading, its page."""
    site = site_of("stripe", running.url).model_copy(update={"demo": None})
    as_of = DEPLOYED + timedelta(hours=hours)
    scope = a_scope(site, phase=phase, deployed_at=DEPLOYED, as_of=as_of)
    case = Case(site, scope, with_past(Collection({}), site, scope, out), scope.window)
    verdict = judge(case)
    rows = {row["box"]: row for row in verdict.tables["checklist"]}
    return rows.get(PROBES["payment"].box, {}), verdict.reading("integration_stripe"), verdict


def moved(out: Path, at: str) -> None:
    """Lets every record be of another time."""
    for path in out.rglob("*-payment.json"):
        path.write_text(json.dumps({**json.loads(path.read_text()), "at": at}))


def test_a_report_of_the_deployment_ticks_the_box_by_the_record_and_an_earlier_one_knows_nothing(
    tmp_path: Path,
) -> None:
    with vendor(routed(stripe())) as running:
        made(running, tmp_path, "payment")
        moved(tmp_path, "2025-03-03T15:40:00Z")
        box, _, verdict = told_of(running, tmp_path, hours=1)
        before, *_ = told_of(running, tmp_path, hours=0.5)
    assert (box["state"], box["reason"]) == ("done", "payment worked: 0.50 USD was paid: pi_1")
    assert (before["state"], before["reason"]) == ("manual", "a person decides")
    text = report_markdown(verdict, Notes())
    assert "- [x] Stripe: Test payment processed" in text
    assert "- Stripe: Test payment processed (payment worked: 0.50 USD was paid: pi_1; webhook worked" in text


def test_a_test_payment_that_failed_is_an_issue_of_stripe_in_the_report(tmp_path: Path) -> None:
    declined = {**PAID, "status": "requires_payment_method", "last_payment_error": {"code": "card_declined"}}
    refusal = Reply({"error": {"type": "card_error", "payment_intent": declined}}, 402)
    with vendor(routed({**stripe(), INTENT: refusal, f"{INTENT}/pi_1": declined})) as running:
        made(running, tmp_path, "payment")
        moved(tmp_path, "2025-03-03T15:40:00Z")
        box, reading, verdict = told_of(running, tmp_path, hours=1)
    assert (box["state"], reading.value) == ("failed", "ISSUES")
    assert reading.measurement.evidence == "the test payment failed (pi_1 was not paid: card_declined)"
    assert verdict.status != "GREEN"


def test_a_damaged_record_says_that_something_was_sent_perhaps_and_stays_where_it_is(tmp_path: Path) -> None:
    with vendor(routed(stripe())) as running:
        made(running, tmp_path, "payment")
        (path,) = tmp_path.rglob("*-payment.json")
        path.write_text('{"probe": "pay')
        box, *_ = told_of(running, tmp_path, hours=1)
    assert box["state"] == "manual"
    assert box["reason"].endswith("is damaged: something was sent perhaps")
    assert path.exists()
