"""Puts rendered files down, all or none: into a temporary neighbour first, which then takes the place's name in one step.

1. Nothing is ever overwritten: whatever is in the way stays, and is named.
2. A path that leaves its folder is refused, whoever rendered it.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path

from isp_plugins.cli.output import fail
from isp_plugins.templates import paths
from isp_plugins.templates.archive import is_script, zipped

SHOWN = 5
"""How many of the names in the way are shown."""
_TAKEN = {errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR}


def check_free(place: Path, *, folder: bool) -> None:
    """End the command where something is at a place already; an empty folder may become the new one."""
    if not os.path.lexists(place):
        return
    if folder and place.is_dir() and not place.is_symlink():
        names = sorted(each.name for each in place.iterdir())
        if not names:
            return
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        what = f"has {', '.join(names[:SHOWN])}{more} in it"
    else:
        what = "is there already"
    _in_the_way(place, what)


def write_folder(files: Mapping[str, str], place: Path) -> None:
    """Make a folder of the files."""
    _check_files(files)
    check_free(place, folder=True)
    beside = place.absolute().parent / f".{place.absolute().name}.{secrets.token_hex(4)}.new"
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.mkdir()
        for path, text in files.items():
            _write(beside / path, text)
        beside.rename(place)
    except OSError as error:
        _cannot(place, error)
    finally:
        shutil.rmtree(beside, ignore_errors=True)  # gone already where it took its place


def write_zip(files: Mapping[str, str], place: Path, *, folder: str) -> None:
    """Make a zip of the files, all under one folder in it."""
    _check_files(files)
    check_free(place, folder=False)
    beside = place.absolute().parent / f".{place.absolute().name}.{secrets.token_hex(4)}.new"
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(zipped(files, folder=folder))
        os.link(beside, place)  # unlike a rename, it never replaces what came in between
    except OSError as error:
        _cannot(place, error)
    finally:
        beside.unlink(missing_ok=True)


def _write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("x", encoding="utf-8", newline="") as stream:
        stream.write(text)
    if is_script(text):
        file.chmod(file.stat().st_mode | 0o111)


def _check_files(files: Mapping[str, str]) -> None:
    mistakes = paths.mistakes_in(files)
    for path, text in files.items():
        if not paths.is_encodable(text):
            mistakes.append({"path": f"files.{path}", "message": "is no text that can be written as UTF-8"})
    if mistakes:
        fail("The template's files cannot be written", mistakes=mistakes)


def _in_the_way(place: Path, what: str) -> None:
    fail(
        "Something is in the way",
        detail=f"{place} {what}. Nothing was written; name another place, or move that away.",
    )


def _cannot(place: Path, error: OSError) -> None:
    if error.errno in _TAKEN:
        _in_the_way(place, "is there already")
    fail(
        "The files cannot be written", detail=f"{place}: {error.strerror or error}. Nothing was left behind."
    )
