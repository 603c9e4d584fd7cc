"""A stranger's word is guessed by what it says, and left open where nothing says it."""

from __future__ import annotations

import pytest

from pdmlib.site.terms import APP_ALERTS, CRON, PAYMENTS, TERMS, TICKETS, UPTIME, Terms
from pdmlib.workbook.survey.words import meaning


@pytest.mark.parametrize(
    ("terms", "ours", "column", "theirs", "expected"),
    [
        (UPTIME, "status", "status", " UP ", "up"),
        (UPTIME, "status", "result", "Timed-Out", "down"),
        (UPTIME, "status", "result", "timeout", "down"),
        (UPTIME, "status", "http_code", "200", "up"),
        (UPTIME, "status", "http_code", "503", "down"),
        (UPTIME, "status", "http_code", "404", None),
        (UPTIME, "status", "is_up", "true", "up"),
        (UPTIME, "status", "is_down", "true", "down"),
        (UPTIME, "status", "status", "zz", None),
        (UPTIME, "status", "status", "", None),
        (CRON, "status", "exit_code", "0", "completed"),
        (CRON, "status", "exit_code", "1", "failed"),
        (CRON, "status", "ok", "0", "failed"),
        (CRON, "status", "failed", "false", "completed"),
        (CRON, "status", "outcome", "0", None),
        (CRON, "status", "outcome", "1", None),
        (CRON, "status", "outcome", "true", "completed"),
        (CRON, "status", "success", "1", "completed"),
        (CRON, "status", "status", "SUCCESSFUL", "completed"),
        (TICKETS, "status", "is_closed", "true", "closed"),
        (TICKETS, "status", "status", "On hold", "open"),
        (TICKETS, "priority", "prio", "P1", "urgent"),
        (TICKETS, "priority", "prio", "true", None),
        (PAYMENTS, "status", "status", "Refused", "declined"),
        (PAYMENTS, "status", "status", "cancelled", None),
        (APP_ALERTS, "severity", "level", "fatal", "critical"),
    ],
)
def test_a_word_is_guessed(terms: Terms, ours: str, column: str, theirs: str, expected: str | None) -> None:
    assert meaning(terms, ours, column, theirs) == expected


@pytest.mark.parametrize("terms", TERMS, ids=lambda terms: str(terms.block))
def test_our_own_words_stand_for_themselves(terms: Terms) -> None:
    for ours, words in terms.words.items():
        for word in words:
            assert meaning(terms, ours, ours, word.name.upper()) == word.name
