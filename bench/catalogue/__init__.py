"""Faults of a database, each done to a real server under load, and what the report says of them."""
