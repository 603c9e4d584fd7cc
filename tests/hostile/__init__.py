"""A hostile world: real faults on real parts, tried by `make faults` for an hour and by the tests for a minute."""
