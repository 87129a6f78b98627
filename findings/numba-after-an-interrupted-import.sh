#!/usr/bin/env bash
# numba 0.68.1 with llvmlite 0.50.0, Python 3.11, seen on 2026-12-01.
#
# Ctrl-C during the first `import numba`, which takes a second or more, leaves the process without Numba for good: what
# is imported or called later raises AttributeError. The package is removed from sys.modules, its submodules are not, so that
# the second import binds no `numba.core` to the new package. Only a new process helps.
#
# Output seen:
#   interrupted in numba.core.types
#   AttributeError: module 'numba' has no attribute 'core'
#
# nanolstm runs such a process in NumPy and says what to do: tests/kernels/test_without_kernels.py.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet numba==0.68.1
"$folder/venv/bin/python" - <<'PY'
import sys


class CtrlC:
    """Raises what Ctrl-C raises, at the moment at which a submodule is looked for."""

    def find_spec(self, name, path=None, target=None):
        if name == "numba.core.types":
            sys.meta_path.remove(self)
            raise KeyboardInterrupt


sys.meta_path.insert(0, CtrlC())
try:
    import numba
except KeyboardInterrupt:
    print("interrupted in numba.core.types")
try:
    import numba

    numba.njit(lambda x: x + 1)(1)
except AttributeError as error:
    print(f"AttributeError: {error}")
else:
    sys.exit("the second import works: the behaviour has changed")
PY
