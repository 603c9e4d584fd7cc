"""What the integrations did: payments, text messages, emails, webhooks, and whether each vendor is well."""
