"""The data directory and its one host, with real processes."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from isp_plugins.db.data_directory import DataDirectory, RunningHost
from isp_plugins.db.errors import DataDirectoryInUseError, DataDirectoryUnusableError
from support.forked import Forked

HOST = """
import sys
from pathlib import Path
from isp_plugins.db.data_directory import DataDirectory
directory = DataDirectory(Path(sys.argv[1]))
with directory.lock(database_file=Path(sys.argv[2]) if len(sys.argv) > 2 else None):
    directory.announce("http://127.0.0.1:8080")
    print("ready", flush=True)
    sys.stdin.read()
"""


@contextmanager
def host(*arguments: object) -> Iterator[Forked]:
    """Another process that is the host of a folder until it is told to end."""
    with Forked("-c", HOST, *arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process


def test_a_new_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    DataDirectory(tmp_path / "deep" / "data")
    assert (tmp_path / "deep" / "data").stat().st_mode & 0o777 == 0o700


def test_a_folder_that_was_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    DataDirectory(tmp_path)
    assert tmp_path.stat().st_mode & 0o777 == 0o750


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "x").touch()
    with pytest.raises(DataDirectoryUnusableError, match="--data-dir"):
        DataDirectory(tmp_path / "x")


def test_a_second_host_is_refused_with_the_ways_out(tmp_path: Path) -> None:
    with host(tmp_path) as other:
        with (
            pytest.raises(
                DataDirectoryInUseError,
                match=rf"process {other.pid}, listening on http://127.*HTTP.*PostgreSQL",
            ),
            DataDirectory(tmp_path).lock(),
        ):
            pass
        other.communicate("")


def test_two_folders_cannot_share_a_sqlite_file(tmp_path: Path) -> None:
    with host(tmp_path / "one", tmp_path / "shared.db") as other:
        second = DataDirectory(tmp_path / "two").lock(database_file=tmp_path / "shared.db")
        second = DataDirectory(tmp_path / "two").lock(database_file=tmp_path / "shared.db")
        with pytest.raises(DataDirectoryInUseError, match=r"shared\.db is in use"), second:
            pass
        other.communicate("")


def test_a_running_host_is_found(tmp_path: Path) -> None:
    with host(tmp_path) as other:
        assert DataDirectory(tmp_path).running_host() == RunningHost("http://127.0.0.1:8080", other.pid)
        other.communicate("")
    assert DataDirectory(tmp_path).running_host() is None


def test_a_killed_host_gives_up_the_folder(tmp_path: Path) -> None:
    with host(tmp_path) as other:
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
    directory = DataDirectory(tmp_path)
    assert directory.running_host() is None
    with directory.lock():
        assert directory.running_host() is None


def test_asking_who_runs_does_not_disturb_a_start(tmp_path: Path) -> None:
    directory = DataDirectory(tmp_path)
    for _ in range(20):
        with directory.lock():
            assert directory.is_locked()
        assert not directory.is_locked()
