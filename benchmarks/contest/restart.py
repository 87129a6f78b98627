"""A program that begins anew where libraries that it has imported already chose their threads."""

from __future__ import annotations

import os
import subprocess
import sys

from contest.machine import COUNTS, UNWANTED, environment
from contest.worker import hold, set_threads


def on(threads: int) -> None:
    """Go on with that many cores and threads: in this process if it was started so, and else in one that is.

    Libraries count their threads when they are imported, which is why it cannot be said later.
    """
    there = os.environ
    if any(there.get(name) != str(threads) for name in COUNTS) or any(name in there for name in UNWANTED):
        sys.exit(subprocess.run([sys.executable, *sys.argv], check=False, env=environment(threads)).returncode)
    hold(threads)
    set_threads(threads)
