"""Plugins that use too much: each meets the kernel's limit, alone."""

import signal

import pytest

from support.sandbox import EVERYBODY, make_target, policy_for, run

HOGS = {
    "memory": "held = [bytearray(64 << 20) for _ in range(64)]",
    "shared memory": "import mmap\nheld = [mmap.mmap(-1, 64 << 20) for _ in range(64)]",
    "a 10 GB file": "import os\nfd = os.open('huge', os.O_RDWR | os.O_CREAT)\nos.ftruncate(fd, 10 << 30)",
    "a 10 GB file, allocated": "import os\nfd = os.open('huge', os.O_RDWR | os.O_CREAT)\nos.posix_fallocate(fd, 0, 10 << 30)",
    "a 10 GB file, written at its end": "import os\nfd = os.open('huge', os.O_RDWR | os.O_CREAT)\nos.pwrite(fd, b'x', 10 << 30)",
    "ten thousand descriptors": "import os\nheld = [os.dup(1) for _ in range(10_000)]",
    "ten thousand sockets": "import socket\nheld = [socket.socketpair() for _ in range(5_000)]",
    "a fork bomb": "import os\nfor _ in range(300):\n    if os.fork() == 0: os._exit(0)",
    "a thread bomb": "import threading\nstop = threading.Event()\nheld = [threading.Thread(target=stop.wait, daemon=True) for _ in range(3_000)]\ntry: [each.start() for each in held]\nfinally: stop.set()",
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
    yield run(kit, target, who, policy_for(kit, target, who, memory_mb=256), HOGS), target
    target.close()


@pytest.mark.parametrize("hog", HOGS)
def test_hog_meets_its_limit(hogs, hog):
    ended, _target = hogs
    assert ended.outcomes[hog]["error"] == ENDS[hog], ended


def test_host_is_unharmed(hogs):
    _ended, target = hogs
    assert target.is_unharmed()


def test_cpu_burner_is_ended_by_the_kernel(kit, who):
    target = make_target(kit.python_for(who), who)
    try:
        policy = policy_for(kit, target, who, cpu_seconds=1)
        ended = run(kit, target, who, policy, {"burn": "while True: pass"})
        assert ended.code in {-signal.SIGXCPU, -signal.SIGKILL}
        assert target.is_unharmed()
    finally:
        target.close()
