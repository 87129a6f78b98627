"""What NumPy's functions mean in a graph: each is an operation of the table, or composed of several.

All take the trace, then what NumPy's function takes. SciPy's and nanolstm's own are known by name, for neither is
imported for it.
"""

from typing import Any

from nanolstm.graph.tracer import Call
from nanolstm.graph.vocabulary.elementwise import ELEMENTWISE
from nanolstm.graph.vocabulary.places import PLACES
from nanolstm.graph.vocabulary.products import PRODUCTS
from nanolstm.graph.vocabulary.reductions import REDUCTIONS

VOCABULARY: dict[Any, Call] = {**ELEMENTWISE, **REDUCTIONS, **PLACES, **PRODUCTS}
"""Every function that may be used, by itself or by its name."""
