"""Landlock: which files a process and all it starts may use, which TCP ports, and whom it may signal.

1. What a ruleset handles is denied unless a rule allows it; the rules name folders by opened descriptors, so that nothing can be swapped under them.
2. Each ABI of the kernel knows more than the one before: 1 files, 2 renames between folders, 3 truncation, 4 TCP ports, 5 devices, 6 abstract
   sockets and signals, 7 nothing that restricts. A right that the kernel does not know must not be asked for.
3. Some kernels claim ABI 6 without its scopes: asking is tried, then done without.
4. What it does not govern (stat, chmod, chown, extended attributes, UDP, sockets with a path) is for seccomp and the namespaces.
"""

import ctypes
import errno
import os
import stat
from collections.abc import Iterable
from typing import NamedTuple

from isp_plugin_sdk.sandbox.kernel import syscall

CREATE_RULESET, ADD_RULE, RESTRICT_SELF, OPENAT2 = 444, 445, 446, 437
"""Numbers of the system calls, the same on every architecture."""
VERSION = 1
_PATH_BENEATH, _NET_PORT = 1, 2
_RESOLVE_NO_SYMLINKS = 0x04
_AT_FDCWD = -100


EXECUTE, WRITE_FILE, READ_FILE, READ_DIR, REMOVE_DIR, REMOVE_FILE, MAKE_CHAR, MAKE_DIR = (
    1 << bit for bit in range(8)
)
MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM, REFER, TRUNCATE, IOCTL_DEV = (
    1 << bit for bit in range(8, 16)
)
"""What can be done with files: plain numbers, since flags of an enum would cost a worker's start."""

READ = READ_FILE | READ_DIR
RUN = READ | EXECUTE
WRITE = (
    READ
    | WRITE_FILE
    | REMOVE_DIR
    | REMOVE_FILE
    | MAKE_DIR
    | MAKE_REG
    | MAKE_FIFO
    | MAKE_SYM
    | REFER
    | TRUNCATE
)
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV
"""What makes sense for a rule on something that is not a folder."""
BIND_TCP, CONNECT_TCP = 1, 2
SCOPE_ABSTRACT_SOCKETS, SCOPE_SIGNALS = 1, 2


class Rights(NamedTuple):
    """What one ABI can govern."""

    files: int
    tcp: bool
    scopes: bool


def abi() -> int:
    """The kernel's ABI; 0 where it has none, or has it switched off."""
    try:
        return max(syscall(CREATE_RULESET, ctypes.c_void_p(), ctypes.c_size_t(0), VERSION), 0)
    except OSError:
        return 0


def rights_of(version: int) -> Rights:
    """What that ABI can govern."""
    files = (1 << 13) - 1
    for since, right in ((2, REFER), (3, TRUNCATE), (5, IOCTL_DEV)):
        if version >= since:
            files |= right
    return Rights(files=files, tcp=version >= 4, scopes=version >= 6)


class _Attributes(ctypes.Structure):
    """`struct landlock_ruleset_attr`."""

    _fields_ = (("files", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    """`struct landlock_path_beneath_attr`."""

    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


class _NetPort(ctypes.Structure):
    """`struct landlock_net_port_attr`."""

    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


class _How(ctypes.Structure):
    """`struct open_how`."""

    _fields_ = (("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64))


class Ruleset:
    """Rules being gathered; `restrict` binds this thread and all it starts from then on, for good."""

    def __init__(self, version: int) -> None:
        self.rights = rights_of(version)
        self.signals_scoped = self.sockets_scoped = self.rights.scopes
        try:
            self._fd = self._create()
        except OSError as error:
            if error.errno != errno.EINVAL or not self.rights.scopes:
                raise
            self.signals_scoped = self.sockets_scoped = False
            self._fd = self._create()

    def _create(self) -> int:
        scoped = SCOPE_ABSTRACT_SOCKETS * self.sockets_scoped | SCOPE_SIGNALS * self.signals_scoped
        net = (BIND_TCP | CONNECT_TCP) * self.rights.tcp
        size = 24 if scoped else 16 if net else 8
        wanted = _Attributes(self.rights.files, net, scoped)
        return syscall(CREATE_RULESET, ctypes.byref(wanted), ctypes.c_size_t(size), 0)

    def allow(self, path: str, rights: int, *, follow: bool) -> bool:
        """Allow something below a path, or on a file; False where it does not exist. Without `follow`, no symbolic link may be on the way."""
        try:
            opened = open_path(path, follow=follow)
        except (FileNotFoundError, NotADirectoryError):
            return False
        try:
            if not stat.S_ISDIR(os.fstat(opened).st_mode):
                rights &= OF_A_FILE
            rule = _PathBeneath(rights & self.rights.files, opened)
            syscall(ADD_RULE, self._fd, _PATH_BENEATH, ctypes.byref(rule), 0)
        finally:
            os.close(opened)
        return True

    def allow_connecting(self, ports: Iterable[int]) -> None:
        """Allow connecting to these TCP ports, where the kernel governs ports."""
        if self.rights.tcp:
            for port in ports:
                rule = _NetPort(CONNECT_TCP, port)
                syscall(ADD_RULE, self._fd, _NET_PORT, ctypes.byref(rule), 0)

    def restrict(self) -> None:
        """Bind this thread; needs `no_new_privs`."""
        try:
            syscall(RESTRICT_SELF, self._fd, 0)
        finally:
            os.close(self._fd)


def open_path(path: str, *, follow: bool) -> int:
    """A descriptor that only names the file; `PermissionError` or `OSError` (ELOOP) where it may not be."""
    flags = os.O_PATH | os.O_CLOEXEC
    if follow:
        return os.open(path, flags)
    how = _How(flags, 0, _RESOLVE_NO_SYMLINKS)
    return syscall(
        OPENAT2, _AT_FDCWD, ctypes.c_char_p(os.fsencode(path)), ctypes.byref(how), ctypes.c_size_t(24)
    )
