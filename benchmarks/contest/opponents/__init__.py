"""Who takes part, a library a file: what each makes of a case, to train a step of it or to run it."""
