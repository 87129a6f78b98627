"""Models in and out: the recurrent modules of PyTorch beside the cells that compute the same."""
