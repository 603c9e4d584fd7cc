"""The tests' and the demo's vendors refuse what a vendor's specification does not allow."""

import pytest

from pdmlib.demo.exchange import Call
from pdmlib.demo.vendors.allowed import REQUESTS, fault_of

BEARER = {"Authorization": "Bearer x"}
EVENTS = "/api/0/organizations/shop/events/"
CHARGES = "/v1/charges"


def asked(path: str, headers: dict[str, str], **query: str) -> str | None:
    values = {name: [value] for name, value in query.items()}
    return fault_of(Call("GET", "", path, query=values, headers=headers))


def test_a_request_of_the_specification_is_allowed() -> None:
    assert asked(EVENTS, BEARER, dataset="spans", field="count()", start="2025-03-03T15:00:00") is None
    assert asked(CHARGES, BEARER, **{"created[gte]": "1741017600", "limit": "100"}) is None


@pytest.mark.parametrize(
    ("path", "query", "fault"),
    [
        (EVENTS, {"dataset": "spans"}, "needs field"),
        (EVENTS, {"dataset": "discover", "field": "count()"}, "takes no dataset 'discover'"),
        (EVENTS, {"dataset": "spans", "field": "x", "start": "2025-03-03T15:00:00Z"}, "takes no start"),
        (CHARGES, {"created[from]": "1741017600"}, "knows no created[from]"),
        (CHARGES, {"created[gte]": "1741017600000"}, "takes no created[gte]"),
        ("/v3/events", {"since": "1741017600000"}, "takes no since"),
    ],
)
def test_a_parameter_that_is_wrong_or_missing_is_told(path: str, query: dict[str, str], fault: str) -> None:
    found = asked(path, BEARER, **query)
    assert found is not None
    assert found.startswith(f"GET {path} ")
    assert fault in found


def test_authorization_of_another_kind_is_told() -> None:
    assert asked(CHARGES, {"Authorization": "Basic x"}) == "GET /v1/charges needs Bearer authorization"


def test_a_body_with_a_key_of_its_own_is_told() -> None:
    body = b'{"metric": "x", "scope": {}, "unit": "ms"}'
    call = Call("POST", "", "/v2/observability/query", query={}, headers=BEARER, body=body)
    assert fault_of(call) == "POST /v2/observability/query knows no unit"


def test_each_vendor_has_requests() -> None:
    """Counted by hand in what is asked: eight of Sentry, nine of Vercel, five of Supabase and so on."""
    vendors = [request.vendor.split()[0] for request in REQUESTS]
    assert {name: vendors.count(name) for name in dict.fromkeys(vendors)} == {
        "sentry": 8,
        "vercel": 9,
        "supabase": 5,
        "stripe": 11,
        "twilio": 7,
        "resend": 6,
    }
