"""Uptime, outages and incidents."""
