"""What is kept of a run when its weights are not: one line of JSON, from which every table and curve is made."""

import json
from itertools import pairwise
from pathlib import Path

from ..records import Run
from ..saving import write_bytes
from .cell import label, read_mark

RECORDS = "records.jsonl"
FORMAT = 1
POINTS = 50  # of a learning curve that is kept
KEYS = ("run", "task", "method", "label", "seed", "config", "versions", "evaluations", "updates", "seconds", "curve",
        "failed")


def record_of(run: Run, name: str) -> dict:
    """A run as plain data.

    `label` is the method with its variant; `updates` how many are logged, `seconds` what they took, evaluations not
    counted; `curve` the thinned metrics; `failed` says what went wrong, or is None.
    """
    config, mark, metrics = run.config, read_mark(run.path), run.metrics()
    failed = mark["failed"].splitlines()[0] if mark["failed"] else None
    return {"format": FORMAT, "run": name, "task": config["task"], "method": config["method"],
            "label": label(config["method"], mark["variant"]), "seed": config.get("seed"), "config": config,
            "versions": run.read_json("versions.json", {}), "evaluations": run.evaluations(),
            "updates": int(metrics.get("step", [0])[-1]), "seconds": round(training_seconds(metrics), 2),
            "curve": thinned(metrics), "failed": failed}


def collect(folder: str | Path) -> list[dict]:
    """The records of all runs in and below a folder, by name. FileNotFoundError if there is no such folder."""
    folder = Path(folder)
    if not folder.is_dir():
        raise FileNotFoundError(f"no such folder: {folder}")
    found = sorted(file.parent for file in folder.rglob("config.json") if (file.parent / "versions.json").is_file())
    return [record_of(Run.open(path), str(path.relative_to(folder)) if path != folder else path.name)
            for path in found]


def load_records(path: str | Path) -> list[dict]:
    """The records in a file; or of the runs below a folder, or, if it has none, in the file records.jsonl in it.

    Raises:
        FileNotFoundError: there are none.
        ValueError: a line is no record, or one of another format.
    """
    path = Path(path)
    if path.is_file():
        return read_records(path)
    found = collect(path)
    if found or not (path / RECORDS).is_file():
        if not found:
            raise FileNotFoundError(f"{path} holds no runs and no {RECORDS}")
        return found
    return read_records(path / RECORDS)


def read_records(file: Path) -> list[dict]:
    """The records of a file, in its order."""
    records = []
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        try:
            record = json.loads(line)
            made = record["format"]
        except (json.JSONDecodeError, KeyError, TypeError):
            raise ValueError(f"{file}, line {number}: not the record of a run") from None
        if made != FORMAT:
            raise ValueError(f"{file}, line {number}: a record of format {made}, this version of gtp_mini reads "
                             f"{FORMAT}; collect it again from its run's folder")
        if missing := [key for key in KEYS if key not in record]:
            raise ValueError(f"{file}, line {number}: the record lacks {', '.join(missing)}")
        records.append(record)
    return records


def write_records(file: Path, records: list[dict]) -> None:
    """One line a record; whole or not at all."""
    write_bytes(file, "".join(json.dumps(record, allow_nan=False) + "\n" for record in records).encode())


def thinned(metrics: dict[str, list[float]], points: int = POINTS) -> dict[str, list[float]]:
    """At most `points` rows: means over equal stretches of the log, each at its last step."""
    rows = len(metrics.get("step", []))
    edges = [i * rows // min(points, rows) for i in range(min(points, rows) + 1)] if rows else []
    return {name: [column[b - 1] if name == "step" else float(f"{sum(column[a:b]) / (b - a):.6g}")
                   for a, b in pairwise(edges)] for name, column in metrics.items()}


def training_seconds(metrics: dict[str, list[float]]) -> float:
    """The time that the logged updates took, seconds, from their number and rate in each interval."""
    steps = [0, *metrics.get("step", [])]
    return sum((b - a) / rate
               for (a, b), rate in zip(pairwise(steps), metrics.get("updates_per_second", []), strict=True))
