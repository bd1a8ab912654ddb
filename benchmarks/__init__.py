"""Benchmarks: jhkube beside what one would take instead, on one machine in one run; `python -m benchmarks --help`."""
