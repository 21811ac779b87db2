"""Files that are written whole or not at all, for their owner alone, and that survive a power cut once written."""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replace_when_written(target: Path) -> Iterator[Path]:
    """A path beside `target` to write to; when the block ends it takes the target's place, when it raises it is removed."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600))
    try:
        yield part
        _sync(part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    _sync(target.parent)


def write_private(target: Path, content: str) -> None:
    """Write or replace a file of mode 0600 in one step."""
    with replace_when_written(target) as part:
        part.write_text(content, encoding="utf-8")


def create_private(target: Path, content: str) -> bool:
    """Create a file of mode 0600 in one step; False, and nothing changed, if there is one already."""
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        handle = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(content)
        _sync(part)
        # A link, unlike a rename, refuses to take the place of another file.
        os.link(part, target)
    except FileExistsError:
        return False
    finally:
        part.unlink(missing_ok=True)
    _sync(target.parent)
    return True


def copy_private(source: Path, target: Path) -> None:
    """Copy a file to a new one of mode 0600, whatever the source's is; `FileExistsError`. The caller sees that it is whole."""
    handle = os.open(target, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as copy, source.open("rb") as given:
        shutil.copyfileobj(given, copy)


def _sync(path: Path) -> None:
    """Force a file's content, or a folder's list of names, to the disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
