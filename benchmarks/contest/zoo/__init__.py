"""Every cell of the zoo beside itself in PyTorch and JAX.

Nobody writes fifty cells three times. The graph of a step, which our own kernels are made from, is run node by node in
the other libraries as well, in the form that somebody who writes for speed would give it: what does not depend on the
state is computed for all steps at once, before or after the loop, and products that share a vector are one.
"""
