"""Runs a piece of a test in a network of its own, whose settings it may choose; needs root."""

import asyncio
import ctypes
import fcntl
import os
import socket
import struct
import threading
from pathlib import Path

import pytest

NEWNET = 0x40000000
EVERY_GROUP, NO_GROUP = "0 2147483647", "1 0"
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def in_own_network(work, *, ping_groups=NO_GROUP):
    """The result of a coroutine function, run on a loop in a thread whose network has nothing but itself; skips where that cannot be had."""
    results, problems = [], []

    def body():
        try:
            _enter(ping_groups)
        except OSError as error:
            problems.append(pytest.skip.Exception(f"no network of its own can be had: {error}"))
            return
        try:
            results.append(asyncio.run(work()))
        except BaseException as error:
            problems.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if problems:
        raise problems[0]
    return results[0]


def _enter(ping_groups):
    """Only this thread leaves the machine's network; what it starts goes along."""
    if ctypes.CDLL(None, use_errno=True).unshare(NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    Path("/proc/sys/net/ipv4/ping_group_range").write_text(ping_groups)
