"""Prints how fast this machine trains and acts, as ratios taken in one run: python tests/benchmarks/speed.py

Not a test: nothing here passes or fails, as a busy machine would decide. `gtp-mini bench` is the same without the
rival; a competitor's agent joins by `update(batch, step, generator)`, as published_diffusion_ql.py shows.
"""

import argparse
import json

import torch
from published_diffusion_ql import PublishedDiffusionQL

from gtp_mini import bench
from gtp_mini.book import markdown

RIVAL = "Diffusion-QL as published"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args()
    rival = PublishedDiffusionQL(bench.OBS_DIM, bench.ACTION_DIM, options.width, options.device)
    seconds = bench.updates(options.device, options.width, {RIVAL: rival})
    rows = [{"method": name, "updates/s": 1 / s, f"times {RIVAL}": seconds[RIVAL] / s} for name, s in seconds.items()]
    print(json.dumps(rows) if options.json else markdown(rows))


if __name__ == "__main__":
    main()
