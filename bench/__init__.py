"""Benchmarks: what the workbook costs in time and space, measured on this machine."""
