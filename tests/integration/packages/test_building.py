import asyncio
import dataclasses
import os
import socket
import time
from pathlib import Path

import pytest

from isp_plugins.packages.errors import BuildFailedError, ManifestInvalidError, PackageShapeError
from support.sources import folder
from support.waiting import until
from support.wheels import make_source, make_wheel

CONNECT = """
def before_build():
    import socket
    try:
        socket.create_connection(("127.0.0.1", {port}), timeout=5)
    except OSError as error:
        raise SystemExit("no network: " + str(error))
"""
ENVIRONMENT = """
def before_build():
    import os
    raise SystemExit("seen: " + " ".join(sorted(os.environ)))
"""
HANG = """
def before_build():
    import os, subprocess, sys, time
    forked_twice = "import subprocess, sys; subprocess.Popen(sys.argv[1:])"
    sleeper = [sys.executable, "-c", "import time; time.sleep(1000)", {mark!r}]
    subprocess.run([sys.executable, "-c", forked_twice, *sleeper], check=True)
    time.sleep(1000)
"""
NEEDS_MORE = """
def get_requires_for_build_wheel(config_settings=None):
    return ["dep<2"]

def before_build():
    import dep
    assert dep.VERSION == "1.0"
"""

LOOKS_UPWARDS = """
def before_build():
    from pathlib import Path
    for folder in (Path.cwd(), *Path.cwd().parents):
        if (folder / ".gitignore").is_file():
            (folder / ".gitignore").read_text()
        if (folder / ".git").exists():
            break
"""


def can_leave_the_network():
    """Whether this kernel lets a process of ours have a network of its own."""
    pid = os.fork()
    if pid == 0:
        import ctypes

        flags = 0x40000000 | (0 if os.geteuid() == 0 else 0x10000000)
        os._exit(0 if ctypes.CDLL(None).unshare(flags) == 0 else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.fixture
def listener():
    """A server on loopback that would answer."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.skipif(not can_leave_the_network(), reason="this kernel offers no network namespace")
async def test_build_reaches_no_network_not_even_loopback(installer, listener, tmp_path):
    source = make_source(tmp_path / "source", extra=CONNECT.format(port=listener))
    with pytest.raises(BuildFailedError, match="no network: "):
        await installer.wheel_of(folder(source))


async def test_build_sees_nothing_of_the_hosts_environment(installer, tmp_path, monkeypatch):
    monkeypatch.setenv("ISP_PLUGINS_SECRET_KEYS", "secret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    with pytest.raises(BuildFailedError, match=r"seen: HOME LANG PATH TMPDIR\.?$"):
        await installer.wheel_of(folder(make_source(tmp_path / "source", extra=ENVIRONMENT)))


def processes_with(mark):
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (place / "cmdline").read_bytes():
                found.append(int(place.name))
        except OSError:
            continue
    return found


async def test_build_that_takes_too_long_is_ended_with_all_its_children(installer, tmp_path):
    mark = f"mark-{os.getpid()}-{time.monotonic_ns()}"
    installer.store.limits = dataclasses.replace(installer.store.limits, build_s=3.0)
    with pytest.raises(BuildFailedError, match="ISP_PLUGINS_PACKAGE_BUILD_TIMEOUT"):
        await installer.wheel_of(folder(make_source(tmp_path / "source", extra=HANG.format(mark=mark))))
    if can_leave_the_network():
        await until(lambda: not processes_with(mark))


@pytest.mark.skipif(not can_leave_the_network(), reason="this kernel offers no process ids of one's own")
async def test_cancelled_build_is_ended(installer, tmp_path):
    mark = f"mark-{os.getpid()}-{time.monotonic_ns()}"
    building = asyncio.create_task(
        installer.wheel_of(folder(make_source(tmp_path / "source", extra=HANG.format(mark=mark))))
    )
    await until(lambda: processes_with(mark))
    building.cancel()
    with pytest.raises(asyncio.CancelledError):
        await building
    await until(lambda: not processes_with(mark))


async def test_what_the_build_needs_is_fetched_as_wheels(installer, tmp_path):
    source = make_source(tmp_path / "source", extra=NEEDS_MORE, requires='["dep"]')
    _, _, wheel, _ = await installer.wheel_of(folder(source))
    assert wheel.name == "isp_greeter-1.0.0-py3-none-any.whl"


async def test_build_in_a_data_directory_of_a_repository_does_not_look_beyond_it(installer, tmp_path):
    """As hatchling looks for the .gitignore of the repository that a source lies in, which a build may not read."""
    (tmp_path / ".gitignore").write_text("var/\n")
    source = make_source(tmp_path / "source", extra=LOOKS_UPWARDS)
    _, _, wheel, _ = await installer.wheel_of(folder(source))
    assert wheel.name == "isp_greeter-1.0.0-py3-none-any.whl"


async def test_build_requirement_that_is_missing_is_named(installer, tmp_path):
    with pytest.raises(BuildFailedError, match=r"what the build needs cannot be had: .*no-such-backend"):
        await installer.wheel_of(folder(make_source(tmp_path / "source", requires='["no-such-backend"]')))


async def test_failing_build_is_told_with_its_last_lines(installer, tmp_path):
    extra = "def before_build():\n    print('compiling')\n    raise RuntimeError('no compiler here')"
    with pytest.raises(BuildFailedError, match="RuntimeError: no compiler here") as raised:
        await installer.wheel_of(folder(make_source(tmp_path / "source", extra=extra)))
    assert "compiling" in raised.value.fields["log"]


@pytest.mark.parametrize(
    ("pyproject", "problem"),
    [
        ("[build-system", "readable"),
        ("build-system = 3", "readable"),
        ("[build-system]\nrequires = [1]", "readable"),
        ('[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["../x"]', "leaves the source"),
        ('[build-system]\nrequires = []\nbuild-backend = "absent_backend"', "absent_backend"),
    ],
)
async def test_source_that_cannot_be_built_is_refused(pyproject, problem, installer, tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "pyproject.toml").write_text(pyproject)
    with pytest.raises(BuildFailedError, match=problem):
        await installer.wheel_of(folder(tmp_path / "source"))


async def test_manifest_of_a_command_is_checked_before_it_is_packed(installer, tmp_path):
    (tmp_path / "source").mkdir()
    manifest = tmp_path / "source" / "plugin.toml"
    manifest.write_text('name = "X"\n')
    with pytest.raises(ManifestInvalidError, match="line 1: name"):
        await installer.wheel_of(folder(tmp_path / "source"))
    manifest.write_text('name = "x"\nversion = "1"\nplugin_type = "CUSTOM"\nentry_point = "a:B"\n')
    with pytest.raises(PackageShapeError, match="needs a command"):
        await installer.wheel_of(folder(tmp_path / "source"))


async def test_dependency_that_only_the_source_offers_is_not_installed_from_it(installer, tmp_path):
    make_wheel(tmp_path / "elsewhere", "stranger", "1.0")
    with pytest.raises(BuildFailedError):
        await installer.wheel_of(
            folder(
                make_source(
                    tmp_path / "source", requires=f'["--find-links={tmp_path / "elsewhere"}", "stranger"]'
                )
            )
        )
