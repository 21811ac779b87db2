"""Probes the kernel for what isolation of plugins needs; every probe is harmless, and what could change a process is tried in a child.

1. Landlock, seccomp and namespaces are asked as the sandbox asks (`isp_plugin_sdk.sandbox.probe`).
2. Whether workers of a server that is root get users of their own is asked of the setting and of the numbers that this system has.
"""

import platform

from isp_plugin_sdk.sandbox.policy import Enforcement
from isp_plugin_sdk.sandbox.privileges import exists_here
from isp_plugin_sdk.sandbox.probe import probe
from isp_plugins.lifecycle.doctor.facts import KernelFacts
from isp_plugins.lifecycle.doctor.findings import Unread


def probe_kernel(enforcement: Enforcement = Enforcement.BEST_EFFORT, *, first_uid: int = 0) -> KernelFacts:
    """What this kernel offers this user, and workers that begin with this user number; blocks for some 40 ms."""
    offer = probe()
    unread = Unread("no child could be started")
    return KernelFacts(
        release=platform.release(),
        landlock_abi=offer.landlock_abi,
        seccomp=offer.seccomp,
        namespaces=unread if offer.namespaces is None else offer.namespaces,
        lineage=unread if offer.lineage is None else offer.lineage,
        sandbox=enforcement,
        stays_root=offer.root and not (first_uid and exists_here(first_uid)),
    )
