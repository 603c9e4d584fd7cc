"""Resend: emails and their aggregate, domains, webhooks, logs, suppressions."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from pdmlib.demo.exchange import Call, Reply, Stage, Vendor, iso, parse
from pdmlib.demo.scenarios import DEPLOYED
from pdmlib.demo.vendors import made
from pdmlib.demo.world.grid import DAY, HOUR, Table, moment, ms
from pdmlib.demo.world.messages import BOUNCED, CLICKED, OPENED

_COUNTS = (
    "received",
    "sent",
    "delivered",
    "bounced",
    "bounced_transient",
    "bounced_permanent",
    "bounced_undetermined",
    "complained",
    "suppressed",
    "failed",
    "delivery_delayed",
    "opened",
    "clicked",
    "unsubscribed",
    "unique_opened",
    "unique_clicked",
)
_RATES = {
    "delivery_rate": ("delivered", "sent"),
    "bounce_rate": ("bounced", "sent"),
    "complaint_rate": ("complained", "delivered"),
    "open_rate": ("unique_opened", "delivered"),
    "click_rate": ("unique_clicked", "delivered"),
    "unsubscribe_rate": ("unsubscribed", "delivered"),
}
_STEPS = {"hourly": HOUR, "daily": DAY, "weekly": 7 * DAY}
_DOMAIN = "d91cd9bd-1176-453e-8fc1-35364d380206"
_ARRIVES_MS = 8_000


def _refusal(status: int, name: str, message: str) -> Reply:
    return Reply({"statusCode": status, "name": name, "message": message}, status)


def _allows(call: Call, stage: Stage) -> Reply | None:
    if not call.headers.get("User-Agent"):
        return _refusal(403, "forbidden", "error code: 1010")
    if call.bearer() != stage.secrets["PDM_DEMO_RESEND_API_KEY"]:
        return _refusal(401, "invalid_api_key", "API key is invalid")
    return None


def _stamp(at: int) -> str:
    return moment(at).strftime("%Y-%m-%d %H:%M:%S.%f") + "+00"


def _newest(call: Call, stage: Stage, prefix: str) -> tuple[int, Table]:
    """The page of emails that a call asks for, in order of time, and the number of its first."""
    table = stage.world["emails"].until(stage.clock)
    after = re.fullmatch(rf"{prefix}-(\d{{12}})", call.one("after"))
    last = int(after[1]) if after else len(table)
    first = max(last - min(max(call.number("limit", 20), 1), 100), 0)
    return first, table.slice(first, last)


def _counted(stage: Stage, mails: Table) -> dict[str, int]:
    arrived = mails.where(mails["at"] <= stage.clock - _ARRIVES_MS)
    bounced = int((arrived["event"] == BOUNCED).sum())
    opened = arrived.where((arrived["opened"] <= stage.clock) & np.isin(arrived["event"], [OPENED, CLICKED]))
    clicked = int((opened["event"] == CLICKED).sum())
    counts = dict.fromkeys(_COUNTS, 0)
    counts |= {
        "received": len(mails),
        "sent": len(mails),
        "delivered": len(arrived) - bounced,
        "bounced": bounced,
        "bounced_permanent": bounced,
        "opened": len(opened),
        "unique_opened": len(opened),
        "clicked": clicked,
        "unique_clicked": clicked,
    }
    return counts


def _cells(stage: Stage, mails: Table, metrics: list[str]) -> dict[str, float]:
    counts = _counted(stage, mails)
    cells: dict[str, float] = dict(counts)
    for name, (part, whole) in _RATES.items():
        cells[name] = round(counts[part] / counts[whole], 4) if counts[whole] else 0.0
    return {m: cells[m] for m in metrics}


def _metrics(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    end = parse(call.one("end_date")) if call.one("end_date") else stage.clock
    start = parse(call.one("start_date")) if call.one("start_date") else stage.clock - 7 * DAY
    granularity = call.one("granularity", "daily")
    metrics = [m for m in call.one("metrics").split(",") if m] or [*_COUNTS, *_RATES]
    dimensions = [d for d in call.one("dimensions").split(",") if d]
    if start is None or end is None or granularity not in _STEPS or set(metrics) - {*_COUNTS, *_RATES}:
        return _refusal(422, "validation_error", "Invalid start_date, end_date, granularity or metrics")
    mails = stage.world["emails"].between(start, stage.past(end))
    body: dict[str, Any] = {
        "object": "metrics",
        "start_date": iso(start),
        "end_date": iso(end),
        "metrics": metrics,
        "dimensions": dimensions,
        "granularity": granularity,
        "totals": _cells(stage, mails, metrics),
    }
    if "period" in dimensions:
        step = _STEPS[granularity]
        periods = range(start // step * step, end, step)
        body["data"] = [
            {"period": iso(p)[:19], **_cells(stage, mails.between(p, p + step), metrics)} for p in periods
        ]
    return Reply(body)


def _listed(entries: list[dict[str, Any]]) -> Reply:
    return Reply({"object": "list", "has_more": False, "data": entries})


def _domain() -> dict[str, Any]:
    return {
        "id": _DOMAIN,
        "name": "mail.example.com",
        "status": "verified",
        "created_at": _stamp(ms(DEPLOYED) - 150 * DAY),
        "region": "us-east-1",
    }


def _domains(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    sending = {"sending": "enabled", "receiving": "disabled"}
    return _listed([_domain() | {"open_tracking": True, "click_tracking": True, "capabilities": sending}])


def _webhooks(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    webhook = {
        "id": "4dd369bc-aa82-4ff3-97de-514ae3000ee0",
        "created_at": _stamp(ms(DEPLOYED) - 150 * DAY),
        "status": "enabled",
        "endpoint": "https://crm.example.com/api/webhooks/resend",
        "events": ["email.delivered", "email.bounced", "email.complained"],
    }
    return _listed([webhook])


def _logs(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    first, page = _newest(call, stage, "37e4414c-5e25-4dbc-a071")
    rows = [
        {
            "id": f"37e4414c-5e25-4dbc-a071-{n:012d}",
            "created_at": _stamp(at),
            "endpoint": "/emails",
            "method": "POST",
            "response_status": 200,
            "user_agent": "resend-node:4.0.0",
        }
        for n, at in enumerate(page["at"].tolist(), start=first)
    ][::-1]
    return Reply({"object": "list", "has_more": first > 0, "data": rows})


VENDOR = Vendor(
    allows=_allows,
    routes=(
        ("GET", r"/emails/metrics", _metrics),
        ("POST", r"/emails", made.mail),
        ("GET", r"/emails/([\w-]+)", made.read_mail),
        ("GET", r"/domains", _domains),
        ("GET", r"/webhooks", _webhooks),
        ("GET", r"/logs", _logs),
    ),
    unknown=_refusal(404, "not_found", "The requested endpoint does not exist"),
    refusals={
        "unauthorized": _refusal(401, "restricted_api_key", "This API key is restricted to only send emails")
    },
    headers=lambda stage: {"ratelimit-limit": "5", "ratelimit-remaining": "4", "ratelimit-reset": "1"},
)
