"""Derivatives of a model: the rows of a batch, one part on them, and all parts with the loss on top."""
