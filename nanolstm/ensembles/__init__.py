"""Many models of one shape, run and trained side by side."""
