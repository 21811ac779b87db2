"""Probes the kernel for what isolation of plugins will need; every probe is harmless, and what could change a process is tried in a child.

1. Landlock: `landlock_create_ruleset` with the flag that only asks for the version makes nothing.
2. seccomp: the kernel says in /proc whether it filters.
3. User namespaces: a short-lived child unshares its own; whether the settings allow it cannot be read from one place.
4. cgroup v2: the process's own group, and whether this user may divide it.
"""

import ctypes
import os
import platform
import subprocess
import sys
from pathlib import Path

from isp_plugins.lifecycle.doctor.facts import KernelFacts
from isp_plugins.lifecycle.doctor.findings import Unread

LANDLOCK_CREATE_RULESET = 444
"""The system call's number, the same on every architecture (kernel's unified table from 424 on)."""
LANDLOCK_CREATE_RULESET_VERSION = 1
CLONE_NEWUSER = 0x10000000
_UNSHARE = f"import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare({CLONE_NEWUSER}) != 0)"
PROBE_WITHIN_S = 5.0
CGROUPS = Path("/sys/fs/cgroup")


def probe_kernel() -> KernelFacts:
    """What this kernel offers this user; blocks for some 20 ms."""
    own = _own_cgroup()
    return KernelFacts(
        release=platform.release(),
        landlock_abi=landlock_abi(),
        seccomp=Path("/proc/sys/kernel/seccomp/actions_avail").exists(),
        user_namespaces=user_namespaces(),
        cgroup_v2=own is not None,
        cgroup_delegated=own is not None
        and os.access(own, os.W_OK)
        and os.access(own / "cgroup.procs", os.W_OK),
    )


def landlock_abi() -> int:
    """Landlock's ABI version; 0 where the kernel has none, or has it switched off."""
    try:
        found = ctypes.CDLL(None, use_errno=True).syscall(
            LANDLOCK_CREATE_RULESET, None, ctypes.c_size_t(0), LANDLOCK_CREATE_RULESET_VERSION
        )
    except (OSError, AttributeError):
        return 0
    return max(int(found), 0)


def user_namespaces() -> bool | Unread:
    """Whether an ordinary child may have a user namespace of its own."""
    command = [sys.executable, "-I", "-S", "-c", _UNSHARE]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PROBE_WITHIN_S, check=False)  # noqa: S603  our own text
    except (OSError, subprocess.SubprocessError) as error:
        return Unread(f"no child could be started ({type(error).__name__})")
    return done.returncode == 0


def _own_cgroup() -> Path | None:
    """The folder of this process's group in the unified hierarchy; None without cgroup v2."""
    if not (CGROUPS / "cgroup.controllers").exists():
        return None
    try:
        lines = Path("/proc/self/cgroup").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return None
    path = next((line[3:] for line in lines if line.startswith("0::")), None)
    return None if path is None else CGROUPS / path.lstrip("/")
