"""Closed sets of words that a report is written in, an enum each.

This file imports nothing of the project, so that the command can start without pandas.
"""

from enum import StrEnum


class ReportStatus(StrEnum):
    """The status of a whole report."""

    GREEN = "GREEN"
    YELLOW = "YELLOW"
    RED = "RED"
    UNKNOWN = "UNKNOWN"


class Outcome(StrEnum):
    """What a week or a month was."""

    SUCCESSFUL = "SUCCESSFUL"
    PARTIAL = "PARTIAL"
    FAILED = "FAILED"
    UNKNOWN = "UNKNOWN"


class Recommendation(StrEnum):
    """What a person should do now."""

    CONTINUE = "continue"
    WATCH = "enhanced_monitoring"
    INVESTIGATE = "investigate"
    ROLLBACK = "rollback"


class Confidence(StrEnum):
    """How far a report may be trusted."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
