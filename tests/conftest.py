"""Most tests are about what is computed, with hundreds of small cells: NumPy runs them, at once.

The kernels have tests of their own, in `tests/kernels`; `NANOLSTM_BACKEND=numba pytest` runs all of them compiled.
"""

import os

os.environ.setdefault("NANOLSTM_BACKEND", "numpy")
