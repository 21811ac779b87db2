"""Keeps a wheel under its SHA-256, and beside it the same unpacked, ready to be imported.

1. The wheel was checked before (`wheels`), so its files are what its RECORD says; they are laid out as an installer would in one folder.
2. It is made in staging and renamed into place.
"""

import hashlib
import shutil
from pathlib import Path

from isp_plugins.packages.archives import unpack_zip
from isp_plugins.packages.bytecode import compile_below
from isp_plugins.packages.errors import WheelInvalidError
from isp_plugins.packages.in_thread import in_thread
from isp_plugins.packages.limits import PackageFolders, PackageLimits
from isp_plugins.packages.moving import rename_into_place
from isp_plugins.packages.values import Artifact

_SCHEMES = {"purelib": ".", "platlib": ".", "data": ".", "scripts": "bin", "headers": "include"}
"""Where the parts of a wheel's `.data` folder go, as in an installation into one folder."""


async def keep(folders: PackageFolders, wheel: Path, staging: Path, limits: PackageLimits) -> Artifact:
    """The artifact, new or kept before."""
    digest = await in_thread(_digest, wheel)
    target = folders.artifacts / digest
    if not target.is_dir():
        made = staging / "artifact"
        await in_thread(_lay_out, wheel, made, limits)
        await compile_below([made / "code"], staging, limits)
        await in_thread(rename_into_place, made, target)
    return kept(folders, digest)


def kept(folders: PackageFolders, digest: str) -> Artifact:
    """An artifact that is there."""
    folder = folders.artifacts / digest
    wheel = next(iter(sorted(folder.glob("*.whl"))))
    return Artifact(digest, folder, wheel, wheel.stat().st_size)


def _digest(wheel: Path) -> str:
    with wheel.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _lay_out(wheel: Path, made: Path, limits: PackageLimits) -> None:
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    shutil.copyfile(wheel, made / wheel.name)
    code = made / "code"
    unpack_zip(wheel, code, limits)
    for data in code.glob("*.data"):
        for part in sorted(data.iterdir()):
            if part.name not in _SCHEMES or not part.is_dir():
                raise _misplaced(wheel, part.relative_to(code), "is no part of a wheel's .data folder")
            _merge(part, code / _SCHEMES[part.name], wheel)
        shutil.rmtree(data)


def _merge(part: Path, target: Path, wheel: Path) -> None:
    """Move every file of a part to its place; none may lie there already."""
    for file in sorted(path for path in part.rglob("*") if path.is_file()):
        name = file.relative_to(part)
        place = target / name
        if place.exists():
            raise _misplaced(wheel, name, "is in the wheel twice, once in its .data folder")
        place.parent.mkdir(parents=True, exist_ok=True)
        file.rename(place)


def _misplaced(wheel: Path, path: Path, problem: str) -> WheelInvalidError:
    mistakes = [{"path": path.as_posix(), "message": problem}]
    return WheelInvalidError(name=wheel.name, summary=f"{path} {problem}", mistakes=mistakes)
