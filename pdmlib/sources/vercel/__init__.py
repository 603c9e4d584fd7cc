"""Vercel: deployments and where traffic went, build logs, crons, requests, response times, visits, charges."""
