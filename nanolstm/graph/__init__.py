"""A step as data: nodes of a closed set of operations, how they come from NumPy code, and their derivatives.

Read in this order: `node` (what a graph is), `ops` (the table of operations), `tracer` and `vocabulary` (how NumPy
code becomes nodes), `derive` (derivatives, which are graphs of the same operations), `simplify`.
"""
