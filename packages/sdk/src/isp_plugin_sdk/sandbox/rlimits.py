"""Resource limits that the kernel holds: memory, files, file size, processor time. Limits only ever go down.

1. Memory is bounded twice: what is private and writable by the grant and a little for stacks, the whole address space by more, so that shared
   mappings, which the first does not count, end too. What is resident is the supervisor's to watch.
2. A number of processes binds a user, not a process: it is only set where the worker has a user of its own.
"""

import resource
from collections.abc import Iterator

from isp_plugin_sdk.sandbox.policy import SandboxPolicy

MIB = 1024 * 1024
PRIVATE_HEADROOM_MB = 128
"""Stacks of the threads and the interpreter itself."""
ADDRESS_HEADROOM_MB = 1024
"""Libraries, and the reserves of the C library's allocator, which are not memory yet."""
OWN_USER_THREADS = 256


def limits_of(policy: SandboxPolicy, *, own_user: bool) -> Iterator[tuple[int, int]]:
    """Every limit and its value. Pure."""
    yield resource.RLIMIT_CORE, 0
    yield resource.RLIMIT_MSGQUEUE, 0
    yield resource.RLIMIT_NICE, 0
    yield resource.RLIMIT_RTPRIO, 0
    if policy.memory_mb is not None:
        yield resource.RLIMIT_DATA, (policy.memory_mb + PRIVATE_HEADROOM_MB) * MIB
        yield resource.RLIMIT_AS, (policy.memory_mb + ADDRESS_HEADROOM_MB) * MIB
    if policy.cpu_seconds is not None:
        yield resource.RLIMIT_CPU, policy.cpu_seconds
    if policy.open_files is not None:
        yield resource.RLIMIT_NOFILE, policy.open_files
    if policy.file_mb is not None:
        yield resource.RLIMIT_FSIZE, policy.file_mb * MIB
    if own_user:
        yield resource.RLIMIT_NPROC, policy.threads or OWN_USER_THREADS


def set_limits(policy: SandboxPolicy, *, own_user: bool) -> None:
    """Lower the limits of this process, and with it of all it starts; one that is lower already stays."""
    for kind, value in limits_of(policy, own_user=own_user):
        _soft, hard = resource.getrlimit(kind)
        least = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (least, least))
