"""The table of forms: every way of writing an operation that a random program may use.

A form is a function of a builder and a value; it emits statements that read the value and returns their result.
"""

from __future__ import annotations

from . import einsum, elementwise, joining, language, masks, places, products, reductions
from .table import FORMS, Form

__all__ = ["FORMS", "Form", "einsum", "elementwise", "joining", "language", "masks", "places", "products", "reductions"]
