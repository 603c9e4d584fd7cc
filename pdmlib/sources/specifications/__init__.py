"""What is read of each vendor's answers, and what its specification says of every field: one table a source."""
