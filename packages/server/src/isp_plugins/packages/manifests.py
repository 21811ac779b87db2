"""The manifest in a wheel: found through the entry point, read, and held against the wheel and this host.

1. A wheel has exactly one entry point in the group `isp_plugins`; `plugin.toml` lies beside the `__init__` of the package that it names,
   or of a package around that one.
2. The manifest's name is the entry point's, its version the distribution's, its `entry_point` the entry point's value, and that module is there.
3. What the host demands of a registration is checked too, by whoever knows it (`check`); every mistake is told with its line.
"""

import configparser
import platform
import zipfile
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, sys_tags
from packaging.utils import parse_wheel_filename
from packaging.version import Version

from isp_plugin_sdk import manifest as sdk
from isp_plugin_sdk.errors import ManifestInvalidError as SdkManifestInvalidError
from isp_plugin_sdk.manifest import FILE_NAME, Manifest
from isp_plugins.packages.errors import HostUnsuitableError, ManifestInvalidError, PackageShapeError
from isp_plugins.packages.wheels import dist_info, name_of, read_member

GROUP = "isp_plugins"
HOST = "isp-plugins"
RegistrationCheck = Callable[[Mapping[str, Any]], Sequence[Mapping[str, Any]]]
"""Tells what is wrong with a registration: `{path, message, ...}`."""


def nothing_more(_registration: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """The check of whoever demands nothing beyond the manifest's own rules."""
    return ()


def read_manifest(wheel: Path, check: RegistrationCheck = nothing_more) -> Manifest:
    """The manifest of a checked wheel; `PackageShapeError`, `ManifestInvalidError`, `HostUnsuitableError`."""
    with zipfile.ZipFile(wheel) as archive:
        name, value = _entry_point(archive)
        file, content = _manifest_file(archive, name, value)
        manifest = parse(content, file)
        mistakes = [*_disagreements(manifest, name, value, wheel), *_missing_module(archive, manifest)]
        mistakes += _misplaced_command(manifest, file)
    mistakes += [_in_the_manifest(one) for one in check(manifest.registration())]
    _refuse(content, file, mistakes)
    check_host(manifest)
    _check_platform(manifest, wheel)
    return manifest


def parse(content: bytes, file: str = FILE_NAME) -> Manifest:
    """The manifest of a text; `ManifestInvalidError`."""
    try:
        return sdk.read(content)
    except SdkManifestInvalidError as error:
        raise ManifestInvalidError(
            file=file, summary=error.fields["summary"], mistakes=error.mistakes
        ) from error


def check_host(manifest: Manifest) -> None:
    """`HostUnsuitableError` where the host or its Python is of another version than the plugin requires."""
    present = {
        "host": (HOST, metadata.version(HOST), manifest.requires.host),
        "python": ("Python", platform.python_version(), manifest.requires.python),
    }
    misfits = [
        {
            "path": f"requires.{key}",
            "message": f"{what} is {version}, it requires {wanted}",
            "expected": wanted,
            "got": version,
        }
        for key, (what, version, wanted) in present.items()
        if not SpecifierSet(wanted).contains(version, prereleases=True)
    ]
    if misfits:
        raise HostUnsuitableError(
            plugin=manifest.name,
            version=manifest.version,
            summary="; ".join(one["message"] for one in misfits),
            mistakes=misfits,
        )


def _check_platform(manifest: Manifest, wheel: Path) -> None:
    tags = parse_wheel_filename(wheel.name)[3]
    if not tags & _own_tags():
        shown = ", ".join(sorted(map(str, tags))[:5])
        message = f"the wheel is for {shown}, this host is {next(iter(sys_tags()))}"
        raise HostUnsuitableError(
            plugin=manifest.name,
            version=manifest.version,
            summary=message,
            mistakes=[{"path": "", "message": message}],
        )


@lru_cache(maxsize=1)
def _own_tags() -> frozenset[Tag]:
    return frozenset(sys_tags())


def has_plugin(wheel: Path) -> bool:
    """Whether a wheel declares a plugin: which of a bundle's wheels is the one to install."""
    with zipfile.ZipFile(wheel) as archive:
        return bool(_entry_points(archive))


def _entry_points(archive: zipfile.ZipFile) -> Mapping[str, str]:
    folder = dist_info(archive)
    raw = read_member(archive, f"{folder}/entry_points.txt") or b""
    parser = configparser.ConfigParser(
        delimiters=("=",), interpolation=None, strict=False, default_section="\0"
    )
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their case, as the documentation tells to do it
    try:
        parser.read_string(raw.decode("utf-8", "replace"))
    except configparser.Error as error:
        raise PackageShapeError(problem=f"its entry_points.txt cannot be read ({error.message})") from error
    return dict(parser.items(GROUP)) if parser.has_section(GROUP) else {}


def _entry_point(archive: zipfile.ZipFile) -> tuple[str, str]:
    found = _entry_points(archive)
    if len(found) != 1:
        got = ", ".join(found) or "none"
        example = '[project.entry-points.isp_plugins] my_plugin = "my_plugin.plugin:MyPlugin"'
        problem = (
            f"expected exactly one entry point in the group {GROUP} (in pyproject.toml: {example}), got {got}"
        )
        raise PackageShapeError(problem=problem)
    ((name, value),) = found.items()
    return name.strip(), value.partition("[")[0].replace(" ", "")


def _manifest_file(archive: zipfile.ZipFile, name: str, value: str) -> tuple[str, bytes]:
    parts = value.partition(":")[0].split(".")
    places = ["/".join([*parts[:length], FILE_NAME]) for length in range(len(parts), 0, -1)]
    present = set(archive.namelist())
    for place in places:
        if place in present:
            content = read_member(archive, place, most=sdk.MAX_BYTES + 1)
            # One byte more than is read: a manifest that is too large is told so by its reader.
            return place, content if content is not None else b" " * (sdk.MAX_BYTES + 1)
    wanted = " or ".join(places)
    problem = f"the entry point {name} = {value} has no {FILE_NAME} in its package: expected {wanted} (is it in the wheel as package data?)"
    raise PackageShapeError(problem=problem)


def _disagreements(manifest: Manifest, name: str, value: str, wheel: Path) -> list[dict[str, Any]]:
    named = name_of(wheel)
    pairs = [("name", manifest.name, name, "the entry point's name")]
    if manifest.entry_point is not None:
        pairs.append(("entry_point", manifest.entry_point, value, "the entry point's value"))
    if Version(manifest.version) != named.version:
        pairs.append(("version", manifest.version, str(named.version), "the distribution's version"))
    return [
        {
            "path": path,
            "message": f"expected {what} {wanted!r}, got {got!r}",
            "expected": wanted,
            "got": got,
        }
        for path, got, wanted, what in pairs
        if got != wanted
    ]


def _missing_module(archive: zipfile.ZipFile, manifest: Manifest) -> list[dict[str, Any]]:
    if manifest.entry_point is None:
        return []
    stem = manifest.module_path.replace(".", "/")
    fits = (f"{stem}.py", f"{stem}/__init__.py")
    if any(
        file in fits or (file.startswith(f"{stem}.") and file.endswith(".so")) for file in archive.namelist()
    ):
        return []
    message = f"the wheel holds no module {manifest.module_path} ({' or '.join(fits)})"
    return [{"path": "entry_point", "message": message, "expected": fits[0], "got": "nothing"}]


def _misplaced_command(manifest: Manifest, file: str) -> list[dict[str, Any]]:
    """A command runs in its own package's folder, which is found by the plugin's name."""
    wanted = f"{manifest.name.replace('-', '_')}/{FILE_NAME}"
    if manifest.command is None or file == wanted:
        return []
    message = f"the package of a command is called like its plugin: expected {wanted}, got {file}"
    return [{"path": "command", "message": message, "expected": wanted, "got": file}]


def _in_the_manifest(mistake: Mapping[str, Any]) -> dict[str, Any]:
    """A registration's mistake, at the manifest's own key."""
    path = str(mistake.get("path", ""))
    for key, own in (("module_path", "entry_point"), ("dependencies", "requires.plugins")):
        if path == key or path.startswith(f"{key}."):
            path = own + path.removeprefix(key)
    return {**mistake, "path": path}


def _refuse(content: bytes, file: str, mistakes: list[dict[str, Any]]) -> None:
    if mistakes:
        placed = sdk.with_lines(content, mistakes)
        summary = "; ".join(f"line {one['line']}: {one['path']}: {one['message']}" for one in placed)
        raise ManifestInvalidError(file=file, summary=summary, mistakes=placed)
