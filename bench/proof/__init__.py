"""The proof: how often verdicts are right, on deployments of the demo world whose truth is known."""
