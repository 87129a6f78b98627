"""Strings in generated source: a title, a name or a number becomes a docstring, a comment, an identifier or a literal.

Whatever is not written in nanolstm itself (names of classes, gates, variables and losses, their parameters) reaches
generated source through these functions alone, so that none of it can end a string or a line and run as code.
"""

from __future__ import annotations

import math
import re
import unicodedata

_LONGEST_STEM = 40
"""Letters of a title in a file's name: with what Numba appends, a name stays below the 143 bytes of eCryptfs."""


def printable(text: str) -> str:
    """Return `text` on one line, with an escape sequence for each character that is not printable."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def docstring(*lines: str) -> str:
    """Return a string literal in triple quotes, one line of source for each of `lines`, whatever these hold."""
    escaped = (printable(line.replace("\\", r"\\").replace('"', r"\"")) for line in lines)
    return '"""' + "\n".join(escaped) + '"""'


def comment(text: str) -> str:
    """Return a comment of one line."""
    return f"# {printable(text)}"


def identifier(text: str) -> str:
    """Return what is left of `text` for the name of a variable: letters, digits, underscores in between; or "".

    It may begin with a digit. It is in the normal form to which Python brings names (NFKC), so that two results that
    differ are two variables: the ligature of f and i is the two letters.
    """
    normal = unicodedata.normalize("NFKC", text)
    letters = "".join(c if f"_{c}".isidentifier() else " " for c in normal)
    return re.sub(" +", "_", letters).strip("_")


def number(value: float) -> str:
    """Return an expression for a number (a bool as well), in which infinity and NaN are those of `np`."""
    if isinstance(value, bool) or math.isfinite(value):
        return repr(value)
    return "np.nan" if math.isnan(value) else "np.inf" if value > 0 else "-np.inf"


def file_stem(title: str) -> str:
    """Return the beginning of a file's name for `title`: ASCII letters, digits and underscores, and not too many."""
    return re.sub(r"[^A-Za-z0-9]+", "_", title)[:_LONGEST_STEM].strip("_") or "unnamed"
