"""The sections of the guide: pure functions of a case."""
