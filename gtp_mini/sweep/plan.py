"""From a plan file to its cells. What a plan cannot mean is refused before anything runs.

A plan is TOML::

    steps = 50_000                           # shared: any of SHARED, for all groups
    settings = {width = 256}
    eval = {every = 5_000, episodes = 100, sampling_steps = [1, 2, 5]}

    [method.iql]                             # what differs for a method; [task.NAME] likewise
    settings = {lr = 3e-4}

    [[group]]                                # tasks x methods x variants x seeds
    name = "main"
    tasks = ["antmaze-umaze", "antmaze-medium-play"]
    methods = ["gtp", "gtp-sd", "iql"]
    seeds = [0, 1, 2]

    [[group]]                                # shared keys, method and task may stand in a group, too
    name = "ablation"
    tasks = ["antmaze-umaze"]
    methods = ["gtp"]
    seeds = [0, 1]
    variants = {pessimism = {pessimism = 0.5}, wide = {width = 512}}

The nearest word counts: shared, then the method's, then the task's, then the same of the group, then the variant.
`critic` is the folder of a run that has learned values; {task} and {seed} in its name stand for the cell's own.
"""

import re
import tomllib
from dataclasses import fields
from pathlib import Path

from ..agents import METHODS
from ..datasets.tasks import TASKS
from ..training import TrainConfig
from .cell import Cell
from .schema import SHARED, check_keys, check_known, check_list, merged, planned_evaluations

GROUP = ("name", "tasks", "methods", "seeds", "variants", "method", "task", *SHARED)
PLAN = ("group", "method", "task", *SHARED)


def load_plan(path: str | Path) -> list[Cell]:
    """The cells of a plan file, all of the first seed first, so that a sweep stopped half-way has runs of everything.

    Raises ValueError for what a plan cannot mean, with the place and what is known there.
    """
    try:
        plan = tomllib.loads(Path(path).read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not TOML: {error}") from None
    try:
        return cells_of(plan)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def cells_of(plan: dict) -> list[Cell]:
    """The cells of a plan that has been read."""
    check_keys(plan, PLAN, "at the top")
    _check_overrides(plan, METHODS, TASKS, "at the top")
    groups = plan.get("group")
    if not isinstance(groups, list) or not groups or not all(isinstance(group, dict) for group in groups):
        raise ValueError("a plan needs at least one [[group]] with tasks, methods and seeds")
    cells: dict[str, Cell] = {}
    for number, group in enumerate(groups, start=1):
        name = str(group.get("name", number))
        where = f"in group {name!r}"
        check_keys(group, GROUP, where)
        for cell in _cells_of_group(plan, group | {"name": name}, where):
            if cell.name in cells:
                other = cells[cell.name].group
                twice = "twice" if other == cell.group else f"and in group {other!r}"
                raise ValueError(f"{where}: {cell.name} is there {twice}; give one of them another variant's name")
            cells[cell.name] = cell
    return sorted(cells.values(), key=lambda cell: cell.config.seed)


def _cells_of_group(plan: dict, group: dict, where: str) -> list[Cell]:
    """Task by task, method by method. A group with variants has these alone, not the method as it is."""
    for name in ("tasks", "methods"):
        check_list(group.get(name), lambda value: isinstance(value, str), f"{name} {where}", "names")
    seeds_ok = lambda seed: type(seed) is int and seed >= 0  # noqa: E731
    check_list(group.get("seeds"), seeds_ok, f"seeds {where}", "whole numbers from 0")
    for name in group["tasks"]:
        check_known("task", name, TASKS, where)
    for name in group["methods"]:
        check_known("method", name, METHODS, where)
    _check_overrides(group, group["methods"], group["tasks"], where)
    return [_cell(plan, group, task, method, variant, seed, where)
            for task in group["tasks"] for method in group["methods"] for variant in _variants(group, where)
            for seed in group["seeds"]]


def _variants(group: dict, where: str) -> list[str | None]:
    if "variants" not in group:
        return [None]
    variants = group["variants"]
    if not isinstance(variants, dict) or not variants:
        raise ValueError(f"{where}: variants must be a table of named settings, got {variants!r}")
    for name in variants:
        if not re.fullmatch(r"[A-Za-z0-9_.=-]+", name):
            raise ValueError(f"{where}: a variant's name has letters, digits and - _ . = alone, got {name!r}")
        for method in group["methods"]:
            if f"{method}-{name}" in METHODS:
                raise ValueError(f"{where}: the variant {name!r} of {method} would be called {method}-{name}, which is "
                                 f"another method")
    return list(variants)


def _check_overrides(table: dict, methods, tasks, where: str) -> None:
    """The shared keys of a table, and its `method` and `task` tables, which name what is there."""
    for kind, known in (("method", methods), ("task", tasks)):
        check_keys(table.get(kind, {}), known, f"{where}, {kind}", what=kind)
        for name, override in table.get(kind, {}).items():
            check_keys(override, SHARED, f"{where}, {kind} {name}")


def _cell(plan: dict, group: dict, task: str, method: str, variant: str | None, seed: int, where: str) -> Cell:
    layers = [layer for table in (plan, group) for layer in (
        table, table.get("method", {}).get(method, {}), table.get("task", {}).get(task, {}))]
    chosen = {"settings": group["variants"][variant]} if variant else {}
    where = f"{where}, {method} on {task}" + (f", variant {variant}" if variant else "")
    found = merged([*layers, chosen], where)
    known = [f.name for f in fields(METHODS[method].config)]
    for name in found["settings"]:
        check_known(f"setting of {method}", name, known, where)
    watched, evaluations = planned_evaluations(found.pop("eval"), method, seed, where)
    if "critic" in found:  # one for each task and seed, from a sweep before
        found["critic"] = str(found["critic"]).replace("{task}", task).replace("{seed}", str(seed))
    try:
        config = TrainConfig(**{"task": task, "method": method, "seed": seed, "steps": TASKS[task].default_steps}
                             | watched | found)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {error}") from None
    return Cell(group["name"], variant, config, evaluations)
