"""Vercel: deployments, build logs, the project's crons, web analytics and billing."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np

from pdmlib.demo.exchange import Call, Reply, Stage, Vendor, iso, iso_s, parse
from pdmlib.demo.scenarios import DEPLOYED
from pdmlib.demo.vendors import observability
from pdmlib.demo.world.grid import DAY, HOUR, START, Table, ms
from pdmlib.demo.world.operations import PLATFORM_CRONS, Deployment, deployments

PROJECT, TEAM = "prj_dirtfree", "team_dirtfree"
_PAGE = 4


def refuse(status: int, code: str, message: str) -> Reply:
    """An error as Vercel words it."""
    return Reply({"error": {"code": code, "message": message}}, status)


def _allows(call: Call, stage: Stage) -> Reply | None:
    if call.bearer() != stage.secrets["PDM_DEMO_VERCEL_TOKEN"]:
        return refuse(403, "forbidden", "Not authorized")
    if call.one("projectId", PROJECT) not in (PROJECT, "dirt-free-crm"):
        return refuse(404, "not_found", "Project not found")
    return None


def _known(stage: Stage) -> list[Deployment]:
    return [d for d in deployments(stage.world.story) if ms(d.created) <= stage.clock][::-1]


def _state(d: Deployment, stage: Stage) -> str:
    if d.error:
        return "ERROR"
    return "READY" if d.ready and ms(d.ready) <= stage.clock else "BUILDING"


def _deployment(d: Deployment, stage: Stage) -> dict[str, Any]:
    created, state = ms(d.created), _state(d, stage)
    promoted = state == "READY" and d.target == "production"
    entry: dict[str, Any] = {
        "uid": d.uid,
        "name": "dirt-free-crm",
        "projectId": PROJECT,
        "url": f"dirt-free-crm-{d.sha[:6]}-dirtfree.vercel.app",
        "created": created,
        "createdAt": created,
        "buildingAt": created + 2_100,
        "source": "git",
        "state": state,
        "readyState": state,
        "type": "LAMBDAS",
        "creator": {"uid": "usr_1", "username": "dev", "email": "dev@example.com"},
        "meta": {"githubCommitSha": d.sha, "githubCommitRef": "main"},
        "target": d.target,
        "aliasError": None,
        "aliasAssigned": ms(d.ready) if d.ready and state == "READY" else None,
        "inspectorUrl": f"https://vercel.com/dirtfree/dirt-free-crm/{d.uid[4:]}",
        "isRollbackCandidate": promoted,
    }
    if d.ready and state == "READY":
        entry |= {"ready": ms(d.ready)} | ({"readySubstate": "PROMOTED"} if promoted else {})
    if d.error:
        entry |= {"errorCode": "BUILD_UTILS_SPAWN_1", "errorMessage": d.error}
    return entry


def _deployments(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    target, states = call.one("target"), call.one("state").split(",") if call.one("state") else []
    since, until = call.number("since", 0), call.number("until", 2**45)
    chosen = [
        _deployment(d, stage)
        for d in _known(stage)
        if (not target or d.target == target)
        and (not states or _state(d, stage) in states)
        and since <= ms(d.created) < until
        and (not call.one("sha") or d.sha == call.one("sha"))
    ]
    page = chosen[: min(max(call.number("limit", 20), 1), _PAGE)]
    following = page[-1]["created"] if len(page) < len(chosen) else None
    pagination = {"count": len(page), "next": following, "prev": page[0]["created"] if page else None}
    return Reply({"deployments": page, "pagination": pagination})


def _build_lines(d: Deployment, stage: Stage) -> list[tuple[str, str]]:
    start = [("stdout", "Cloning github.com/dirtfree/dirt-free-crm (Branch: main)"), ("stdout", "next build")]
    if d.error:
        return [
            *start,
            ("stderr", "Failed to compile."),
            ("stderr", "./app/api/jobs/route.ts:41:9 Type error: Property 'zone' does not exist on type 'Job'."),
            ("stderr", f"Error: {d.error}"),
        ]
    shared = stage.plan.bundle_kb if ms(d.created) >= ms(DEPLOYED) - HOUR else 184
    return [
        *start,
        ("stdout", "   ▲ Next.js 15.5.3"),
        ("stdout", " ✓ Compiled successfully in 41s"),
        ("stdout", "Route (app)                                 Size  First Load JS"),
        ("stdout", f"┌ ○ /                                    2.31 kB         {shared + 6} kB"),
        ("stdout", f"├ ƒ /dashboard                           9.87 kB         {shared + 31} kB"),
        ("stdout", f"├ ƒ /portal                              6.02 kB         {shared + 22} kB"),
        ("stdout", f"+ First Load JS shared by all             {shared} kB"),
        ("stdout", "Build Completed in /vercel/output [1m]"),
        ("stdout", "Deployment completed"),
    ]


def _events(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    mine = [d for d in _known(stage) if found[1] in (d.uid, f"dirt-free-crm-{d.sha[:6]}-dirtfree.vercel.app")]
    if not mine:
        return refuse(404, "not_found", "The deployment could not be found")
    d = mine[0]
    events = []
    for n, (kind, text) in enumerate(_build_lines(d, stage)):
        at = ms(d.created) + 5_000 + n * 9_000
        payload = {
            "deploymentId": d.uid,
            "info": {"type": "build", "name": "bld_1", "entrypoint": "."},
            "text": text,
            "id": str(at),
            "date": at,
            "serial": str(n),
        }
        events.append({"type": kind, "created": at, "payload": payload})
    seen = [e for e in events if int(str(e["created"])) <= stage.clock]
    return Reply(seen[::-1] if call.one("direction") == "backward" else seen)


def _project(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    host = "crm.example.com"
    definitions = [{"host": host, "path": f"/api/cron/{name}", "schedule": s} for name, s in PLATFORM_CRONS]
    live = next((d for d in _known(stage) if d.release), None)
    crons = {
        "enabledAt": ms(DEPLOYED) - 200 * DAY,
        "disabledAt": None,
        "updatedAt": ms(live.created) if live else None,
        "deploymentId": live.uid if live else None,
        "definitions": definitions,
    }
    moved = {"rollingRelease": None, "lastAliasRequest": None}
    return Reply({"id": PROJECT, "name": "dirt-free-crm", "accountId": TEAM, "crons": crons, **moved})


def _span(call: Call, stage: Stage) -> tuple[int, int] | None:
    since, until = parse(call.one("since")), parse(call.one("until"))
    return None if since is None or until is None else (since, stage.past(until))


def _visits_query(call: Call) -> dict[str, Any]:
    since, until = parse(call.one("since")) or 0, parse(call.one("until")) or 0
    return {"since": iso(since), "until": iso(until)}


def _visits(views: Table) -> dict[str, int]:
    return {"visitors": len(np.unique(views["visitor"])), "pageviews": len(views)}


def _visits_count(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    span = _span(call, stage)
    if span is None:
        return refuse(400, "bad_request", "since and until are required")
    views = stage.world["page_views"].between(*span)
    return Reply({"version": 1, "query": _visits_query(call), "data": _visits(views)})


def _charges(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    start, end = parse(call.one("from")), parse(call.one("to"))
    if start is None or end is None:
        return refuse(400, "bad_request", "from and to are required")
    first = max(start // DAY * DAY, ms(START))
    days = range(first, min(end, stage.clock // DAY * DAY + DAY), DAY)
    lines = [json.dumps(row) for day in days for row in _charges_of(stage, day)]
    return Reply("\n".join(lines) + "\n" if lines else "", content_type="application/jsonl")


def _charges_of(stage: Stage, day: int) -> list[dict[str, Any]]:
    calls = len(stage.world["requests"].between(day, stage.past(day + DAY)))
    services = (
        ("Pro Plan Seats", "Plan", 2.0, "seats", 1.33),
        ("Function Invocations", "Vercel Functions", float(calls), "invocations", round(calls * 6e-7, 4)),
        ("Function Duration", "Vercel Functions", round(calls * 6.1e-5, 3), "GB-hours", round(calls * 1.1e-5, 4)),
        ("Fast Data Transfer", "Networking", round(calls * 4.2e-5, 3), "GB", round(calls * 6.3e-6, 4)),
    )
    return [
        {
            "ChargePeriodStart": iso_s(day),
            "ChargePeriodEnd": iso_s(day + DAY),
            "BillingAccountId": TEAM,
            "BillingCurrency": "USD",
            "ServiceName": name,
            "ServiceCategory": category,
            "ConsumedQuantity": quantity,
            "ConsumedUnit": unit,
            "BilledCost": cost,
            "EffectiveCost": cost,
            "Tags": {"ProjectId": PROJECT, "ProjectName": "dirt-free-crm"},
        }
        for name, category, quantity, unit, cost in services
    ]


VENDOR = Vendor(
    allows=_allows,
    routes=(
        ("GET", r"/v7/deployments", _deployments),
        ("GET", r"/v3/deployments/([^/]+)/events", _events),
        ("GET", rf"/v9/projects/(?:{PROJECT}|dirt-free-crm)", _project),
        ("GET", r"/v3/events", lambda call, stage, found: Reply({"events": []})),
        ("GET", r"/v2/observability/schema", observability.schema),
        ("POST", r"/v2/observability/query", observability.query),
        ("GET", r"/v1/query/web-analytics/visits/count", _visits_count),
        ("GET", r"/v1/billing/charges", _charges),
    ),
    unknown=refuse(404, "not_found", "The requested resource was not found"),
    refusals={"forbidden": refuse(403, "forbidden", "Not authorized")},
    headers=lambda stage: {
        "X-RateLimit-Limit": "100",
        "X-RateLimit-Remaining": "97",
        "X-RateLimit-Reset": str(stage.clock // 1000 + 60),
    },
)
