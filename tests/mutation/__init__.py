"""A mutation test of the compiler: faults are planted in copies of its source, and the tests have to notice each.

    python -m tests.mutation --count 100 --seed 7 --results mutants.jsonl --processes 2

draws 100 mutants of `compile/`, `kernels/`, `graph/` and `gradient/`, runs the stages of `stages.py` on each up to the
first that fails, and appends one JSON line a mutant to the file. The same command goes on where it was interrupted.

    python -m tests.mutation --count 100 --seed 7 --list              print the mutants, run nothing
    python -m tests.mutation --report mutants.jsonl                   the score, and the survivors with their diffs
    python -m tests.mutation ... --only 3 17                          of the mutants those with these numbers
    python -m tests.mutation ... --again                              try survivors once more, after a test was added
    python -m tests.mutation ... --workspace DIR                      keep the copy and its compiled kernels for later

Results belong to one state of the sources: after a change in the compiler, name another file. A survivor needs a test
that kills it. One that no test can kill, because the program means the same with it, is named in `equivalent.toml` with
the reason; the next mutant of the draw replaces it when the command runs again.

How it is made: `tree.py` says what may be changed (no text, no types, no imports), `operators/` has the kinds of fault
in one table, `mutants.py` writes one into the text, `drawing.py` draws, `workspace.py` runs a copy of the project that
shares no cache with anybody, `trials.py` tries one mutant after the other, `results.py` keeps count.
"""
