"""Two networks of their own with one cable between them, which can lose everything that is sent: no reset, no farewell; needs root.

Each network is that of one thread, and of what this thread starts. Unix sockets go through all the same.
"""

import ctypes
import fcntl
import os
import socket
import struct
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

NEAR, FAR = "10.99.0.2", "10.99.0.1"
_NETMASK = "255.255.255.0"
_NOBODY = bytes.fromhex("020000000099")
"""An address that no card has: what is sent to it is taken by nobody."""
_NEWNET, _NEWLINK = 0x40000000, 16
_REQUEST_NEW_ACK = 0x1 | 0x4 | 0x200 | 0x400
_NAME, _LINK, _KIND, _DATA, _PEER, _NAMESPACE = 3, 18, 1, 2, 1, 28
_SET_ADDRESS, _SET_NETMASK, _SET_FLAGS, _GET_HARDWARE, _SET_ARP = 0x8916, 0x891C, 0x8914, 0x8927, 0x8955
_UP, _COMPLETE_FOR_GOOD = 1, 0x02 | 0x04


class _End:
    """One thread in a network of its own, which does what it is given."""

    def __init__(self, address):
        self.address = address
        self._thread = ThreadPoolExecutor(1)
        self._ident = self._thread.submit(threading.get_ident).result()

    def do(self, work, *arguments):
        """The result of a function, called in this network."""
        if threading.get_ident() == self._ident:
            return work(*arguments)
        return self._thread.submit(work, *arguments).result()

    def close(self):
        self._thread.shutdown()


class Cable:
    """What is between the near end, where a test's nodes are, and the far one, where a server is."""

    def __init__(self, near, far):
        self.near, self.far = near, far
        self._cards = {end: end.do(_hardware) for end in (near, far)}
        self.mend()

    def cut(self):
        """Lose everything, both ways."""
        self.near.do(_point, FAR, _NOBODY)
        self.far.do(_point, NEAR, _NOBODY)

    def mend(self):
        """Carry everything again."""
        self.near.do(_point, FAR, self._cards[self.far])
        self.far.do(_point, NEAR, self._cards[self.near])


@contextmanager
def cable():
    """Both networks and what is between them; skips where that cannot be had."""
    near, far = _End(NEAR), _End(FAR)
    try:
        try:
            for end in (near, far):
                end.do(_leave)
            _connect(near, far)
        except OSError as error:
            pytest.skip(f"no network of its own can be had: {error}")
        yield Cable(near, far)
    finally:
        near.close()
        far.close()


def _leave():
    """Only this thread leaves the machine's network."""
    if ctypes.CDLL(None, use_errno=True).unshare(_NEWNET):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    _up("lo")


def _connect(near, far):
    place = far.do(_own_network)
    try:
        near.do(_lay, place)
    finally:
        os.close(place)
    for end in (near, far):
        end.do(_address, end.address)
        end.do(_up, "cable")


def _own_network():
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


def _lay(place):
    """A pair of cards: one here, one in the other network (rtnetlink(7), veth(4))."""
    name = _attribute(_NAME, b"cable\0")
    card = struct.pack("BxHiII", 0, 0, 0, 0, 0)
    peer = _attribute(_PEER, card + name + _attribute(_NAMESPACE, struct.pack("I", place)))
    link = _attribute(_LINK, _attribute(_KIND, b"veth\0") + _attribute(_DATA, peer))
    body = card + name + link
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.send(struct.pack("IHHII", 16 + len(body), _NEWLINK, _REQUEST_NEW_ACK, 1, 0) + body)
        (code,) = struct.unpack_from("i", netlink.recv(4096), 16)
    if code:
        raise OSError(-code, os.strerror(-code))


def _attribute(kind, data):
    return struct.pack("HH", 4 + len(data), kind) + data + bytes(-len(data) % 4)


def _hardware():
    return _ask(_GET_HARDWARE, struct.pack("16s16x", b"cable"))[18:24]


def _address(address):
    for request, value in ((_SET_ADDRESS, address), (_SET_NETMASK, _NETMASK)):
        _ask(request, struct.pack("16s", b"cable") + _internet(value))


def _up(name):
    _ask(_SET_FLAGS, struct.pack("16sh14x", name.encode(), _UP))


def _point(address, hardware):
    """Send what is for an address to this card, for good (arp(7))."""
    card = struct.pack("H", 1) + hardware.ljust(14, b"\0")
    _ask(_SET_ARP, _internet(address) + card + struct.pack("i16s16s", _COMPLETE_FOR_GOOD, b"", b"cable"))


def _internet(address):
    return struct.pack("HH4s8x", socket.AF_INET, 0, socket.inet_aton(address))


def _ask(request, data):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        return fcntl.ioctl(sock, request, data)


def open_to_all(folder: Path) -> str:
    """A setting of PostgreSQL that lets everybody in, over the cable too."""
    file = folder / "pg_hba.conf"
    file.write_text("local all all trust\nhost all all all trust\n")
    return f"hba_file={file}"
