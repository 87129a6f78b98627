"""Many trainings, as one table."""
