"""Before against after: baselines, changes, the same hours of the week."""
