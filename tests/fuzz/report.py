"""A failing case as a program that a reader can run without the fuzzer."""

from __future__ import annotations

from .case import Case
from .modes import EAGER, INTERPRETED, PLANNED
from .outcome import Failure
from .program import HEAD
from .surroundings import LOSSES, SIMPLEST

CALL = """\

def loss(prediction, target):
    return {loss}


rng = np.random.default_rng(0)
x = rng.uniform(-1.0, 1.0, {x})
cells = {cells}
reference, model = (nl.Sequence(cells(), backend=backend, {options}) for backend in ("numpy", "{backend}"))
target = rng.uniform(-1.0, 1.0, {target})
more = dict({more})
expected, found = (
    {call}
    for one in (reference, model)
)
print("step by step or NumPy:", expected, "{mode}:", found, sep="\\n")
"""


def program_of(case: Case, failure: Failure) -> str:
    """The source of a script that runs what failed and prints both results."""
    around = case.surroundings
    lead = (*((around.batch,) if around.batch else ()), around.time)
    scored = lead[:-1] if around.last else lead
    words = [_argument(name, value) for name, value in _arguments(case).items()]
    calls = {
        "output": "one(x, return_state=True, **more)",
        "recording": "dict(one.record(x, **more))",
        "training step with its run": "one.value_grad_and_run(x, target, loss=loss, **more)",
    }
    call = calls.get(failure.what, "one.value_and_grad(x, target, loss=loss, **more)")
    head = f"# {failure}".replace("\n", "\n# ")
    if failure.mode == INTERPRETED:
        head += "\n# Found in interpreted kernels; in machine code it may go unseen."
    cells = ", ".join(p.creation(rng=case.seed + i, dtype=around.dtype) for i, p in enumerate(case.programs))
    text = CALL.format(
        loss=LOSSES[around.loss],
        x=(*lead, case.programs[0].inputs),
        cells=f"lambda: [{cells}]",
        options=", ".join(f"{k}={v!r}" for k, v in {"rng": case.seed, **around.options()}.items()),
        backend={EAGER: "numpy", PLANNED: "auto"}.get(failure.mode, "numba"),
        target=f"({', '.join(map(str, scored))}{',' * bool(scored)} reference.outputs)",
        more=", ".join(words),
        call=call,
        mode=failure.mode,
    )
    return "\n".join([head, HEAD, *(p.render() for p in case.programs), _beside(case), text])


def _arguments(case: Case) -> dict[str, object]:
    around, chosen = case.surroundings, {}
    for name in ("truncate", "checkpoint_every"):
        if getattr(around, name) is not None:
            chosen[name] = getattr(around, name)
    if around.lengths:
        chosen["lengths"] = list(around.lengths)
    if around.last:
        chosen["steps"] = "last"
    if around.noise is not None:
        chosen["rng"] = around.noise
    return chosen


def _argument(name: str, value: object) -> str:
    return f"{name}={value!r}"


def _beside(case: Case) -> str:
    """What is not in the script, as a comment."""
    told = ("resets", "initial", "dtype", "threads", "rows_per_slice", "rows_per_block", "layout")
    around = case.surroundings
    beside = [f"{n}={getattr(around, n)!r}" for n in told if getattr(around, n) != getattr(SIMPLEST, n)]
    feeds = [field.render() for p in case.programs for field in p.fields if field.kind == "feed"]
    notes = [*beside, *(f"give the feed {f}" for f in feeds)]
    return f"# Surroundings beside: {'; '.join(notes)}." if notes else ""
