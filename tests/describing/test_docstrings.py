"""What is read out of the docstring of a cell, and how it is laid out for a screen."""

import pytest

from nanolstm.describing.docstring import first_line, for_a_screen, paper_of


def documented(text):
    return type("Documented", (), {"__doc__": text})


@pytest.mark.parametrize(
    ("reference", "authors", "title", "year"),
    [
        (
            "Gers, F. A., Schmidhuber, J. and Cummins, F. (2000). Learning to forget: continual prediction with\n"
            "        LSTM. Neural Computation 12(10). Equations 3.1 to 3.6.",
            "Gers et al.",
            "Learning to forget: continual prediction with LSTM",
            2000,
        ),
        ("Elman, J. L. (1990). Finding structure. Cognitive Science 14.", "Elman", "Finding structure", 1990),
        ("Cho, K. and van der Zant, T. (2014b). Really? Yes. Journal.", "Cho and van der Zant", "Really?", 2014),
        ("J. Hochreiter, J. Schmidhuber (1997). Memory.", "Hochreiter and Schmidhuber", "Memory", 1997),
        ("Ba, J. L., Kiros, J. R. & Hinton, G. E. (2016). Layers.", "Ba et al.", "Layers", 2016),
        ("An unpublished note.", "", "", None),
    ],
)
def test_the_paper_is_that_of_the_section_reference(reference, authors, title, year):
    paper = paper_of(documented(f"A cell.\n\n    With M inputs.\n\n    Reference:\n        {reference}\n    "))
    assert (paper.authors, paper.title, paper.year) == (authors, title, year)
    assert paper.reference == " ".join(reference.split())
    assert str(paper) == (f"{authors}: {title}" if authors else reference)


@pytest.mark.parametrize("text", [None, "", "A cell of Gers et al. (2000), without the section."])
def test_a_cell_without_the_section_has_no_paper(text):
    paper = paper_of(documented(text))
    assert (str(paper), paper.year) == ("", None)


def test_a_docstring_that_is_inherited_is_another_classes():
    class Based(documented("A base.\n\nReference:\n    A, B. (1999). Base.")):
        pass

    assert (first_line(Based), paper_of(Based).year) == ("", None)


def test_prose_is_filled_equations_keep_their_lines_and_links_their_text():
    text = """The cell, whose bias starts at 1 as [`forget_bias`][nanolstm.forget_bias] says
why in so many words.

    h = f * h + g        (K)
    y = a_very_long_name_of_a_product * another_very_long_name_of_a_product + 1

Args:
    heads: how many there are, which must
        divide K.
    size: of it.

Returns:
    h (..., K), its state,
    and more words than one line of this width has.
"""
    assert for_a_screen(text, 50).splitlines() == [
        "The cell, whose bias starts at 1 as `forget_bias`",
        "says why in so many words.",
        "",
        "    h = f * h + g        (K)",
        "    y = a_very_long_name_of_a_product *",
        "        another_very_long_name_of_a_product + 1",
        "",
        "Args:",
        "    heads: how many there are, which must divide",
        "        K.",
        "    size: of it.",
        "",
        "Returns:",
        "    h (..., K), its state, and more words than one",
        "        line of this width has.",
    ]
