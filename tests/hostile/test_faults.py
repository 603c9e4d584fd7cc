"""A few of the faults of `make faults`; the table is the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from pdmlib.demo import Production
from tests.hostile import database, vendors
from tests.hostile.proxy import FAULTS
from tests.servers import Bench

QUICK = ("truncated", "all huge", "bomb in a bomb", "hostile texts", "echoes its credential in its texts", "HTML")


@pytest.mark.parametrize("name", QUICK)
def test_a_fault_of_a_vendor_is_survived_and_told(production: Production, tmp_path: Path, name: str) -> None:
    fault = next(fault for fault in FAULTS if fault.name == name)
    with vendors.small_budgets():
        assert vendors.attempt("resend", fault, production.environ, tmp_path).why == ""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["killed again and again", "a deep document", "orders locked by a migration"])
def test_a_trouble_of_a_database_is_survived_and_told(bench: Bench, name: str) -> None:
    trouble = next(trouble for trouble in database.TROUBLES if trouble.name == name)
    with bench.database() as well, bench.database() as one:
        well.run(database.TABLES)
        assert database.attempt(trouble, one, database.collected(well)).why == ""
