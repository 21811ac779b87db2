"""What this kernel offers this user for the sandbox; every probe is harmless, and what could change a process is tried in a child.

1. Landlock: asking for the version makes nothing.
2. seccomp: the kernel says in /proc whether it filters; the filter must know the machine.
3. Namespaces: a short-lived child tries them; whether the settings allow them cannot be read from one place.
"""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from isp_plugin_sdk.sandbox import landlock, lineage, namespaces, seccomp
from isp_plugin_sdk.sandbox.kernel import MACHINE

PROBE_WITHIN_S = 5.0
_TRY = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare({flags}) != 0)"


@dataclass(frozen=True, slots=True)
class Offer:
    """What a sandbox could be made of here."""

    machine: str
    landlock_abi: int
    """0: there is none."""
    seccomp: bool
    """The kernel filters, and the filter knows the machine."""
    namespaces: bool | None
    """Whether a worker of this user may have its own; None: it could not be tried."""
    lineage: bool | None
    """Whether a worker of this user may have a namespace of processes, with which the kernel ends all that it started."""
    root: bool
    """Started as root, so that workers can be given another user."""

    @property
    def full(self) -> bool:
        """Whether the full set can be had for a plugin without weaker grants."""
        return self.landlock_abi > 0 and self.seccomp


def probe() -> Offer:
    """Ask; blocks for some 40 ms."""
    return Offer(
        machine=MACHINE,
        landlock_abi=landlock.abi(),
        seccomp=filters(),
        namespaces=namespaces_allowed(),
        lineage=lineage_allowed(),
        root=os.geteuid() == 0,
    )


def filters() -> bool:
    """Whether system calls can be filtered."""
    return MACHINE in seccomp.ARCHITECTURES and Path("/proc/sys/kernel/seccomp/actions_avail").exists()


def namespaces_allowed() -> bool | None:
    """Whether a child of this user may have a view and a network of its own."""
    flags = namespaces.NEWNS | namespaces.NEWNET | namespaces.NEWIPC
    return unshare_allowed(flags if os.geteuid() == 0 else flags | namespaces.NEWUSER)


def lineage_allowed() -> bool | None:
    """Whether a child of this user may have a namespace of processes."""
    return unshare_allowed(lineage.NEWPID if os.geteuid() == 0 else lineage.NEWPID | namespaces.NEWUSER)


def unshare_allowed(flags: int) -> bool | None:
    """Whether a child may leave these namespaces for new ones; None: no child could be started."""
    command = [sys.executable, "-I", "-S", "-c", _TRY.format(flags=flags)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=PROBE_WITHIN_S, check=False)  # noqa: S603  our own text
    except (OSError, subprocess.SubprocessError):
        return None
    return done.returncode == 0
