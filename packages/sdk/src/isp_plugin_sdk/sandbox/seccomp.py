"""The filter of system calls: built from a policy as values, then handed to the kernel.

1. The architecture is checked first; another one ends the process, and x86_64's second table (x32) is answered as absent.
2. What a kernel adds after this was written is answered as absent, so that a new interface is never open by accident.
3. Named calls are refused with `EPERM`; calls whose use decides (clone, socket, kill, ioctl, ...) are looked at by their arguments.
4. `clone3` hides its flags behind a pointer: it is answered as absent, and the C library falls back to `clone`.
5. Without ports for native clients nothing connects: connections are handed over by the host, ready. MPTCP, SCTP and TCP fast open, which
   Landlock's rule on TCP ports does not see, are refused in any case.
6. The filter applies to all threads, and to whatever the process starts, for good.
"""

import ctypes
import errno
import os
import socket
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from isp_plugin_sdk.sandbox import bpf
from isp_plugin_sdk.sandbox.bpf import Step
from isp_plugin_sdk.sandbox.kernel import MACHINE, syscall
from isp_plugin_sdk.sandbox.numbers import NEWEST, NUMBERS

ARCHITECTURES = {"x86_64": (0, 0xC000003E, 317), "aarch64": (1, 0xC00000B7, 277)}
"""Machine: (column in `NUMBERS`, the kernel's name of the architecture, the number of `seccomp` itself)."""
X32 = 0x40000000
CLONE_THREAD = 0x00010000
NEW_NAMESPACES = 0x7E020080
"""CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET, NEWTIME."""
MSG_FASTOPEN = 0x20000000
F_SETOWN, F_SETOWN_EX = 8, 15
TERMINAL_AND_OWNER_IOCTLS = (0x5412, 0x541C, 0x8901, 0x8902)
"""TIOCSTI, TIOCLINUX, FIOSETOWN, SIOCSPGRP: typing into a terminal, and signals to others by way of a descriptor."""
PR_SET_PDEATHSIG = 1
DENIED = bpf.refuse(errno.EPERM)
ABSENT = bpf.refuse(errno.ENOSYS)
_SET_MODE_FILTER, _TSYNC, _SPEC_ALLOW = 1, 1, 4

OTHER_PROCESSES = """ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_getfd pidfd_send_signal
    migrate_pages move_pages tkill rt_tgsigqueueinfo ioprio_set setsid setpgid"""
NAMESPACES = """unshare setns mount umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr
    statmount listmount"""
KERNEL = """bpf perf_event_open userfaultfd io_uring_setup io_uring_enter io_uring_register keyctl add_key request_key kexec_load
    kexec_file_load init_module finit_module delete_module create_module query_module get_kernel_syms nfsservctl lookup_dcookie
    reboot syslog acct swapon swapoff quotactl quotactl_fd settimeofday clock_settime clock_adjtime adjtimex sethostname
    setdomainname vhangup iopl ioperm modify_ldt personality sysfs uselib _sysctl lsm_set_self_attr fanotify_init fanotify_mark
    name_to_handle_at open_by_handle_at"""
SHARED_MEMORY = """shmget shmat shmctl shmdt semget semop semtimedop semctl msgget msgsnd msgrcv msgctl mq_open mq_unlink
    mq_timedsend mq_timedreceive mq_notify mq_getsetattr memfd_create memfd_secret"""
LISTENING = "bind listen"
ACCEPTING = "accept accept4"
WATCHING = "inotify_init inotify_init1 inotify_add_watch"
FILE_ATTRIBUTES = """chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat setxattr lsetxattr fsetxattr removexattr
    lremovexattr fremovexattr utime utimes futimesat utimensat truncate"""
"""What Landlock does not govern: refused where the worker could reach files of its own user outside its folder with it."""


class FilterNeeds(NamedTuple):
    """What decides the filter."""

    pid: int
    """The process that it is for: it may signal only itself."""
    processes: bool = False
    execute: bool = False
    """Whether it may become another program."""
    connect: bool = False
    """Whether it may connect by itself, to the ports that Landlock allows."""
    accept: bool = False
    """Whether it may take connections from a listening socket that it was handed."""
    file_attributes: bool = False
    """Whether it may change modes, owners, times and attributes of files: another user, or a file system view of its own, keeps them to its folder."""


class NoFilterError(Exception):
    """This machine's architecture is not known to the filter."""


def build(needs: FilterNeeds, machine: str = MACHINE) -> list[Step]:
    """The filter for these needs; raises `NoFilterError` for an unknown machine."""
    if machine not in ARCHITECTURES:
        raise NoFilterError(f"no table of system calls for {machine}")
    column, architecture, _ = ARCHITECTURES[machine]

    def numbers(names: str) -> Iterator[int]:
        for name in names.split():
            number = NUMBERS[name][column]
            if number is not None:
                yield number

    steps = [bpf.load(bpf.ARCHITECTURE), *bpf.unless_equal(architecture, [bpf.verdict(bpf.KILL_PROCESS)])]
    steps.append(bpf.load(bpf.NUMBER))
    if machine == "x86_64":
        steps += bpf.if_at_least(X32, [bpf.verdict(ABSENT)])
    for names, body in (*_by_argument(needs),):
        for number in numbers(names):
            steps += bpf.if_equal(number, [*body, bpf.verdict(bpf.ALLOW)])
    steps += bpf.refuse_all(numbers("clone3"), ABSENT)
    steps += bpf.refuse_all(numbers(" ".join(_refused(needs))), DENIED)
    steps += bpf.if_at_least(NEWEST + 1, [bpf.verdict(ABSENT)])
    return [*steps, bpf.verdict(bpf.ALLOW)]


def _refused(needs: FilterNeeds) -> Iterator[str]:
    """The names that are refused whatever their arguments."""
    yield from (OTHER_PROCESSES, NAMESPACES, KERNEL, SHARED_MEMORY, LISTENING, WATCHING)
    if not needs.processes:
        yield "fork vfork"
    if not needs.processes and not needs.execute:
        yield "execve execveat"
    if not needs.accept:
        yield ACCEPTING
    if not needs.connect:
        yield "connect"
    if not needs.file_attributes:
        yield FILE_ATTRIBUTES


def _by_argument(needs: FilterNeeds) -> Iterator[tuple[str, list[Step]]]:
    """Calls that are looked at by their arguments, the frequent ones first; what passes is allowed."""
    deny = [bpf.verdict(DENIED)]
    own = (0, needs.pid)
    yield "sendto sendmmsg", [bpf.load(bpf.argument(3)), *bpf.if_any_bit(MSG_FASTOPEN, deny)]
    yield "sendmsg", [bpf.load(bpf.argument(2)), *bpf.if_any_bit(MSG_FASTOPEN, deny)]
    yield "ioctl", [bpf.load(bpf.argument(1)), *_refuse_values(TERMINAL_AND_OWNER_IOCTLS)]
    yield "fcntl", [bpf.load(bpf.argument(1)), *_refuse_values((F_SETOWN, F_SETOWN_EX))]
    yield "clone", _clone(needs)
    yield "socket", [*_stream((socket.AF_INET, socket.AF_INET6)), *_only(2, (0, socket.IPPROTO_TCP))]
    yield "socketpair", _stream((socket.AF_UNIX,))
    yield "prctl", [bpf.load(bpf.argument(0)), *bpf.if_equal(PR_SET_PDEATHSIG, deny)]
    if not needs.processes:
        yield "kill tgkill rt_sigqueueinfo", _only(0, (needs.pid,))
    yield "prlimit64 sched_setaffinity sched_setscheduler sched_setattr sched_setparam", _only(0, own)
    yield "setpriority", [*_only(0, (os.PRIO_PROCESS,)), *_only(1, own)]


def _clone(needs: FilterNeeds) -> list[Step]:
    """Threads, but no processes unless granted, and never with a namespace."""
    deny = [bpf.verdict(DENIED)]
    steps = [bpf.load(bpf.argument(0)), *bpf.if_any_bit(NEW_NAMESPACES, deny)]
    return steps if needs.processes else [*steps, *bpf.unless_any_bit(CLONE_THREAD, deny)]


def _stream(families: Iterable[int]) -> list[Step]:
    """Only these families, and of them only streams: a datagram socket could send anywhere."""
    kind = [
        bpf.load(bpf.argument(1)),
        bpf.masked(0xF),
        *bpf.unless_equal(socket.SOCK_STREAM, [bpf.verdict(DENIED)]),
    ]
    return [*_only(0, families), *kind]


def _only(index: int, values: Iterable[int]) -> list[Step]:
    """Refuse unless this argument is one of these."""
    return [bpf.load(bpf.argument(index)), *bpf.unless_among(map(int, values), [bpf.verdict(DENIED)])]


def _refuse_values(values: Iterable[int]) -> list[Step]:
    """Refuse where what was loaded is one of these."""
    return [step for value in values for step in bpf.if_equal(value, [bpf.verdict(DENIED)])]


class _Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("steps", ctypes.c_char_p))


def install(steps: Iterable[Step], machine: str = MACHINE) -> None:
    """Bind all threads of this process to the filter; needs `no_new_privs`."""
    packed = bpf.packed(steps)
    program = _Program(len(packed) // 8, packed)
    # What runs in here is one plugin: a guard between its own threads against speculation would only cost, on kernels that add one.
    syscall(ARCHITECTURES[machine][2], _SET_MODE_FILTER, _TSYNC | _SPEC_ALLOW, ctypes.byref(program))
