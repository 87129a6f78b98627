"""The cell language: what a cell is, from the words of its class to one step taken.

`gate` and `fields` are the words, `declaration` makes a class of them, `resolve` the `anatomy` of one cell; `cell`
holds its numbers (`parameters`, first drawn by `initialisers`), and `stepping`, `observe` and `probing` take, watch and
try a step. Nothing here knows of time, of data or of a compiler.
"""
