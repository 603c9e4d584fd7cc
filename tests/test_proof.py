"""The proof in short: its arithmetic, and three deployments that go through the real collectors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from bench.proof import worlds
from bench.proof.__main__ import MARKS
from bench.proof.faults import FAULTS, UNCHANGED, Fault
from bench.proof.production import Production, production
from bench.proof.tally import between, right, share, targets
from bench.proof.trial import Draw, Look, Trial, draws, spread, trial
from pdmlib.demo.scenarios import Plan

HOUR = timedelta(hours=1)


def a_fault(**changes):
    return Fault("error rate", "3 %", lambda start: Plan(), ("error_rate_pct",), **changes)


def a_trial(status="RED", names=("error_rate_pct",), false=(), fault=None):
    cells = {"readings": (1, 20), "days": (0, 8)}
    looks = (
        Look(HOUR / 2, "YELLOW", "medium", names=(), false=(), cells=cells),
        Look(HOUR, status, "medium", names=tuple(names), false=tuple(false), cells=cells),
    )
    return Trial(Draw(1, fault or a_fault(), HOUR / 4), looks)


def test_a_fault_counts_as_named_from_the_look_that_names_it():
    assert a_trial().after == timedelta(minutes=45)
    assert a_trial(names=("latency_p95_ms",)).after is None


def test_a_verdict_that_alleges_something_else_is_not_right():
    assert right(a_trial())
    assert not right(a_trial(false=("cron:deliver:missed",)))
    assert not right(a_trial(status="GREEN"))


def test_a_share_comes_with_its_wilson_interval():
    """0 of 20 is [0, 16.1 %], as rule 2 has it."""
    assert share(0, 20) == "0/20 = 0.0 % [0.0, 16.1]"


def test_targets_count_arrows_and_red_on_unchanged_deployments_only():
    calm = Fault("unchanged", "week 1", lambda start: Plan(), ())
    rows = {row[0]: row[2] for row in targets([a_trial(), a_trial(status="YELLOW", names=(), fault=calm)])}
    assert rows["RED on an unchanged deployment"].startswith("0/2 ")
    assert rows["arrows on unchanged readings"].startswith("2/40 ")
    assert rows["decidable faults named"].startswith("1/1 ")


def test_a_proof_that_is_ended_early_has_drawn_every_kind():
    drawn = draws(3, 9, 10)
    order = spread(range(len(drawn)), drawn, 10)
    assert sorted(order) == list(range(len(drawn)))
    kinds = len(FAULTS) + len(UNCHANGED)
    assert len({id(drawn[position].fault) for position in order[: len(drawn) // 2]}) == kinds


def test_all_eight_sources_are_drawn_dead_and_each_has_its_row():
    dead = [a_trial("UNKNOWN", ("unknown:x",), fault=f) for f in FAULTS if f.name == "dead source"]
    rows = {row[0]: row[2] for row in targets(dead)}
    assert len([name for name, reached in rows.items() if "is dead" in name and reached.startswith("0/")]) == 8


def test_the_tables_replace_what_stands_between_the_marks():
    begin, end = MARKS
    assert between(f"before\n{begin}\nold\n{end}\nafter\n", "new\n", MARKS) == (
        f"before\n{begin}\n\nnew\n\n{end}\nafter\n"
    )
    with pytest.raises(ValueError, match="no lines"):
        between("no marks", "new", MARKS)


def test_every_draw_has_a_seed_of_its_own_and_starts_are_taken_in_turn():
    found = draws(2, 3, 10)
    assert len({draw.seed for draw in found}) == len(found) == 2 * len(FAULTS) + 3 * len(UNCHANGED)
    assert all(draw.start in draw.fault.starts for draw in found)


@pytest.fixture(scope="module")
def running() -> Iterator[Production]:
    with production() as found:
        yield found


def hour1(fault: Fault) -> Fault:
    return replace(fault, phase="hour1", looks=(HOUR,))


@pytest.mark.slow
def test_a_broken_first_hour_is_named_and_red_through_the_real_collectors(running):
    """10 % errors since the deployment."""
    broken = next(f for f in FAULTS if f.size == "10 % in hour 1")
    found = trial(running, Draw(8, hour1(broken), 0 * HOUR))
    assert (found.detected, found.last.status) == (True, "RED")


@pytest.mark.slow
def test_an_unchanged_first_hour_is_green_and_alleges_nothing(running):
    unchanged = trial(running, Draw(7, hour1(UNCHANGED[2]), 30 * HOUR)).last
    assert (unchanged.status, unchanged.false) == ("GREEN", ())


@pytest.mark.slow
def test_a_tracker_that_refuses_leaves_no_first_hour_green(running):
    silent = next(f for f in FAULTS if f.size == "sentry unauthorized")
    blind = trial(running, Draw(8, hour1(silent), 0 * HOUR)).last
    assert blind.status != "GREEN"
    assert "unknown:errors_total" in blind.names


def test_a_world_of_a_seed_is_always_the_same():
    one, again, other = worlds.draw(7), worlds.draw(7), worlds.draw(8)
    assert (one.kind, one.scope, one.per_day) == (again.kind, again.scope, again.per_day)
    assert one.scope != other.scope


def test_the_worlds_tables_count_what_was_wrong():
    """Of two calm worlds one was told to roll back; of two decidable faults one was named first."""
    found = [seen_of("unchanged", rollback=True), seen_of("unchanged")]
    found += [seen_of("outage, lasting", first=True, off=1.0), seen_of("outage, lasting", first=False)]
    text = worlds.report(found)
    assert "| rollback where nothing is wrong now | none | 1/2 = 50.0 %" in text
    assert "| first cause right, decidable faults | >= 95 % | 1/2 = 50.0 %" in text
    assert "| `since` within a probe or a bucket | all | 1/1 = 100.0 %" in text


def seen_of(kind, rollback=False, first=None, off=None):
    arrows = {"readings": (0, 5), "days": (0, 4)} if kind == "unchanged" else {}
    return worlds.Seen(
        seed=1,
        kind=worlds.Kind(kind),
        before=False,
        phase="day1",
        decidable=True,
        red=False,
        rollback=rollback,
        urgent=(),
        first=first,
        cause="none",
        off=off,
        allowed=5.0,
        arrows=arrows,
    )
