"""The range that a model's output cannot leave, read off its step."""

from __future__ import annotations

from nanolstm.graph.intervals import ranges
from nanolstm.sequence import Sequence
from nanolstm.traced import trace_step


def output_range(model: Sequence) -> tuple[float, float]:
    """The lowest and the highest value that the output of `model` can have, whatever its parameters and inputs.

    ```python
    import nanolstm as nl

    toy = nl.cells.ToyLSTM(inputs=2, hidden=3)
    assert nl.output_range(nl.Sequence(toy)) == (0, 1)                     # a sigmoid
    low, high = nl.output_range(nl.Sequence(toy, readout=1))               # a linear layer
    assert (low, high) == (float("-inf"), float("inf"))
    ```

    It is found by interval arithmetic on the traced step of the last cell, and never too narrow. It may be too wide: of
    a sum like `(1 - z) * h + z * n` it does not see that it stays between its parts. Masks of dropout and `noise` stand
    at their means, as they do outside of training. With it
    [`out_of_reach`][nanolstm.out_of_reach] says which targets the model cannot forecast.

    Raises:
        TraceError: the step cannot be traced.
    """
    tops = [model.top] if model.top is not None else [model.cells[-1], *(model.backward or ())[-1:]]
    found = []
    for cell in tops:
        graph = trace_step(cell).graph
        output = graph.outputs["output"]
        masks = {graph.inputs[name]: (noise.mean, noise.mean) for name, noise in cell.anatomy.noises.items()}
        found.append(ranges([output], masks)[output])
    return min(low for low, _ in found), max(high for _, high in found)
