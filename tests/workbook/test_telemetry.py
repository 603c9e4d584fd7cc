"""What the workbook's own Sentry is told: the kind and place of an error, and nothing of a person or a value."""

from __future__ import annotations

import gzip
from collections.abc import Iterator

import pytest
import sentry_sdk

from pdmlib.site.environment import DSN, environment_without
from pdmlib.workbook import telemetry
from tests.sources.loopback import Reply, Vendor, vendor


@pytest.fixture
def sentry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendor]:
    """A server that takes what Sentry's client sends."""
    with vendor(lambda call: Reply({})) as server:
        monkeypatch.setenv(DSN, server.url.replace("http://", "http://0123456789abcdef@") + "/1")
        telemetry._begun.cache_clear()
        yield server
        sentry_sdk.init()
        telemetry._begun.cache_clear()


def sent(server: Vendor) -> str:
    sentry_sdk.flush(timeout=5)
    return "\n".join(gunzipped(call.body) for call in server.calls)


def gunzipped(body: bytes) -> str:
    return (gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body).decode(errors="replace")


def test_parts_that_could_not_be_computed_are_told_by_kind_and_place(sentry: Vendor) -> None:
    row = {"part": "table cron", "error": "KeyError in cron.table, line 7"}
    telemetry.report_broken({"tables": {"internal_errors": [row], "cron": [{"job": "secret-job-of-a-customer"}]}})
    told = sent(sentry)
    assert "table cron: KeyError in cron.table, line 7" in told
    assert "secret-job" not in told


def test_an_error_that_was_survived_is_told_without_its_text(sentry: Vendor) -> None:
    try:
        raise OverflowError("ada@mail.example owes 17")
    except OverflowError as error:
        telemetry.report_error(error)
    told = sent(sentry)
    assert "OverflowError" in told
    assert "ada@mail" not in told


def test_a_report_of_which_nothing_broke_tells_nothing(sentry: Vendor) -> None:
    telemetry.report_broken({"tables": {}})
    assert sent(sentry) == ""


def test_no_child_is_given_the_address_of_our_own_sentry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DSN, "https://0123456789abcdef@o1.ingest.sentry.io/1")
    monkeypatch.setenv("SHOP_TOKEN", "x")
    assert {DSN, "SHOP_TOKEN"}.isdisjoint(environment_without(["SHOP_TOKEN"]))
