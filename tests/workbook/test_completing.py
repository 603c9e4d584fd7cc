"""Tab in a notebook: what IPython's own completer offers inside the quotes of a question to a report."""

import pytest
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell

from pdmlib.workbook.completing import complete_names, complete_names_in
from tests.workbook.test_questions import a_report


@pytest.fixture(scope="module")
def shell() -> InteractiveShell:
    """A shell with a report as `week`; asked twice to complete, as of a second report in a notebook."""
    made = InteractiveShell()
    made.user_ns["week"], made.user_ns["plain"] = a_report(), {"latencies": 1}
    complete_names_in(made)
    complete_names_in(made)
    return made


def offered(shell: InteractiveShell, text: str) -> list[str]:
    """A line as it would be after each completion."""
    with provisionalcompleter():
        return [text[: one.start] + one.text for one in shell.Completer.completions(text, len(text))]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("week['latency_p95", "week['latency_p95_ms"),
        ("week.frames['lat", "week.frames['latencies"),
        ('x = week.frames["lat', 'x = week.frames["latencies'),
        ("week.tables['rou", "week.tables['routes"),
        ("week.charts['resp", "week.charts['response_time"),
        ("week.frame('lat", "week.frame('latencies"),
        ("print(week.table('rou", "print(week.table('routes"),
        ("week.chart('resp", "week.chart('response_time"),
        ("week.what_if('latency_p95", "week.what_if('latency_p95_ms"),
        ("week.limits('latency_p95", "week.limits('latency_p95_ms"),
        ("week.tiles('latency_p95", "week.tiles('latency_p95_ms"),
        ("week.readings('perf", "week.readings('performance"),
        ("week.slice('lat", "week.slice('latencies"),
    ],
)
def test_a_name_is_completed_in_a_subscript_and_in_a_call(shell: InteractiveShell, text: str, first: str) -> None:
    assert offered(shell, text) == [first]


def test_whatever_is_no_report_is_left_to_ipython(shell: InteractiveShell) -> None:
    assert offered(shell, "plain['lat") == ["plain['latencies"]
    assert "week.limits" in offered(shell, "week.lim")
    assert offered(shell, "nobody.frames['lat") != ["nobody.frames['latencies"]


def test_a_notebook_completes_from_its_first_report_on(monkeypatch: pytest.MonkeyPatch) -> None:
    made = InteractiveShell()
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: made)
    complete_names()
    complete_names()
    assert len(made.Completer.custom_matchers) == 1
    monkeypatch.setattr("IPython.core.getipython.get_ipython", lambda: None)
    complete_names()  # a script, in which there is nobody to complete for
