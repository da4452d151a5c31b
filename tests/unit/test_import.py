"""The library works with torch and numpy alone until something else of it is used."""

import json
import subprocess
import sys

HEAVY = ["mujoco", "gymnasium_robotics", "minari", "gymnasium", "h5py", "plotly", "ipywidgets", "anywidget", "scipy",
         "matplotlib", "tensorboard", "rich", "typer", "torchdiffeq", "pandas", "ray", "IPython", "ot", "safetensors"]

SCRIPT = """
import json, sys

for name in json.loads(sys.argv[1]):
    sys.modules[name] = None  # as if it were not installed
import torch
import gtp_mini
ring = gtp_mini.datasets.toys.toy("ring", 100)
model = gtp_mini.fit(ring, steps=3, width=8, depth=1)
model.sample(4, steps=2)
line = gtp_mini.exact.GaussianMixture(torch.tensor([[-1.0], [1.0]]), 0.1)
line(torch.ones(3, 1), 5.0, 0.0)
gtp_mini.guidance.advantage_weights(torch.randn(4), 1.0)
assert all(hasattr(gtp_mini, name) for name in gtp_mini.__all__)
"""


def test_import_and_fit_need_torch_and_numpy_only():
    done = subprocess.run([sys.executable, "-c", SCRIPT, json.dumps(HEAVY)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_import_brings_none_of_the_rest():
    script = "import json, sys, gtp_mini; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert not set(HEAVY) & set(json.loads(done.stdout))
