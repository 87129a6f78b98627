"""A graph as something that runs: what is computed when (`plan`), the source of it (`emit`), and the source at work."""
