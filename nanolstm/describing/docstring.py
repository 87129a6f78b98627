"""The docstring of a cell: its first line, the paper that its section `Reference:` names, and its text for a screen."""

from __future__ import annotations

import inspect
import re
import textwrap

import attrs

_SECTION = re.compile(r"^([A-Z]\w+):$")
_ITEM = re.compile(r"^ {4}`?\w+`?(?: \([^)]*\))?: ")
_INITIALS = re.compile(r"(?:[A-Z][a-z]?\.[\s-]?)+|Jr\.?|et al\.?")


@attrs.frozen
class Paper:
    """A paper as a docstring names it.

    Attributes:
        reference: the text of the section `Reference:`, on one line.
        authors: the family names: "Gers et al.", "Cho and Bengio"; empty where they cannot be told.
        title: the title; empty where it cannot be told.
        year: the year; None where there is none.
    """

    reference: str = ""
    authors: str = ""
    title: str = ""
    year: int | None = None

    def __str__(self) -> str:
        return ": ".join(part for part in (self.authors, self.title) if part) or self.reference


def paper_of(kind: type) -> Paper:
    """The paper that the docstring of a class names in a section of its own.

    It is written as `Authors (year). Title. Journal. Equations.`:

    ```python
    from nanolstm.describing.docstring import paper_of

    class Cell:
        \"\"\"A cell.

        Reference:
            Gers, F. A., Schmidhuber, J. and Cummins, F. (2000). Learning to forget. Neural Computation 12(10).
        \"\"\"

    assert str(paper_of(Cell)) == "Gers et al.: Learning to forget" and paper_of(Cell).year == 2000
    ```
    """
    blocks = [block.splitlines() for block in _blocks(own_docstring(kind))]
    lines = next((lines[1:] for lines in blocks if lines[0] == "Reference:"), [])
    reference = " ".join(line.strip() for line in lines)
    found = re.match(r"(?P<authors>.*?)\s*\((?P<year>\d{4})\w?\)\.?,?\s*(?P<rest>.*)", reference)
    if not found:
        return Paper(reference)
    title = re.match(r"[\"“']?(.+?)[\"”']?(?:\.(?=\s|$)|(?<=\?)(?=\s)|$)", found["rest"])
    return Paper(reference, _family_names(found["authors"]), title[1] if title else "", int(found["year"]))


def own_docstring(kind: type) -> str:
    """The docstring of a class itself, without its indentation: one that is inherited describes another class."""
    return inspect.cleandoc(kind.__dict__.get("__doc__") or "")


def first_line(kind: type) -> str:
    """The first line of a class's own docstring."""
    return (own_docstring(kind).splitlines() or [""])[0]


def for_a_screen(text: str, width: int) -> str:
    """A docstring as text of `width` columns: prose is filled anew, equations keep their lines, links their text."""
    text = re.sub(r"\[(`[^`\]]+`)\]\[[^\]]*\]", r"\1", text)
    return "\n\n".join("\n".join(_laid_out(block.splitlines(), width)) for block in _blocks(text))


def _blocks(text: str) -> list[str]:
    return [block for block in re.split(r"\n\s*\n", text) if block.strip()]


def _laid_out(lines: list[str], width: int) -> list[str]:
    section = _SECTION.match(lines[0])
    if section:
        items: list[str] = []
        for line in lines[1:]:
            if items and not _ITEM.match(line):
                items[-1] += " " + line.strip()
            else:
                items.append(line.strip())
        return [lines[0], *(part for item in items for part in _filled(item, width, "    ", "        "))]
    if lines[0].startswith(" "):
        return [part for line in lines for part in _filled(line, width, "", "    " + re.match(" *", line)[0])]  # type: ignore[index]
    return _filled(" ".join(lines), width, "", "")


def _filled(text: str, width: int, first: str, others: str) -> list[str]:
    if len(first + text) <= width:
        return [first + text]
    return textwrap.wrap(text, width, initial_indent=first, subsequent_indent=others, break_long_words=False)


def _family_names(authors: str) -> str:
    parts = [part.strip() for part in re.split(r",|;|&|\band\b", authors)]
    names = [part for part in parts if part and not _INITIALS.fullmatch(part)]
    # Written the other way round, a family name comes after its initials: J. L. Elman.
    names = [re.sub(r"^(?:[A-Z]\.[\s-]?)+", "", name) for name in names]
    if len(names) > 2:
        return f"{names[0]} et al."
    return " and ".join(names)
