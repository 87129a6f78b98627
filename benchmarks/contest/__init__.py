"""What `benchmarks/speed.py` is made of.

The parent reads the options (`speed.py`) and starts one process for each part and thread count (`worker.py`); a part
(`parts/`) yields entries (`entry.py`), which are printed as they come (`table.py`) and kept (`results.py`). From what
is kept come the goals (`goals.py`), the page (`page.py`) and the picture (`picture.py`).

The cells are in `cells.py`, once more for PyTorch and JAX in `twins.py`; who runs them is in `opponents/`.
"""
