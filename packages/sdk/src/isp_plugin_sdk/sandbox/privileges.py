"""Giving up privileges: another user, no capabilities, and no way to gain any.

1. Only root can become somebody else. It does where that user can read the interpreter and reach its folder; where it could not, it keeps one
   single capability, to read and search (`CAP_DAC_READ_SEARCH`), if Landlock limits what that reaches; else it stays who it is, and says so.
2. The bounding set goes first, while there is the capability to drop it.
3. A change of the user disarms the signal that ends a worker with its host: it is armed again, and the host looked for once more.
"""

import contextlib
import ctypes
import os
import signal
from collections.abc import Iterable

from isp_plugin_sdk.sandbox import kernel

CAP_DAC_READ_SEARCH = 2
_CAPSET = {"x86_64": 126, "aarch64": 91}
_VERSION_3 = 0x20080522


class _Header(ctypes.Structure):
    """`struct __user_cap_header_struct`."""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    """`struct __user_cap_data_struct`."""

    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def exists_here(uid: int, table: str | None = None) -> bool:
    """Whether this user namespace (a container, say) has that user number; `table` is the text of /proc/self/uid_map."""
    if table is None:
        with open("/proc/self/uid_map", encoding="ascii") as file:  # noqa: PTH123  pathlib costs a worker's start
            table = file.read()
    ranges = (map(int, line.split()) for line in table.splitlines())
    return any(first <= uid < first + count for first, _outside, count in ranges)


def reachable(paths: Iterable[str], *, uid: int, gid: int) -> str | None:
    """The first of the existing paths that this user cannot read, asked of the kernel; None where it can read all. Needs root."""
    groups = os.getgroups()
    os.setgroups([])
    os.setegid(gid)
    os.seteuid(uid)
    try:
        return next((path for path in paths if not _readable(path)), None)
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def _readable(path: str) -> bool:
    """Whether the effective user may read it (and enter it, if it is a folder); what is not there is nobody's hindrance."""
    try:
        mode = os.R_OK | (os.X_OK if os.path.isdir(path) else 0)  # noqa: PTH112  pathlib costs a worker's start
        return os.access(path, mode, effective_ids=True) or not _exists(path)
    except PermissionError:
        return False


def _exists(path: str) -> bool:
    """Whether something is there; `PermissionError` where it cannot be seen."""
    try:
        os.stat(path)  # noqa: PTH116  pathlib hides the refusal
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


def drop_bounding_set(*, keep_reading: bool) -> None:
    """Make sure that no (other) capability can ever be gained again, by any program."""
    for capability in range(64):
        if keep_reading and capability == CAP_DAC_READ_SEARCH:
            continue
        try:
            kernel.prctl(kernel.PR_CAPBSET_DROP, capability)
        except OSError:
            return  # beyond the kernel's last, or (without the capability to do so) nothing to drop with


def become(uid: int, gid: int, *, keep_reading: bool) -> None:
    """Become that user, without any further group; keeps the capability to read and search if asked to."""
    if keep_reading:
        kernel.prctl(kernel.PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)


def drop_capabilities(*, keep_reading: bool = False) -> None:
    """Drop every capability, but for the one to read and search if asked to keep it."""
    kept = 1 << CAP_DAC_READ_SEARCH if keep_reading else 0
    with contextlib.suppress(OSError):  # older than 4.3: there are none
        kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_CLEAR_ALL)
    sets = (_Sets * 2)(_Sets(kept, kept, kept), _Sets(0, 0, 0))
    header = _Header(_VERSION_3, 0)
    kernel.syscall(_CAPSET[kernel.MACHINE], ctypes.byref(header), ctypes.byref(sets))
    if keep_reading:  # programs that it may become or start need it as much
        kernel.prctl(kernel.PR_CAP_AMBIENT, kernel.PR_CAP_AMBIENT_RAISE, CAP_DAC_READ_SEARCH)


def no_new_privileges() -> None:
    """No program that is started gains anything (set-uid bits mean nothing from now on)."""
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)


def die_with(parent: int) -> None:
    """Be killed when the host ends; if it ended in between, end now. Also lets the host, as the same user, read /proc of this process."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
