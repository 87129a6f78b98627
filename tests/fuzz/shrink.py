"""Making a failing case smaller: edits that keep the failure are kept, until none is left."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator

import attrs

from .case import Case
from .compare import compare
from .outcome import Failure
from .program import Field, Program, Statement
from .surroundings import SIMPLEST, Surroundings

SECONDS = 60.0
"""How long one case is worked on at most."""

Fails = Callable[[Case], bool]


def shrunk(case: Case, failure: Failure, seconds: float = SECONDS) -> Case:
    """A case that fails in the same way as `case`, as small as could be found."""

    def fails(smaller: Case) -> bool:
        try:
            found = compare(smaller, (failure.mode,), only=failure).failures
        except Exception:  # noqa: BLE001  # an edit may make anything of a program
            return False
        return any(other.kind == failure.kind for other in found)

    return smallest(case, fails, seconds)


def smallest(case: Case, fails: Fails, seconds: float = SECONDS) -> Case:
    """`case` after all edits that `fails` allows."""
    end, going = time.monotonic() + seconds, True
    while going and time.monotonic() < end:
        going = False
        for edits in (_surroundings, _stacks, _states, _statements, _operands, _fields, _sizes):
            found = _edited(case, edits, fails, end)
            going, case = going or found is not case, found
    return case


def _edited(case: Case, edits: Callable[[Case], Iterator[Case]], fails: Fails, end: float) -> Case:
    """`case` after as many of `edits` as keep the failure; after each success they begin anew."""
    tried: set[Case] = set()
    progress = True
    while progress:
        progress = False
        for smaller in edits(case):
            if time.monotonic() > end:
                return case
            if smaller == case or smaller in tried:
                continue
            tried.add(smaller)
            if fails(smaller):
                case, progress = smaller, True
                break
    return case


def _around(case: Case, **changes: object) -> Case:
    return attrs.evolve(case, surroundings=attrs.evolve(case.surroundings, **changes))  # type: ignore[arg-type]


def _surroundings(case: Case) -> Iterator[Case]:
    around = case.surroundings
    for field in attrs.fields(Surroundings):
        if field.name not in ("seed", "draw", "batch", "time", "lengths"):
            yield _around(case, **{field.name: getattr(SIMPLEST, field.name)})
    yield _around(case, lengths=None)
    for batch in (0, 1, 2, 3, around.batch // 2, around.batch - 1):
        if 0 <= batch < around.batch:
            lengths = around.lengths[:batch] if around.lengths else None
            if lengths and max(lengths) < max(around.lengths or (1,)):
                lengths = (max(around.lengths or (1,)), *lengths[1:])
            yield _around(case, batch=batch, lengths=lengths)
    for steps in (1, 2, 3, around.time // 2, around.time - 1):
        if 1 <= steps < around.time:
            lengths = around.lengths and tuple(min(n, steps) for n in around.lengths)
            cut = around.truncate and min(around.truncate, steps)
            yield _around(case, time=steps, lengths=lengths, truncate=cut)


def _stacks(case: Case) -> Iterator[Case]:
    if len(case.programs) > 1:
        for program in case.programs:
            yield attrs.evolve(case, programs=(program,))


def _programs(case: Case, edit: Callable[[Program], Iterator[Program]]) -> Iterator[Case]:
    for place, program in enumerate(case.programs):
        for smaller in edit(program):
            programs = (*case.programs[:place], smaller.live(), *case.programs[place + 1 :])
            yield attrs.evolve(case, programs=programs)


def _states(case: Case) -> Iterator[Case]:
    return _programs(case, _without_states)


def _state_names(program: Program) -> list[str]:
    beside = {field.name for field in program.fields if field.kind in ("feed", "noise")}
    return [name for name in program.arguments if name not in beside]


def _without_states(program: Program) -> Iterator[Program]:
    states = _state_names(program)
    for place, name in enumerate(states):
        handed_on = list(program.returned)
        handed_on[place + 1] = name
        yield attrs.evolve(program, returned=tuple(handed_on))
        others = [n for n in program.arguments if n != name]
        returned = tuple(r for i, r in enumerate(program.returned) if i != place + 1)
        fields = tuple(f for f in program.fields if f.name != name)
        without = attrs.evolve(program, arguments=tuple(others), returned=returned, fields=fields)
        for other in ("x", *[n for n in states if n != name]):
            yield _renamed(without, name, other)
    for name in program.arguments:
        if name not in states:
            others = [n for n in program.arguments if n != name]
            fields = tuple(f for f in program.fields if f.name != name)
            without = attrs.evolve(program, arguments=tuple(others), fields=fields)
            for other in ("x", *states):
                yield _renamed(without, name, other)


def _renamed(program: Program, name: str, other: str) -> Program:
    """The same with `other` read in the place of `name`."""

    def new(words: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(other if word == name else word for word in words)

    statements = tuple(attrs.evolve(s, operands=new(s.operands)) for s in program.statements)
    return attrs.evolve(program, statements=statements, returned=new(program.returned))


def _statements(case: Case) -> Iterator[Case]:
    return _programs(case, _without_statements)


def _without_statements(program: Program) -> Iterator[Program]:
    """Each statement left out, what it reads standing in its place; then simpler ways of writing it."""
    for statement in reversed(program.statements):
        others = [s for s in program.statements if s is not statement]
        without = attrs.evolve(program, statements=tuple(others))
        earlier = program.statements[: program.statements.index(statement)]
        alike = [s.target for s in earlier if (s.shape, s.lead) == (statement.shape, statement.lead)]
        for other in dict.fromkeys((*statement.operands, *_state_names(program), "x", *alike[-3:])):
            yield _renamed(without, statement.target, other)
    for place, statement in enumerate(program.statements):
        for change in _simpler(statement):
            statements = (*program.statements[:place], change, *program.statements[place + 1 :])
            yield attrs.evolve(program, statements=statements)


def _simpler(statement: Statement) -> Iterator[Statement]:
    if statement.place != "named":
        yield attrs.evolve(statement, place="named")
    one = len(statement.operands) == 1
    for text in ("np.tanh({0})", "-{0}", "{0} * {0}") if one and statement.text != "-{0}" else ():
        if len(text) < len(statement.text):
            yield attrs.evolve(statement, text=text, numbers=())
    if len(statement.operands) == 2:
        for text in ("{0} * {1}", "{0} + {1}"):
            if len(text) < len(statement.text):
                yield attrs.evolve(statement, text=text, numbers=())


def _operands(case: Case) -> Iterator[Case]:
    return _programs(case, _other_operands)


def _other_operands(program: Program) -> Iterator[Program]:
    for place, statement in enumerate(program.statements):
        for number, name in enumerate(statement.operands):
            for other in ("0.5", "x", *_state_names(program)):
                if name not in ("0.5", "x", other):
                    operands = (*statement.operands[:number], other, *statement.operands[number + 1 :])
                    changed = attrs.evolve(statement, operands=operands)
                    statements = (*program.statements[:place], changed, *program.statements[place + 1 :])
                    yield attrs.evolve(program, statements=statements)


def _fields(case: Case) -> Iterator[Case]:
    return _programs(case, _simpler_fields)


def _simpler_fields(program: Program) -> Iterator[Program]:
    if program.settings:
        yield attrs.evolve(program, settings=())
    if program.rebinding:
        yield attrs.evolve(program, rebinding=False)
    for place, field in enumerate(program.fields):
        for change in _simpler_field(field):
            yield attrs.evolve(program, fields=(*program.fields[:place], change, *program.fields[place + 1 :]))


def _simpler_field(field: Field) -> Iterator[Field]:
    for number, (key, text) in enumerate(field.options):
        others = (*field.options[:number], *field.options[number + 1 :])
        yield attrs.evolve(field, options=others)
        reads = re.search(r"'\w+'", text)
        if key in ("U", "W", "P", "Q") and reads and text != reads.group():
            yield attrs.evolve(
                field, options=(*field.options[:number], (key, reads.group()), *field.options[number + 1 :])
            )
    if field.kind == "gate" and field.arguments != ("np.tanh",):
        yield attrs.evolve(field, arguments=("np.tanh",))


def _sizes(case: Case) -> Iterator[Case]:
    return _programs(case, _smaller)


def _smaller(program: Program) -> Iterator[Program]:
    """Each size smaller wherever it stands."""
    words = " ".join(f.render() for f in program.fields)
    found = {int(n) for n in re.findall(r"(?<![\w.])\d+(?![\w.])", words)} | {program.hidden, program.inputs}
    found |= {n for s in program.statements for n in s.numbers}
    for size in sorted((n for n in found if n > 1), reverse=True):
        for smaller in dict.fromkeys((1, 2, 3, size // 2, size - 1)):
            if smaller < size:
                yield _with_size(program, size, smaller, everywhere=True)
                yield _with_size(program, size, smaller, everywhere=False)


def _with_size(program: Program, size: int, smaller: int, *, everywhere: bool) -> Program:
    def text(words: str) -> str:
        return re.sub(rf"(?<![\w.]){size}(?![\w.])", str(smaller), words)

    fields = tuple(
        attrs.evolve(
            f, arguments=tuple(map(text, f.arguments)), options=tuple((key, text(value)) for key, value in f.options)
        )
        for f in program.fields
    )
    statements = program.statements
    if everywhere:
        statements = tuple(
            attrs.evolve(s, numbers=tuple(smaller if n == size else n for n in s.numbers)) for s in statements
        )
    inputs, hidden = (smaller if n == size else n for n in (program.inputs, program.hidden))
    return attrs.evolve(program, fields=fields, statements=statements, inputs=inputs, hidden=hidden)
