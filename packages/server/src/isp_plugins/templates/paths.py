"""Where a template's file may lie: rules over the text of a path, checked before and after it is rendered.

1. Relative, with `/` between its parts; no part is empty, `.` or `..`; no backslash, no drive, no control character.
2. No part ends in a space or a dot, or is a device's name: then the files arrive whole on every system.
3. No two files that differ in case alone; no file where another needs a folder.
4. Nothing under `.git`: a checkout's own files are never written.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from isp_plugins.templates.limits import MAX_PATH_CHARACTERS

MAX_PART_BYTES = 200
_FORBIDDEN = re.compile(r'[\\:*?"<>|\x00-\x1f\x7f]')
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)

Mistake = dict[str, Any]


def problem_of(path: str) -> str | None:
    """What is wrong with one path, or None."""
    if not path or len(path) > MAX_PATH_CHARACTERS:
        return f"expected a path of 1 to {MAX_PATH_CHARACTERS} characters, got {len(path)}"
    if path.startswith("/"):
        return "expected a path below the plugin's folder, got an absolute one"
    if _FORBIDDEN.search(path) or not is_encodable(path):
        return 'expected a path without \\ : * ? " < > | and control characters'
    return next((problem for part in path.split("/") if (problem := _problem_of_part(part))), None)


def mistakes_in(paths: Iterable[str]) -> list[Mistake]:
    """Everything that is wrong with a set of paths, each by itself and together."""
    paths = list(paths)
    alone = [_mistake(path, problem) for path in paths if (problem := problem_of(path))]
    return alone or [*_collisions(paths)]


def _problem_of_part(part: str) -> str | None:
    if part in {"", ".", ".."}:
        return f"expected names between the slashes, got {part!r}"
    if part[-1] in " ." or part[0] == " ":
        return f"expected no space around a name and no dot at its end, got {part!r}"
    if _DEVICE.fullmatch(part):
        return f"{part!r} is a device's name on some systems"
    if _folded(part) == ".git":
        return "nothing may be written into a .git folder"
    return f"{part[:20]!r}... is too long" if len(part.encode()) > MAX_PART_BYTES else None


def _collisions(paths: list[str]) -> Iterator[Mistake]:
    """Files that would land on each other."""
    taken: dict[str, str] = {}
    for path in sorted(paths):
        if (other := taken.get(_folded(path))) is not None:
            yield _mistake(path, f"is the same file as {other} where case does not count")
        taken[_folded(path)] = path
    yield from (_mistake(taken[file], f"is a folder of {path}") for file, path in _folders_taken(taken))


def _folders_taken(taken: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Files that stand where another file needs a folder."""
    for folded, path in taken.items():
        parts = folded.split("/")
        for length in range(1, len(parts)):
            if (folder := "/".join(parts[:length])) in taken:
                yield folder, path


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()


def is_encodable(text: str) -> bool:
    """Whether the text can be written down as UTF-8 (a lone surrogate cannot)."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in text)


def _mistake(path: str, problem: str) -> Mistake:
    shown = path.encode(errors="backslashreplace").decode()
    return {"path": f"files.{shown}", "message": problem, "got": shown}
