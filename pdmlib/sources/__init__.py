"""One vendor a file or folder: read-only, bounded, each result or a gap."""
