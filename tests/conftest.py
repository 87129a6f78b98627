"""Most tests are about what is computed, with hundreds of small cells: NumPy runs them, at once.

The kernels have tests of their own, in `tests/kernels`; `NANOLSTM_BACKEND=numba pytest` runs all of them compiled.
"""

import os

os.environ.setdefault("NANOLSTM_BACKEND", "numpy")
# Work memory is filled with NaN before each call, and guarded: a read of what nobody wrote spoils a result.
os.environ.setdefault("NANOLSTM_POISON", "1")


def pytest_collection_modifyitems(items):
    """The pages of the documentation go first: one takes half a minute, for which the other process would wait."""
    items.sort(key=lambda item: item.path.name != "test_documentation.py")
