"""What may stand in a plan, and how it says that something may not."""

import difflib
from collections.abc import Callable, Collection

from ..agents import METHODS
from ..times import check_steps
from .cell import Planned

SHARED = ("steps", "batch_size", "log_every", "checkpoint_every", "device", "critic", "settings",
          "eval")  # of eval: see EVAL
EVAL = {"every": 0, "every_episodes": 20,  # while training, every so many updates (0 never), in the method's own K
        "episodes": 100, "sampling_steps": None, "noise_scale": [1.0], "noise_memory": [0.0],
        "checkpoints": ["last"]}  # when it is trained
FRESH = 1_000  # Our choice: seed S is evaluated from 1000 + S, so that the best checkpoint meets other starts than
# those that chose it, and all methods meet the same ones


def check_keys(table: object, known: Collection[str], where: str, what: str = "key") -> None:
    """ValueError unless a table is one, and has known keys alone."""
    if not isinstance(table, dict):
        raise ValueError(f"{where}: expected a table, got {table!r}")
    for name in table:
        check_known(what, name, known, where)


def check_known(what: str, name: str, known: Collection[str], where: str) -> None:
    """ValueError, with the nearest name that there is, unless a name is known."""
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ValueError(f"{where}: unknown {what} {name!r}; {hint}known: {', '.join(known)}")


def check_list(values: object, fits: Callable[[object], bool], name: str, wanted: str) -> None:
    """ValueError unless there is a list, not empty, of values that fit, each of them once."""
    if not isinstance(values, list) or not values or not all(fits(value) for value in values):
        raise ValueError(f"{name} must be a list of {wanted}, got {values!r}")
    if len(set(values)) < len(values):
        raise ValueError(f"{name} has a value twice: {values!r}")


def merged(layers: list[dict], where: str) -> dict:
    """What the layers say together of the `SHARED` keys, the last word counting; of tables, key by key."""
    result: dict = {"settings": {}, "eval": dict(EVAL)}
    for layer in layers:
        check_keys(layer.get("settings", {}), layer.get("settings", {}), f"{where}, settings")  # names: the method's
        check_keys(layer.get("eval", {}), EVAL, f"{where}, eval")
        result |= {name: result[name] | layer[name] if isinstance(result.get(name), dict) else layer[name]
                   for name in SHARED if name in layer}
    return result


def planned_evaluations(chosen: dict, method: str, seed: int, where: str) -> tuple[dict, tuple[Planned, ...]]:
    """What `eval` means for a cell: arguments of TrainConfig, and the evaluations of the trained policy."""
    where = f"eval {where}"
    own = METHODS[method].sampling_steps
    steps = [own] if chosen["sampling_steps"] is None else chosen["sampling_steps"]
    check_list(steps, _is_sampling_steps, f"{where}: sampling_steps", "whole numbers between 1 and 64")
    for name in ("noise_scale", "noise_memory"):
        check_list(chosen[name], lambda x: type(x) in (int, float) and 0 <= x <= 1, f"{where}: {name}",
                   "numbers between 0 and 1")
    check_list(chosen["checkpoints"], lambda x: x in ("last", "best"), f"{where}: checkpoints", '"last" and "best"')
    for name, least in (("every", 0), ("every_episodes", 1), ("episodes", 1)):
        if type(chosen[name]) is not int or chosen[name] < least:
            raise ValueError(f"{where}: {name} must be a whole number from {least}, got {chosen[name]!r}")
    if "best" in chosen["checkpoints"] and not chosen["every"]:
        raise ValueError(f'{where}: the checkpoint "best" is that of the best evaluation while training: '
                         f"give eval.every as well")
    watched = {"eval_every": chosen["every"], "eval_episodes": chosen["every_episodes"]}
    return watched, tuple(Planned(checkpoint, k, float(scale), float(memory), chosen["episodes"], FRESH + seed)
                          for checkpoint in chosen["checkpoints"] for k in steps
                          for scale in chosen["noise_scale"] for memory in chosen["noise_memory"])


def _is_sampling_steps(value: object) -> bool:
    try:
        check_steps(value)
    except ValueError:
        return False
    return True
