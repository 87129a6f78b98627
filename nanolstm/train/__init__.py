"""Training: the data in batches, the parameters as one vector, the loop, and what it answers with.

`fit.py` is the way in; `training.py` is the loop, which knows the rest: `examples.py` (what is trained on),
`batching.py` (in which pieces), `flat.py` (what is changed), `optimizer.py` (how), `scoring.py` (how good it is).
"""
