"""PyTorch, which is imported when something asks for it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from nanolstm.errors import MissingPackageError


def imported(asks: str) -> Any:
    """The package `torch`.

    Raises:
        MissingPackageError: it is not there; the text says who asked, and what to install.
    """
    try:
        return import_module("torch")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingPackageError(
            f"{asks} needs PyTorch, which is not installed: `pip install torch`. A build for the CPU is enough, and "
            "much smaller; PyTorch's page 'Get started' says how to choose it"
        ) from None
