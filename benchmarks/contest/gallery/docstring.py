"""What a gallery shows of a cell's docstring: its equations, and what leads to each."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from nanolstm.describing.docstring import own_docstring

SECTION = re.compile(r"[A-Z]\w+:$")


def equations(kind: type) -> Iterator[tuple[str, str]]:
    """(The paragraph that leads to them, equations), one after the other; the examples are left out."""
    text = re.sub(r"```.*?```", "", own_docstring(kind), flags=re.DOTALL)
    before = ""
    for block in re.split(r"\n\s*\n", text)[1:]:  # the first is the title
        lines = block.strip("\n").splitlines()
        if lines and SECTION.match(lines[0]):
            return
        if lines and lines[0].startswith("    "):
            yield before, textwrap.dedent("\n".join(lines))
            before = ""
        else:
            before = " ".join(lines)
