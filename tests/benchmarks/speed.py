"""Prints how fast this machine trains and acts, as ratios taken in one run: python tests/benchmarks/speed.py

Not a test: nothing here passes or fails, as a busy machine would decide. `gtp-mini bench` is the same without the
rival; a competitor's agent joins by `update(batch, step, generator)`, as published_diffusion_ql.py shows.
`--out data/benchmark/speed.json` keeps the whole of it as a record, which chapter 12 shows.
"""

import argparse
import json
from pathlib import Path

import torch
from published_diffusion_ql import PublishedDiffusionQL

from gtp_mini import bench
from gtp_mini.book import markdown
from gtp_mini.saving import write_bytes

RIVAL = "Diffusion-QL as published"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--width", type=int, default=256)
    parser.add_argument("--out", type=Path, help="a file for the record, as JSON")
    options = parser.parse_args()
    rival = PublishedDiffusionQL(bench.OBS_DIM, bench.ACTION_DIM, options.width, options.device)
    found = bench.everything(options.device, options.width, {RIVAL: rival}) | {"rival": RIVAL}
    if options.out:
        write_bytes(options.out, (json.dumps(found, indent=1) + "\n").encode())
    rates = found["updates_per_second"]
    print(markdown([{"method": name, "updates/s": rate, f"times {RIVAL}": rate / rates[RIVAL]}
                    for name, rate in rates.items()]))


if __name__ == "__main__":
    main()
