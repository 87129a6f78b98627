"""How a run is scored: each number computed a second time here, from the definition."""

import copy

import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import nanolstm as nl
from nanolstm.errors import InputError
from nanolstm.protocols import Evaluation, Score, evaluate_sequences, evaluate_series

FEATURES = ("price", "sold")
ROWS, KNOWN = 60, 48  # of the honest protocol, the training part is the first 80 %


def series(rows=ROWS):
    steps = np.random.default_rng(4).normal(size=(rows, 2)).cumsum(axis=0)
    return pd.DataFrame(100 + 5 * steps, index=pd.date_range("2024-01-01", periods=rows), columns=["price", "sold"])


def model(outputs=1, inputs=2, readout=None):
    cell = nl.cells.ToyLSTM(inputs=inputs, hidden=3, rng=1)
    return nl.Sequence(cell, readout=readout if readout or outputs == 1 else outputs)


def evaluate(frame=None, protocol="notebook", loss="rmse", **more):
    made = nl.loss(loss)
    return evaluate_series(
        more.pop("model", None) or model(made.columns),
        series() if frame is None else frame,
        **{"features": FEATURES, "target": "price", "loss": made, "protocol": protocol} | more,
    )


def rmse(guess, true):
    total = 0.0
    for g, t in zip(guess, true, strict=True):
        total += (float(g) - float(t)) ** 2
    return (total / len(true)) ** 0.5


def scaled(frame, known):
    """Min-max scaling by its definition, fitted on the first `known` rows."""
    low, high = frame.iloc[:known].min(), frame.iloc[:known].max()
    return (frame - low) / (high - low), low["price"], high["price"] - low["price"]


# The notebook's protocol


def test_notebook_scores_the_whole_run_in_units_scaled_over_all_rows():
    frame, _, _ = scaled(series(), ROWS)
    price = frame["price"].to_numpy()
    predicted = model()(frame.to_numpy()[:-1])[:, 0]
    got = evaluate()
    assert list(got.scores) == ["model", "persistence", "mean"]
    assert got.scores["model"].scaled == pytest.approx(rmse(predicted, price[1:]), rel=1e-12)
    assert got.scores["persistence"].scaled == pytest.approx(rmse(price[:-1], price[1:]), rel=1e-12)
    assert got.scores["mean"].scaled == pytest.approx(np.std(price[1:]), rel=1e-12)
    assert [score.own for score in got.scores.values()] == [None] * 3
    assert (got.protocol, got.scored, got.held_out) == ("notebook", ROWS - 1, 0)
    np.testing.assert_allclose(got.predictions["prediction"], predicted, rtol=1e-12)
    np.testing.assert_allclose(got.predictions["target"], price[1:], rtol=1e-12)
    assert got.predictions.index.equals(series().index[1:])


def test_each_step_predicts_the_row_after_it_from_no_later_one():
    frame = series()
    later = frame.copy()
    later.iloc[31:] += 3.0
    known = FunctionTransformer()  # leaves the numbers alone, so that nothing else can carry over
    one, other = evaluate(frame, scaler=known).predictions, evaluate(later, scaler=known).predictions
    same = (one["prediction"] == other["prediction"]).to_numpy()
    assert same[:31].all()  # the prediction of row 31 is made in row 30
    assert not same[31:].any()


# The honest protocol


def test_honest_scores_the_held_out_end_in_units_scaled_over_the_training_part_and_in_its_own():
    frame, low, width = scaled(series(), KNOWN)
    price = frame["price"].to_numpy()
    predicted = model()(frame.to_numpy()[:-1])[:, 0]
    got = evaluate(protocol="honest")
    assert (got.protocol, got.scored, got.held_out) == ("honest", ROWS - KNOWN, KNOWN - 1)
    held = price[KNOWN:]
    guesses = {
        "model": predicted[KNOWN - 1 :],
        "persistence": price[KNOWN - 1 : -1],
        "mean": np.full(ROWS - KNOWN, price[1:KNOWN].mean()),
    }
    own = series()["price"].to_numpy()
    for name, guess in guesses.items():
        assert got.scores[name].scaled == pytest.approx(rmse(guess, held), rel=1e-12)
        assert got.scores[name].own == pytest.approx(rmse(guess * width + low, own[KNOWN:]), rel=1e-10)
    assert got.scores["persistence"].own == pytest.approx(rmse(own[KNOWN - 1 : -1], own[KNOWN:]), rel=1e-10)


def test_what_is_held_out_changes_no_number_that_comes_before_it():
    frame = series()
    other = frame.copy()
    other.iloc[KNOWN:] = 1000 - 7 * other.iloc[KNOWN:]
    one, two = evaluate(frame, "honest"), evaluate(other, "honest")
    np.testing.assert_array_equal(one.predictions.iloc[: KNOWN - 1], two.predictions.iloc[: KNOWN - 1])
    np.testing.assert_array_equal(one.recording["c"][:KNOWN], two.recording["c"][:KNOWN])
    assert not np.isclose(one.scores["mean"].scaled, two.scores["mean"].scaled)

    notebook = evaluate(frame).predictions.iloc[: KNOWN - 1], evaluate(other).predictions.iloc[: KNOWN - 1]
    assert not np.allclose(*notebook)  # there the scaler has seen it, which is what honest is for


def test_a_held_out_price_beyond_all_training_prices_scales_beyond_one():
    frame = series()
    frame.iloc[-1, 0] = 2 * frame["price"].max()
    assert evaluate(frame, "honest").predictions["target"].iloc[-1] > 1.5
    assert evaluate(frame).predictions["target"].iloc[-1] == 1.0


@pytest.mark.parametrize("rows", [3, 5, 6, 9, 10])
def test_honest_never_trains_on_what_it_scores_however_short_the_series(rows):
    got = evaluate(series(rows), "honest")
    known = int(0.8 * rows)
    assert got.scored == rows - known >= 1
    assert got.held_out == known - 1


@pytest.mark.parametrize(("protocol", "rows", "least"), [("honest", 2, 3), ("notebook", 1, 2)])
def test_too_few_rows_are_an_error_that_says_how_many_are_needed(protocol, rows, least):
    with pytest.raises(
        InputError, match=f"{rows} rows are too few for the {protocol} protocol; it needs at least {least}"
    ):
        evaluate(series(rows), protocol)


def test_a_protocol_that_is_none_suggests_the_nearest():
    with pytest.raises(InputError, match="no protocol 'honst'; did you mean 'honest'"):
        evaluate(protocol="honst")


# Scalers


def test_any_transformer_can_scale_and_the_one_that_is_given_stays_unfitted():
    frame = series()
    known = frame.iloc[:KNOWN]
    standard = ((frame - known.mean()) / known.std(ddof=0)).to_numpy()
    scaler = StandardScaler()
    got = evaluate(protocol="honest", scaler=scaler)
    predicted = model()(standard[:-1])[:, 0]
    assert got.scores["model"].scaled == pytest.approx(rmse(predicted[KNOWN - 1 :], standard[KNOWN:, 0]), rel=1e-10)
    own = predicted[KNOWN - 1 :] * known["price"].std(ddof=0) + known["price"].mean()
    assert got.scores["model"].own == pytest.approx(rmse(own, frame["price"].iloc[KNOWN:]), rel=1e-10)
    assert not hasattr(scaler, "mean_")


@pytest.mark.parametrize("scaler", [StandardScaler, "minmax", object()])
def test_what_is_no_transformer_is_told_what_would_be_one(scaler):
    with pytest.raises(InputError, match=r"is no scikit-learn transformer with fit, transform and inverse_transform"):
        evaluate(scaler=scaler)


def test_the_target_need_not_be_a_feature():
    frame = series()
    got = evaluate(features=("sold",), model=model(inputs=1))
    price = scaled(frame, ROWS)[0]["price"].to_numpy()
    assert got.scores["persistence"].scaled == pytest.approx(rmse(price[:-1], price[1:]), rel=1e-12)


def test_neither_the_frame_nor_the_model_is_changed():
    frame, made = series(), model()
    before = copy.deepcopy(made.parameters.flat)
    evaluate(frame, "honest", model=made)
    pd.testing.assert_frame_equal(frame, series())
    np.testing.assert_array_equal(made.parameters.flat, before)


# Other losses


def test_quantiles_have_a_column_each_and_a_baseline_fills_them_all():
    got = evaluate(loss="quantile(q=(0.1, 0.9))", protocol="honest")
    assert list(got.predictions.columns) == ["target", "prediction 0", "prediction 1"]
    assert list(got.scores) == ["model", "persistence", "mean"]
    frame, _, width = scaled(series(), KNOWN)
    held, guess = frame["price"].to_numpy()[KNOWN:], model(2)(frame.to_numpy()[:-1])[KNOWN - 1 :]
    cost = [
        np.maximum(q * (held - guess[:, k]), (q - 1) * (held - guess[:, k])).mean() for k, q in enumerate((0.1, 0.9))
    ]
    assert got.scores["model"].scaled == pytest.approx(np.mean(cost), rel=1e-12)
    assert got.scores["model"].own == pytest.approx(np.mean(cost) * width, rel=1e-10)
    error = held - frame["price"].to_numpy()[KNOWN - 1 : -1]
    cost = [np.maximum(q * error, (q - 1) * error).mean() for q in (0.1, 0.9)]
    assert got.scores["persistence"].scaled == pytest.approx(np.mean(cost), rel=1e-12)


def test_a_log_variance_is_never_turned_into_own_units_as_if_it_were_a_price():
    got = evaluate(loss="gaussian_nll", protocol="honest").scores["model"]
    # The density of a variable that is stretched by `width` is `width` times as thin: the likelihood shifts by its log.
    shifted = got.scaled + np.log(scaled(series(), KNOWN)[2])
    assert got.own is None or got.own == pytest.approx(shifted, rel=1e-10)


def test_classes_are_refused_on_a_series():
    with pytest.raises(InputError, match="cross_entropy"):
        evaluate(loss="cross_entropy")


def test_a_score_that_is_no_number_is_not_compared_as_if_it_were_one():
    """A probability outside of 0..1 has no cross-entropy, and held-out prices do lie outside."""
    frame = series()
    frame.iloc[-2, 0] = 2 * frame["price"].max()
    text = evaluate(frame, "honest", "bce").verdict()
    assert "nan" not in text
    assert "beats" not in text
    assert "worse" not in text


# Verdicts


def verdict(**scores):
    scores = {name: Score(value) for name, value in scores.items()}
    got = Evaluation(
        protocol="notebook", scores=scores, scored=9, held_out=0, predictions=None, recording=evaluate().recording
    )
    return got.verdict()


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ({"model": 0.4, "persistence": 0.1, "mean": 0.2}, ["worse than persistence", "4.0 times"]),
        ({"model": 0.4, "persistence": 0.3, "mean": 0.2}, ["worse than", "mean", "2.0 times"]),
        ({"model": 0.15, "persistence": 0.1, "mean": 0.2}, ["worse than persistence", "1.5 times"]),
        ({"model": 0.05, "persistence": 0.1, "mean": 0.2}, ["beats persistence", "50.0%"]),
        ({"model": 0.4, "mean": 0.2}, ["worse than", "mean", "2.0 times"]),
        ({"model": 0.4}, ["no baseline"]),
        ({"model": 0.4, "persistence": 0.0, "mean": 0.2}, ["worse than persistence"]),
    ],
)
def test_the_verdict_compares_with_the_better_baseline_and_in_the_right_words(scores, words):
    text = verdict(**scores)
    for word in words:
        assert word in text
    assert "nan" not in text
    assert "inf" not in text


def test_the_verdict_does_not_call_an_equal_model_worse():
    assert "worse" not in verdict(model=0.2, persistence=0.2, mean=0.3)


def test_a_single_baseline_is_not_called_the_better_one():
    assert "better" not in verdict(model=0.1, mean=0.3)


def test_negative_losses_are_compared_without_nonsense_in_percent():
    for scores in ({"model": -2.0, "persistence": -1.0}, {"model": -1.0, "persistence": -2.0}):
        text = verdict(**scores)
        assert ("beats" in text) == (scores["model"] == -2.0)
        assert "-" not in text


def test_on_the_shipped_sample_the_untrained_cell_is_far_worse_than_persistence_and_it_is_said():
    frame = nl.load_data("sample", columns=["Adj Close", "Volume"])
    cell = nl.cells.ToyLSTM(inputs=2, hidden=3, rng=0)
    got = evaluate(frame, features=("Adj Close", "Volume"), target="Adj Close", model=nl.Sequence(cell))
    assert got.scores["persistence"].scaled < 0.01 < 0.2 < got.scores["model"].scaled
    assert "worse than persistence" in got.verdict()


# Sequences


def batch(n=10, **change):
    rng = np.random.default_rng(5)
    arrays = {"x": rng.normal(size=(n, 6, 2)), "y": rng.normal(size=(n, 6, 1)), "lengths": None} | change
    return nl.SequenceData(**arrays)


LENGTHS = np.array([6, 3, 5, 1, 6, 2, 4, 6, 3, 2])


def test_sequences_with_a_target_per_step_are_scored_over_their_valid_steps():
    data = batch(lengths=LENGTHS)
    y = model()(data.x, lengths=LENGTHS)
    pairs = [(y[b, t, 0], data.y[b, t, 0]) for b in range(10) for t in range(LENGTHS[b])]
    got = evaluate_sequences(model(), data, loss=nl.loss("rmse"))
    assert got.scores["model"].scaled == pytest.approx(rmse(*zip(*pairs, strict=True)), rel=1e-12)
    assert (got.scored, got.held_out, got.predictions) == (10, 0, None)


def test_the_mean_of_sequences_is_that_of_their_valid_steps():
    data = batch(lengths=LENGTHS)
    for b, length in enumerate(LENGTHS):
        data.y[b, length:] = 1e6  # padding may hold anything
    true = [data.y[b, t, 0] for b in range(10) for t in range(LENGTHS[b])]
    got = evaluate_sequences(model(), data, loss=nl.loss("rmse"))
    assert got.scores["mean"].scaled == pytest.approx(np.std(true), rel=1e-12)


def test_sequences_with_one_target_are_scored_at_their_own_last_step():
    data = batch(y=np.random.default_rng(6).normal(size=(10, 1)), lengths=LENGTHS)
    y = model()(data.x, lengths=LENGTHS)
    last = [y[b, LENGTHS[b] - 1, 0] for b in range(10)]
    got = evaluate_sequences(model(), data, loss=nl.loss("rmse"))
    assert got.scores["model"].scaled == pytest.approx(rmse(last, data.y[:, 0]), rel=1e-12)
    assert got.scores["mean"].scaled == pytest.approx(np.std(data.y), rel=1e-12)


def test_one_target_as_wide_as_the_sequence_is_long_is_still_one_target():
    data = batch(y=np.random.default_rng(6).normal(size=(10, 6)))
    got = evaluate_sequences(model(6), data, loss=nl.loss("mse"))
    expected = np.mean((model(6)(data.x)[:, -1] - data.y) ** 2)
    assert got.scores["model"].scaled == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("per_step", [True, False])
def test_classes_are_scored_per_step_or_at_the_end(per_step):
    rng = np.random.default_rng(7)
    classes = rng.integers(4, size=(10, 6) if per_step else 10)
    data = batch(y=classes, lengths=LENGTHS)
    made = model(4)
    logits = made(data.x, lengths=LENGTHS)
    steps = [(b, t) for b in range(10) for t in (range(LENGTHS[b]) if per_step else [LENGTHS[b] - 1])]
    costs = []
    for b, t in steps:
        z = logits[b, t]
        right = classes[b, t] if per_step else classes[b]
        costs.append(np.log(np.exp(z).sum()) - z[right])
    got = evaluate_sequences(made, data, loss=nl.loss("cross_entropy"))
    assert got.scores["model"].scaled == pytest.approx(np.mean(costs), rel=1e-12)


def test_honest_scores_the_last_fifth_of_the_sequences_and_takes_the_mean_of_the_others():
    data = batch()
    got = evaluate_sequences(model(), data, loss=nl.loss("rmse"), protocol="honest")
    assert (got.scored, got.held_out) == (2, 8)
    y = model()(data.x)[8:].ravel()
    held = data.y[8:].ravel()
    assert got.scores["model"].scaled == pytest.approx(rmse(y, held), rel=1e-12)
    assert got.scores["mean"].scaled == pytest.approx(rmse([data.y[:8].mean()] * 12, held), rel=1e-12)


def test_honest_needs_a_sequence_to_hold_out_and_one_to_know():
    with pytest.raises(InputError, match="honest"):
        evaluate_sequences(model(), batch(1), loss=nl.loss("rmse"), protocol="honest")
    got = evaluate_sequences(model(), batch(2), loss=nl.loss("rmse"), protocol="honest")
    assert (got.scored, got.held_out) == (1, 1)
