"""The probes that have a side effect: a test payment, a test message, a test e-mail, each by its vendor's record.

A probe makes one thing by `writes`, and then reads what the vendor says of it until that is final or a minute is
over. Without `really` only what the vendor keeps for tests is used: no money moves and nobody is written to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import sleep
from typing import Any, ClassVar

from pdmlib.errors import CallError, SourceError
from pdmlib.frames.states import Proof
from pdmlib.frames.understanding import Unclear
from pdmlib.phases.window import now
from pdmlib.site.site import Site
from pdmlib.site.vendors import Resend, Stripe, Twilio
from pdmlib.sources.fields import entries
from pdmlib.sources.specifications.resend import Email
from pdmlib.sources.specifications.stripe import WHOLE, Event, PaymentIntent
from pdmlib.sources.specifications.twilio import Message
from pdmlib.sources.stripe import YOUNG
from pdmlib.sources.writes import CANCEL, MAIL, PAY, REFUND, TEXT, PerhapsError, RefusedError, Write, Writer

AGAIN_S = 2.0  # between two looks at the vendor's record
CLOSED = ("401", "403")  # refusals of a key that may send and not read: looking again is of no use
SAYS = "A test of the deployment by pdm. Nothing is to be done."

# The smallest amount that may be charged, in minor units (docs.stripe.com/currencies, minimum charge amounts).
SMALLEST = {"gbp": 30}
SMALLEST_OF_OTHERS = 50
# Stripe's keys by their beginning (docs.stripe.com/keys): what is no test key is taken for a live one.
TEST_KEYS, LIVE_KEYS = ("sk_test_", "rk_test_"), ("sk_live_", "rk_live_")
CARD = "pm_card_visa"  # a card of Stripe's that pays, of test keys only (docs.stripe.com/testing)
# Twilio's number that passes every check and reaches nobody (twilio.com/docs/iam/test-credentials), and what is
# answered where it is the sender and the credentials are no test credentials (error dictionary).
MAGIC = "+15005550006"
NOT_OURS = (21212, 21606, 21659, 21660)
DELIVERED = "delivered@resend.dev"  # always delivered (resend.com/docs/dashboard/emails/send-test-emails)


WORST = (Proof.FAILED, Proof.NOT_KNOWN, Proof.WORKED)


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what it is, what was found, by which evidence, and what to do."""

    what: str
    state: Proof
    evidence: str
    todo: str = ""


def worst(checks: Sequence[Check]) -> Proof:
    """The worst state of several checks; of none it is not known."""
    return next((s for s in WORST if any(check.state is s for check in checks)), Proof.NOT_KNOWN)


Tell = Callable[[str], None]


class Probe:
    """What every probe has.

    Attributes:
        vendor, box: the source, and the line of the guide's checklist that it answers.
        page: where a person looks.
    """

    vendor: ClassVar[str]
    box: ClassVar[str]
    page: ClassVar[str]
    api: Writer

    def __init__(self, site: Site, really: bool, tell: Tell) -> None:
        self.site, self.really, self.tell = site, really, tell
        self.unclear = Unclear(self.vendor)

    def send(self, key: str) -> str:
        """Makes the one thing, and returns the vendor's id of it.

        Raises:
            RefusedError: nothing was made.
            PerhapsError: it may have been made.
        """
        raise NotImplementedError

    def look(self, made: str, key: str, known: Mapping[str, Check]) -> Iterator[Check]:
        """What became of it; what is known already is not asked again."""
        raise NotImplementedError

    def why_refused(self, error: RefusedError) -> Check:
        """What it means that the vendor did nothing."""
        tried = error.status is not None and not error.reason.startswith((*CLOSED, "404", "429"))
        todo = "mend what it says, then call again" if tried else "see that the key may do it, then call again"
        return Check(
            self.vendor, Proof.FAILED if tried else Proof.NOT_KNOWN, f"nothing was sent: {error.reason}", todo
        )

    def secret(self, *variables: str | None) -> str:
        """The value of the first variable that the site file names.

        Raises:
            CallError: it is not set.
        """
        name = next(filter(None, variables), None)
        found = self.site.secrets.get(name or "")
        if name is None or found is None or not found.get_secret_value():
            raise CallError(f"--probe: set the environment variable {name}, which {self.site.file} names")
        return self.site.secret(name)

    def made(self, what: Write, body: Mapping[str, str], key: str, id_key: str = "id", of: str = "") -> str:
        """The id of what a request makes."""
        found = self.api.write(what, body, key, of=of).get(id_key)
        if not _is_id(found):
            raise PerhapsError(self.vendor, "its answer names no id")
        return str(found)

    def waits(
        self, made: str, status: str | None, todo: str = "call again in a minute"
    ) -> tuple[Proof, str, str, bool]:
        """A look that found nothing final yet."""
        return Proof.NOT_KNOWN, f"{made} is {status or 'in a state not understood'}", todo, False

    def follow(self, what: str, look: Callable[[], tuple[Proof, str, str, bool]]) -> Check:
        """What a look finds, again and again until it is final or the time is over.

        Args:
            look: state, evidence, what to do, and whether it is final.
        """
        while True:
            try:
                state, evidence, todo, final = look()
            except SourceError as error:
                state, evidence, todo = Proof.NOT_KNOWN, error.reason, f"look at {self.page}"
                final = error.reason.startswith(CLOSED)
            left = self.api.budget.left()
            if final or left < AGAIN_S:
                return Check(what, state, evidence, todo)
            self.tell(f"{what}: {evidence}, {left:.0f} s left")
            sleep(AGAIN_S)


class Payment(Probe):
    """A payment of the smallest amount by a test card; with a live key one that nobody pays, cancelled at once."""

    vendor, box = "stripe", "Stripe: Test payment processed"
    page = "dashboard.stripe.com, Payments, in the key's mode"

    def __init__(self, site: Site, really: bool, tell: Tell) -> None:
        super().__init__(site, really, tell)
        block = site.source(self.vendor)
        assert isinstance(block, Stripe)
        secret = self.secret(block.probe_key_env, block.key_env)
        is_test = secret.startswith(TEST_KEYS) or (site.demo is not None and not secret.startswith(LIVE_KEYS))
        if not (is_test or really):
            raise CallError(
                "--probe payment: the key is no test key (sk_test_.., rk_test_..): name one in "
                "sources.stripe.probe_key_env; --really makes a live payment that nobody pays, and cancels it"
            )
        self.live, self.currency = not is_test, block.probe_currency
        self.amount = SMALLEST.get(self.currency, SMALLEST_OF_OTHERS)
        headers = {"Authorization": f"Bearer {secret}", "Stripe-Version": block.api_version}
        self.api = Writer(self.vendor, block.base_url, headers)
        self.event = "payment_intent.canceled" if self.live else "payment_intent.succeeded"

    def send(self, key: str) -> str:
        """As `Probe.send`; a payment that is declined was made, too."""
        body = {
            "amount": str(self.amount),
            "currency": self.currency,
            "payment_method_types[]": "card",
            "description": SAYS,
            "metadata[pdm]": key,
        }
        try:
            return self.made(PAY, body if self.live else {**body, "confirm": "true", "payment_method": CARD}, key)
        except RefusedError as error:
            declined = _inside(error.body, "error", "payment_intent", "id")
            if not _is_id(declined):
                raise
            return str(declined)

    def look(self, made: str, key: str, known: Mapping[str, Check]) -> Iterator[Check]:
        """The payment, and whether the webhook of its end arrived."""
        payment = known.get("payment") or self.follow("payment", lambda: self._payment(made, key))
        yield payment
        if payment.state is Proof.WORKED:
            yield known.get("webhook") or self.follow("webhook", lambda: self._webhook(made))

    def _payment(self, made: str, key: str) -> tuple[Proof, str, str, bool]:
        found = PaymentIntent.of(self.api.get(f"/v1/payment_intents/{made}").json(), self.unclear)
        status = found.status if found else None
        if status == "succeeded":
            return self._undone(made, key, REFUND, paid=True) if self.really else self._good(made, "was paid")
        if self.live and status in ("requires_payment_method", "requires_confirmation"):
            return self._undone(made, key, CANCEL, paid=False)
        if self.live and status == "canceled":
            return self._good(made, "was asked for, charged to nobody, and cancelled")
        if status in ("requires_payment_method", "canceled"):
            why = (found.error.code if found and found.error else None) or "no reason is told"
            return Proof.FAILED, f"{made} was not paid: {why}", "look what Stripe's log says of it", True
        return self.waits(made, status, f"look at {self.page}")

    def _undone(self, made: str, key: str, how: Write, paid: bool) -> tuple[Proof, str, str, bool]:
        """Takes back what was made; what is cancelled is looked at once more."""
        try:
            self.api.write(how, {"payment_intent": made} if paid else {}, f"{key}-undo", of=made)
        except SourceError as error:
            word = "refund" if paid else "cancel"
            return Proof.FAILED, f"{made} is there still: {error.reason}", f"{word} it in the dashboard", False
        if paid:
            return self._good(made, "was paid and refunded")
        return Proof.NOT_KNOWN, f"{made} is being cancelled", f"look at {self.page}", False

    def _good(self, made: str, what: str) -> tuple[Proof, str, str, bool]:
        paid = f"{self.amount}" if self.currency in WHOLE.split() else f"{self.amount / 100:.2f}"
        return Proof.WORKED, f"{paid} {self.currency.upper()} {what}: {made}", "", True

    def _webhook(self, made: str) -> tuple[Proof, str, str, bool]:
        """Whether every endpoint took the event; Stripe counts those that did not, so none where there is none."""
        endpoints = entries(self.vendor, self.api.get("/v1/webhook_endpoints", {"limit": 100}).json(), "data")
        wanting = [one for one in endpoints if _takes(one, self.event)]
        taking = [one for one in wanting if one.get("status") == "enabled"]
        if wanting and not taking:
            why = f"every webhook endpoint that takes {self.event} is switched off"
            return Proof.FAILED, why, "enable it in the dashboard", True
        if not taking:
            why = f"no webhook endpoint of the key's mode takes {self.event}"
            return Proof.NOT_KNOWN, why, "make one in this mode, and probe after the next deployment", True
        body = self.api.get("/v1/events", {"limit": 100, "type": self.event}).json()
        for entry in entries(self.vendor, body, "data"):
            found = Event.of(entry, self.unclear) if _inside(entry, "data", "object", "id") == made else None
            if found is not None and found.pending == 0:
                return (
                    Proof.WORKED,
                    f"{self.event} was taken by {len(taking)} of {len(taking)} endpoints",
                    "",
                    True,
                )
            if found is not None and found.pending:
                old = found.created is not None and now() - found.created > YOUNG
                why = f"{self.event} was not taken yet by {found.pending:.0f} of {len(taking)} endpoints"
                state = Proof.FAILED if old else Proof.NOT_KNOWN
                return (
                    state,
                    why,
                    "call again in a few minutes; the dashboard says what the endpoint answered",
                    old,
                )
        return (
            Proof.NOT_KNOWN,
            f"{self.event} is not among the newest events yet",
            "call again in a few minutes",
            False,
        )


class Text(Probe):
    """A text message by Twilio's test number, which reaches nobody; really: to a number of yours."""

    vendor, box = "twilio", "Twilio: Test SMS delivered"
    page = "console.twilio.com, Monitor, Logs, Messaging"

    def __init__(self, site: Site, really: bool, tell: Tell) -> None:
        super().__init__(site, really, tell)
        block = site.source(self.vendor)
        assert isinstance(block, Twilio)
        user = self.secret(block.probe_user_env, block.user_env)
        basic = (user, self.secret(block.probe_password_env, block.password_env))
        self.sender, self.to = MAGIC, MAGIC
        if really:
            self.sender = self.secret(_named(block.probe_from_env, "twilio.probe_from_env"))
            self.to = self.secret(_named(block.probe_to_env, "twilio.probe_to_env"))
        # Test credentials are an account of their own.
        self.account = user if user.startswith("AC") else block.account_sid
        self.api = Writer(self.vendor, block.base_url, basic=basic)

    def send(self, key: str) -> str:
        """As `Probe.send`."""
        body = {"To": self.to, "From": self.sender, "Body": SAYS}
        return self.made(TEXT, body, key, id_key="sid", of=self.account)

    def look(self, made: str, key: str, known: Mapping[str, Check]) -> Iterator[Check]:
        """The message."""
        yield known.get("message") or self.follow("message", lambda: self._message(made))

    def _message(self, made: str) -> tuple[Proof, str, str, bool]:
        path = f"/2010-04-01/Accounts/{self.account}/Messages/{made}.json"
        try:
            answer = self.api.get(path).json()
        except SourceError as error:
            if self.really or not error.reason.startswith(CLOSED):
                raise
            why = f"Twilio took {made}, and lets test credentials read nothing back and deliver nothing"
            return Proof.NOT_KNOWN, why, "--really sends one to a number of yours", True
        found = Message.of(answer, self.unclear)
        status, to = found.status if found else None, _shortened(self.to)
        if status in ("delivered", "read"):
            return Proof.WORKED, f"{made} to {to} was delivered", "", True
        if status in ("failed", "undelivered", "canceled"):
            code = found.error_code if found else None
            why = "no reason is told" if code is None else f"error {code:.0f}"
            return Proof.FAILED, f"{made} to {to} is {status}: {why}", "see twilio.com/docs/api/errors", True
        return self.waits(made, status)

    def why_refused(self, error: RefusedError) -> Check:
        """As `Probe.why_refused`; the test number is nobody's but the test credentials'."""
        if not self.really and _inside(error.body, "code") in NOT_OURS:
            todo = "name test credentials in sources.twilio.probe_user_env and probe_password_env"
            why = f"nothing was sent: these are no test credentials ({error.reason})"
            return Check("message", Proof.NOT_KNOWN, why, todo)
        return super().why_refused(error)


class Mail(Probe):
    """An e-mail to the vendor's own test address; really: to an address of yours."""

    vendor, box = "resend", "Resend: Test email delivered"
    page = "resend.com/emails"

    def __init__(self, site: Site, really: bool, tell: Tell) -> None:
        super().__init__(site, really, tell)
        block = site.source(self.vendor)
        assert isinstance(block, Resend)
        secret = self.secret(block.probe_key_env, block.key_env)
        self.sender, self.to = block.probe_from, DELIVERED
        if really:
            self.to = self.secret(_named(block.probe_to_env, "resend.probe_to_env"))
        self.api = Writer(self.vendor, block.base_url, {"Authorization": f"Bearer {secret}"})

    def send(self, key: str) -> str:
        """As `Probe.send`."""
        return self.made(
            MAIL, {"from": self.sender, "to": self.to, "subject": "Test Deployment", "text": SAYS}, key
        )

    def look(self, made: str, key: str, known: Mapping[str, Check]) -> Iterator[Check]:
        """The e-mail."""
        yield known.get("e-mail") or self.follow("e-mail", lambda: self._mail(made))

    def _mail(self, made: str) -> tuple[Proof, str, str, bool]:
        found = Email.of(self.api.get(f"/emails/{made}").json(), self.unclear)
        event, to = found.last_event if found else None, _shortened(self.to)
        if event in ("delivered", "opened", "clicked"):
            return Proof.WORKED, f"{made} to {to} was delivered", "", True
        if event in ("bounced", "complained", "failed", "canceled", "suppressed"):
            return Proof.FAILED, f"{made} to {to} is {event}", f"look at {self.page}", True
        return self.waits(made, event)


PROBES: Mapping[str, type[Probe]] = {"payment": Payment, "sms": Text, "email": Mail}


def _is_id(value: Any) -> bool:
    """Whether a value can be an id of a vendor, which stands in paths and on the screen."""
    return isinstance(value, str) and re.fullmatch(r"[\w-]{1,80}", value, re.ASCII) is not None


def _named(variable: str | None, key: str) -> str:
    if variable is None:
        raise CallError(f"--probe with --really needs sources.{key}: the environment variable that holds it")
    return variable


def _takes(endpoint: Any, event: str) -> bool:
    """Whether an endpoint, if it is enabled, is called for an event (Stripe: `*` stands for all)."""
    wanted = _inside(endpoint, "enabled_events")
    return isinstance(wanted, list) and (event in wanted or "*" in wanted)


def _inside(body: Any, *path: str) -> Any:
    """What lies at a path of an answer; None where it leads nowhere."""
    for key in path:
        body = body.get(key) if isinstance(body, dict) else None
    return body


def _shortened(recipient: str) -> str:
    """A recipient as it is shown: of an address the host, of a number its last two digits."""
    name, at, host = recipient.rpartition("@")
    return f"{name[:1]}***@{host}" if at else f"***{recipient[-2:]}"
