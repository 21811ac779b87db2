"""A wheel from a stranger: its name, its METADATA and its RECORD must tell the truth about what is in it.

1. The file's name is one of the wheel specification, and METADATA in the one `.dist-info` folder tells the same name and version.
2. Every file is in RECORD with its SHA-256 (or a stronger digest) and size; RECORD names nothing that is not there, and nothing twice.
3. All mistakes are told together.
"""

import base64
import csv
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import BytesParser
from pathlib import Path
from typing import IO, Any

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from isp_plugins.packages.archives import CHUNK, opened_zip
from isp_plugins.packages.errors import WheelInvalidError
from isp_plugins.packages.limits import PackageLimits

_DIGESTS = frozenset({"sha256", "sha384", "sha512"})
_UNSIGNED = frozenset({"RECORD", "RECORD.jws", "RECORD.p7s"})
_MAX_METADATA_BYTES = 4 * 1024 * 1024
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class WheelName:
    """What a wheel's file name tells."""

    name: str
    """Normalised."""
    version: Version


def name_of(path: Path) -> WheelName:
    """The file name's parts; `WheelInvalidError`."""
    try:
        name, version, _build, _tags = parse_wheel_filename(path.name)
    except (InvalidWheelFilename, InvalidVersion) as error:
        raise _invalid(
            path.name, [("", f"expected a name like plugin-1.0-py3-none-any.whl: {error}")]
        ) from error
    return WheelName(name, version)


def check_wheel(path: Path, limits: PackageLimits) -> WheelName:
    """Refuse a wheel that is unsafe (`ArchiveUnsafeError`) or lies (`WheelInvalidError`)."""
    named = name_of(path)
    with opened_zip(path, limits) as archive:
        found = list(_mistakes(archive, named))
    if found:
        raise _invalid(path.name, found)
    return named


def dist_info(archive: zipfile.ZipFile) -> str | None:
    """The one `.dist-info` folder; None where there is none, or more than one."""
    folders = {name.partition("/")[0] for name in archive.namelist() if ".dist-info/" in name}
    folders = {folder for folder in folders if folder.endswith(".dist-info")}
    return folders.pop() if len(folders) == 1 else None


def read_member(archive: zipfile.ZipFile, name: str, most: int = _MAX_METADATA_BYTES) -> bytes | None:
    """A small file of a wheel; None where it is missing or larger than that."""
    try:
        info = archive.getinfo(name)
    except KeyError:
        return None
    return archive.read(info) if info.file_size <= most else None


def _mistakes(archive: zipfile.ZipFile, named: WheelName) -> Iterator[tuple[str, str]]:
    folder = dist_info(archive)
    if folder is None:
        yield "", "expected exactly one .dist-info folder"
        return
    yield from _metadata_mistakes(archive, folder, named)
    yield from _record_mistakes(archive, folder)


def _metadata_mistakes(archive: zipfile.ZipFile, folder: str, named: WheelName) -> Iterator[tuple[str, str]]:
    for file in ("METADATA", "WHEEL"):
        if read_member(archive, f"{folder}/{file}") is None:
            yield f"{folder}/{file}", "is missing or too large"
    metadata = BytesParser().parsebytes(read_member(archive, f"{folder}/METADATA") or b"", headersonly=True)
    name, version = str(metadata["Name"] or ""), str(metadata["Version"] or "")
    if canonicalize_name(name) != named.name:
        yield f"{folder}/METADATA", f"says the name {name!r}, the file's name says {named.name!r}"
    if _version(version) != named.version:
        yield (
            f"{folder}/METADATA",
            f"says the version {version!r}, the file's name says {str(named.version)!r}",
        )
    own, _, own_version = folder.removesuffix(".dist-info").partition("-")
    if canonicalize_name(own) != named.name or _version(own_version) != named.version:
        yield folder, f"is not the folder of {named.name} {named.version}"


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None


def _record_mistakes(archive: zipfile.ZipFile, folder: str) -> Iterator[tuple[str, str]]:
    raw = read_member(archive, f"{folder}/RECORD", most=32 * 1024 * 1024)
    if raw is None:
        yield f"{folder}/RECORD", "is missing or too large"
        return
    recorded: dict[str, tuple[str, str]] = {}
    try:
        rows = list(csv.reader(io.StringIO(raw.decode("utf-8", "replace"))))
    except csv.Error as error:
        yield f"{folder}/RECORD", f"cannot be read ({error})"
        return
    for row in rows:
        if len(row) != 3 or row[0] in recorded:
            yield f"{folder}/RECORD", f"has a line that is no record of its own: {','.join(row)[:100]!r}"
        else:
            recorded[row[0]] = (row[1], row[2])
    present = {info.filename: info for info in archive.infolist() if not info.is_dir()}
    yield from ((name, "is in RECORD but not in the wheel") for name in recorded if name not in present)
    for name, info in present.items():
        if name in {f"{folder}/{unsigned}" for unsigned in _UNSIGNED}:
            continue
        if name not in recorded:
            yield name, "is in the wheel but not in RECORD"
        elif problem := _differs(archive, info, *recorded[name]):
            yield name, problem


def _differs(archive: zipfile.ZipFile, info: zipfile.ZipInfo, digest: str, size: str) -> str | None:
    """What RECORD says wrongly of one file, or None."""
    algorithm, _, wanted = digest.partition("=")
    if algorithm not in _DIGESTS:
        return f"has no SHA-256 in RECORD, but {algorithm or 'nothing'!r}"
    with archive.open(info) as file:
        got = base64.urlsafe_b64encode(_digest(file, algorithm)).rstrip(b"=").decode()
    if got != wanted.rstrip("="):
        return "is not what RECORD says: another digest"
    return None if size in {"", str(info.file_size)} else "is not what RECORD says: another size"


def _digest(file: IO[bytes], algorithm: str) -> bytes:
    digest = hashlib.new(algorithm)
    while data := file.read(CHUNK):
        digest.update(data)
    return digest.digest()


def _invalid(name: str, found: list[tuple[str, str]]) -> WheelInvalidError:
    mistakes: list[dict[str, Any]] = [{"path": path, "message": problem} for path, problem in found[:100]]
    summary = "; ".join(f"{path} {problem}".strip() for path, problem in found[:_SHOWN])
    return WheelInvalidError(name=name, summary=summary, mistakes=mistakes)
