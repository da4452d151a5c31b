"""Makes gtp_mini/widgets/mujoco/ again, the MuJoCo that a page runs: python tests/refresh_mujoco.py

It needs npm, and pip install zopfli.

MuJoCo's own WebAssembly build, the one without threads, from its npm package. Only names and notes for debuggers are
left out (WebAssembly's custom sections, which change nothing that is computed). The licences come from the installed
Python package, whose version must be the same: training and page share one simulator.
"""

import hashlib
import re
import subprocess
import tarfile
import tempfile
from importlib.metadata import distribution
from pathlib import Path

from gtp_mini.widgets.ant import MUJOCO

PACKAGE, VERSION = "@mujoco/mujoco", "3.14.0"
SHA256 = "f845a07ab81303cc6579fec07136818bed21d44a31c1911340f61e06f4d11eee"  # of the package as npm packs it
LINKED = ("libccd", "LLVM runtime libraries", "LodePNG", "MarchingCubeCpp", "Qhull", "TinyOBJLoader", "TinyXML2")
HEADER = 8  # bytes: magic number and version
CUSTOM = 0  # a section's id


def without_custom_sections(wasm: bytes) -> bytes:
    """A WebAssembly module (core specification, 5.5) with all that is executed and nothing else."""
    kept, place = [wasm[:HEADER]], HEADER
    while place < len(wasm):
        size, start = _leb128(wasm, place + 1)
        if wasm[place] != CUSTOM:
            kept.append(wasm[place : start + size])
        place = start + size
    return b"".join(kept)


def _leb128(data: bytes, place: int) -> tuple[int, int]:
    """The unsigned number that is written at `place`, and where it ends."""
    value, shift = 0, 0
    while True:
        value |= (data[place] & 127) << shift
        shift, place = shift + 7, place + 1
        if data[place - 1] < 128:
            return value, place


def third_party(text: str) -> str:
    """Of the licences of everything in MuJoCo's Python package, those of what its core is linked with."""
    sections = re.split(r"(?m)^(?=### )", text)
    wanted = [section for section in sections if section.startswith(tuple(f"### {name}" for name in LINKED))]
    if len(wanted) != len(LINKED):
        raise ValueError(f"expected the licences of {', '.join(LINKED)}, found {len(wanted)} of them")
    return "MuJoCo contains parts under these licences.\n\n" + "".join(wanted)


def main() -> None:
    import zopfli.gzip  # ordinary gzip, a twentieth smaller: a page carries it

    if (installed := distribution("mujoco").version) != VERSION:
        raise SystemExit(f"the licences are those of mujoco {VERSION}, installed is {installed}")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"], cwd=folder, check=True)
        package = next(Path(folder).glob("*.tgz"))
        if (found := hashlib.sha256(package.read_bytes()).hexdigest()) != SHA256:
            raise SystemExit(f"{package.name} has sha256 {found}, expected {SHA256}")
        with tarfile.open(package) as archive:
            glue, wasm = (archive.extractfile(f"package/mujoco.{kind}").read() for kind in ("js", "wasm"))
    for name, content in (("mujoco.js", glue), ("mujoco.wasm", without_custom_sections(wasm))):
        (MUJOCO / f"{name}.gz").write_bytes(zopfli.gzip.compress(content, numiterations=15))
    licences = {Path(str(path)).name: path.locate() for path in distribution("mujoco").files if "LICENSE" in str(path)}
    (MUJOCO / "LICENSE").write_text(licences["LICENSE"].read_text("utf8"), "utf8")
    others = licences["LICENSES_THIRD_PARTY.md"].read_text("utf8")
    (MUJOCO / "LICENSES_THIRD_PARTY.md").write_text(third_party(others), "utf8")


if __name__ == "__main__":
    main()
