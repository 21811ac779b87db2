"""An installation on a disk that is really full (a small tmpfs): told, undone, and the host goes on."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from isp_plugins.actors import HOST
from isp_plugins.lifecycle.orders import InstallOrder, SourceType
from isp_plugins.operations import OperationState
from isp_plugins.packages.values import Source, SourceKind
from isp_plugins.settings import Settings
from isp_plugins.system import PluginSystem
from support.packages import files_of
from support.wheels import make_plugin_wheel

DISK_MIB, PACKAGE_MIB = 12, 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A data directory on a disk of its own."""
    folder = tmp_path / "data"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m,mode=700", "none", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


async def test_full_disk_is_told_and_undone_and_the_host_goes_on(small_disk: Path, tmp_path: Path) -> None:
    content = {"large/data.bin": os.urandom(PACKAGE_MIB * 2**20)}
    large = make_plugin_wheel(tmp_path / "packages", "large", more=content)
    async with PluginSystem.open(Settings(data_dir=small_disk)) as system:
        source = Source(SourceKind.UPLOAD, str(large), name=large.name)
        order = InstallOrder(source_type=SourceType.UPLOAD, source=source)
        begun = await system.installer.begin(order, HOST)
        ended = await system.operations.wait(begun.id, 60)
        assert ended.state is OperationState.FAILED
        assert ended.error is not None
        assert "space" in ended.error["detail"]
        assert ended.error["step"] == "fetch"
        assert files_of(small_disk) == {"staging": [], "artifacts": [], "environments": []}
        assert (await system.audit.verify()).ok
