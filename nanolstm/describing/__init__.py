"""A cell as its reader sees it: its paper, its sizes as formulas, its parameters, its source, its graph.

Nothing here is written down for a cell: all is read off its class, its docstring, and cells of it of several sizes.
"""
