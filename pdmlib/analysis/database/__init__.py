"""The database: host, statements, plans, counters, causes and checks."""
