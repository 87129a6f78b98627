"""ONNX Runtime: the LSTM operator, forward only, and in float32 only, since it has no other."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

from contest.case import Case
from contest.contestant import Contestant
from nanolstm import Array

NAME = "ONNX Runtime"

ORDER = ("input", "output", "forget", "new")
"""The operator's order of the gates."""


def session_of(case: Case, threads: int, *, streaming: bool = False) -> Any:
    """A session with the weights in it; a streaming one takes and gives the state as well."""
    _, _, M, H = case.shape
    p = case.cell.parameters
    U, W, b = (np.concatenate([p[f"{name}.{w}"] for name in ORDER]) for w in "UWb")
    weights = {"W": U[None], "R": W[None], "B": np.concatenate([b, np.zeros_like(b)])[None]}
    shapes = {"X": ("T", "B", M)} | ({"h": (1, "B", H), "c": (1, "B", H)} if streaming else {})
    answers = {"y_h": (1, "B", H), "y_c": (1, "B", H)} if streaming else {"y": ("T", 1, "B", H)}
    inputs = ["X", "W", "R", "B", *(["", "h", "c"] if streaming else [])]
    node = helper.make_node("LSTM", inputs, [""] * streaming + list(answers), hidden_size=H)
    graph = helper.make_graph(
        [node],
        "lstm",
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in shapes.items()],
        [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, shape) for name, shape in answers.items()],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def forward(case: Case, threads: int) -> Contestant:
    session = session_of(case, threads)
    inputs: dict[str, Array] = {"X": np.ascontiguousarray(np.swapaxes(case.x, 0, 1))}
    return Contestant(NAME, lambda: session.run(None, inputs)[0], lambda y: {"y": np.swapaxes(y[:, 0], 0, 1)})
