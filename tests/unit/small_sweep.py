"""A plan of seconds, an engine in this process, and a command line in this process."""

import json
import os
import signal

from gtp_mini.sweep.engine import Engine, attempt

SMALL = """
steps = 4
batch_size = 16
log_every = 2
checkpoint_every = 2
settings = {width = 8, depth = 1}
eval = {every = 2, every_episodes = 2, episodes = 3, sampling_steps = [1, 2]}
"""
GROUP = """
[[group]]
name = "main"
tasks = ["multigoal"]
methods = ["gtp", "gtp-bc"]
seeds = [0, 1]
"""


class Here(Engine):
    """Does the jobs in this process, and remembers them."""

    def __init__(self):
        self.did = []

    def run(self, jobs):
        for job in jobs:
            self.did.append(job.cell.name)
            yield job, attempt(job)


class Deadly:
    """Stands for a cell whose worker the kernel kills."""

    name = "deadly"
    group, variant, evaluations = "main", None, ()

    @property
    def config(self):
        os.kill(os.getpid(), signal.SIGKILL)


def the_object(out):
    """The one JSON object on standard output."""
    assert out.endswith("\n") and out.count("\n") == 1
    return json.loads(out)
