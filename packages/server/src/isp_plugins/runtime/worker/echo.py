"""Sockets for echo requests (ping): the kernel's own for everybody where it lets this server's group, else a raw one where the server is root.

1. Nothing but echo requests goes out, nothing but the replies to one's own comes back: a raw socket hears every message of the machine.
2. Either way the worker sees what the kernel's own socket shows: the message without the packet around it.
"""

import errno
import secrets
import socket
import struct

REQUEST = {socket.AF_INET: 8, socket.AF_INET6: 128}
REPLY = {socket.AF_INET: 0, socket.AF_INET6: 129}
PROTOCOL = {socket.AF_INET: socket.IPPROTO_ICMP, socket.AF_INET6: socket.IPPROTO_ICMPV6}
HEADER = struct.Struct("!BBHHH")
"""Type, code, checksum, identifier, sequence."""
NOT_LET = "this server may not send echo requests: let its group (sysctl net.ipv4.ping_group_range)"


class EchoSocket:
    """One socket and how its messages are dressed; `OSError` where the kernel gives none."""

    def __init__(self, family: int) -> None:
        self.family = family
        self._identifier = secrets.randbelow(65_536)
        self._raw = False
        try:
            self.socket = socket.socket(family, socket.SOCK_DGRAM, PROTOCOL[socket.AddressFamily(family)])
        except PermissionError:
            self.socket = self._raw_socket()
        self.socket.settimeout(0)

    def _raw_socket(self) -> socket.socket:
        try:
            made = socket.socket(self.family, socket.SOCK_RAW, PROTOCOL[socket.AddressFamily(self.family)])
        except PermissionError:
            raise OSError(errno.EACCES, NOT_LET) from None
        self._raw = True
        return made

    def dressed(self, message: bytes) -> bytes | None:
        """What goes out; None for what is no echo request."""
        if (
            len(message) < HEADER.size
            or message[0] != REQUEST[socket.AddressFamily(self.family)]
            or message[1]
        ):
            return None
        if not self._raw:
            return message
        sequence, rest = HEADER.unpack_from(message)[4], message[HEADER.size :]
        bare = HEADER.pack(message[0], 0, 0, self._identifier, sequence) + rest
        return HEADER.pack(message[0], 0, checksum(bare), self._identifier, sequence) + rest

    def undressed(self, packet: bytes) -> bytes | None:
        """The message of a packet that came in; None for what answers no request of this socket."""
        message = packet
        if self._raw and self.family == socket.AF_INET:
            message = packet[(packet[0] & 0xF) * 4 :] if packet else b""
        if len(message) < HEADER.size or message[0] != REPLY[socket.AddressFamily(self.family)]:
            return None
        if self._raw and HEADER.unpack_from(message)[3] != self._identifier:
            return None
        return message


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF
