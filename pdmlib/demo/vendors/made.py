"""What probes make at the demo's vendors: a payment, a message, an e-mail, each once for an `Idempotency-Key`."""

from __future__ import annotations

import json
import re
from email.utils import format_datetime
from typing import Any

from pdmlib.demo.exchange import Call, Reply, Stage
from pdmlib.demo.world.grid import moment

_DELIVERED_S = 1.0  # real seconds until an event, a message or an e-mail arrives
_MAGIC = "+15005550006"
_TEST_CARD, _SMALLEST = "pm_card_visa", 50


def _kept(stage: Stage, made: str, **values: Any) -> dict[str, Any]:
    stage.made[made] = {"id": made, "since": stage.elapsed_s(), **values}
    return shown(stage, made)


def shown(stage: Stage, made: str) -> dict[str, Any]:
    """A thing that was made, as its vendor tells of it."""
    return {key: value for key, value in stage.made[made].items() if key != "since"}


def arrived(stage: Stage, made: str) -> bool:
    """Whether it has arrived by now."""
    return stage.elapsed_s() - float(stage.made[made]["since"]) > _DELIVERED_S


def read(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    """A payment."""
    return Reply(shown(stage, found[1])) if found[1] in stage.made else Reply({"error": {"message": "none"}}, 404)


def pay(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    """A payment intent, paid where the test card pays it."""
    return stage.once(call, lambda: _paid(call, stage))


def _paid(call: Call, stage: Stage) -> Reply:
    asked = {name: values[0] for name, values in call.fields().items()}
    if int(asked["amount"]) < _SMALLEST:
        return Reply({"error": {"type": "invalid_request_error", "code": "amount_too_small"}}, 400)
    made = f"pi_demoprobe{len(stage.made)}"
    confirmed = asked.get("confirm") == "true"
    good = asked.get("payment_method") == _TEST_CARD
    error = {"type": "card_error", "code": "card_declined"} if confirmed and not good else None
    intent = _kept(
        stage,
        made,
        object="payment_intent",
        amount=int(asked["amount"]),
        currency=asked["currency"],
        created=stage.clock // 1000,
        client_secret=f"{made}_secret_demo",
        status="succeeded" if confirmed and good else "requires_payment_method",
        last_payment_error=error,
    )
    return Reply({"error": {**error, "payment_intent": intent}}, 402) if error else Reply(intent)


def cancel(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    """A payment intent that nobody paid is cancelled."""
    stage.made[found[1]]["status"] = "canceled"
    return Reply(shown(stage, found[1]))


def refund(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    """A payment is given back."""
    return stage.once(call, lambda: Reply({"id": "re_demoprobe", "object": "refund", "status": "succeeded"}))


def events(stage: Stage, disabled: bool) -> list[dict[str, Any]]:
    """An event for each payment that ended."""
    ends = {"succeeded": "payment_intent.succeeded", "canceled": "payment_intent.canceled"}
    return [
        {
            "id": f"evt_{made}",
            "object": "event",
            "created": one["created"],
            "data": {"object": shown(stage, made)},
            "pending_webhooks": int(disabled or not arrived(stage, made)),
            "type": ends[one["status"]],
        }
        for made, one in stage.made.items()
        if one.get("status") in ends
    ]


def text(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    """A message of Twilio's test number."""
    asked = {name: values[0] for name, values in call.fields().items()}
    if asked.get("From") != _MAGIC:
        return Reply({"code": 21606, "message": "The 'From' number is not yours", "status": 400}, 400)
    made = f"SM{0xFACE:04x}{len(stage.made):028x}"
    _kept(stage, made)
    return Reply({"sid": made, "status": "queued", "error_code": None}, 201)


def read_text(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    """What became of the message."""
    if found[1] not in stage.made:
        return Reply({"code": 20404, "message": "The requested resource was not found", "status": 404}, 404)
    status = "delivered" if arrived(stage, found[1]) else "sending"
    sent = {"date_created": format_datetime(moment(stage.clock)), "direction": "outbound-api"}
    return Reply({**sent, "sid": found[1], "status": status, "error_code": None})


def mail(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    """An e-mail."""

    def make() -> Reply:
        made = f"49a3999c-0ce1-4ea6-ab68-{len(stage.made):012d}"
        to = json.loads(call.body)["to"]
        _kept(stage, made, object="email", to=[to])
        return Reply({"id": made})

    return stage.once(call, make)


def read_mail(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    """What last happened to the e-mail: delivered, unless it went to the address that bounces."""
    if found[1] not in stage.made:
        return Reply({"statusCode": 404, "name": "not_found", "message": "Email not found"}, 404)
    end = "bounced" if stage.made[found[1]]["to"][0].startswith("bounced") else "delivered"
    return Reply({**shown(stage, found[1]), "last_event": end if arrived(stage, found[1]) else "sent"})
