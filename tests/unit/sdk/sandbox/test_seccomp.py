"""The filter's verdicts, worked out for both architectures without a kernel."""

import errno
import socket

import pytest

from isp_plugin_sdk.sandbox import bpf
from isp_plugin_sdk.sandbox.numbers import NEWEST, NUMBERS
from isp_plugin_sdk.sandbox.seccomp import ARCHITECTURES, FilterNeeds, NoFilterError, build

PID = 4711
EPERM, ENOSYS, ALLOW = bpf.refuse(errno.EPERM), bpf.refuse(errno.ENOSYS), bpf.ALLOW


@pytest.fixture(params=ARCHITECTURES)
def machine(request):
    return request.param


def verdict(machine, call, *arguments, architecture=None, **needs):
    column, own, _ = ARCHITECTURES[machine]
    number = NUMBERS[call][column] if isinstance(call, str) else call
    words = {bpf.NUMBER: number, bpf.ARCHITECTURE: architecture or own}
    words |= {bpf.argument(at): value for at, value in enumerate(arguments)}
    return bpf.run(build(FilterNeeds(PID, **needs), machine), lambda offset: words.get(offset, 0))


def test_another_architecture_ends_the_process(machine):
    assert verdict(machine, "ptrace", architecture=0x40000003) == bpf.KILL_PROCESS


def test_second_table_of_x86_is_absent():
    assert verdict("x86_64", 0x40000000 + 59) == ENOSYS


def test_what_a_later_kernel_adds_is_absent(machine):
    assert verdict(machine, NEWEST + 1) == ENOSYS
    assert verdict(machine, NEWEST) == ALLOW


def test_unknown_machine_has_no_filter():
    with pytest.raises(NoFilterError, match="riscv64"):
        build(FilterNeeds(PID), "riscv64")


@pytest.mark.parametrize(
    "call", ["ptrace", "bpf", "mount", "unshare", "io_uring_setup", "keyctl", "kexec_load", "init_module", "userfaultfd",
             "perf_event_open", "process_vm_readv", "execve", "execveat", "connect", "bind", "listen", "memfd_create", "setsid", "fchmod"]
)  # fmt: skip
def test_named_call_is_refused(machine, call):
    assert verdict(machine, call) == EPERM


def test_threads_are_allowed_and_processes_only_if_granted(machine):
    thread, process = 0x3D0F00, 0x1200011
    assert verdict(machine, "clone", thread) == ALLOW
    assert verdict(machine, "clone", process) == EPERM
    assert verdict(machine, "clone", process, processes=True) == ALLOW
    assert verdict(machine, "execve", processes=True) == ALLOW
    assert verdict(machine, "clone3") == ENOSYS


@pytest.mark.parametrize(
    "flag", [0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000, 0x80]
)
def test_no_namespace_comes_with_a_clone(machine, flag):
    assert verdict(machine, "clone", flag | 0x10000, processes=True) == EPERM


@pytest.mark.parametrize(
    ("family", "kind", "protocol", "expected"),
    [
        (socket.AF_INET, socket.SOCK_STREAM, 0, ALLOW),
        (socket.AF_INET6, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK, 6, ALLOW),
        (socket.AF_INET, socket.SOCK_STREAM, 262, EPERM),
        (socket.AF_INET, socket.SOCK_STREAM, 132, EPERM),
        (socket.AF_INET, socket.SOCK_DGRAM, 0, EPERM),
        (socket.AF_INET, socket.SOCK_RAW, 1, EPERM),
        (socket.AF_UNIX, socket.SOCK_STREAM, 0, EPERM),
        (socket.AF_NETLINK, socket.SOCK_RAW, 0, EPERM),
        (socket.AF_PACKET, socket.SOCK_STREAM, 0, EPERM),
    ],
)
def test_only_tcp_sockets_can_be_made(machine, family, kind, protocol, expected):
    assert verdict(machine, "socket", family, kind, protocol) == expected


def test_pairs_are_of_streams_only(machine):
    assert verdict(machine, "socketpair", socket.AF_UNIX, socket.SOCK_STREAM) == ALLOW
    assert verdict(machine, "socketpair", socket.AF_UNIX, socket.SOCK_DGRAM) == EPERM


def test_only_the_process_itself_is_signalled(machine):
    assert verdict(machine, "kill", PID, 15) == ALLOW
    assert verdict(machine, "kill", PID + 1, 15) == EPERM
    assert verdict(machine, "kill", -1, 9) == EPERM
    assert verdict(machine, "kill", 0, 9) == EPERM
    assert verdict(machine, "kill", PID + 1, 15, processes=True) == ALLOW  # Landlock's to decide then


def test_limits_and_scheduling_of_others_are_out_of_reach(machine):
    for call in ("prlimit64", "sched_setaffinity", "sched_setscheduler"):
        assert verdict(machine, call, 0) == ALLOW
        assert verdict(machine, call, PID) == ALLOW
        assert verdict(machine, call, 1, processes=True) == EPERM
    assert verdict(machine, "setpriority", 0, 1) == EPERM
    assert verdict(machine, "setpriority", 1, 0) == EPERM
    assert verdict(machine, "setpriority", 0, 0) == ALLOW


def test_fast_open_is_refused_even_with_ports(machine):
    assert verdict(machine, "sendto", 3, 0, 1, 0x20000000, connect=True) == EPERM
    assert verdict(machine, "sendmsg", 3, 0, 0x20000000, connect=True) == EPERM
    assert verdict(machine, "sendto", 3, 0, 1, 0x4000) == ALLOW
    assert verdict(machine, "connect", connect=True) == ALLOW


def test_connections_are_taken_only_where_a_port_is_granted_and_none_is_ever_made(machine):
    assert verdict(machine, "accept4") == EPERM
    assert verdict(machine, "accept4", accept=True) == ALLOW
    for call in ("bind", "listen", "connect"):
        assert verdict(machine, call, accept=True) == EPERM


def test_file_attributes_are_for_those_who_cannot_reach_others(machine):
    assert verdict(machine, "fchmodat") == EPERM
    assert verdict(machine, "fchmodat", file_attributes=True) == ALLOW
