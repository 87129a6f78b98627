"""What the catalogue says of each registered cell."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import attrs

from nanolstm import plugins
from nanolstm.cells.find import find_cell
from nanolstm.describing.docstring import Paper, first_line, paper_of
from nanolstm.describing.family import Family, family_of, frozen, trained
from nanolstm.errors import NanolstmError, one_line
from nanolstm.language.cell import Cell


@attrs.frozen(kw_only=True)
class Card:
    """One cell in the catalogue.

    Attributes:
        name: as it is asked for.
        plugin: the plugin that registered it; several, where they clash.
        about: the first line of its docstring.
        paper: the paper of the section `Reference:` of its docstring.
        parameters: how many are trained, as a formula of the hidden size K and the inputs M.
        frozen: how many are not trained; "0" in most cells.
        where: what the formulas take for granted: "M = K", "heads = 4".
        states: the names of its states.
        wrong: why it cannot be described, if so; then all but its names is empty.
    """

    name: str
    plugin: str
    about: str = ""
    paper: Paper = attrs.field(factory=Paper)
    parameters: str = ""
    frozen: str = ""
    where: str = ""
    states: tuple[str, ...] = ()
    wrong: str = ""

    def facts(self) -> dict[str, Any]:
        """All of it as plain values."""
        facts = attrs.asdict(self) | {"states": list(self.states)}
        paper = facts.pop("paper")
        return facts | {"paper": paper.pop("title"), **paper}

    def count(self) -> str:
        """The formulas of its parameters and what they take for granted, on two lines."""
        text = self.parameters
        if self.frozen not in ("", "0"):
            text += f"; frozen: {self.frozen}"
        return text + (f"\n({self.where})" if self.where else "")


def cards() -> list[Card]:
    """Every registered cell, by name. A cell that is broken is among them, and says why it is."""
    registered = plugins.shared.registry("cells")
    return [card_of(name, " and ".join(entry.plugin.name for entry in registered.entries(name))) for name in registered]


def card_of(name: str, plugin: str) -> Card:
    """The card of one registered cell."""
    try:
        kind, fields = find_cell(name)
        paper, about = paper_of(kind), first_line(kind)
        # To mypy a class has the hash of its objects.
        family = family_of(kind, fields) if fields else _family_of(kind)  # type: ignore[arg-type]
    except NanolstmError as error:
        return Card(name=name, plugin=plugin, wrong=str(error))
    except Exception as error:  # noqa: BLE001  (whatever a stranger's module or step raises is his, and told)
        return Card(name=name, plugin=plugin, wrong=one_line(error))
    return Card(
        name=name,
        plugin=plugin,
        about=about,
        paper=paper,
        parameters=str(family.formula(trained)),
        frozen=str(family.formula(frozen)),
        where=", ".join(family.holds_where),
        states=tuple(family.smallest.anatomy.states),
    )


@lru_cache(maxsize=256)
def _family_of(kind: type[Cell]) -> Family:
    """Kept from one catalogue to the next: the cells of many sizes that a formula is read off take a while to make."""
    return family_of(kind)
