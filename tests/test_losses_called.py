"""What `nl.loss` answers with, and how it is called: shapes, lengths, columns, classes, parameters."""

import types

import numpy as np
import pytest

import nanolstm as nl
from nanolstm import hookimpl, plugins
from nanolstm.errors import InputError, UnknownNameError
from nanolstm.plugins import PluginHouse

RNG = np.random.default_rng(3)
P = RNG.normal(size=(5, 7, 2))
Y = RNG.normal(size=(5, 7, 2))
LENGTHS = [7, 1, 4, 7, 2]


def written_out(function, prediction, target, lengths):
    """A loss over valid entries, by a loop."""
    entries = [(prediction[b, t], target[b, t]) for b, length in enumerate(lengths) for t in range(length)]
    return function(np.array([p for p, _ in entries]), np.array([y for _, y in entries]))


def mse(prediction, target):
    return np.mean((prediction - target) ** 2)


@pytest.fixture
def seen(monkeypatch):
    """Registers the loss `spy(a=1.0)`; answers with what it was given."""
    given = []

    def spy(prediction, target, *, a=1.0):
        given.append((prediction, target, a))
        return 0.5

    def wide(prediction, target, *, heads=3):
        given.append((prediction, target, heads))
        return 0.5

    def fill(register):
        register("spy", spy)
        register("wide", wide, columns=lambda heads=3: heads)
        register("sorts", spy, classes=True)

    monkeypatch.setattr(plugins, "shared", PluginHouse())
    plugins.shared.register(types.SimpleNamespace(nanolstm_register_losses=hookimpl(fill)), "spies")
    return given


# Shapes


@pytest.mark.parametrize(
    ("prediction", "target", "entries"),
    [
        ((7, 2), (7, 2), (7, 2)),
        ((7, 1), (7, 1), (7, 1)),
        ((7, 1), (7,), (7, 1)),
        ((5, 7, 2), (5, 7, 2), (35, 2)),
        ((5, 7, 1), (5, 7), (35, 1)),
        ((1, 1), (1,), (1, 1)),
    ],
)
def test_a_loss_is_given_all_entries_as_two_tables_of_one_shape(seen, prediction, target, entries):
    p, y = RNG.normal(size=prediction), RNG.normal(size=target)
    assert nl.loss("spy")(p, y) == 0.5
    ((got_p, got_y, _),) = seen
    np.testing.assert_array_equal(got_p, p.reshape(entries))
    np.testing.assert_array_equal(got_y, y.reshape(entries))


@pytest.mark.parametrize(
    ("prediction", "target"),
    [
        ((7, 2), (7,)),
        ((7, 2), (7, 1)),
        ((7, 2), (1, 2)),
        ((7, 2), (2,)),
        ((7, 2), ()),
        ((7, 1), (1, 7)),
        ((7, 1), (1,)),
        ((7, 1), (8, 1)),
        ((5, 7, 1), (7, 1)),
        ((5, 7, 1), (5, 1)),
        ((5, 7, 1), (7, 5)),
        ((5, 7, 2), (5, 7)),
        ((5, 7, 2), (35, 2)),
    ],
)
def test_a_target_is_never_broadcast(prediction, target):
    with pytest.raises(InputError) as caught:
        nl.loss("rmse")(np.zeros(prediction), np.zeros(target))
    text = str(caught.value)
    assert f"prediction {prediction} goes with a target of shape {prediction}" in text
    assert f"it has shape {target} and dtype float64" in text
    assert "never broadcast" in text


@pytest.mark.parametrize("shape", [(), (7,), (2, 3, 4, 5)])
def test_a_prediction_has_two_or_three_axes(shape):
    with pytest.raises(InputError, match=r"the prediction has shape .* expected \(n, N\) or \(B, T, N\) floats"):
        nl.loss("rmse")(np.zeros(shape), np.zeros(shape))


@pytest.mark.parametrize(
    "values", [np.zeros((3, 1), int), np.zeros((3, 1), complex), [["a"]], np.zeros((3, 1), object)]
)
def test_a_prediction_is_made_of_floats(values):
    with pytest.raises(InputError, match="loss mse: the prediction has shape"):
        nl.loss("mse")(values, np.zeros((3, 1)))


def test_a_target_may_be_made_of_whole_numbers_or_truths_but_not_of_text():
    p = np.full((2, 1), 0.5)
    assert nl.loss("mae")(p, np.array([[0], [1]])) == 0.5
    assert nl.loss("bce")(p, np.array([True, False])) == pytest.approx(np.log(2))
    for target in ([["0"], ["1"]], np.array([[0], [1]], dtype=object), np.array([[0j], [1]])):
        with pytest.raises(InputError, match="dtype"):
            nl.loss("mae")(p, np.array(target))


def test_no_entry_at_all_is_an_error():
    for shape in ((0, 1), (0, 7, 1), (5, 0, 1)):
        with pytest.raises(InputError, match=r"there is no valid entry; prediction \("):
            nl.loss("mse")(np.zeros(shape), np.zeros(shape))


def test_float32_stays_float32_on_the_way_to_the_loss(seen):
    nl.loss("spy")(P.astype(np.float32), Y)
    assert {array.dtype.name for array in seen[0][:2]} == {"float32"}


def test_neither_prediction_nor_target_is_modified():
    p, y = P.copy(), Y.copy()
    for text in ("rmse", "mse", "mae", "huber", "smape"):
        nl.loss(text)(p, y, lengths=LENGTHS)
    np.testing.assert_array_equal(p, P)
    np.testing.assert_array_equal(y, Y)


# Lengths


def test_only_valid_entries_count_and_the_rest_may_be_anything():
    p, y = P.copy(), Y.copy()
    for b, length in enumerate(LENGTHS):
        p[b, length:], y[b, length:] = np.nan, np.inf
    for text, function in (("mse", mse), ("rmse", lambda p, y: np.sqrt(mse(p, y)))):
        expected = written_out(function, P, Y, LENGTHS)
        assert nl.loss(text)(p, y, lengths=LENGTHS) == pytest.approx(expected, rel=1e-14)


def test_rmse_is_over_all_entries_and_not_averaged_over_the_sequences_of_a_batch():
    rmse = nl.loss("rmse")
    whole = rmse(P, Y, lengths=LENGTHS)
    by_sequence = [rmse(P[b, :length], Y[b, :length]) for b, length in enumerate(LENGTHS)]
    assert abs(whole - np.mean(by_sequence)) > 1e-2
    weighted = np.average(np.square(by_sequence), weights=LENGTHS)
    assert whole == pytest.approx(np.sqrt(weighted), rel=1e-14)


def test_full_lengths_change_nothing():
    assert nl.loss("mae")(P, Y, lengths=[7] * 5) == nl.loss("mae")(P, Y)


@pytest.mark.parametrize(
    "lengths", [[7], [7] * 6, 7, [[7] * 5], [8, 7, 7, 7, 7], [-1, 7, 7, 7, 7], [6.5, 7, 7, 7, 7], ["7"] * 5]
)
def test_lengths_that_cannot_be_are_an_error(lengths):
    with pytest.raises(InputError, match=r"loss mse: .*length"):
        nl.loss("mse")(P, Y, lengths=lengths)


def test_lengths_need_a_batch():
    with pytest.raises(InputError, match=r"lengths \(7,\) go with a prediction \(B, T, N\), not \(7, 2\)"):
        nl.loss("mse")(P[0], Y[0], lengths=[1] * 7)


# Columns


def test_a_loss_of_several_columns_gets_all_of_each_target_side_by_side():
    target = np.array([[1.0, 10.0]])
    low_high = np.array([[0.0, 3.0, 10.0, 14.0]])  # quantiles 0.1 and 0.9 of the first target, then of the second
    cost = [0.1 * 1, 0.1 * 2, 0.0, 0.1 * 4]
    assert nl.loss("quantile(q=(0.1, 0.9))")(low_high, target) == pytest.approx(np.mean(cost), rel=1e-12)


def test_the_number_of_columns_follows_from_the_parameters(seen):
    assert nl.loss("wide").columns == 3
    assert nl.loss("wide(heads=2)").columns == 2
    nl.loss("wide(heads=2)")(np.zeros((4, 6)), np.ones((4, 3)))
    assert [array.shape for array in seen[0][:2]] == [(4, 6), (4, 3)]
    nl.loss("wide(heads=2)")(np.zeros((4, 2)), np.ones(4))
    assert [array.shape for array in seen[1][:2]] == [(4, 2), (4, 1)]


def test_a_width_that_does_not_hold_whole_targets_is_an_error():
    with pytest.raises(InputError, match="takes 2 columns of prediction for each of the target; the prediction has 3"):
        nl.loss("gaussian_nll")(np.zeros((4, 3)), np.zeros((4, 1)))
    with pytest.raises(InputError, match=r"prediction \(4, 4\) goes with a target of shape \(4, 2\)"):
        nl.loss("gaussian_nll")(np.zeros((4, 4)), np.zeros((4, 4)))


# Classes


def test_classes_arrive_one_hot_and_one_hot_targets_as_they_are(seen):
    p = np.zeros((2, 3, 4), np.float32)
    classes = np.array([[0, 3, 1], [2, 2, 0]])
    nl.loss("sorts")(p, classes)
    nl.loss("sorts")(p, np.eye(4)[classes])
    for _, target, _ in seen:
        assert target.dtype == np.float32
        np.testing.assert_array_equal(target.argmax(axis=-1), classes.ravel())
        np.testing.assert_array_equal(target.sum(axis=-1), 1)


def test_classes_of_ended_sequences_do_not_count(seen):
    nl.loss("sorts")(np.zeros((2, 3, 4)), np.array([[0, 3, 1], [2, 2, 0]]), lengths=[1, 2])
    assert seen[0][1].argmax(axis=-1).tolist() == [0, 2, 2]


@pytest.mark.parametrize(("classes", "text"), [([0, 4], "from 0 to 4"), ([-1, 0], "from -1 to 0")])
def test_classes_that_have_no_column_are_an_error(classes, text):
    with pytest.raises(InputError, match=f"classes {text}; expected 0 to 3, the prediction has 4 columns"):
        nl.loss("cross_entropy")(np.zeros((2, 4)), np.array(classes))


def test_whole_numbers_are_classes_only_where_the_loss_is_of_classes():
    with pytest.raises(InputError, match="never broadcast"):
        nl.loss("mse")(np.zeros((2, 4)), np.array([0, 1]))
    with pytest.raises(InputError, match=r"or integer classes \(2,\)"):
        nl.loss("cross_entropy")(np.zeros((2, 4)), np.array([0.0, 1.0]))


# Names and parameters


def test_parameters_reach_the_loss_by_name(seen):
    made = nl.loss("spy(a=0.25)")
    made(np.zeros((2, 1)), np.zeros(2))
    assert seen[0][2] == 0.25
    assert str(made) == "spy(a=0.25)"
    assert str(nl.loss(" spy ")) == "spy"


def test_a_loss_can_be_handed_on_and_a_plain_function_is_one_too():
    made = nl.loss("huber(delta=0.5)")
    assert nl.loss(made) is made
    plain = nl.loss(mse)
    assert plain.name == "mse"
    assert plain(P, Y, lengths=LENGTHS) == pytest.approx(written_out(mse, P, Y, LENGTHS), rel=1e-14)
    assert isinstance(plain(P, Y), float)


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        ("rsme", UnknownNameError, "no loss 'rsme'; did you mean 'rmse'? registered: bce, cross_entropy, "),
        ("huber(dleta=1)", UnknownNameError, "loss 'huber' has no parameter 'dleta'; did you mean 'delta'?"),
        ("rmse(q=1)", UnknownNameError, "loss 'rmse' has no parameter 'q'; parameters: none"),
        ("quantile(0.9)", InputError, "'quantile(0.9)': in the brackets stand key=value pairs"),
        ("quantile(q=__import__('os'))", InputError, "in the brackets stand key=value pairs with plain values"),
        ("quantile(q=0.9", InputError, "'quantile(q=0.9' is no name"),
        ("", InputError, "'' is no name"),
    ],
)
def test_a_wrong_name_or_parameter_is_told_with_what_is_right(text, error, said):
    with pytest.raises(error) as caught:
        nl.loss(text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "text", ["quantile(q=())", "quantile(q=2)", "quantile(q='a')", "huber(delta=0)", "quantile(q=[])"]
)
def test_a_value_that_a_loss_refuses_is_told_in_its_own_words(text):
    with pytest.raises(InputError, match=r"(quantile\(q=|huber\(delta=)"):
        nl.loss(text)(np.zeros((4, 1)), np.zeros((4, 1)))


def test_a_parameter_that_has_no_default_must_be_given(monkeypatch):
    def fill(register):
        register("needs", lambda prediction, target, *, q: q)

    monkeypatch.setattr(plugins, "shared", PluginHouse())
    plugins.shared.register(types.SimpleNamespace(nanolstm_register_losses=hookimpl(fill)), "needs")
    assert nl.loss("needs(q=2)")(np.zeros((1, 1)), np.zeros((1, 1))) == 2.0
    with pytest.raises(InputError, match="q"):
        nl.loss("needs")


@pytest.mark.parametrize(
    "answer",
    [np.zeros(1), np.zeros((2, 1)), [1.0, 2.0], None, "much", 1j],
    ids=["1", "2", "list", "None", "text", "complex"],
)
def test_a_loss_that_returns_anything_but_one_number_is_an_error(answer):
    with pytest.raises(InputError, match=r"loss odd returned .*; a loss returns one number"):
        nl.Loss(name="odd", function=lambda p, y: answer)(np.zeros((2, 1)), np.zeros((2, 1)))
