"""The application itself: its page and its health endpoints."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from pdmlib.demo.exchange import Call, Reply, Stage, Vendor, iso
from pdmlib.demo.world.grid import during
from pdmlib.demo.world.operations import DEPLOYMENTS

_PAGE = """<!doctype html><html lang="en"><head><title>Dirt Free CRM</title></head>
<body><main><h1>Dirt Free</h1><a href="/portal">Customer portal</a></main></body></html>"""
_DOWN = Reply("<!doctype html><title>500</title><h1>Application error</h1>", 500, content_type="text/html")


def _is_down(stage: Stage) -> bool:
    now = np.array([stage.clock - 1])
    return stage.plan.app_down or bool(during(now, stage.plan.outages)[0])


def _trouble(stage: Stage) -> dict[str, str]:
    """Components that are not healthy: name -> status."""
    found = {"database": "unhealthy"} if stage.plan.database_down else {}
    if during(np.array([stage.clock - 1]), stage.plan.failed_payments)[0]:
        found["stripe"] = "degraded"
    return found


def _overall(trouble: dict[str, str]) -> str:
    return "unhealthy" if "unhealthy" in trouble.values() else "degraded" if trouble else "healthy"


def _uptime_s(stage: Stage) -> float:
    ready = max(d.ready.timestamp() for d in DEPLOYMENTS if d.ready and d.ready.timestamp() * 1000 <= stage.clock)
    return stage.clock / 1000 - ready


def _part(status: str, took: int, error: str, **details: Any) -> dict[str, Any]:
    part: dict[str, Any] = {"status": status, "responseTime": took}
    if status != "healthy":
        part["error"] = error
    return part | ({"details": details} if details else {})


def _page(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    return _DOWN if _is_down(stage) else Reply(_PAGE, content_type="text/html; charset=utf-8")


def _health(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    if _is_down(stage):
        return _DOWN
    database = _trouble(stage).get("database", "healthy")
    checks = {
        "database": _part(database, 5001 if database != "healthy" else 44, "fetch failed"),
        "storage": _part("healthy", 57, ""),
        "auth": _part("healthy", 31, ""),
    }
    body = {
        "status": database,
        "timestamp": iso(stage.clock),
        "version": "2.4.0",
        "environment": "production",
        "uptime": _uptime_s(stage),
        "responseTime": 132,
        "checks": checks,
    }
    return Reply(body)


def _detailed(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    if _is_down(stage):
        return _DOWN
    trouble = _trouble(stage)
    status = _overall(trouble)
    checks = {
        "database": _part(trouble.get("database", "healthy"), 45, "connection refused", type="supabase"),
        "stripe": _part(trouble.get("stripe", "healthy"), 214, "Stripe API error", service="stripe"),
        "twilio": _part("healthy", 287, "", service="twilio"),
        "email": _part("healthy", 0, "", service="resend", configured=True),
        "cache": {"status": "healthy", "details": {"available": True, "size": 120}},
        "memory": {"status": "healthy", "details": _memory(stage)},
        "filesystem": {"status": "healthy", "details": {"writable": True, "readable": True}},
    }
    counts = {
        "totalChecks": len(checks),
        "healthyChecks": len(checks) - len(trouble),
        "degradedChecks": list(trouble.values()).count("degraded"),
        "unhealthyChecks": list(trouble.values()).count("unhealthy"),
    }
    checks["overall"] = {"status": status, "responseTime": 601, "details": counts}
    body = {
        "timestamp": iso(stage.clock),
        "status": status,
        "version": "2.4.0",
        "uptime": int(_uptime_s(stage)),
        "checks": checks,
    }
    return Reply(body, 200 if status == "healthy" else 503)


def _memory(stage: Stage) -> dict[str, int]:
    used = 118 + stage.clock // 60_000 % 23
    return {
        "heapUsedMB": used,
        "heapTotalMB": 256,
        "usagePercentage": round(used / 2.56),
        "rss": 305,
        "external": 12,
    }


def _portal(call: Call, stage: Stage, found: re.Match[str]) -> Reply:
    if _is_down(stage):
        return _DOWN
    trouble = _trouble(stage)
    now = iso(stage.clock)
    times = {"api": 390, "database": 41, "stripe": 220, "twilio": 301, "email": 160}
    components = {
        name: {"status": trouble.get(name, "healthy"), "responseTime": took, "lastChecked": now}
        for name, took in times.items()
    }
    status = {"healthy": "operational", "degraded": "degraded", "unhealthy": "major_outage"}[_overall(trouble)]
    data = {"status": status, "components": components, "timestamp": now}
    return Reply(
        {"success": True, "version": "v1", "data": data}, 503 if _overall(trouble) == "unhealthy" else 200
    )


VENDOR = Vendor(
    allows=lambda call, stage: None,
    routes=(
        ("GET", r"/?", _page),
        ("GET", r"/api/health", _health),
        ("GET", r"/api/health/detailed", _detailed),
        ("GET", r"/api/portal/health", _portal),
    ),
    unknown=Reply("<!doctype html><title>404</title>", 404, content_type="text/html; charset=utf-8"),
)
