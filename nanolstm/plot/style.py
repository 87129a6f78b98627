"""What all pictures have in common: colours that everybody can tell apart, and axes without ornament."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
"""Of Okabe and Ito (2008), who chose them for all kinds of colour vision; their yellow is too pale for a line."""

DASHES = ("-", "--", ":", "-.")
"""What tells lines apart once the colours have been used."""

MARKERS = "os^Dvp"

LOW, BETWEEN, HIGH = COLOURS[0], "#D9D9D9", COLOURS[1]


def figure_of(
    rows: int, columns: int = 1, *, width: float = 9.0, height: float = 2.4, **options: Any
) -> tuple[Figure, Any]:
    """A figure and its axes, an array (rows, columns); sizes in inches, the height that of one row."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, 0.6 + height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False, **options)
    for axis in axes.ravel():
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes


def line_style(i: int) -> dict[str, Any]:
    """The colour and the dashes of the line number `i`."""
    return {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i // len(COLOURS) % len(DASHES)]}


def tint(colour: str, share: float) -> tuple[float, ...]:
    """`colour` with white, opaque: where two lie upon each other, each is still that of the legend."""
    from matplotlib.colors import to_rgb

    return tuple(1.0 - share * (1.0 - part) for part in to_rgb(colour))


def headed(axis: Axes, text: str) -> None:
    """Put `text` above the axis, at its left, as it stands: a dollar sign in a name is one."""
    axis.set_title(text, loc="left", fontsize="medium", parse_math=False)


def legend(axis: Axes) -> None:
    """A legend beside the axis, where it covers nothing; none for a single line."""
    _, labels = axis.get_legend_handles_labels()
    if len(labels) > 1:
        made = axis.legend(
            loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize="small", borderaxespad=0.2
        )
        for text in made.get_texts():
            text.set_parse_math(False)


def whole_numbers(axis: Any) -> None:
    """No ticks between the numbers of units, steps or epochs on an x or y axis."""
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(nbins="auto", integer=True))


def log_if_wide(axis: Axes, values: Any, *, times: float = 30.0) -> None:
    """A logarithmic scale where positive values reach over more than `times` the smallest of them."""
    import numpy as np

    finite = np.asarray(values, float)
    finite = finite[np.isfinite(finite)]
    if finite.size and finite.min() > 0 and finite.max() > times * finite.min():
        axis.set_yscale("log")


def along_times(axis: Axes, index: Any) -> Any:
    """The times of an index as matplotlib takes them, and on the axis dates that do not run into each other."""
    import numpy as np

    index = index.to_timestamp() if hasattr(index, "to_timestamp") and not hasattr(index, "iloc") else index
    values = index.to_numpy() if hasattr(index, "to_numpy") else np.asarray(index)
    if len(values) and hasattr(values[0], "to_timestamp"):  # periods in a column
        values = np.array([value.to_timestamp().to_datetime64() for value in values])
    if len(values) and (values.dtype.kind == "M" or hasattr(values[0], "isoformat")):
        from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

        locator = AutoDateLocator()  # type: ignore[no-untyped-call]
        axis.xaxis.set_major_locator(locator)
        axis.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
    elif values.dtype.kind in "iu":
        whole_numbers(axis.xaxis)
    return values
