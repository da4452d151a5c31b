"""A part of a study that costs nothing, in a module of its own so that worker processes can import it."""

import os
import time
from pathlib import Path

from gtp_mini.study import Part


def cells(seeds, folder):
    return [{"name": name, "seed": seed} for seed in range(seeds) for name in "ab"]


def measure(cell):
    if os.environ.get("TINY_PART_FAILS") == cell["name"]:
        raise RuntimeError("this run was told to fail")
    if folder := os.environ.get("TINY_PART_WAITS"):
        (Path(folder) / str(os.getpid())).touch()
        time.sleep(60)
    return {"value": cell["seed"] + 0.5}


def tables(rows):
    return {"values": [{"name": r["cell"]["name"], "value": r["result"]["value"]} for r in rows]}


TINY = Part("tiny", "What is a half more?", cells, measure, tables)
