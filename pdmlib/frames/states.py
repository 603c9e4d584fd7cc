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


class Probe(StrEnum):
    """What a probe found of the application, or what holds for a stretch of time."""

    UP = "up"
    DEGRADED = "degraded"  # it answered, with parts of it failing
    DOWN = "down"
    MAINTENANCE = "maintenance"  # switched off on purpose
    UNKNOWN = "unknown"  # nothing probed it
    UNCLEAR = "not_understood"


class Proof(StrEnum):
    """What a probe that has a side effect, such as a test payment, found."""

    WORKED = "worked"
    FAILED = "failed"
    NOT_KNOWN = "not known"


class Unread(StrEnum):
    """Why a part of a vendor was not read, which loses one figure and is no gap of the source."""

    REFUSED = "not readable with this key"
    UNASKED = "not asked for"


class Slot(StrEnum):
    """What became of one time at which a cron job was due."""

    OK = "ok"
    LATE = "late"
    FAILED = "failed"
    HUNG = "hung"  # began, and did not end within its limit
    MISSED = "missed"
    DUPLICATE = "duplicate"
    RUNNING = "running"
    PENDING = "pending"  # its time has come, its grace is not over
    NEVER_LOGGED = "never_logged"  # the log holds no run of the job at all
    NOT_DUE = "not_due"
    DISABLED = "disabled"
    UNCLEAR = "not_understood"


class Usage(StrEnum):
    """How a feature is used."""

    USED = "used"
    RARE = "rare"  # less than once a day before, so that silence tells nothing
    ABANDONED = "abandoned"  # silent for so long that chance does not explain it
    BROKEN = "broken"  # attempted, and never completed
    UNKNOWN = "unknown"


class Cell(StrEnum):
    """Of what kind a feature's number of one day is."""

    COUNT = "count"
    ZERO = "zero"
    NO_DATA = "no_data"
    NOT_YET = "not_yet"
    PARTIAL = "partial"  # only a part of the day lies in the window


class IssueClass(StrEnum):
    """What an issue of the error tracker is, relative to the deployment."""

    NEW = "NEW"
    REGRESSED = "REGRESSED"
    GROWING = "GROWING"
    RECURRING = "RECURRING"
    GONE = "GONE"
    STALE_CLIENT = "STALE_CLIENT"  # seen in releases older than the deployment's only


class Pace(StrEnum):
    """What became of a statement's time and calls since the deployment."""

    REGRESSED = "REGRESSED"
    IMPROVED = "IMPROVED"
    STABLE = "STABLE"
    VOLUME_UP = "VOLUME_UP"  # called so much more often that it takes more time in all, and no call is slower
    IN_A_LOOP = "IN_A_LOOP"  # called many times more for each call of another, as fast as before
    REKEYED = "REKEYED"  # the same text under a new id
    NEW = "NEW"
    GONE = "GONE"
    GONE_MAYBE_TIMEOUT = "GONE_MAYBE_TIMEOUT"  # gone while more transactions were rolled back
    UNCERTAIN = "UNCERTAIN"  # entries were evicted, so calls may be missing
    TOO_FEW = "TOO_FEW"
