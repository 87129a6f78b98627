"""The command line: `program.py` builds it, and each command or family of commands has a file of its own."""

from nanolstm.cli.program import main as main
