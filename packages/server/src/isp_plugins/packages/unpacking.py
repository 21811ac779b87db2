"""Turns what was fetched into a checked wheel or a folder to build, without trusting any of it.

1. What a file is follows from its first bytes; only a wheel is known by its name, which is part of it.
2. A zip that holds nothing but wheels is a bundle: the one wheel that declares a plugin is installed, the others are there for the resolver.
3. A folder with `pyproject.toml` (or `setup.py`) is a distribution, one with `plugin.toml` alone a command.
"""

from pathlib import Path

from isp_plugins.packages.archives import unpack_tar, unpack_zip
from isp_plugins.packages.errors import PackageShapeError
from isp_plugins.packages.limits import PackageLimits
from isp_plugins.packages.manifests import has_plugin
from isp_plugins.packages.moving import telling_full_disk
from isp_plugins.packages.values import Download, Tree, TreeKind
from isp_plugins.packages.wheels import check_wheel

_ZIP, _GZIP, _TAR = b"PK", b"\x1f\x8b", b"ustar"
_TAR_MAGIC_AT = 257


def unpack(download: Download, staging: Path, limits: PackageLimits) -> Tree:
    """What the download holds; refuses what is unsafe, false or no package."""
    path = download.path
    with telling_full_disk(staging):
        if path.is_dir():
            return tree_of(path)
        if path.suffix == ".whl":
            check_wheel(path, limits)
            return Tree(TreeKind.WHEEL, path)
        target = staging / "unpacked"
        _unpack_archive(path, target, limits)
    if wheels := _bundled(target):
        return _bundle(target, wheels, limits)
    return tree_of(_top_of(target))


def tree_of(folder: Path) -> Tree:
    """What a folder is."""
    if (folder / "pyproject.toml").is_file() or (folder / "setup.py").is_file():
        return Tree(TreeKind.DISTRIBUTION, folder)
    if (folder / "plugin.toml").is_file():
        return Tree(TreeKind.COMMAND, folder)
    raise PackageShapeError(
        problem="expected pyproject.toml (a Python distribution) or plugin.toml (a command) at the top of the package, got neither"
    )


def _unpack_archive(path: Path, target: Path, limits: PackageLimits) -> None:
    with path.open("rb") as file:
        head = file.read(_TAR_MAGIC_AT + len(_TAR))
    if head.startswith(_ZIP):
        unpack_zip(path, target, limits)
    elif head.startswith(_GZIP) or head[_TAR_MAGIC_AT:] == _TAR:
        unpack_tar(path, target, limits)
    else:
        problem = (
            f"expected a wheel (.whl), an sdist (.tar.gz) or a zip, got another kind of file ({path.name})"
        )
        raise PackageShapeError(problem=problem)


def _top_of(folder: Path) -> Path:
    """The one folder that an archive keeps everything in, or the archive's own."""
    inside = sorted(folder.iterdir())
    alone = len(inside) == 1 and inside[0].is_dir()
    return inside[0] if alone else folder


def _bundled(folder: Path) -> list[Path]:
    """The wheels of a bundle; empty where the folder holds anything else."""
    inside = sorted(_top_of(folder).iterdir())
    return inside if inside and all(path.suffix == ".whl" and path.is_file() for path in inside) else []


def _bundle(target: Path, wheels: list[Path], limits: PackageLimits) -> Tree:
    for wheel in wheels:
        check_wheel(wheel, limits)
    plugins = [wheel for wheel in wheels if has_plugin(wheel)]
    if len(plugins) != 1:
        got = ", ".join(wheel.name for wheel in plugins) or "none"
        problem = f"expected exactly one wheel with a plugin in the bundle {target.name}, got {got}"
        raise PackageShapeError(problem=problem)
    return Tree(TreeKind.WHEEL, plugins[0], wheels=plugins[0].parent)
