"""The tidy frames that sources fill: schemas, rows, collections, the case to judge, readings."""
