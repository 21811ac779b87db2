from pathlib import Path

import pytest

from isp_plugin_sdk.manifest import Limits, Manifest
from isp_plugins.contracts.worker import WorkerLimits
from isp_plugins.packages.program import program
from isp_plugins.packages.values import Artifact, Environment, Lock

ARTIFACT = Artifact("d", Path("/data/artifacts/d"), Path("/data/artifacts/d/x.whl"), 1)
ENVIRONMENT = Environment("k", Path("/data/environments/k"))


def manifest(**more):
    return Manifest(name="my-plugin", version="1.0", plugin_type="CUSTOM", **more)


def made(**more):
    return program(manifest(**more), ARTIFACT, ENVIRONMENT, WorkerLimits())


def test_python_plugin_is_served_by_the_sdk_of_its_environment():
    assert made(entry_point="a.b:C").argv == (
        "/data/environments/k/bin/python", "-I", "-m", "isp_plugin_sdk.serve", "--path", "/data/artifacts/d/code", "a.b:C",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("command", "first"),
    [
        (("./run", "x"), "/data/artifacts/d/code/my_plugin/run"),
        (("bin/run", "x"), "/data/artifacts/d/code/my_plugin/bin/run"),
        (("/usr/bin/node", "x"), "/usr/bin/node"),
        (("node", "x"), "node"),
        (("python3", "x"), "/data/environments/k/bin/python"),
    ],
)
def test_command_runs_in_its_own_folder(command, first):
    found = made(command=command)
    assert (found.argv, found.speaks_over_stdio) == ((first, "x"), True)
    assert found.folder == Path("/data/artifacts/d/code/my_plugin")


def test_smaller_limit_holds():
    limits = program(
        manifest(entry_point="a:B", limits=Limits(memory_mb=100, threads=9)),
        ARTIFACT,
        ENVIRONMENT,
        WorkerLimits(memory_mb=50, cpu_percent=10, threads=20),
    ).limits
    assert limits == WorkerLimits(memory_mb=50, cpu_percent=10, threads=9)


def test_key_of_a_lock_follows_from_all_of_it():
    locks = [Lock(*parts) for parts in (("a", "p", "s"), ("b", "p", "s"), ("a", "q", "s"), ("a", "p", "t"))]
    assert len({lock.key for lock in locks}) == 4
    assert Lock("a", "p", "s", wheels=Path("/x")).key == locks[0].key
