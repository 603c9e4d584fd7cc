"""The workbook's own crashes and check-ins, sent to Sentry only when `PDM_SENTRY_DSN` is set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pdmlib.errors import PdmError
from pdmlib.site.environment import environment_value


@contextmanager
def watched(monitor: str) -> Iterator[None]:
    """Reports the block's crash and a check-in of `monitor`; does nothing without a DSN.

    Local variables, requests and people stay here: only the exception's type, the workbook's own
    frames and the monitor's name leave. A person's mistake (PdmError) is no crash.
    """
    dsn = environment_value("PDM_SENTRY_DSN")
    if not dsn:
        yield
        return
    import sentry_sdk
    from sentry_sdk.crons import capture_checkin

    sentry_sdk.init(
        dsn=dsn,
        send_default_pii=False,
        include_local_variables=False,
        max_breadcrumbs=0,
        before_send=_scrubbed,
        default_integrations=False,
    )
    check_in = capture_checkin(monitor_slug=monitor, status="in_progress")
    status = "error"
    try:
        yield
        status = "ok"
    except Exception as error:
        if not isinstance(error, PdmError):
            sentry_sdk.capture_exception(error)
        raise
    finally:
        capture_checkin(monitor_slug=monitor, check_in_id=check_in, status=status)
        sentry_sdk.flush(timeout=2)


def _scrubbed(event: Any, _: Any) -> Any:
    for key in ("request", "user", "server_name", "extra", "breadcrumbs", "modules"):
        event.pop(key, None)
    for exception in event.get("exception", {}).get("values", []):
        exception["value"] = ""
        for frame in exception.get("stacktrace", {}).get("frames", []):
            for key in ("abs_path", "vars", "context_line", "pre_context", "post_context"):
                frame.pop(key, None)
    return event
