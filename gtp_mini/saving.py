"""A model in one file: safetensors, so that loading runs no code, written so that it is whole or not there."""

import json
import os
from pathlib import Path

from torch import Tensor, nn

from .agents.best_of import BestOfN, BestOfNConfig
from .agents.gaussian import GaussianPolicy, GaussianPolicyConfig
from .agents.learner import ValueLearner
from .critics import QEnsemble
from .flow_map import FlowMap, FlowMapConfig

KINDS = {"FlowMap": (FlowMap, FlowMapConfig), "GaussianPolicy": (GaussianPolicy, GaussianPolicyConfig),
         "BestOfN": (BestOfN, BestOfNConfig), "ValueLearner": (ValueLearner, None)}


def save(model: nn.Module, path: str | Path) -> None:
    """Writes a model of one of `KINDS` with its configuration. Overwrites; atomic."""
    header = {"kind": type(model).__name__, "config": json.dumps(model.describe())}
    write_tensors(path, model.state_dict(), header)


def load(path: str | Path) -> nn.Module:
    """Reads what `save` wrote, on the CPU. ValueError if the file is truncated or another program's."""
    tensors, header = read_tensors(path)
    kind = header.get("kind")
    if kind not in KINDS:
        raise ValueError(f"{path} is not a gtp_mini model: its header names the kind {kind!r}, "
                         f"expected one of {', '.join(KINDS)}")
    try:
        model = _build(kind, json.loads(header["config"]))
        model.load_state_dict(tensors)
    except (TypeError, KeyError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path} does not fit this version of gtp_mini: {str(error).splitlines()[0]}") from None
    return model.requires_grad_(False)


def _build(kind: str, config: dict) -> nn.Module:
    """A fresh model from what its `describe` wrote."""
    model_class, config_class = KINDS[kind]
    if model_class is ValueLearner:
        return ValueLearner.from_description(config)
    if model_class is not BestOfN:
        return model_class(config_class(**config))
    policy, critic = _build(**config["policy"]), QEnsemble(**config["critic"])
    return BestOfN(policy, critic, config_class(**config["choice"]))


def write_tensors(path: str | Path, tensors: dict[str, Tensor], header: dict[str, str]) -> None:
    """Tensors and a text header as one safetensors file, by way of a temporary file. Same content, same bytes."""
    from safetensors.torch import save as to_bytes

    data = to_bytes({k: v.detach().cpu().contiguous() for k, v in tensors.items()}, metadata=header)
    # safetensors keeps the header's texts in an order drawn at random; ours is ours
    size = int.from_bytes(data[:8], "little")
    whole = json.loads(data[8 : 8 + size])
    whole["__metadata__"] = header
    ordered = json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode().ljust(size)
    write_bytes(path, len(ordered).to_bytes(8, "little") + ordered + data[8 + size :])


def read_tensors(path: str | Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and header of a safetensors file. FileNotFoundError; ValueError if it is no such file."""
    from safetensors import SafetensorError, safe_open

    if not Path(path).is_file():
        raise FileNotFoundError(f"no such model file: {path}")
    try:
        with safe_open(str(path), framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path} is not a readable safetensors file (truncated?): {error}") from None


def write_bytes(path: str | Path, data: bytes) -> None:
    """Whole or not at all: temporary file, fsync, rename. An error (a full disk, say) leaves no partial file behind."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        if isinstance(error, OSError) and error.errno:
            error.filename = str(path)  # a full disk alone does not say of which file
        temporary.unlink(missing_ok=True)
        raise
