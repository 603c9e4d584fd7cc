"""Probes of several monitors in one table are told from those of one, and are not read as one series."""

from __future__ import annotations

import pytest

from pdmlib.sources.postgres.monitors import contradicted, told_apart


def woven(*series: list[tuple[float, str, str]]) -> tuple[list[float], list[str], list[str]]:
    """Times, words and monitors of several series together, newest first as they are read."""
    rows = sorted((row for one in series for row in one), reverse=True)
    return [t for t, _, _ in rows], [word for _, word, _ in rows], [name for _, _, name in rows]


def probes(name: str, after: float, down: range = range(0), every: float = 60.0) -> list[tuple[float, str, str]]:
    """Sixty probes of one monitor, each some seconds after the full minute."""
    return [(every * n + after, "down" if n in down else "up", name) for n in range(60)]


@pytest.mark.parametrize("after", [0.0, 0.4, 5.0, 12.0])
def test_probes_of_a_round_that_contradict_each_other_are_in_doubt_though_nothing_names_their_monitors(
    after: float,
) -> None:
    """For ten minutes the second monitor finds down what the first finds up: twenty probes."""
    times, words, _ = woven(probes("a", 0.0), probes("b", after, down=range(20, 30)))
    doubted = contradicted(times, words)
    assert sorted({times[n] // 60 for n in doubted}) == list(range(20, 30))
    assert len(doubted) == 20


@pytest.mark.parametrize("after", [5.0, 20.0, 30.0])
def test_monitors_are_told_apart_by_the_column_whose_values_take_turns(after: float) -> None:
    times, words, names = woven(probes("shop", 0.0), probes("printer", after, down=range(20, 40)))
    found = told_apart(times, {"word": words, "agent": ["curl"] * len(times), "monitor_id": names})
    assert found is not None
    assert (found.column, found.names) == ("monitor_id", ("printer", "shop"))
    doubted = contradicted(times, words, names)
    # The printer's twenty, and the shop's between them: none of the other minutes, in which both agree.
    assert {times[n] // 60 for n in doubted} <= set(range(19, 41))
    assert sum(names[n] == "printer" for n in doubted) == 20
    assert sum(names[n] == "shop" for n in doubted) >= 19


def test_words_and_releases_that_come_in_blocks_are_no_monitors() -> None:
    """A status code during an outage, a release after the other, a region that never changes."""
    times, words, _ = woven(probes("a", 0.0, down=range(20, 45)))
    release = ["v2" if t > 1800 else "v1" for t in times]
    assert told_apart(times, {"code": words, "release": release, "region": ["fra1"] * 60}) is None


def test_an_outage_and_the_quick_probes_that_follow_a_failure_are_no_round() -> None:
    """One monitor looks again ten seconds after a probe failed, and finds it up: it was down, then up."""
    again = [(60.0 * n + 10, "up", "a") for n in (20, 40)]
    times, words, _ = woven(probes("a", 0.0, down=range(20, 21)), again)
    assert contradicted(times, words) == set()


def test_places_that_take_turns_in_probing_one_application_are_one_series() -> None:
    """Three regions, each every three minutes, a minute apart; one probe of one region fails: a short outage."""
    regions = [probes(name, 60.0 * n, every=180.0) for n, name in enumerate(("fra", "iad", "sin"))]
    regions[1] = probes("iad", 60.0, down=range(7, 8), every=180.0)
    times, words, names = woven(*regions)
    assert told_apart(times, {"region": names}) is not None
    assert contradicted(times, words, names) == set()


def test_what_the_site_file_chose_is_doubted_only_at_one_and_the_same_instant() -> None:
    times, words, _ = woven(probes("a", 0.0), probes("b", 5.0, down=range(20, 30)))
    assert contradicted(times, words, chosen=True) == set()
    times, words, _ = woven(probes("a", 0.0), probes("b", 0.0, down=range(20, 30)))
    assert len(contradicted(times, words, chosen=True)) == 20
