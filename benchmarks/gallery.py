"""The gallery of the zoo: every cell learns two tasks, and a page of the documentation shows all that is known of it.

    pip install ".[compare,docs]"
    python benchmarks/gallery.py --out docs/gallery             # some minutes: learns, and writes the page
    python benchmarks/gallery.py --out docs/gallery --resume    # cells that PATH.json has are not trained again
    python benchmarks/gallery.py --cells LSTM,GRU               # prints, and writes nothing

PATH.json keeps the learning curves, PATH.md is the page, and pictures/gallery/ beside it has a picture for each family.
Speed comes from zoo-speed.json beside it, which `benchmarks/zoo.py` writes.
"""

from __future__ import annotations

import argparse
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from contest import machine
from contest.gallery.learning import LESSONS, learn
from contest.gallery.page import page
from contest.gallery.picture import draw
from contest.results import write
from contest.zoo.results import ZooResults

from nanolstm.cells.zoo import FAMILIES, HOMES


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=lambda text: text.split(","), default=list(HOMES), help="some of the zoo")
    parser.add_argument("--out", type=Path, help="write PATH.json, PATH.md and the pictures")
    parser.add_argument("--resume", action="store_true", help="leave out cells that PATH.json has")
    given = parser.parse_args()
    if given.resume and not given.out:
        parser.error("--resume needs --out")
    return given


def curves_of(given: argparse.Namespace) -> dict[str, Any]:
    """What is there already, and what is learnt now; kept after each cell."""
    path = given.out.with_name(f"{given.out.name}.json") if given.out else None
    kept: dict[str, Any] = {"made": {}, "curves": {}}
    if given.resume and path.exists():
        kept = json.loads(path.read_text(encoding="utf-8"))
    for name in given.cells:
        if name in kept["curves"]:
            continue
        began = time.perf_counter()
        curves = {lesson.name: learn(name, lesson) for lesson in LESSONS.values()}
        words = ", ".join(f"{task} {curve['accuracy'][-1]:.3f}" for task, curve in curves.items())
        print(f"{name:<20}{words}, {time.perf_counter() - began:.1f} s", flush=True)
        kept["curves"][name] = curves
        kept["made"] = {
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "processor": f"{machine.processor()}, {len(machine.cores())} cores",
        }
        if path:
            lines = ",\n".join(f"{json.dumps(cell)}: {json.dumps(value)}" for cell, value in kept["curves"].items())
            write(path, f'{{"made": {json.dumps(kept["made"])},\n"curves": {{\n{lines}\n}}}}\n')
    return kept


def publish(kept: dict[str, Any], out: Path) -> None:
    """The pictures and the page."""
    pictures = {}
    for module, names in FAMILIES.items():
        if any(name in kept["curves"] for name in names.split()):
            pictures[module] = f"pictures/gallery/{module}.svg"
            draw(names.split(), kept["curves"], out.parent / pictures[module])
    results = ZooResults.of(out.with_name("zoo-speed.json"))
    write(out.with_name(f"{out.name}.md"), page(results, kept["curves"], kept["made"], pictures))


def main() -> None:
    given = options()
    kept = curves_of(given)
    if given.out:
        publish(kept, given.out)


if __name__ == "__main__":
    main()
