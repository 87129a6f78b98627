"""The registered cells as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def catalogue() -> pd.DataFrame:
    """Every registered cell, those of plugins too, one a row: its paper, and how many parameters it has.

    ```python
    import nanolstm as nl

    table = nl.cells.catalogue()
    assert table.loc["LSTM", "parameters"] == "4K² + 4KM + 4K"
    ```

    Returns:
        A frame by name, with the columns `paper`, `authors`, `year` and `reference`, from the section `Reference:` of
        the cell's docstring and empty where it has none; `parameters` and `frozen`, how many numbers are trained and
        how many are not, as formulas of the hidden size K and the inputs M, `where` they hold (`heads = 4`, `M = K`);
        `states`, their names; `plugin`, who registered it; `about`, the first line of its docstring; and `wrong`, why
        a cell that cannot be made is not described.

        A formula is read off cells of many sizes, each of whose parameters it counts exactly.
    """
    import pandas as pd

    from nanolstm.describing.card import cards

    columns = ["paper", "authors", "year", "parameters", "frozen", "where", "states", "plugin", "about", "reference"]
    rows = [card.facts() for card in cards()]
    table = pd.DataFrame(rows, columns=["name", *columns, "wrong"]).set_index("name")
    return table.assign(year=table["year"].astype("Int64"), states=table["states"].map(", ".join))
