"""Plugins that use too much: each meets the kernel's limit, alone; without a limit each gets what it wants."""

import resource
import signal

import pytest

from isp_plugin_sdk.sandbox.policy import Enforcement
from support.sandbox import EVERYBODY, make_target, policy_for, run

MANY = "import resource\nhard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\nresource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))\n"
MANY_FILES = 10_100
FILLS_THE_DISK = {"a 10 GB file, allocated"}
HOGS = {
    "memory": "held = [bytearray(64 << 20) for _ in range(5)]",
    "shared memory": "import mmap\nheld = [mmap.mmap(-1, 64 << 20) for _ in range(64)]",
    "a 10 GB file": "import os\nfd = os.open('huge', os.O_RDWR | os.O_CREAT)\nos.ftruncate(fd, 10 << 30)",
    "a 10 GB file, allocated": "import os\nfd = os.open('huge', os.O_RDWR | os.O_CREAT)\nos.posix_fallocate(fd, 0, 10 << 30)",
    "a 10 GB file, written at its end": "import os\nfd = os.open('huge', os.O_RDWR | os.O_CREAT)\nos.pwrite(fd, b'x', 10 << 30)",
    "ten thousand descriptors": MANY
    + "import os\nheld = [os.dup(1) for _ in range(10_000)]\n[os.close(each) for each in held]",
    "ten thousand sockets": MANY + "import socket\nheld = [socket.socketpair() for _ in range(5_000)]",
    "a fork bomb": "import os\nfor _ in range(300):\n    if os.fork() == 0: os._exit(0)\nfor _ in range(300): os.wait()",
    "a thread bomb": "import threading\nstop = threading.Event()\nheld = [threading.Thread(target=stop.wait, daemon=True) for _ in range(600)]\ntry: [each.start() for each in held]\nfinally: stop.set()\n[each.join() for each in held]",
}
ENDS = {
    "memory": "MemoryError",
    "shared memory": "OSError",
    "a 10 GB file": "OSError",
    "a 10 GB file, allocated": "OSError",
    "a 10 GB file, written at its end": "OSError",
    "ten thousand descriptors": "OSError",
    "ten thousand sockets": "OSError",
    "a fork bomb": "PermissionError",
    "a thread bomb": "RuntimeError",
}


@pytest.fixture(scope="module", params=EVERYBODY, ids=lambda who: who.name)
def who(request, kit):
    if kit.python_for(request.param) is None:
        pytest.skip("no interpreter that this user can start")
    return request.param


@pytest.fixture(scope="module")
def hogs(kit, who):
    target = make_target(kit.python_for(who), who)
    yield run(kit, target, who, policy_for(kit, target, who, memory_mb=64), HOGS), target
    target.close()


@pytest.mark.parametrize("hog", HOGS)
def test_hog_meets_its_limit(hogs, hog):
    ended, _target = hogs
    assert ended.outcomes[hog]["error"] == ENDS[hog], ended


def test_host_is_unharmed(hogs):
    _ended, target = hogs
    assert target.is_unharmed()


@pytest.fixture(scope="module")
def free(kit, who):
    """The same without any limit, but for what would fill the disk."""
    target = make_target(kit.python_for(who), who)
    policy = policy_for(kit, target, who, enforcement=Enforcement.OFF)
    pieces = {
        name: code + "\ndel held" * ("held" in code)
        for name, code in HOGS.items()
        if name not in FILLS_THE_DISK
    }
    yield run(kit, target, who, policy, pieces)
    target.close()


@pytest.mark.parametrize("hog", [name for name in HOGS if name not in FILLS_THE_DISK])
def test_hog_is_real(free, hog):
    if "ten thousand" in hog and resource.getrlimit(resource.RLIMIT_NOFILE)[1] < MANY_FILES:
        pytest.skip("this user may not have ten thousand descriptors")
    assert free.outcomes[hog]["error"] is None, free.outcomes[hog]


BURNER = "import time\nwhile time.process_time() < 1.2: pass\nvalue = 'burnt'"


def test_cpu_burner_is_real(kit, who):
    target = make_target(kit.python_for(who), who)
    try:
        ended = run(kit, target, who, policy_for(kit, target, who), {"burn": BURNER})
        assert ended.outcomes["burn"]["value"] == "burnt"
    finally:
        target.close()


def test_cpu_burner_is_ended_by_the_kernel(kit, who):
    target = make_target(kit.python_for(who), who)
    try:
        policy = policy_for(kit, target, who, cpu_seconds=1)
        ended = run(kit, target, who, policy, {"burn": BURNER})
        assert ended.code in {-signal.SIGXCPU, -signal.SIGKILL}
        assert target.is_unharmed()
    finally:
        target.close()
