"""The `pdm` command: one file a group of commands; the one place that sets exit codes."""
