"""Stripe: what is asked, each field that is read, the specification it is from, and whose fault a failure is."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Self

from pdmlib.frames.understanding import Unclear
from pdmlib.sources.fields import MOST, Answer, flag, moment, number, part, text, word

API = "Stripe OpenAPI of API versions 2026-06-24.dahlia and 2026-10-28.endive"


class Outcome(Answer):
    """What Stripe and the issuer made of an attempt; one that is there and is no object has no type."""

    item, request, specification = "charges.outcome", "GET /v1/charges", API
    type: str | None = text(
        "type",
        "authorized, manual_review (the failure code says why it failed after all), issuer_declined, blocked (by "
        "risk rules), invalid (the call was wrong)",
    )

    @classmethod
    def read(cls, entry: Any, unclear: Unclear) -> Self | None:
        """The outcome; without a type where it is not understood, so that it is no missing one."""
        return super().read(entry, unclear) or cls({"type": None})


class Charge(Answer):
    """One attempt to take a payment."""

    item, request, specification = "charges", "GET /v1/charges", API
    id: str | None = text("id", "the attempt")
    created: datetime | None = moment("created", "when it was made", "s")
    status: str | None = word(
        "status", "how it ended; a bank debit is pending for days", "succeeded pending failed"
    )
    failure_code: str | None = text("failure_code", "why it failed; new codes come with every version", null=True)
    outcome: Outcome | None = part("outcome", "null for most bank debits", Outcome, null=True)


class Transaction(Answer):
    """One entry of the account's balance."""

    item, request, specification = "balance_transactions", "GET /v1/balance_transactions", API
    created: datetime | None = moment("created", "when it was made", "s")
    type: str | None = word(
        "type",
        "what it is",
        "adjustment advance advance_funding anticipation_repayment application_fee application_fee_refund "
        "charge climate_order_purchase climate_order_refund connect_collection_transfer contribution "
        "fee_credit_funding inbound_transfer inbound_transfer_reversal issuing_authorization_hold "
        "issuing_authorization_release issuing_dispute issuing_dispute_provisional_credit "
        "issuing_dispute_provisional_credit_reversal issuing_transaction obligation_outbound "
        "obligation_reversal_inbound payment payment_failure_refund payment_network_reserve_hold "
        "payment_network_reserve_release payment_refund payment_reversal payment_unreconciled payout "
        "payout_cancel payout_failure payout_minimum_balance_hold payout_minimum_balance_release refund "
        "refund_failure reserve_hold reserve_release reserve_transaction reserved_funds "
        "stripe_balance_payment_debit stripe_balance_payment_debit_reversal stripe_fee stripe_fx_fee tax_fee "
        "tax_fund topup topup_reversal transfer transfer_cancel transfer_failure transfer_refund",
    )
    reporting_category: str | None = text(
        "reporting_category", "what it is to an accountant; `fee`: its cost stands in the amount"
    )
    amount: float | None = number("amount", "what moved; below 0: away from us", low=-MOST, unit="minor units")
    fee: float | None = number(
        "fee", "what it cost beside the amount; below 0: given back", low=-MOST, unit="minor units"
    )
    currency: str | None = text("currency", "three letters of ISO 4217")


class Event(Answer):
    """One event that was not delivered to an endpoint."""

    item, request, specification = "events", "GET /v1/events?delivery_success=false", API
    id: str | None = text("id", "the event")
    type: str | None = text("type", "what happened, such as charge.failed; over 200 words, more in every version")
    created: datetime | None = moment("created", "when it happened", "s")
    pending: float | None = number("pending_webhooks", "endpoints that have not taken it yet")


class Evidence(Answer):
    """Until when a dispute can be answered."""

    item, request, specification = "disputes.evidence_details", "GET /v1/disputes", API
    due_by: float | None = number(
        "due_by", "until when evidence is taken; 0: none is", high=4e9, unit="seconds since 1970", null=True
    )


class Dispute(Answer):
    """One payment that a cardholder took back to their bank."""

    item, request, specification = "disputes", "GET /v1/disputes", API
    id: str | None = text("id", "the dispute")
    created: datetime | None = moment("created", "when it began", "s")
    status: str | None = word(
        "status",
        "whose turn it is",
        "needs_response warning_needs_response appeal_needs_response under_review warning_under_review "
        "appeal_under_review won lost prevented warning_closed",
    )
    reason: str | None = text("reason", "the cardholder's reason")
    evidence: Evidence | None = part("evidence_details", "until when it can be answered", Evidence)


class WebhookEndpoint(Answer):
    """One address that Stripe calls."""

    item, request, specification = "webhook_endpoints", "GET /v1/webhook_endpoints", API
    id: str | None = text("id", "the endpoint: several may share a path on different hosts")
    url: str | None = text("url", "where it leads; of it host and path are kept")
    status: str | None = word("status", "whether it is called", "enabled disabled")


class Balance(Answer):
    """What the account holds; read for the key's mode alone."""

    item, request, specification = "account", "GET /v1/balance", API
    livemode: bool | None = flag("livemode", "whether the key is of the live mode")


class PaymentError(Answer):
    """Why a payment did not succeed."""

    item, request, specification = "payment_intents.last_payment_error", "GET /v1/payment_intents/{id}", API
    code: str | None = text("code", "why, by the error codes", null=True)


class PaymentIntent(Answer):
    """The test payment; asked for by `pdm doctor --probe payment` alone."""

    item, request, specification = "payment_intents", "GET /v1/payment_intents/{id}", API
    status: str | None = word(
        "status",
        "how far it is",
        "requires_payment_method requires_confirmation requires_action processing requires_capture canceled "
        "succeeded",
    )
    created: datetime | None = moment("created", "when it was made", "s")
    error: PaymentError | None = part("last_payment_error", "why it did not succeed", PaymentError, null=True)


class Payout(Answer):
    """One transfer of money to the bank account."""

    item, request, specification = "payouts", "GET /v1/payouts", API
    id: str | None = text("id", "the payout")
    status: str | None = word("status", "how far it is", "paid pending in_transit canceled failed")
    failure_code: str | None = text("failure_code", "why the bank refused it", null=True)
    currency: str | None = text("currency", "three letters of ISO 4217: an account is paid out in each")


ASKED = (
    Charge,
    Outcome,
    Transaction,
    Event,
    Dispute,
    Evidence,
    WebhookEndpoint,
    Balance,
    Payout,
    PaymentIntent,
    PaymentError,
)

# Whose fault a failed payment is. Outcomes first; where the outcome is null or the payment had been let through,
# the failure code (error codes and types of the specification). What stands in neither list is not understood.
BY_CODE = "by code"
OUTCOMES = {"customer": "issuer_declined blocked", "ours": "invalid", BY_CODE: "authorized manual_review"}
CODES = {
    # The customer's card, account, address or consent, or what their bank makes of it.
    "customer": (
        "account_closed account_number_invalid authentication_required balance_insufficient "
        "bank_account_bad_routing_numbers bank_account_declined bank_account_restricted "
        "bank_account_unusable bank_account_unverified bank_account_verification_failed "
        "card_decline_rate_limit_exceeded card_declined charge_exceeds_source_limit debit_not_authorized "
        "expired_card incorrect_address incorrect_cvc incorrect_number incorrect_zip "
        "india_recurring_payment_mandate_canceled insufficient_funds invalid_cvc invalid_expiry_month "
        "invalid_expiry_year invalid_number no_account payment_intent_authentication_failure "
        "payment_intent_konbini_rejected_confirmation_number payment_intent_payment_attempt_expired "
        "payment_method_bank_account_blocked payment_method_customer_decline "
        "payment_method_provider_decline postal_code_invalid refer_to_customer routing_number_invalid "
        "sepa_unsupported_account"
    ),
    # Our call, our settings, our rate, or Stripe's and its partners' own trouble.
    "ours": (
        "account_invalid amount_too_large amount_too_small api_error api_key_expired "
        "charge_invalid_parameter idempotency_error idempotency_key_in_use invalid_charge_amount "
        "invalid_request_error livemode_mismatch lock_timeout parameter_invalid_empty "
        "parameter_invalid_integer parameter_invalid_string_blank parameter_invalid_string_empty "
        "parameter_missing parameter_unknown parameters_exclusive payment_intent_invalid_parameter "
        "payment_intent_rate_limit_exceeded payment_method_configuration_failures "
        "payment_method_currency_mismatch payment_method_invalid_parameter "
        "payment_method_microdeposit_processing_error payment_method_not_available "
        "payment_method_provider_timeout payment_method_unactivated payment_method_unsupported_type "
        "platform_api_key_expired processing_error rate_limit resource_missing secret_key_required "
        "testmode_charges_only tls_version_unsupported"
    ),
}

DISPUTES = {
    "open": "needs_response warning_needs_response appeal_needs_response",
    "under_review": "under_review warning_under_review appeal_under_review",
    "closed": "won lost prevented warning_closed",
}

# Entries whose cost stands in the amount, below 0, and whose fee is 0: balance transaction types, and for a
# type of a later version the reporting categories.
FEES, FEE_CATEGORIES = ("stripe_fee", "stripe_fx_fee", "tax_fee"), ("fee", "network_cost", "tax")

# Currencies without a minor unit, and with one of a thousandth (docs.stripe.com/currencies). UGX and ISK have none
# either and are told in hundredths all the same, for older integrations.
WHOLE = "bif clp djf gnf jpy kmf krw mga pyg rwf vnd vuv xaf xof xpf"
THOUSANDTHS = "bhd jod kwd omr tnd"
