"""The requests that change something at a vendor, and what each may send: `pdm doctor --probe` alone makes them.

Everything else is read by `Api.get`. Each of these is sent at most once: where the vendor knows an
`Idempotency-Key` it may be repeated with the same one, else it is never repeated.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from pdmlib.errors import SourceError
from pdmlib.sources.http import Api

TRIES = 3  # of a request that may be repeated: a lost answer is not lost three times, within the minute allowed
AGAIN_S = 0.5  # before the second try
# A status with which a vendor may have done it, although it is an error (RFC 9110): it took too long, the key is
# in use or was used for something else. So may every one of 500 and more.
PERHAPS_DONE = (408, 409)


@dataclass(frozen=True)
class Write:
    """One request that changes something.

    Attributes:
        path: the whole path; `{}` is the account or the object.
        fields: what its body may hold, separated by spaces.
        form: whether the body is a form; else it is JSON.
        repeatable: whether the vendor does what has the same `Idempotency-Key` once, however often it is asked.
    """

    path: str
    fields: str
    form: bool = True
    repeatable: bool = True


# Stripe: API version 2026-06-24.dahlia. Twilio: api_v2010 1.0.0, which knows no such key. Resend: 1.5.0.
PAY = Write(
    "/v1/payment_intents",
    "amount currency confirm payment_method payment_method_types[] description metadata[pdm]",
)
CANCEL = Write("/v1/payment_intents/{}/cancel", "")
REFUND = Write("/v1/refunds", "payment_intent")
TEXT = Write("/2010-04-01/Accounts/{}/Messages.json", "To From Body", repeatable=False)
MAIL = Write("/emails", "from to subject text", form=False)
ALLOWED = (PAY, CANCEL, REFUND, TEXT, MAIL)


class RefusedError(SourceError):
    """The vendor did nothing: it says no, or was never reached.

    Attributes:
        status: of HTTP; None where it was not reached.
        body: what it answered.
    """

    def __init__(self, source: str, reason: str, status: int | None = None, body: Any = None) -> None:
        super().__init__(source, reason)
        self.status, self.body = status, body


class PerhapsError(SourceError):
    """It is not known whether the vendor did it."""


class Writer(Api):
    """A vendor's API of which something may be asked that changes something, too."""

    attempts = 1

    def write(self, what: Write, body: Mapping[str, str], key: str, of: str = "") -> dict[str, Any]:
        """The vendor's answer, which is an object.

        Args:
            key: the same for the same thing.
            of: the account or object that it is about.

        Raises:
            RefusedError: nothing was done.
            PerhapsError: it may have been done.
        """
        if what not in ALLOWED or not set(body) <= set(what.fields.split()):
            raise ValueError(f"{what.path}: not a request that may be made")
        perhaps: PerhapsError | None = None
        for attempt in range(TRIES if what.repeatable else 1):
            if attempt:
                time.sleep(AGAIN_S * attempt)
            try:
                return self._written(what, body, key=key, path=what.path.format(of))
            except PerhapsError as error:
                perhaps = error
            except RefusedError:
                # A vendor that cannot be reached now may have done it when it was asked before.
                if perhaps is None:
                    raise
        raise perhaps or PerhapsError(self.source, "no answer")

    def _written(self, what: Write, body: Mapping[str, str], key: str, path: str) -> dict[str, Any]:
        headers = {"Idempotency-Key": key} if what.repeatable else {}
        sent: dict[str, Any] = {"data" if what.form else "json": dict(body)}
        try:
            response = self._client.post(self._base + path, headers=headers, **sent)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.InvalidURL):
            raise RefusedError(self.source, "it could not be reached") from None
        except (httpx.HTTPError, SourceError):
            raise PerhapsError(self.source, "it took the request and its answer was lost") from None
        answer = _object(response)
        if response.is_success and answer is not None:
            self._answered = True
            return answer
        reason = self.refused(response).reason
        if response.is_client_error and response.status_code not in PERHAPS_DONE:
            raise RefusedError(self.source, reason, response.status_code, body=answer)
        raise PerhapsError(self.source, reason)


def _object(response: httpx.Response) -> dict[str, Any] | None:
    try:
        found = json.loads(response.content)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
