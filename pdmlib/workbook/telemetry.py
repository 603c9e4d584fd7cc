"""The workbook's own crashes and check-ins, sent to Sentry only when `PDM_SENTRY_DSN` is set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from pdmlib.errors import PdmError
from pdmlib.site.environment import DSN, environment_value


@contextmanager
def watched(monitor: str) -> Iterator[None]:
    """Reports the block's crash and a check-in of `monitor`; does nothing without a DSN.

    Local variables, requests and people stay here: only the exception's type, the workbook's own
    frames and the monitor's name leave. A person's mistake (PdmError) is no crash.
    """
    if not _begun():
        yield
        return
    from sentry_sdk import flush
    from sentry_sdk.crons import capture_checkin

    check_in = capture_checkin(monitor_slug=monitor, status="in_progress")
    status = "error"
    try:
        yield
        status = "ok"
    except Exception as error:
        report_error(error)
        raise
    finally:
        capture_checkin(monitor_slug=monitor, check_in_id=check_in, status=status)
        flush(timeout=2)


def report_error(error: Exception) -> None:
    """Tells of an error that was survived; does nothing without a DSN, or where it is a person's mistake."""
    if not isinstance(error, PdmError) and _begun():
        from sentry_sdk import capture_exception

        capture_exception(error)


def report_broken(content: Mapping[str, Any]) -> None:
    """Tells of the parts of a report that could not be computed, by the kind and place of each error."""
    rows = content["tables"].get("internal_errors", ())
    if rows and _begun():
        from sentry_sdk import capture_message

        for row in rows:
            capture_message(f"{row['part']}: {row['error']}", level="error")


@cache
def _begun() -> bool:
    """Whether there is somewhere to report to, which is then ready."""
    dsn = environment_value(DSN)
    if not dsn:
        return False
    import sentry_sdk

    sentry_sdk.init(
        dsn=dsn,
        include_local_variables=False,
        max_breadcrumbs=0,
        before_send=_scrubbed,
        default_integrations=False,
    )
    return True


def _scrubbed(event: Any, _: Any) -> Any:
    for key in ("request", "user", "server_name", "extra", "breadcrumbs", "modules"):
        event.pop(key, None)
    for exception in event.get("exception", {}).get("values", []):
        exception["value"] = ""
        for frame in exception.get("stacktrace", {}).get("frames", []):
            for key in ("abs_path", "vars", "context_line", "pre_context", "post_context"):
                frame.pop(key, None)
    return event
