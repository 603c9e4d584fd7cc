"""The application probed: body and code decide, and no answer is a measurement."""

from datetime import timedelta
from typing import Any

import pytest

from pdmlib.frames.collection import Collection
from pdmlib.sources import app
from pdmlib.sources.live import PAST
from tests.builders import a_site
from tests.sources.loopback import Reply, Vendor, routed, the_scope, the_site, vendor

HEALTHY = {"status": "healthy", "checks": {"database": {"status": "healthy", "responseTime": 48}}}


def probed(routes: dict[str, Any], **block: Any) -> tuple[Collection, Vendor]:
    with vendor(routed({"/": "<h1>Shop</h1>", "/api/health": HEALTHY, **routes})) as server:
        site = the_site("app", base_url=server.url, **{"probes": 1, "detailed": None, **block})
        return Collection(app.collect(site, the_scope())), server


def of(found: Collection, target: str) -> dict[str, Any]:
    table = found["probes"]
    return dict(table[table["target"] == target].iloc[0])


@pytest.mark.parametrize(
    ("body", "code", "status"),
    [
        ({"status": "ok"}, 200, "up"),
        ({"status": "healthy"}, 200, "up"),
        ({"status": "operational"}, 200, "up"),
        ({"success": True, "data": {"status": "operational"}}, 200, "up"),
        ({"status": "degraded"}, 200, "degraded"),
        ({"status": "degraded"}, 503, "degraded"),
        ({"status": "warning"}, 503, "degraded"),
        ({"status": "unhealthy"}, 200, "down"),
        ({"status": "unhealthy"}, 503, "down"),
        ({"status": "healthy"}, 503, "down"),
        ({"status": "degraded"}, 500, "down"),
        ({"fine": True}, 200, "down"),
        ("<html>healthy</html>", 200, "down"),
        ("", 200, "down"),
        ([1], 200, "down"),
        ({"status": "healthy"}, 404, "down"),
    ],
)
def test_a_health_endpoint_is_judged_by_body_and_code(body: Any, code: int, status: str) -> None:
    found, _ = probed({"/api/health": Reply(body, code)})
    assert of(found, "/api/health")["status"] == status


@pytest.mark.parametrize(("code", "status"), [(200, "up"), (404, "down"), (500, "down"), (503, "down")])
def test_a_page_is_judged_by_its_code(code: int, status: str) -> None:
    found, _ = probed({"/": Reply("<h1>x</h1>", code)})
    row = of(found, "/")
    assert row["status"] == status
    assert row["response_ms"] > 0
    assert status == "up" or row["detail"] == f"HTTP {code}"


def test_each_endpoint_is_probed_as_often_as_the_site_says_and_counts_for_the_end_of_the_scope() -> None:
    found, server = probed({}, probes=2)
    assert len(server.asked("/api/health")) == 2
    moments = sorted(found["probes"]["checked_at"].unique())
    as_of = the_scope().as_of
    assert moments == [as_of - timedelta(seconds=2), as_of - timedelta(seconds=1)]


def test_rule_15_what_looks_down_is_probed_again_over_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    found, _ = probed({"/": Reply("<h1>x</h1>", 500)})
    table = found["probes"].sort_values("checked_at")
    page = table[table["target"] == "/"]["checked_at"]
    assert len(page) == 3
    assert page.iloc[-1] - page.iloc[0] >= timedelta(seconds=10)
    assert (table["target"] == "/api/health").sum() == 1, "what is up is not asked again"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The other tests do not wait between probes."""
    monkeypatch.setattr(app, "AGAIN_S", (0.0, 0.0))


def test_components_are_told_one_by_one() -> None:
    checks = {
        "database": {"status": "healthy", "responseTime": 45},
        "stripe": {"status": "degraded", "error": "Request rate\nlimit exceeded"},
        "memory": {"status": "healthy", "details": {"usagePercentage": 50, "rss": 310}},
        "cache": "unhealthy",
    }
    body = {"status": "degraded", "checks": checks}
    found, _ = probed({"/detail": Reply(body, 503)}, detailed="/detail")
    rows = found["health_checks"].query("target == '/detail'").set_index("component")
    assert rows["status"].to_dict() == {"database": "up", "stripe": "degraded", "memory": "up", "cache": "down"}
    assert rows.loc["stripe", "detail"] == "Request rate limit exceeded"
    assert rows.loc["memory", "value"] == 50
    assert rows.loc["database", "response_ms"] == 45


def test_an_application_that_refuses_connections_is_down_and_no_gap() -> None:
    site = the_site("app", base_url="http://127.0.0.1:9", probes=1, detailed=None)
    found = Collection(app.collect(site, the_scope()))
    assert set(found["probes"]["status"]) == {"down"}
    assert found["probes"]["detail"].str.startswith("the connection failed").all()
    assert found["gaps"].empty


def test_a_host_without_an_address_is_down() -> None:
    site = the_site("app", base_url="http://shop.invalid", probes=1, detailed=None)
    assert set(Collection(app.collect(site, the_scope()))["probes"]["status"]) == {"down"}


def test_an_application_that_never_answers_is_down_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import threading

    monkeypatch.setattr(app, "READ_S", 0.3)
    silence = threading.Event()
    try:
        found, _ = probed({"/": lambda call: Reply(str(silence.wait(10)))})
    finally:
        silence.set()
    row = of(found, "/")
    assert row["status"] == "down"
    assert row["detail"].startswith("timed out")


def test_an_application_without_a_detailed_endpoint_has_a_gap_and_is_not_down() -> None:
    found, _ = probed({}, detailed="/api/health/detailed")
    assert "/api/health/detailed" not in set(found["probes"]["target"])
    assert found.gap("app", "detailed") == ("error", "404: no endpoint at /api/health/detailed")


def test_a_redirect_on_the_same_host_is_followed_and_one_elsewhere_is_an_answer() -> None:
    with vendor(routed({"/take": "x"})) as other:
        elsewhere = Reply("", 302, {"Location": f"{other.url}/take"})
        found, _ = probed({"/": Reply("", 307, {"Location": "/login"}), "/login": "<h1>in</h1>"})
        assert of(found, "/")["status"] == "up"
        found, _ = probed({"/": elsewhere})
        assert of(found, "/")["status"] == "up"
        assert other.calls == []


def test_a_redirect_without_end_is_down() -> None:
    found, server = probed({"/": Reply("", 302, {"Location": "/"})})
    assert of(found, "/")["status"] == "down"
    assert len(server.asked("/")) == 3 * app.HOPS, "what looks down is asked three times"


def test_no_probe_is_made_for_a_report_of_the_past() -> None:
    with vendor(routed({"/": "x"})) as server:
        real = {"organization": "shop", "project": "web"}
        site = a_site(sources={"app": {"base_url": server.url}, "sentry": real})
        found = Collection(app.collect(site, the_scope()))
        assert server.calls == []
    assert found["probes"].empty
    assert found.gap("app", "live") == ("no_data", PAST)


def test_stand_ins_are_probed_for_a_report_of_the_past() -> None:
    """Vendors and application all on loopback answer for the time that they are asked about, as the demo does."""
    with vendor(routed({"/": "x"})) as server:
        site = a_site(sources={"app": {"base_url": server.url, "detailed": None}})
        found = Collection(app.collect(site, the_scope()))
    assert len(found["probes"]) > 0
