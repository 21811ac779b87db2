"""Probes the kernel for what isolation of plugins needs; every probe is harmless, and what could change a process is tried in a child.

1. Landlock, seccomp and namespaces are asked as the sandbox asks (`isp_plugin_sdk.sandbox.probe`).
2. cgroup v2: the process's own group, and whether this user may divide it.
"""

import os
import platform
from pathlib import Path

from isp_plugin_sdk.sandbox.policy import Enforcement
from isp_plugin_sdk.sandbox.probe import probe
from isp_plugins.lifecycle.doctor.facts import KernelFacts
from isp_plugins.lifecycle.doctor.findings import Unread

CGROUPS = Path("/sys/fs/cgroup")


def probe_kernel(enforcement: Enforcement = Enforcement.BEST_EFFORT) -> KernelFacts:
    """What this kernel offers this user; blocks for some 40 ms."""
    own, offer = _own_cgroup(), probe()
    unread = Unread("no child could be started")
    return KernelFacts(
        release=platform.release(),
        landlock_abi=offer.landlock_abi,
        seccomp=offer.seccomp,
        namespaces=unread if offer.namespaces is None else offer.namespaces,
        lineage=unread if offer.lineage is None else offer.lineage,
        cgroup_v2=own is not None,
        cgroup_delegated=own is not None
        and os.access(own, os.W_OK)
        and os.access(own / "cgroup.procs", os.W_OK),
        sandbox=enforcement,
    )


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
