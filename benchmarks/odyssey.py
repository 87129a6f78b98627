"""What each part of an LSTM is worth: the table of "LSTM: A Search Space Odyssey" (Greff et al. 2017), in small.

    python benchmarks/odyssey.py                  # about ten minutes on 2 cores; prints the table
    python benchmarks/odyssey.py --out docs       # docs/odyssey.md, docs/odyssey.csv, docs/pictures/odyssey.png
    python benchmarks/odyssey.py --quick          # whether everything works, not what comes of it

Each of the nine cells is trained on two tasks with learning rates drawn at random, the same for all. What does best on
validation data is trained again from other seeds, and these are compared on the test data.

Break it off when you like: the same command goes on where it was, from the files of `nl.sweep` in `--rows`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd
from contest.results import write
from variants.findings import findings
from variants.page import page, printed
from variants.picture import draw
from variants.task import tasks
from variants.trials import Plan, drawn, trials

from nanolstm.cells.odyssey import VARIANTS


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="hardly any data, two learning rates, two seeds")
    parser.add_argument("--variants", type=chosen, default=VARIANTS, help=f"some of {','.join(VARIANTS)}")
    parser.add_argument("--rates", type=int, help="how many learning rates in the search (6; 2 if quick)")
    parser.add_argument("--seeds", type=int, help="how many of the best in the test (8; 2 if quick)")
    parser.add_argument("--jobs", type=int, default=2, help="how many are trained at once")
    parser.add_argument("--rows", type=Path, default=Path("build/odyssey"), help="the folder of what is done already")
    parser.add_argument("--out", type=Path, help="write the page, its table and its picture into this folder")
    return parser.parse_args()


def chosen(text: str) -> tuple[str, ...]:
    """Those named and the vanilla LSTM, in the order in which they are known."""
    wanted = {VARIANTS[0], *text.split(",")}
    if unknown := wanted - set(VARIANTS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))} is none of {', '.join(VARIANTS)}")
    return tuple(name for name in VARIANTS if name in wanted)


def plan_of(given: argparse.Namespace) -> Plan:
    rates, seeds, hidden = (2, 2, 4) if given.quick else (6, 8, 20)
    return Plan(
        variants=given.variants,
        rates=drawn(given.rates or rates),
        hidden=hidden,
        seeds=tuple(range(1, 1 + (given.seeds or seeds))),
        jobs=given.jobs,
        rows=given.rows.with_name(f"{given.rows.name}-quick") if given.quick else given.rows,
    )


def main() -> int:
    given = options()
    plan, about = plan_of(given), tasks(quick=given.quick)
    try:
        table = pd.concat([trials(task, plan) for task in about], ignore_index=True)
    except KeyboardInterrupt:
        print(f"\nBroken off. What is done is in {plan.rows}: the same command goes on from there.")
        return 130
    found = findings(table, about)
    print(printed(found))
    if given.out:
        picture = given.out / "pictures" / "odyssey.png"
        picture.parent.mkdir(parents=True, exist_ok=True)
        draw(found, picture)
        write(given.out / "odyssey.csv", table.drop(columns="seconds").to_csv(index=False, float_format="%.6g"))
        write(given.out / "odyssey.md", page(found, table, plan, quick=given.quick))
    return 0


if __name__ == "__main__":
    sys.exit(main())
