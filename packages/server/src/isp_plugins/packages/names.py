"""Which paths an archive may hold: rules over their text alone, all told together.

1. Relative, `/` between the parts; no part is empty, `.` or `..`; no backslash, no drive, no control character, nothing that is not UTF-8.
2. No path twice, none that differs from another in case or in the way its accents are written, none that needs a file as its folder.
3. A leading `./`, which tar writes, means nothing.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator

from isp_plugins.packages.limits import MAX_DEPTH, MAX_NAME_BYTES, MAX_PART_BYTES

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_DRIVE = re.compile(r"[A-Za-z]:")


def plain(name: str) -> str:
    """The path without a leading `./` and a folder's trailing slash."""
    while name.startswith("./"):
        name = name[2:]
    return name.removesuffix("/")


def problem_of(name: str) -> str | None:
    """What is wrong with one plain path, or None."""
    if not name or name == ".":
        return "has an empty name"
    if _CONTROL.search(name) or any(0xD800 <= ord(character) <= 0xDFFF for character in name):
        return "has a name with control characters or bytes that are not UTF-8"
    if name.startswith("/") or "\\" in name or _DRIVE.match(name):
        return "has an absolute or a foreign name"
    parts = name.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        return "has a name that leaves its folder or does not say where it lies"
    if (
        len(parts) > MAX_DEPTH
        or len(name.encode()) > MAX_NAME_BYTES
        or any(len(part.encode()) > MAX_PART_BYTES for part in parts)
    ):
        return "has a name that is too long or too deep"
    return None


def collisions(files: Iterable[str], folders: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each path that would land on another, with what is wrong; paths are plain ones without a problem of their own."""
    taken: dict[str, str] = {}
    for name in files:
        key = folded(name)
        if key in taken:
            same = taken[key] == name
            yield (
                name,
                "is there twice" if same else f"is the same as {taken[key]!r} where case does not count",
            )
        taken.setdefault(key, name)
    written = {folder: folder for name in [*files, *folders] for folder in _parents(name)} | {
        name: name for name in folders
    }
    by_fold: dict[str, str] = {}
    for folder in sorted(written):
        key = folded(folder)
        if key in taken:
            yield taken[key], f"is a file where {folder!r} is a folder"
        elif by_fold.setdefault(key, folder) != folder:
            yield folder, f"is the same as {by_fold[key]!r} where case does not count"


def folded(name: str) -> str:
    """The path as a file system sees it that knows neither case nor ways of writing accents."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _parents(name: str) -> Iterator[str]:
    parts = name.split("/")
    return ("/".join(parts[:length]) for length in range(1, len(parts)))
