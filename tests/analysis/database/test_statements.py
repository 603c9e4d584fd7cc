"""Statements before and after a deployment: verdicts on hand-made counters, and on real load."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from pdmlib.analysis.database import statements
from pdmlib.analysis.database.statement_deltas import grouped, spent
from pdmlib.frames.frame import frame
from tests.builders import DEPLOYED, a_case

S0, S1, S2 = DEPLOYED - timedelta(days=2), DEPLOYED - timedelta(minutes=1), DEPLOYED + timedelta(days=1)
QUERY = "SELECT * FROM public.orders WHERE customer = $1"


def an_entry(at: datetime, calls: float, mean_ms: float, **changes: Any) -> dict[str, Any]:
    """One entry of pg_stat_statements at one look, by default of the same statement, without deviation."""
    entry = {
        "at": at,
        "role": "authenticated",
        "queryid": "1",
        "toplevel": True,
        "query": QUERY,
        "calls": calls,
        "total_ms": calls * mean_ms,
        "mean_ms": mean_ms,
        "stddev_ms": 0.0,
        "rows": calls,
        "hit_blocks": 4 * calls,
        "read_blocks": 0.0,
        "temp_blocks": 0.0,
        "wal_bytes": 0.0,
    }
    return {**entry, **changes}


def a_gauge(metric: str, at: datetime, value: float | None = None, **changes: Any) -> dict[str, Any]:
    return {"metric": metric, "at": at, "value": value, **changes}


def judged(*entries: dict[str, Any], gauges: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    """The one row that comes of these entries."""
    rows = statements.compare(a_case({"statements": entries, "database_gauges": gauges}))
    assert len(rows) == 1
    return rows[0]


def test_the_deviation_of_a_window_is_recovered_from_its_two_ends() -> None:
    """Times 1, 3 before and 2, 4, 9 after: the last three have mean 5 and deviations 3, 1, 4, squares 26."""
    older = frame("statements", [an_entry(S1, 2, 2.0, stddev_ms=1.0)])
    all_five = pd.Series([1.0, 3, 2, 4, 9])
    newer = frame("statements", [an_entry(S2, 5, all_five.mean(), stddev_ms=all_five.std(ddof=0))])
    window = spent(older, newer).iloc[0]
    assert window["calls"] == 3
    assert window["total_ms"] == pytest.approx(15)
    assert window["m2"] == pytest.approx(26)


def test_a_mean_that_grew_beyond_chance_is_regressed() -> None:
    """100 calls of 10 ms by S1, then 100 of 200 ms: the mean of all is 105, the change +1900 %."""
    row = judged(an_entry(S1, 100, 10.0), an_entry(S2, 200, 105.0))
    assert (row["verdict"], row["regressed"]) == ("REGRESSED", True)
    assert row["calls"] == 100
    assert row["mean_ms"] == pytest.approx(200)
    assert row["before_mean_ms"] == pytest.approx(10)
    assert row["change_pct"] == pytest.approx(1900)


def test_one_look_gives_lifetime_figures_and_no_verdict() -> None:
    row = judged(an_entry(S2, 100, 500.0))
    assert row["verdict"] == statements.LIFETIME
    assert row["regressed"] is False
    assert row["before_mean_ms"] is None
    assert "one look" in row["reason"]


def test_no_look_since_the_deployment_gives_no_verdict() -> None:
    row = judged(an_entry(S0, 50, 10.0), an_entry(S1, 100, 500.0))
    assert row["regressed"] is False
    assert "since the deployment" in row["reason"]


def test_few_calls_are_too_few_however_slow() -> None:
    """19 calls of 5 s after 100 of 10 ms."""
    row = judged(an_entry(S1, 100, 10.0), an_entry(S2, 119, (1000 + 19 * 5000) / 119))
    assert row["verdict"] == "TOO_FEW"


def test_a_noisy_mean_is_stable() -> None:
    """Means 90 and 130 with a deviation of 400 over 100 calls each: t is 0.7."""
    row = judged(an_entry(S1, 100, 90.0, stddev_ms=400.0), an_entry(S2, 200, 110.0, stddev_ms=400.5))
    assert row["verdict"] == "STABLE"


def test_the_change_of_load_is_volume_and_latency_and_nothing_else() -> None:
    """A day with 1000 calls of 10 ms, then a day with 3000 of 20 ms: 10 s to 60 s.

    2000 calls more at 10 ms are 20 s, 3000 calls 10 ms slower are 30 s.
    """
    start = S1 - timedelta(days=1)
    after = S1 + timedelta(days=1)
    row = judged(
        an_entry(start, 1000, 10.0), an_entry(S1, 2000, 10.0), an_entry(after, 5000, (20_000 + 60_000) / 5000)
    )
    assert row["volume_ms"] == pytest.approx(20_000)
    assert row["latency_ms"] == pytest.approx(30_000)


def test_more_calls_at_the_same_mean_are_volume_not_regression() -> None:
    """2000 calls a day of 1000 ms, then 6000: 4,000 s more in a day of 86,400 s is over one percent."""
    start, after = S1 - timedelta(days=1), S1 + timedelta(days=1)
    row = judged(an_entry(start, 1000, 1000.0), an_entry(S1, 3000, 1000.0), an_entry(after, 9000, 1000.0))
    assert (row["verdict"], row["regressed"]) == ("VOLUME_UP", False)


def test_a_new_id_for_the_same_text_is_the_same_statement() -> None:
    old = an_entry(S2, 100, 10.0)
    row = judged(an_entry(S1, 100, 10.0), old, an_entry(S2, 80, 10.0, queryid="2"))
    assert row["verdict"] == "REKEYED"
    assert row["calls"] == 80


def test_in_lists_of_any_length_are_one_statement() -> None:
    lists = [
        an_entry(S2, 10, 1.0, queryid=str(n), query=f"SELECT 1 FROM t WHERE id IN ({', '.join(['$1'] * n)})")
        for n in (1, 2, 5)
    ]
    case = a_case({"statements": lists})
    assert grouped(case, spent(None, case["statements"]))["calls"].tolist() == [30]


def test_an_entry_that_was_evicted_and_made_again_is_uncertain() -> None:
    """Calls rise from 30 to 50, but the blocks fell: it is another entry, and 20 is no count of the window."""
    row = judged(an_entry(S1, 30, 50.0, hit_blocks=4000.0), an_entry(S2, 50, 50.0, hit_blocks=56.0))
    assert row["verdict"] == "UNCERTAIN"
    assert row["calls"] == 50


def test_what_is_gone_while_transactions_roll_back_may_be_timing_out() -> None:
    entries = (an_entry(S0, 100, 10.0), an_entry(S1, 2100, 10.0), an_entry(S2, 2100, 10.0))
    quiet = [a_gauge("xact_rollback", at, 7.0) for at in (S0, S1, S2)]
    assert judged(*entries, gauges=tuple(quiet))["verdict"] == "GONE"
    failing = (*quiet[:2], a_gauge("xact_rollback", S2, 707.0))
    assert judged(*entries, gauges=failing)["verdict"] == "GONE_MAYBE_TIMEOUT"
    few = (*quiet[:2], a_gauge("xact_rollback", S2, 47.0))
    assert judged(*entries, gauges=few)["verdict"] == "GONE"


def test_fewer_rollbacks_explain_missing_calls_where_all_statements_are_called_less() -> None:
    """100 calls a day before; the others are called at 0.4 of their pace, and 40 transactions were undone."""
    other = {"queryid": "2", "query": "SELECT 2 FROM other"}
    looks = ((S0, 0, 0), (S1, 200, 200), (S2, 200, 240))
    entries = [
        entry
        for at, mine, others in looks
        for entry in (an_entry(at, mine, 1.0), an_entry(at, others, 1.0, **other))
    ]
    gauges = [a_gauge("xact_rollback", at, value) for at, value in ((S0, 0.0), (S1, 0.0), (S2, 40.0))]
    rows = statements.compare(a_case({"statements": entries, "database_gauges": gauges}))
    assert {row["queryid"]: row["verdict"] for row in rows}["1"] == "GONE_MAYBE_TIMEOUT"


def test_evictions_make_what_is_new_or_gone_uncertain() -> None:
    gauges = (a_gauge("statements_dealloc", S1, 0.0), a_gauge("statements_dealloc", S2, 2.0))
    other = an_entry(S1, 100, 10.0, queryid="9", query="SELECT 2 FROM other")
    rows = statements.compare(
        a_case({"statements": [other, {**other, "at": S2}, an_entry(S2, 40, 10.0)], "database_gauges": gauges})
    )
    verdicts = {row["query"]: row["verdict"] for row in rows}
    assert verdicts[QUERY] == "UNCERTAIN"


def test_the_index_that_is_gone_is_named_with_the_statement_that_makes_it_again() -> None:
    made = "CREATE UNIQUE INDEX orders_customer ON public.orders USING btree (customer)"
    gauges = (
        a_gauge("index", S1, object="public.orders_customer", detail=made),
        a_gauge("index", S2, object="public.x", detail="CREATE INDEX x ON public.t USING btree (id)"),
    )
    row = judged(an_entry(S1, 100, 1.0), an_entry(S2, 200, 100.0, hit_blocks=400 + 100 * 1640), gauges=gauges)
    assert row["regressed"]
    assert "4 blocks per call before, 1640 now" in row["reason"]
    assert "index public.orders_customer on public.orders (customer) is gone" in row["reason"]
    again = "CREATE UNIQUE INDEX CONCURRENTLY orders_customer ON public.orders USING btree (customer);"
    assert again in row["reason"]


def test_another_plan_counts_on_a_database_that_has_little_to_do_and_is_not_urgent() -> None:
    """From 5 to 90 blocks and 0.04 to 0.6 ms a call: 448 ms of a day, but nearly all of the database's time."""
    row = judged(an_entry(S1, 100, 0.04, hit_blocks=500), an_entry(S2, 900, 0.54, hit_blocks=500 + 800 * 90))
    assert (row["verdict"], statements.urgent(row)) == ("REGRESSED", False)
    quiet = judged(an_entry(S1, 100, 0.04, hit_blocks=500), an_entry(S2, 900, 0.54, hit_blocks=4500))
    assert quiet["verdict"] == "STABLE"


def test_a_few_more_blocks_do_not_explain_a_long_wait() -> None:
    """11 blocks more, at most 1.1 ms of work, and 600 ms slower: versions of a row that others hold."""
    row = judged(an_entry(S1, 100, 1.0, hit_blocks=300), an_entry(S2, 1100, 546.0, hit_blocks=300 + 1000 * 14))
    assert "3 blocks per call before, 14 now, so the work is the same: likely it waits" in row["reason"]


def test_a_table_that_grew_as_its_blocks_did_is_named_and_no_plan_is_blamed() -> None:
    rows = [a_gauge("n_live_tup", at, count, object="public.orders") for at, count in ((S1, 1000), (S2, 5000))]
    entries = an_entry(S1, 100, 10.0, hit_blocks=10_000), an_entry(S2, 1100, 50.0, hit_blocks=10_000 + 500_000)
    row = judged(*entries, gauges=tuple(rows))
    assert (
        "100 blocks per call before, 500 now: public.orders has grown from about 1000 to 5000 rows"
        in row["reason"]
    )
    same = [a_gauge("n_live_tup", at, 1000, object="public.orders") for at in (S1, S2)]
    assert "its plan changed or what it reads has grown" in judged(*entries, gauges=tuple(same))["reason"]


@pytest.mark.parametrize(
    ("mean_ms", "said"),
    [
        (0.004, "mean 0.004 ms before, 0.004 ms now (the same)"),
        (0.006, "mean 0.004 ms before, 0.006 ms now (1.5 times)"),
    ],
)
def test_times_of_microseconds_are_no_times_of_nothing(mean_ms: float, said: str) -> None:
    """A day of 1,000 calls before, and a day of as many since."""
    looks = [(S1 - timedelta(days=1), 10, 0.004), (S1, 1010, 0.004)]
    later = an_entry(S1 + timedelta(days=1), 2010, mean_ms, total_ms=1010 * 0.004 + 1000 * mean_ms)
    (row,) = statements.compare(a_case({"statements": [*(an_entry(*look) for look in looks), later]}))
    assert row["reason"].startswith(said)


def test_a_statement_in_the_place_of_another_is_judged_against_it() -> None:
    """A day each of 1,000 calls: 0.04 ms of the one that is gone, 20 ms of the one that joins another table."""
    start, after = S1 - timedelta(days=1), S1 + timedelta(days=1)
    old = [an_entry(start, 10, 0.04), an_entry(S1, 1010, 0.04), an_entry(after, 1010, 0.04)]
    text = "SELECT * FROM public.orders JOIN public.people USING (person) WHERE orders.customer = $1"
    new = an_entry(after, 1000, 20.0, queryid="2", query=text, hit_blocks=500_000.0)
    other = [
        an_entry(at, 1000, 1.0, queryid="3", query="SELECT * FROM public.jobs WHERE id = $1") for at in (start, S1)
    ]
    later = an_entry(after, 2000, 1.0, queryid="3", query="SELECT * FROM public.jobs WHERE id = $1")
    rows = {row["query"]: row for row in statements.compare(a_case({"statements": [*old, new, *other, later]}))}
    assert (rows[text]["verdict"], rows[text]["before_mean_ms"]) == ("REGRESSED", pytest.approx(0.04))
    assert f"likely in place of «{QUERY}»: mean 0.04 ms before, 20 ms now (500 times)" in rows[text]["reason"]
    assert rows[QUERY]["reason"] == f"likely replaced by «{text[:80]}»"


def test_a_look_up_in_a_loop_is_told_with_the_page_that_calls_it() -> None:
    """79 look-ups a day become 1,861 of 0.02 ms, while the page that shows them is called 75 times as before."""
    start, after = S1 - timedelta(days=1), S1 + timedelta(days=1)
    look_up = {"queryid": "7", "query": "SELECT name FROM public.people WHERE id = $1"}
    entries = [
        *(an_entry(at, calls, 0.02, **look_up) for at, calls in ((start, 100), (S1, 179), (after, 2040))),
        *(an_entry(at, calls, 5.0) for at, calls in ((start, 100), (S1, 175), (after, 250))),
    ]
    rows = {row["query"]: row for row in statements.compare(a_case({"statements": entries}))}
    found = rows[look_up["query"]]
    assert found["verdict"] == "IN_A_LOOP"
    assert (
        f"x23.6 calls where the others of authenticated have x1.0, likely 24 more for each «{QUERY}»"
        in found["reason"]
    )
    assert rows[QUERY]["verdict"] == "STABLE"


def test_one_text_in_several_schemas_is_several_statements() -> None:
    """Ten tenants of 1,000 calls of 1 ms each: in one of them a call takes 68.8 ms and 2,000 blocks since."""
    tenants = [str(number) for number in range(10)]
    before = [an_entry(S1, 1000, 1.0, queryid=tenant) for tenant in tenants]
    slow = an_entry(S2, 2000, (1.0 + 68.8) / 2, queryid="4", hit_blocks=4 * 1000 + 2000.0 * 1000)
    after = [an_entry(S2, 2000, 1.0, queryid=tenant) for tenant in tenants if tenant != "4"] + [slow]
    rows = statements.compare(a_case({"statements": [*before, *after]}))
    assert [(row["queryid"], row["mean_ms"]) for row in rows if row["regressed"]] == [("4", pytest.approx(68.8))]
    assert {row["verdict"] for row in rows if not row["regressed"]} == {"STABLE"}


def test_an_entry_without_a_role_costs_the_others_nothing() -> None:
    """That of an id of its own lies between two others by its id; these are told with the ids that are theirs."""
    roles = {"1": "authenticated", "2": None, "3": "service"}
    ids = [(at, calls, name) for at, calls in ((S1, 100), (S2, 200)) for name in roles]
    entries = [an_entry(at, n, 5.0, queryid=i, role=roles[i], query=f"{QUERY} -- {i}") for at, n, i in ids]
    rows = grouped(
        a_case({"statements": entries}), spent(*(frame("statements", entries)[k : k + 3] for k in (0, 3)))
    )
    assert dict(zip(rows["role"], rows["ids"], strict=True)) == {"authenticated": {"1"}, "service": {"3"}}


def test_a_call_or_two_by_hand_is_no_new_statement() -> None:
    by_hand = an_entry(S2, 1, 900.0, queryid="2", query="SELECT count(*) FROM public.orders")
    rows = statements.compare(a_case({"statements": [an_entry(S1, 100, 1.0), an_entry(S2, 200, 1.0), by_hand]}))
    assert {row["queryid"]: row["verdict"] for row in rows} == {"1": "STABLE", "2": "TOO_FEW"}


def test_an_entry_made_again_with_more_calls_than_before_is_known_by_its_spread() -> None:
    """100 calls of 10 ms and a deviation of 50 cannot be among 150 of 10 ms with a deviation of 1."""
    row = judged(an_entry(S1, 100, 10.0, stddev_ms=50.0), an_entry(S2, 150, 10.0, stddev_ms=1.0))
    assert row["verdict"] == "UNCERTAIN"


def test_the_busiest_statement_is_shown_however_many_are_uncertain() -> None:
    gauges = (a_gauge("statements_dealloc", S1, 0.0), a_gauge("statements_dealloc", S2, 200.0))
    new = [an_entry(S2, 40, 0.1, queryid=f"n{n}", query=f"SELECT 1 FROM t{n}") for n in range(100)]
    case = a_case(
        {"statements": [an_entry(S1, 1000, 50.0), an_entry(S2, 2000, 50.0), *new], "database_gauges": gauges}
    )
    assert statements.compare(case)[0]["query"] == QUERY


def slower_together(before_ms: float, after_ms: float) -> list[dict[str, Any]]:
    """Rows of four statements whose means over all calls went from one to the other with the same blocks."""
    entries = []
    for number, calls in enumerate((400, 300, 200, 100)):
        one = {"queryid": str(number), "query": f"SELECT {'abcd'[number]} FROM t{number}"}
        entries += [an_entry(S1, calls, before_ms, **one), an_entry(S2, 2 * calls, after_ms, **one)]
    return statements.compare(a_case({"statements": entries}))


def test_a_server_that_slows_as_a_whole_is_one_regression() -> None:
    """Four statements, all from 100 to 300 ms with the same blocks: one finding, on the heaviest."""
    rows = slower_together(100.0, 200.0)
    assert [row["verdict"] for row in rows] == ["REGRESSED", "SATURATION", "SATURATION", "SATURATION"]
    assert "saturated" in rows[0]["reason"]


def test_a_server_whose_sessions_share_its_processors_is_not_saturated() -> None:
    """All four from 100 to 170 ms with the same blocks, as four sessions on two processors slow each other."""
    assert {row["verdict"] for row in slower_together(100.0, 135.0)} <= {"STABLE", "VOLUME_UP"}


def test_an_idle_server_whose_machine_was_busy_is_not_saturated() -> None:
    """All three times slower, by 0.2 ms a call and 0.2 s of a day: nobody waits for it and nothing is loaded."""
    assert {row["verdict"] for row in slower_together(0.1, 0.2)} == {"STABLE"}


def test_load_by_role_adds_up() -> None:
    start, after = S1 - timedelta(days=1), S1 + timedelta(days=1)
    entries = [an_entry(start, 10, 10.0), an_entry(S1, 1010, 10.0), an_entry(after, 3010, 20.0)]
    (row,) = statements.load(a_case({"statements": entries}))
    change = row["total_ms"] - row["expected_ms"]
    assert row["role"] == "authenticated"
    assert row["volume_ms"] + row["latency_ms"] + row["new_ms"] + row["gone_ms"] == pytest.approx(change)
