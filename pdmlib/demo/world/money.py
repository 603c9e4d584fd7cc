"""Charges: Stripe's record and the application's `payments` are the same facts."""

from __future__ import annotations

import numpy as np

from pdmlib.demo.world.grid import Story, Table, draw, rates, strength

SUCCEEDED, DECLINED, BROKEN = 0, 1, 2
_DECLINES = 0.02


def charges(story: Story) -> Table:
    """One row a charge: at, result, amount and fee in cents, customer.

    DECLINED is a card that the bank refused; BROKEN is an error of the API.
    """
    rng = story.rng("charges")
    at = draw(rng, rates(30, 8))
    amount = (np.round(rng.lognormal(5.0, 0.45, len(at)) / 5) * 500 + 400).astype(np.int64)
    result = np.where(rng.random(len(at)) < strength(at, story.plan.failed_payments), BROKEN, SUCCEEDED)
    if story.plan.everyday_failures:
        result = np.where((result == SUCCEEDED) & (rng.random(len(at)) < _DECLINES), DECLINED, result)
    fee = np.where(result == SUCCEEDED, np.round(amount * 0.029) + 30, 0).astype(np.int64)
    customer = rng.integers(0, 3_000, len(at))
    return Table({"at": at, "result": result, "amount": amount, "fee": fee, "customer": customer})
