"""From options to scores: a recurrent model trained on a series, and walked forward beside baselines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from nanolstm.cells.find import find_cell
from nanolstm.cli.options import Options
from nanolstm.errors import InputError, TraceError
from nanolstm.losses import Loss
from nanolstm.losses import loss as find_loss
from nanolstm.sequence import Sequence

if TYPE_CHECKING:
    import pandas as pd

    from nanolstm.data.preparation import Preparation
    from nanolstm.data.splits import Fold, Splits
    from nanolstm.data.windows import Windows
    from nanolstm.forecasting.backtest import Backtest
    from nanolstm.forecasting.outputs import Output
    from nanolstm.train.run import Run

HIDDEN = 8
FEW = 2_000_000
"""Steps of a small cell that NumPy has done before a kernel is compiled (some eight seconds, at the first use)."""
SMALL = 16


@attrs.frozen(kw_only=True)
class Plan:
    """Options, checked before any data is asked for, and names made into what they stand for."""

    options: Options
    kind: Any
    fields: dict[str, Any]
    hidden: int
    loss: Loss

    @classmethod
    def check(cls, options: Options) -> Plan:
        """Find everything that is named.

        Raises:
            UnknownNameError: a cell, loss, optimizer, schedule, scaler or transform that is not there.
            InputError: a value that is none.
        """
        from nanolstm.data.transforms import transform as find_transform
        from nanolstm.scalers import scaler as find_scaler
        from nanolstm.train.optimizer import optimizer as find_optimizer
        from nanolstm.train.schedule import schedule as find_schedule

        hidden = HIDDEN if options.hidden is None else options.hidden
        # One output gate for each unit gives a readout something to read.
        cell = options.cell or f"ToyLSTM(outputs={hidden if options.readout else 1})"
        kind, fields = find_cell(cell)
        loss = find_loss(options.loss or "mse")
        find_optimizer(options.optimizer)
        find_schedule(options.schedule)
        find_scaler(options.scaler)
        if options.transform != "auto":
            find_transform(options.transform)
        for name in ("held_out", "validation"):
            if not 0 < (share := getattr(options, name)) < 1:
                raise InputError(f"--{name.replace('_', '-')} {share:g}: expected a share between 0 and 1, such as 0.2")
        return cls(options=options, kind=kind, fields=fields, hidden=hidden, loss=loss)

    @property
    def columns(self) -> tuple[str, ...]:
        """The features.

        Raises:
            InputError: none is named.
        """
        return columns_of(self.options.features)

    def make(self, inputs: int, outputs: int, *, steps: int) -> Sequence:
        """A freshly drawn model.

        Args:
            inputs: M.
            outputs: N.
            steps: through how many steps it will go in training.

        Raises:
            InputError: the cell has another width, and there is no readout.
        """
        options = self.options
        cell = self.kind(inputs=inputs, hidden=self.hidden, rng=options.seed, **self.fields)
        if not options.readout and cell.outputs != outputs:
            raise InputError(
                f"--no-readout: {type(cell).__name__} gives {cell.outputs} numbers and {outputs} are needed; leave it "
                "out, or give the cell as many"
            )
        small = steps * -(-self.hidden // SMALL) <= FEW
        readout = outputs if options.readout else None
        return Sequence(cell, readout=readout, rng=options.seed, backend="numpy" if small else "auto")

    def fit(self, model: Sequence, data: Any, validation: Any, *, steps: Any, progress: bool, **keeping: Any) -> Run:
        """Train it; `keeping` is `checkpoint` and `resume`."""
        from nanolstm.train.fit import fit

        options = self.options
        return fit(
            model,
            data,
            loss=self.loss,
            optimizer=options.optimizer,
            schedule=options.schedule,
            epochs=options.epochs,
            batch_size=options.batch_size,
            patience=options.patience,
            clip=options.clip,
            validation=validation,
            steps=steps,
            rng=options.seed,
            progress=progress,
            **keeping,
        )


@attrs.frozen(kw_only=True, eq=False)
class Trial:
    """What came of it.

    Attributes:
        runs: the training of each fold.
        preparation: scalings and transforms, fitted on the training rows of the last fold.
        fold: the last fold.
        notes: those of the evaluation, and what the model's output cannot hold.
    """

    plan: Plan
    frame: pd.DataFrame
    windows: Windows
    transforms: dict[str, str]
    result: Backtest
    runs: list[Run]
    preparation: Preparation
    fold: Fold
    notes: tuple[str, ...]

    @property
    def model(self) -> Sequence:
        """The model of the last fold."""
        return self.runs[-1].model


def run_trial(
    plan: Plan, frame: pd.DataFrame, *, folds: int = 1, refit: bool = True, progress: bool = True, **keeping: Any
) -> Trial:
    """Train on the rows before each held-out part, and score what is forecast there.

    Where there is one training, `keeping` says where it is kept meanwhile: `checkpoint` and `resume` of `fit`.

    Raises:
        InputError: an option that does not go with the data.
        DivergedError: numbers that are not finite.
    """
    from nanolstm.data.splits import Splits
    from nanolstm.data.windows import Windows
    from nanolstm.forecasting.recurrent import Recurrent
    from nanolstm.forecasting.walk_forward import walk_forward

    options = plan.options
    past = tuple(name for name in plan.columns if name != options.target)
    windows = Windows(targets=options.target, past=past, context=options.context, horizon=options.horizon)
    transforms = transforms_of(options.transform, frame[list(windows.columns)])
    output = output_of(plan.loss)
    splits = Splits(folds=folds, test=options.held_out / folds, validation=options.validation, refit=refit)
    runs: list[Run] = []
    recurrent = Recurrent(
        lambda inputs, outputs: plan.make(inputs, outputs, steps=len(frame) * options.context * options.epochs),
        lambda model, data, held: runs.append(plan.fit(model, data, held, steps="last", progress=progress, **keeping)),
        columns=output.columns,
    )
    result = walk_forward(
        recurrent,
        frame,
        windows,
        splits=splits,
        transform=transforms,
        scaler=options.scaler,
        output=output,
    )
    preparation, fold = _prepared(frame, windows, transforms, splits, options.scaler)
    notes = result.notes + _out_of_reach(runs[-1].model, preparation, frame, fold)
    return Trial(
        plan=plan,
        frame=frame,
        windows=windows,
        transforms=transforms,
        result=result,
        runs=runs,
        preparation=preparation,
        fold=fold,
        notes=notes,
    )


def columns_of(features: str) -> tuple[str, ...]:
    """The names of columns in a text with commas.

    Raises:
        InputError: there is none.
    """
    columns = tuple(name.strip() for name in features.split(",") if name.strip())
    if not columns:
        raise InputError(f"--features {features!r} names no column; write them with commas: 'Adj Close,Volume'")
    return tuple(dict.fromkeys(columns))


def output_of(loss: Loss) -> Output:
    """How the numbers are read that a model gives which was trained by `loss`.

    Raises:
        InputError: it scores classes, or nobody knows.
    """
    from nanolstm.forecasting.outputs import Gaussian, Point, Quantiles

    if loss.classes:
        raise InputError(f"loss {loss} scores classes, and a series is of numbers; choose another loss")
    if loss.name == "quantile":
        return Quantiles(loss.parameters.get("q", 0.5))
    if loss.name == "gaussian_nll":
        return Gaussian()
    if loss.columns != 1:
        raise InputError(
            f"loss {loss} has {loss.columns} columns, and what they forecast is not known; train with a loss of one "
            "column, quantile or gaussian_nll, or score a model without training (--no-train)"
        )
    return Point()


def transforms_of(asked: str, frame: pd.DataFrame) -> dict[str, str]:
    """A transform for each column; `auto` is log returns of what is above 0 throughout, and differences of the rest."""
    positive = (frame > 0).all()
    auto = {str(column): "log_return" if positive[column] else "difference" for column in frame.columns}
    return auto if asked == "auto" else dict.fromkeys(auto, asked)


def _prepared(
    frame: pd.DataFrame, windows: Windows, transforms: dict[str, str], splits: Splits, scaler: str
) -> tuple[Preparation, Fold]:
    """What the last training was prepared with, and the fold that it was scored on."""
    from nanolstm.data.preparation import Preparation, check_transforms
    from nanolstm.data.series import ONE, check_series
    from nanolstm.scalers import scaler as find_scaler

    series = check_series(frame, windows)
    folds = list(splits.cut(frame.index))
    fitted = folds[-1] if splits.refit else folds[0]
    preparation = Preparation.fit(
        series,
        {ONE: fitted.train},
        windows=windows,
        transforms=check_transforms(transforms, windows, series),
        scaler=find_scaler(scaler),
    )
    return preparation, attrs.evolve(folds[-1], train=fitted.train, validation=fitted.validation)


def _out_of_reach(model: Sequence, preparation: Preparation, frame: pd.DataFrame, fold: Fold) -> tuple[str, ...]:
    """What of the held-out end the output cannot say, whatever it was trained on."""
    from nanolstm.bounds import output_range
    from nanolstm.data.series import ONE
    from nanolstm.forecasting.reach import out_of_reach

    try:
        low, high = output_range(model)
    except TraceError:
        return ()
    held_out = preparation.cut({ONE: frame}, {ONE: preparation.origins(range(len(frame)), fold.test)})
    reach = out_of_reach(held_out.target, low, high, what=f"the output of {type(model.cells[-1]).__name__}")
    return (str(reach),) if reach.matters else ()
