"""What the comparisons with PyTorch share: a step in a plain loop over time, and a model beside its twin in torch.

A twin is a function of (parameters, x, initial, feeds), dicts of tensors under nanolstm's own names, that answers with
y and the last states. PyTorch derives it; every number must then agree to 1e-10 of the largest beside it.
"""

import numpy as np
import pytest

try:
    import torch
except ModuleNotFoundError:  # each module skips itself, and says why
    torch = None

TOLERANCE = 1e-10
LOSSES = {
    "mse": lambda y, target: ((y - target) ** 2).mean(),
    "rmse": lambda y, target: ((y - target) ** 2).mean().sqrt(),
}


@pytest.fixture(autouse=True)
def one_thread():
    if torch is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def agree(ours, theirs, name=""):
    """Compare numbers, arrays, and dicts of them; the largest of theirs is the measure, where that is not next to 0."""
    if isinstance(theirs, dict):
        assert ours.keys() == theirs.keys(), name
        for key, value in theirs.items():
            agree(ours[key], value, f"{name} {key}")
        return
    theirs = theirs.numpy(force=True) if torch.is_tensor(theirs) else np.asarray(theirs)
    assert np.shape(ours) == theirs.shape, name
    finite = np.abs(theirs[np.isfinite(theirs)])
    largest = max(1e-3, finite.max(initial=0))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=TOLERANCE * largest, err_msg=name)


def over_time(step, p, x, states, *, start=None, lengths=None, resets=None, truncate=None, backward=False, feeds=()):
    """`step` of (p, x, *states, *feeds) in a plain loop over x (B, T, M), from `states` on, each (B, ...).

    A reset sets states back to `start` (0 unless it is there). Truncation detaches the state before steps k, 2k, ... of
    each sequence in the direction of the loop. Beyond its length y is 0 and the state stands still.
    """
    batch, time = x.shape[:2]
    ends = torch.as_tensor(np.full(batch, time) if lengths is None else np.asarray(lengths))
    borders = torch.as_tensor(np.zeros((batch, time), bool) if resets is None else np.asarray(resets))
    start = {name: torch.zeros(value.shape[1:], dtype=x.dtype) for name, value in states.items()} | (start or {})
    outputs = {}
    for t in reversed(range(time)) if backward else range(time):
        valid = ends > t
        done = ends - 1 - t if backward else torch.full((batch,), t)
        if truncate is not None:
            cut = (done > 0) & (done % truncate == 0)
            states = {name: choose(cut, value.detach(), value) for name, value in states.items()}
        if not backward:
            border = borders[:, t] & valid
        else:  # between two steps there is one border, from whichever side it is met
            border = borders[:, t + 1] & (ends > t + 1) if t + 1 < time else torch.zeros(batch, dtype=torch.bool)
        states = {name: choose(border, start[name].expand(value.shape), value) for name, value in states.items()}
        y, *new = step(p, x[:, t], *states.values(), *(feeds[name][:, t] for name in feeds))
        outputs[t] = choose(valid, y, torch.zeros_like(y))
        states = {name: choose(valid, n, old) for (name, old), n in zip(states.items(), new, strict=True)}
    return torch.stack([outputs[t] for t in range(time)], dim=1), states


def choose(condition, this, that):
    return torch.where(condition.reshape(-1, *(1,) * (this.ndim - 1)), this, that)


class Comparison:
    """A model beside its twin, on the same numbers.

    Args:
        model: a model of nanolstm.
        twin: see above.
        x: (B, T, M).
        target: (B, T, N).
        loss: a name in LOSSES.
        initial: first states by name, (B, ...), that the model is given; the others start as declared.
        lengths: of the sequences; what nanolstm is given beyond them is NaN.
        alone: give nanolstm the one sequence that there is without its batch axis.
        feeds: further inputs by name, (B, T).
        wrt: what is derived by; everything unless told.
        options: for `value_and_grad` and its kin.
    """

    def __init__(self, model, twin, x, target, *, loss="mse", initial=None, lengths=None, alone=False, feeds=None,
                 wrt=None, **options):  # fmt: skip
        self.model, self.twin, self.loss, self.alone = model, twin, loss, alone
        feeds, initial = feeds or {}, initial or {}
        self.feeds = list(feeds)
        self.wrt = wrt or ("parameters", "frozen", "x", "initial", *feeds)
        valid = np.ones(x.shape[:2], bool) if lengths is None else np.arange(x.shape[1]) < np.reshape(lengths, (-1, 1))
        self.valid, self.target = torch.as_tensor(valid), torch.as_tensor(target)
        self.point = {
            "parameters": {name: leaf(value) for name, value in model.parameters.items()},
            "frozen": {name: leaf(value) for name, value in model.frozen.items()},
            "x": leaf(np.where(valid[..., None], x, 0.0)),
            "initial": {},
            **{name: leaf(value) for name, value in feeds.items()},
        }
        self.learned = {}  # which parameter each learned start is; its gradient is that of a change to it, from 0 on
        for name, anatomy in model.states().items():
            begin, dot = initial.get(name, anatomy.start), name.rfind(".") + 1
            key = f"{name[:dot]}{begin if isinstance(begin, str) else f'initial.{name[dot:]}'}"
            if name not in initial and key in model.parameters:
                self.learned[name], begin = key, 0.0
            begin = np.broadcast_to(np.asarray(begin, float), (len(x), *anatomy.shape))
            self.point["initial"][name] = leaf(begin)
        resets = options.pop("resets", None)
        one = (lambda value: value[0]) if alone else (lambda value: value)
        self.given = {name: one(value) for name, value in feeds.items()}
        self.given["initial"] = {name: one(value) for name, value in initial.items()}
        if resets is not None:
            self.given["resets"] = one(resets)
        if lengths is not None:
            self.given["lengths"] = lengths
        self.options = options
        self.x, self.ours = one(np.where(valid[..., None], x, np.nan)), one(np.asarray(target))

    def answer(self, values):
        """A tensor or dict of them as nanolstm would lay it out."""
        if isinstance(values, dict):
            return {name: self.answer(value) for name, value in values.items()}
        return values[0] if self.alone else values

    def run(self, point=None):
        """y, last states and loss of the twin."""
        at = self.point | (point or {})
        parameters, first = at["parameters"] | at["frozen"], dict(at["initial"])
        for name, key in self.learned.items():
            first[name] = first[name] + parameters[key]
        y, last = self.twin(parameters, at["x"], first, {name: at[name][..., None] for name in self.feeds})
        return y, last, LOSSES[self.loss](y[self.valid], self.target[self.valid])

    def gradient(self, of, *, further=False):
        """By everything in `wrt`, with the structure of a gradient."""
        sources = {name: self.point[name] for name in self.wrt}
        found = torch.autograd.grad(of, list(flat(sources)), create_graph=further, materialize_grads=True)
        return shaped(sources, iter(found))

    def laid_out(self, structure):
        return {name: value if name in ("parameters", "frozen") else self.answer(value)
                for name, value in structure.items()}  # fmt: skip

    def direction(self, seed=0):
        rng = np.random.default_rng(seed)
        sources = {name: self.point[name] for name in self.wrt}
        values = [torch.as_tensor(rng.normal(size=tuple(value.shape))) for value in flat(sources)]
        return shaped(sources, iter(values))

    def outputs_agree(self):
        y, last, _ = self.run()
        ours, our_last = self.model(self.x, return_state=True, **self.given)
        agree(ours, self.answer(y), "y")
        agree(our_last, self.answer(last), "last")

    def gradients_agree(self):
        *_, value = self.run()
        ours, gradient = self.model.value_and_grad(
            self.x, self.ours, loss=self.loss, wrt=self.wrt, **self.given, **self.options
        )
        agree(ours, value, "loss")
        agree(gradient, self.laid_out(self.gradient(value)), "gradient")

    def hessian_vector_products_agree(self):
        """By double backward: of the gradient's product with the direction."""
        direction = self.direction()
        *_, value = self.run()
        along = sum((g * v).sum() for g, v in zip(
            flat(self.gradient(value, further=True)), flat(direction), strict=True))  # fmt: skip
        ours = self.model.hvp(self.x, self.ours, arrays(self.laid_out(direction)), loss=self.loss, wrt=self.wrt,
                              **self.given, **self.options)  # fmt: skip
        agree(ours, self.laid_out(self.gradient(along)), "hvp")

    def tangents_agree(self):
        """Of the output and of the loss, by PyTorch's forward mode."""
        direction, sources = self.direction(), {name: self.point[name] for name in self.wrt}

        def function(*leaves):
            y, _, value = self.run(shaped(sources, iter(leaves)))
            return y, value

        leaves = tuple(value.detach() for value in flat(sources))
        (y, value), (dy, dvalue) = torch.func.jvp(function, leaves, tuple(flat(direction)))
        along = arrays(self.laid_out(direction))
        given = {"wrt": self.wrt, **self.given, **self.options}
        ours, tangent = self.model.jvp(self.x, along, **given)
        agree(ours, self.answer(y), "y")
        agree(tangent, self.answer(dy), "jvp of y")
        ours, tangent = self.model.jvp(self.x, along, self.ours, loss=self.loss, **given)
        agree(ours, value, "loss")
        agree(tangent, dvalue, "jvp of the loss")


def leaf(value):
    return torch.tensor(np.array(value), dtype=torch.float64, requires_grad=True)


def flat(structure):
    for value in structure.values():
        yield from flat(value) if isinstance(value, dict) else [value]


def shaped(like, values):
    """`values`, in order, with the structure of `like`."""
    return {name: shaped(v, values) if isinstance(v, dict) else next(values) for name, v in like.items()}


def arrays(structure):
    return {n: arrays(v) if isinstance(v, dict) else v.detach().numpy() for n, v in structure.items()}


@pytest.fixture
def comparison():
    return Comparison


@pytest.fixture
def loop():
    return over_time


@pytest.fixture
def agrees():
    return agree
