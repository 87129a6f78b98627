"""Random valid cells, run by every backend and compared; `python -m tests.fuzz --help` says how to run it."""
