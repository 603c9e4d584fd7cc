"""The command that prints the JSON Schema of site files."""

from __future__ import annotations


def schema() -> None:
    """Print the JSON Schema that editors check a site file by."""
    from pdmlib.site.reference import schema_text

    print(schema_text(), end="")
