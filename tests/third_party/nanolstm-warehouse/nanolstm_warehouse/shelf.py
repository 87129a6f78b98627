"""The cell: what is on a shelf goes down by a share and up by what comes in."""

import nanolstm as nl


class Shelf(nl.Cell):
    """A leaky shelf: h = f * h + (1 - f) * new."""

    outputs: int = 1
    keep: nl.Gate = nl.gate(nl.sigmoid)
    new: nl.Gate = nl.gate(nl.identity, W=None)
    show: nl.Gate = nl.gate(nl.sigmoid, size="outputs", U=None, W="h")

    def step(self, x, h):
        f = self.keep(x, h)
        h = f * h + (1 - f) * self.new(x)
        return self.show(h), h
