"""Requests: populations, routes, hours and days."""
