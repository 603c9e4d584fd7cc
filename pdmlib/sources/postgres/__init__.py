"""The application's own PostgreSQL, read in one bounded, read-only session."""
