"""pdmlib."""
