"""Namespaces where the kernel lets a process have them: an empty network, a read-only view of the files, shared memory of its own.

1. The view is read-only but for what may be written. They only add to the full set: what they deny is denied by other means already, except that they let a worker change modes and times of its
   own files without reaching others' (seccomp refuses that to a worker without them).
2. A namespace of processes is only for a worker that may start some (`lineage`): what starts none leaves none behind, and three processes cost more than one.
3. Root takes them as it is; an ordinary user takes a namespace of users along, in which it stays who it is.
4. The sockets that the host hands over belong to the host's network and work on in here.
"""

import ctypes
import os
from collections.abc import Iterable

from isp_plugin_sdk.sandbox import kernel

NEWNS, NEWIPC, NEWUSER, NEWNET = 0x00020000, 0x08000000, 0x10000000, 0x40000000
_MS_BIND, _MS_REC, _MS_PRIVATE = 4096, 16384, 1 << 18
_MOUNT_SETATTR, _AT_FDCWD, _AT_RECURSIVE = 442, -100, 0x8000
_RDONLY, _NOSUID, _NODEV = 0x1, 0x2, 0x4


class _Attributes(ctypes.Structure):
    """`struct mount_attr`."""

    _fields_ = (
        ("set", ctypes.c_uint64),
        ("clear", ctypes.c_uint64),
        ("propagation", ctypes.c_uint64),
        ("userns_fd", ctypes.c_uint64),
    )


def enter(*, writable: Iterable[str], own_network: bool) -> None:
    """Enter namespaces of its own; raises `OSError` where the kernel or its settings refuse."""
    uid, gid = os.geteuid(), os.getegid()
    flags = NEWNS | NEWIPC | (NEWNET if own_network else 0)
    kernel.unshare(flags if uid == 0 else flags | NEWUSER)
    if uid != 0:
        _stay(uid, gid)
    _view(writable)


def _stay(uid: int, gid: int) -> None:
    """Be the same user and group inside as outside."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:  # noqa: PTH123  pathlib costs a worker's start
            file.write(text)


def _view(writable: Iterable[str]) -> None:
    """Make the whole view read-only, but for these files and folders."""
    kernel.mount(None, b"/", _MS_REC | _MS_PRIVATE)
    kept = [os.fsencode(path) for path in writable if os.path.exists(path) and not _leads_elsewhere(path)]  # noqa: PTH110  pathlib costs a worker's start
    for path in kept:
        kernel.mount(path, path, _MS_BIND | _MS_REC)
    _set_attributes(b"/", _Attributes(_RDONLY | _NOSUID, 0, 0, 0))
    for path in kept:
        _set_attributes(path, _Attributes(0, _RDONLY, 0, 0))


def _leads_elsewhere(path: str) -> bool:
    """Whether a symbolic link is on the way: what it leads to must not become writable, whoever put it there."""
    return os.path.realpath(path) != os.path.normpath(path)


def _set_attributes(path: bytes, wanted: _Attributes) -> None:
    """Change a mount and all below it (Linux 5.12)."""
    kernel.syscall(
        _MOUNT_SETATTR,
        _AT_FDCWD,
        ctypes.c_char_p(path),
        _AT_RECURSIVE,
        ctypes.byref(wanted),
        ctypes.c_size_t(ctypes.sizeof(wanted)),
    )
