"""A disk without space in the middle of an installation: said so, nothing half done, and the next one works once there is space."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from isp_plugins.packages.errors import DiskFullError
from isp_plugins.packages.limits import PackageFolders
from support.sources import upload
from support.wheels import files_below, make_plugin_wheel, make_source, make_wheel

CHILD = Path(__file__).parents[2] / "support" / "package_child.py"


@pytest.fixture
def small_disk(tmp_path):
    """A file system of the test's own, of a few megabytes."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    place = tmp_path / "disk"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine lets nobody mount")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


@pytest.mark.parametrize("left_kb", [0, 40, 300, 1000, 1600])
async def test_full_disk_is_told_and_leaves_nothing_half_done(left_kb, small_disk, make_installer, tmp_path):
    make_wheel(
        tmp_path / "links", "dep", "1.0", files={"dep.py": "X = 1\n", "dep_data.bin": os.urandom(300_000)}
    )
    installer = make_installer(
        data=small_disk / "data", package_find_links=str(tmp_path / "links"), package_offline="yes"
    )
    source = upload(make_plugin_wheel(tmp_path, requires=["dep"]))
    ballast = small_disk / "ballast"
    fill(ballast, left_kb * 1024)
    with pytest.raises(DiskFullError, match="space"):
        await installer.install(source)
    assert_whole(installer.store.folders)
    ballast.unlink()
    installed = await installer.install(source)
    assert files_below(installed.artifact.code)


def fill(file: Path, left: int) -> None:
    """Write until only so much is left."""
    usage = os.statvfs(file.parent)
    size = usage.f_bavail * usage.f_frsize - left
    with file.open("wb") as ballast:
        ballast.write(bytes(max(0, size)))


@pytest.mark.parametrize("most_kb", [1, 60, 110])
def test_file_that_the_system_refuses_to_let_grow_is_told_in_the_same_words(most_kb, tmp_path):
    make_wheel(tmp_path / "links", "dep", "1.0")
    source = make_source(tmp_path / "source")
    (source / "greeter" / "data.bin").write_bytes(os.urandom(100_000))
    limit = most_kb * 1024
    done = subprocess.run(
        [sys.executable, CHILD, tmp_path / "data", tmp_path / "links", source, "1"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "DiskFullError" in done.stderr.splitlines()[-1]
    assert_whole(PackageFolders(tmp_path / "data"))


def assert_whole(folders):
    """Nothing that has its final name is half done."""
    for place in folders.environments.glob("*"):
        code = "import isp_plugin_sdk, app.services.plugin_service"
        subprocess.run([place / "bin" / "python", "-I", "-c", code], check=True)
    assert not list(folders.artifacts.glob("*"))
