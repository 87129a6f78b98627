"""What random programs consist of: everything that a step may use, and every pair of forms in its turn."""

from collections import Counter

import numpy as np
import pytest

import nanolstm as nl
from nanolstm.compile.programs import Variant
from nanolstm.graph.node import OPS
from nanolstm.graph.vocabulary import VOCABULARY
from nanolstm.traced import programs_of

from .case import build, case_of
from .forms import FORMS
from .generate import generate, pairs_of
from .modes import EAGER, running

SEEDS = range(400)

REFUSED = {"outer"}
"""What stands in the vocabulary to be refused."""

OF_LOSSES = {"count"}
"""Operations that only a loss has."""


@pytest.fixture(scope="module")
def cells():
    """The cell of each seed."""
    return [build(case_of(seed)).model.cells[0] for seed in SEEDS]


def test_every_function_of_the_vocabulary_is_called_by_some_program(monkeypatch, cells):
    called = Counter()
    for key, call in list(VOCABULARY.items()):

        def counted(*args, call=call, key=key, **options):
            called[key] += 1
            return call(*args, **options)

        monkeypatch.setitem(VOCABULARY, key, counted)
    for cell in cells:
        nl.trace(cell)
    never = {key if isinstance(key, str) else key.__name__ for key in VOCABULARY if not called[key]}
    assert never <= REFUSED


def test_every_operation_is_met_in_some_program_or_its_derivatives(cells):
    met = set()
    for cell in cells[:120]:
        asked = Variant(wrt=frozenset({*cell.parameters, "x"}), along=frozenset({*cell.parameters, "x"}))
        wanted, _ = programs_of(cell).wanted_pair(asked)
        met |= {node.op.name for run in wanted for node in run.graph.nodes()}
    assert set(OPS) - met <= OF_LOSSES


def test_every_pair_of_forms_has_its_turn():
    pairs = {(one, other) for one in FORMS for other in FORMS}
    seen = {pair for seed in range(len(pairs)) for pair in pairs_of(seed, 1)}
    assert seen == pairs


def test_a_seed_alone_says_what_a_program_is():
    assert [generate(seed) for seed in (3, 4)] == [generate(seed) for seed in (3, 4)]
    assert generate(3) != generate(4)


def test_states_of_every_shape_and_fields_of_every_kind_are_drawn(cells):
    ranks = Counter(len(state.shape) for cell in cells for state in cell.anatomy.states.values())
    assert set(ranks) == {0, 1, 2}
    assert {len(cell.anatomy.states) for cell in cells} >= {1, 2, 3, 4}
    assert any(cell.anatomy.feeds for cell in cells)
    assert any(cell.anatomy.noises for cell in cells)
    assert any(cell.frozen for cell in cells)
    starts = [state.start for cell in cells for state in cell.anatomy.states.values()]
    assert any(isinstance(start, str) for start in starts)
    assert any(not isinstance(start, str) and np.isinf(start) for start in starts)


def test_gates_have_weights_of_every_form(cells):
    forms = {type(p.form).__name__ for c in cells for g in c.anatomy.gates.values() for p in g.products}
    assert forms == {"Dense", "Diagonal", "Blocks"}
    tied = [key for c in cells for name, g in c.anatomy.gates.items() for key in g.keys.values() if name not in key]
    assert tied


@pytest.mark.parametrize("place", ["named", "inline", "helper", "method", "loop"])
def test_statements_are_written_in_every_way(place):
    assert any(s.place == place for seed in SEEDS for s in generate(seed).statements)


def test_outputs_of_random_programs_stay_bounded():
    for seed in range(40):
        case = case_of(seed)
        with running(EAGER, case.surroundings):
            model = build(case).model
            x = np.random.default_rng(seed).uniform(-1, 1, (2, 30, model.inputs))
            feeds = {name: np.ones((2, 30, part.size)) for name, part in model.feeds().items()}
            assert np.abs(model(x, **feeds)).max() < 1e4
