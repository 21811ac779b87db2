"""System calls through ctypes, with errors raised as `OSError`: what the layers of the sandbox stand on."""

import ctypes
import os

MACHINE = os.uname().machine
PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_KEEPCAPS = 1, 4, 8
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT = 24, 38, 47
PR_CAP_AMBIENT_RAISE, PR_CAP_AMBIENT_CLEAR_ALL = 2, 4

_LIBC = ctypes.CDLL(None, use_errno=True)
_SYSCALL = _LIBC.syscall
_SYSCALL.restype = ctypes.c_long


def syscall(number: int, *arguments: object) -> int:
    """Make one system call; integers go as longs, ctypes values as they are."""
    given = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    result = int(_SYSCALL(ctypes.c_long(number), *given))
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def prctl(option: int, *arguments: int) -> int:
    """`prctl`, unused arguments zero."""
    given = [*arguments, 0, 0, 0, 0][:4]
    result = int(_LIBC.prctl(option, *(ctypes.c_ulong(each) for each in given)))
    if result == -1:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def unshare(flags: int) -> None:
    """Leave the namespaces that the flags name for new ones."""
    if _LIBC.unshare(ctypes.c_int(flags)) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def mount(source: bytes | None, target: bytes, flags: int) -> None:
    """`mount` without a file system type or data."""
    if _LIBC.mount(source, target, None, ctypes.c_ulong(flags), None) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
