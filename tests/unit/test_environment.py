"""One set of versions, for pip and conda alike: what pyproject asks for is pinned, installed and in environment.yml."""

import re
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = ("antmaze", "book", "test")
REQUIREMENTS = PROJECT["dependencies"] + [r for e in EXTRAS for r in PROJECT["optional-dependencies"][e]]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return {canonicalize_name(name): number for name, _, number in (line.partition("==") for line in lines)
            if not name.startswith("#")}


@pytest.mark.parametrize("line", sorted(set(REQUIREMENTS)))
def test_every_requirement_is_pinned_within_its_range_and_installed(line):
    requirement = Requirement(line)
    pinned = pins()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(pinned)
    assert version(requirement.name).split("+")[0] == pinned


def test_conda_installs_what_make_installs():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert [Requirement(line).name for line in conda] == ["python", "pip"]
    assert Requirement(conda[0]).specifier == Requirement(f"python{PROJECT['requires-python']}").specifier
    assert pip == {"pip": ["-c constraints.txt", f"-e .[{','.join(EXTRAS)}]"]}
    makefile = (ROOT / "Makefile").read_text()
    command = re.search(r'pip install .*?-e "(.*?)" -c (\S+)', makefile)
    assert command.groups() == (f".[{','.join(EXTRAS)}]", "constraints.txt")
