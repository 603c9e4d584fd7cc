"""The site file: one block a file, loading and its errors, the environment, the analyst's notes."""
