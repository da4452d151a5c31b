"""Where the study keeps what it measured: one line of JSON a run, in one file a part."""

import json
from pathlib import Path

from ..records import versions
from ..saving import write_bytes

KEPT_VERSIONS = ("torch", "python", "processor", "git", "gpu")  # of what a number depends on, beside the settings


class Store:
    """The records of one part of the study, in `folder/part.jsonl`. One process writes; a line is appended whole, so
    a kill loses at most the run that was under way."""

    def __init__(self, folder: str | Path, part: str):
        self.file = Path(folder) / f"{part}.jsonl"

    def rows(self) -> list[dict]:
        """Every record, {cell, result, seconds, versions}, in the order of completion. A last line that a kill cut
        short is left out.

        Raises ValueError for a line that is no record.
        """
        rows = []
        for number, line in enumerate(self._lines(), start=1):
            try:
                row = json.loads(line)
                row["cell"], row["result"]
            except (json.JSONDecodeError, KeyError, TypeError):
                raise ValueError(f"{self.file}, line {number}: not a record of the study; restore the file, or delete "
                                 f"the line and run the study again to make it anew") from None
            rows.append(row)
        return rows

    def missing(self, cells: list[dict]) -> list[dict]:
        """Those cells of which there is no record yet."""
        done = [row["cell"] for row in self.rows()]
        return [cell for cell in cells if cell not in done]

    def mend(self) -> None:
        """Cuts off a last line that a kill left unfinished, so that the next record starts on its own line."""
        if self.file.exists() and not self.file.read_bytes().endswith(b"\n"):
            write_bytes(self.file, "".join(line + "\n" for line in self._lines()).encode())

    def add(self, cell: dict, result: dict, seconds: float) -> None:
        """Appends one run."""
        known = versions()
        row = {"cell": cell, "result": result, "seconds": round(seconds, 2),
               "versions": {name: known[name] for name in KEPT_VERSIONS}}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with open(self.file, "a") as handle:
            handle.write(json.dumps(row, allow_nan=False) + "\n")

    def _lines(self) -> list[str]:
        """The whole lines, without their ends."""
        return self.file.read_text().split("\n")[:-1] if self.file.exists() else []
