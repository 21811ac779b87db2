"""Zip and tar archives from strangers: everything about them is checked before a byte of their content is written, all of it below one folder.

1. Only plain files and folders; links of either kind, devices, pipes and sparse files are refused, encrypted and rarely packed zips too.
2. Names follow `names`; sizes as they are told must fit the limits, and what comes out must be the size that was told.
3. A gzip is unpacked through a counter, so that one that lies about itself ends at the limit.
"""

import gzip
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from io import BufferedIOBase
from pathlib import Path
from typing import IO

from isp_plugins.packages.errors import ArchiveUnsafeError, PackageTooLargeError
from isp_plugins.packages.limits import MAX_RATIO, RATIO_FREE_BYTES, PackageLimits
from isp_plugins.packages.names import collisions, plain, problem_of

CHUNK = 1024 * 1024
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
_END, _END_64 = b"PK\x05\x06", b"PK\x06\x07"
_END_BYTES = 22 + 20 + 65_535
"""Where the end of a zip is looked for: its record, the one before it, the longest comment."""
_ENTRY_BYTES = 300
"""Of one entry in a zip's list, on average, name included."""
_SHOWN = 10
"""How many mistakes of one archive are told."""


class EntryKind(Enum):
    """What an entry of an archive is."""

    FILE = auto()
    FOLDER = auto()
    OTHER = auto()


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of an archive, as its header tells."""

    name: str
    kind: EntryKind
    size: int
    executable: bool = False
    problem: str | None = None
    """Why it is refused whatever it is called."""


def check(name: str, entries: list[Entry], packed_bytes: int, limits: PackageLimits) -> None:
    """Refuse what must not be unpacked; `ArchiveUnsafeError`, `PackageTooLargeError`."""
    total = sum(entry.size for entry in entries)
    _check_size("unpacked", total, limits.unpacked_bytes)
    if len(entries) > limits.entries:
        raise PackageTooLargeError(
            what="unpacked",
            limit=f"{limits.entries:,} files",
            setting="ISP_PLUGINS_PACKAGE_MAX_FILES",
            got=f"{len(entries):,}",
        )
    found = [
        (entry.name, problem) for entry in entries if (problem := entry.problem or problem_of(entry.name))
    ]
    if not found:
        files = [entry.name for entry in entries if entry.kind is EntryKind.FILE]
        folders = [entry.name for entry in entries if entry.kind is EntryKind.FOLDER]
        found = list(collisions(files, folders))
    if total > RATIO_FREE_BYTES and total > MAX_RATIO * packed_bytes:
        found.append(("the whole", f"unpacks to more than {MAX_RATIO} times its size"))
    if found:
        refuse(name, found)


def refuse(name: str, found: list[tuple[str, str]]) -> None:
    """`ArchiveUnsafeError` with what was found, by entry."""
    mistakes = [{"path": _shown(entry), "message": problem} for entry, problem in found[:100]]
    summary = "; ".join(f"{one['path']} {one['message']}" for one in mistakes[:_SHOWN])
    raise ArchiveUnsafeError(name=_shown(name), summary=summary, mistakes=mistakes)


def _shown(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()[:200]


def _check_size(what: str, got: int, limit: int) -> None:
    if got > limit:
        raise PackageTooLargeError(
            what=what,
            limit=f"{limit:,} bytes",
            setting="ISP_PLUGINS_PACKAGE_MAX_UNPACKED_MB",
            got=f"at least {got:,}",
        )


@contextmanager
def opened_zip(path: Path, limits: PackageLimits, *, name: str | None = None) -> Iterator[zipfile.ZipFile]:
    """A zip that was checked; `ArchiveUnsafeError` also where it turns out damaged while it is read."""
    shown = name or path.name
    try:
        _check_directory(path, shown, limits)
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            if len(infos) > limits.entries:
                check(shown, [Entry("", EntryKind.FILE, 0)] * len(infos), 0, limits)
            check(shown, [_zip_entry(info) for info in infos], path.stat().st_size, limits)
            yield archive
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeError) as error:
        raise ArchiveUnsafeError(
            name=_shown(shown), summary=f"it is damaged ({error})", mistakes=[]
        ) from error


def _check_directory(path: Path, shown: str, limits: PackageLimits) -> None:
    """Refuse a zip whose list of entries alone would fill the memory, before it is read; one of the large format (zip64) is one."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _END_BYTES))
        tail = file.read()
    at = len(tail) - 22 if tail[-22:-18] == _END and tail.endswith(b"\0\0") else tail.rfind(_END)
    if at < 0 or len(tail) - at < 22:
        raise zipfile.BadZipFile("it has no end")
    directory = int.from_bytes(tail[at + 12 : at + 16], "little")
    if tail[max(0, at - 20) : at].startswith(_END_64) or directory > limits.entries * _ENTRY_BYTES + CHUNK:
        refuse(shown, [("the whole", "lists far more entries than are unpacked")])


def unpack_zip(path: Path, target: Path, limits: PackageLimits, *, name: str | None = None) -> None:
    """Unpack a zip below a new folder."""
    with opened_zip(path, limits, name=name) as archive:
        target.mkdir()
        for info in archive.infolist():
            entry = _zip_entry(info)
            with archive.open(info) as source:
                _write(entry, source, target, name or path.name)


def _zip_entry(info: zipfile.ZipInfo) -> Entry:
    """What the central directory tells; the name as it stands there, before anybody's cleaning."""
    mode = info.external_attr >> 16
    kind = EntryKind.FOLDER if info.orig_filename.endswith("/") else EntryKind.FILE
    problem = None
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        problem = f"is no file but a {_kind_of(mode)}"
    elif info.flag_bits & 0x1:
        problem = "is encrypted"
    elif info.compress_type not in _METHODS:
        problem = "is packed in a way that is not read here"
    elif kind is EntryKind.FOLDER and info.file_size:
        problem = "is a folder with content"
    return Entry(plain(info.orig_filename), kind, info.file_size, bool(mode & 0o111), problem)


def _kind_of(mode: int) -> str:
    return {stat.S_IFLNK: "link", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket"}.get(
        stat.S_IFMT(mode), "device"
    )


def unpack_tar(path: Path, target: Path, limits: PackageLimits, *, name: str | None = None) -> None:
    """Unpack a tar, plain or gzipped, below a new folder: read through once to check it, a second time to write."""
    shown = name or path.name
    entries: list[Entry] = []

    def gather(entry: Entry, _source: IO[bytes] | None) -> None:
        entries.append(entry)
        if len(entries) > limits.entries:
            check(shown, entries, 0, limits)

    def write(entry: Entry, source: IO[bytes] | None) -> None:
        _write(entry, source, target, shown)

    _each_member(path, shown, limits, gather)
    check(shown, entries, path.stat().st_size, limits)
    target.mkdir()
    _each_member(path, shown, limits, write)


def _each_member(
    path: Path, shown: str, limits: PackageLimits, use: Callable[[Entry, IO[bytes] | None], None]
) -> None:
    """Every member in the order of the tar, with its content, which is read while the member is at hand."""
    try:
        with path.open("rb") as raw, _plain_stream(raw) as stream:
            counted = _Counted(stream, limits.unpacked_bytes + limits.entries * 2048 + CHUNK)
            with tarfile.open(fileobj=counted, mode="r|", encoding="utf-8") as archive:
                for member in archive:
                    if member.isdir() and plain(member.name) in {"", "."}:
                        continue  # the folder that all of it lies in
                    entry = _tar_entry(member)
                    content = archive.extractfile(member) if entry.kind is EntryKind.FILE else None
                    use(entry, content)
    except (
        tarfile.TarError,
        zlib.error,
        EOFError,
        gzip.BadGzipFile,
        UnicodeError,
        ValueError,
        RecursionError,
    ) as error:
        raise ArchiveUnsafeError(
            name=_shown(shown), summary=f"it is damaged ({error})", mistakes=[]
        ) from error


def _plain_stream(raw: IO[bytes]) -> IO[bytes]:
    """The tar itself, whether it is gzipped or not."""
    gzipped = raw.read(2) == b"\x1f\x8b"
    raw.seek(0)
    return gzip.GzipFile(fileobj=raw) if gzipped else raw  # type: ignore[return-value]  # a GzipFile reads like any binary file


class _Counted(BufferedIOBase):
    """A stream that ends with an error once more came out of it than the limits allow."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream = stream
        self._left = most
        self._most = most

    def readable(self) -> bool:
        return True

    def read(self, size: int | None = -1, /) -> bytes:
        data = self._stream.read(CHUNK if size is None or size < 0 else min(size, CHUNK))
        self._left -= len(data)
        if self._left < 0:
            _check_size("unpacked", self._most + 1, self._most)
        return data


def _tar_entry(member: tarfile.TarInfo) -> Entry:
    problem = None
    if member.issym() or member.islnk():
        problem = "is a link"
    elif member.issparse():
        problem = "is a sparse file"
    elif not (member.isreg() or member.isdir()):
        problem = "is no file but a device or a pipe"
    elif member.size < 0:
        problem = "has a size below zero"
    kind = EntryKind.FOLDER if member.isdir() else EntryKind.FILE if member.isreg() else EntryKind.OTHER
    return Entry(plain(member.name), kind, max(0, member.size), bool(member.mode & 0o111), problem)


def _write(entry: Entry, source: IO[bytes] | None, target: Path, shown: str) -> None:
    """One entry below the folder; its name was checked, and nothing but this process's own folders lies on its way."""
    place = target / entry.name
    if entry.kind is EntryKind.FOLDER or source is None:
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("xb") as file:
        left = entry.size
        while data := source.read(min(CHUNK, left + 1)):
            left -= len(data)
            if left < 0:
                break
            file.write(data)
    if left:
        refuse(shown, [(entry.name, "is not as large as its header says")])
    place.chmod(0o755 if entry.executable else 0o644)
