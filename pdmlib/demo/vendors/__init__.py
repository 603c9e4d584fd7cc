"""The vendors of the demo by name, and the prefixes below which they answer."""

from __future__ import annotations

from collections.abc import Mapping

from pdmlib.demo.exchange import Vendor
from pdmlib.demo.vendors import app, resend, sentry, stripe, supabase, twilio, vercel

VENDORS: Mapping[str, Vendor] = {
    "app": app.VENDOR,
    "sentry": sentry.VENDOR,
    "vercel": vercel.VENDOR,
    "supabase": supabase.VENDOR,
    "stripe": stripe.VENDOR,
    "twilio": twilio.VENDOR,
    "resend": resend.VENDOR,
}
PREFIXES: Mapping[str, str] = {name: name for name in VENDORS} | {"twilio-monitor": "twilio"}
