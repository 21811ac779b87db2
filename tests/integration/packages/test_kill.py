"""kill -9 at random moments of an installation: nothing half done has a final name, and the next one works."""

import hashlib
import json
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from isp_plugins.packages.environments import MARKER
from isp_plugins.packages.values import Lock
from support.forked import Forked
from support.waiting import until
from support.wheels import make_source, make_wheel

STEPS = ("fetch", "build", "resolve", "environment", "keep")


class Installation:
    """A data directory that installations are started on, and killed."""

    def __init__(self, folder):
        self.data = folder / "data"
        self.links = folder / "links"
        self.source = make_source(folder / "source", requires='["dep"]')
        make_wheel(self.links, "dep", "1.0")

    def start(self, staging):
        words = (self.data, self.links, self.source, staging)
        return Forked("support.package_child", *words, stdout=subprocess.PIPE)

    def finish(self, staging):
        """Install to the end; the names of environment and artifact."""
        with self.start(staging) as process:
            out, _ = process.communicate(timeout=100)
        assert process.returncode == 0
        _, key, digest = out.splitlines()[-1].split()
        return key, digest

    def check(self):
        """Whatever has a final name is whole."""
        for place in (self.data / "environments").glob("*"):
            lock = Lock.of(json.loads((place / MARKER).read_text()))
            assert lock.key == place.name
            code = "import isp_plugin_sdk, app.services.plugin_service"
            subprocess.run([place / "bin" / "python", "-I", "-c", code], check=True, timeout=60)
        for place in (self.data / "artifacts").glob("*"):
            (wheel,) = place.glob("*.whl")
            assert hashlib.sha256(wheel.read_bytes()).hexdigest() == place.name
            assert (place / "code" / "greeter" / "plugin.toml").is_file()
        for place in (self.data / "wheelhouse").glob("[0-9a-f]*"):
            (wheel,) = place.glob("*.whl")
            assert hashlib.sha256(wheel.read_bytes()).hexdigest() == place.name


def children_in(folder):
    """Processes that work below a folder."""
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if str(folder) in str((place / "cwd").readlink()):
                found.append(place.name)
        except OSError:
            continue
    return found


async def killed(installation, staging, step, delay):
    """Start, wait until the step begins, wait a little, kill -9."""
    with installation.start(staging) as process:
        for line in process.stdout:
            if line.startswith(step):
                break
        deadline = time.monotonic() + delay  # a random moment, not a wait for something
        await until(lambda: time.monotonic() >= deadline)
        process.send_signal(signal.SIGKILL)
    await until(lambda: not children_in(installation.data))
    installation.check()


async def assert_kills_leave_nothing(folder, times, seed):
    chance = random.Random(seed)
    installation = Installation(folder)
    for number in range(times):
        await killed(installation, number, STEPS[number % len(STEPS)], chance.random() * 0.4)
    key, digest = installation.finish("last")
    installation.check()
    assert (installation.data / "environments" / key).is_dir()
    assert (installation.data / "artifacts" / digest).is_dir()


async def test_kill_in_every_step_leaves_nothing_half_done(tmp_path):
    await assert_kills_leave_nothing(tmp_path, len(STEPS), 7)


@pytest.mark.soak
async def test_fifty_kills_leave_nothing_half_done(tmp_path):
    await assert_kills_leave_nothing(tmp_path, 50, 11)
