"""Files that are written whole or not at all."""

import contextlib
from pathlib import Path

from isp_plugins.durable_file import create_private, replace_when_written, write_private


def test_a_file_is_replaced_whole_and_private(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.write_text("old, and longer")
    write_private(target, "new")
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("new", 0o600)


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path: Path) -> None:
    target = tmp_path / "x"
    write_private(target, "old")
    with contextlib.suppress(ZeroDivisionError), replace_when_written(target) as part:
        part.write_text("half")
        raise ZeroDivisionError
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x", "old")]


def test_a_file_is_created_once(tmp_path: Path) -> None:
    assert create_private(tmp_path / "x", "first") is True
    assert create_private(tmp_path / "x", "second") is False
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("x", "first")]
