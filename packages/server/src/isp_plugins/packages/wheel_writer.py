"""Writes small wheels that are the same, byte for byte, wherever and whenever they are written from the same files.

1. Names sorted, one date, two modes, nothing compressed: a compressor's version would show in the bytes.
2. METADATA, WHEEL and RECORD are written here; the caller gives the rest.
"""

import base64
import hashlib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_DATE = (1980, 1, 1, 0, 0, 0)
_REGULAR, _EXECUTABLE = 0o100644, 0o100755


@dataclass(frozen=True, slots=True)
class Content:
    """One file of a wheel."""

    data: bytes
    executable: bool = False


@dataclass(frozen=True, slots=True)
class About:
    """What METADATA says."""

    name: str
    version: str
    requires_python: str = ""
    summary: str = ""
    entry_points: str = ""
    """Text of `entry_points.txt`; empty: none."""

    @property
    def stem(self) -> str:
        """Name and version as they stand in file names."""
        return f"{self.name.replace('-', '_')}-{self.version}"


def write_wheel(folder: Path, about: About, files: Mapping[str, Content]) -> Path:
    """The wheel, written into the folder."""
    info = f"{about.stem}.dist-info"
    everything = {**files, f"{info}/METADATA": _metadata(about), f"{info}/WHEEL": _WHEEL}
    if about.entry_points:
        everything[f"{info}/entry_points.txt"] = Content(about.entry_points.encode())
    record = "".join(_record(name, everything[name].data) for name in sorted(everything))
    everything[f"{info}/RECORD"] = Content(f"{record}{info}/RECORD,,\n".encode())
    target = folder / f"{about.stem}-py3-none-any.whl"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(everything):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.create_system = 3  # Unix, whatever system this is: the modes below are Unix's
            entry.external_attr = (_EXECUTABLE if everything[name].executable else _REGULAR) << 16
            archive.writestr(entry, everything[name].data)
    return target


_WHEEL = Content(b"Wheel-Version: 1.0\nGenerator: isp-plugins\nRoot-Is-Purelib: true\nTag: py3-none-any\n")


def _metadata(about: About) -> Content:
    lines = ["Metadata-Version: 2.1", f"Name: {about.name}", f"Version: {about.version}"]
    if about.summary:
        lines.append(f"Summary: {' '.join(about.summary.split())}")
    if about.requires_python:
        lines.append(f"Requires-Python: {about.requires_python}")
    return Content(("\n".join(lines) + "\n").encode())


def _record(name: str, data: bytes) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    # A comma or a quote in a name is quoted as in every CSV.
    shown = '"' + name.replace('"', '""') + '"' if set(name) & {",", '"'} else name
    return f"{shown},sha256={digest},{len(data)}\n"
