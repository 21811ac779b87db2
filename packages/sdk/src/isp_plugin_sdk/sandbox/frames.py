"""How a datagram and the address that it is for, or from, stand in one message between a worker and its host. Pure.

One byte: the length of the address; the address as text; two bytes: the port; the rest is the datagram.
"""

MAX_DATAGRAM = 65_535
MAX_ADDRESS = 64
MAX_FRAME = 1 + MAX_ADDRESS + 2 + MAX_DATAGRAM


def framed(host: str, port: int, data: bytes) -> bytes:
    """One message."""
    text = host.encode("ascii")
    return bytes((len(text),)) + text + port.to_bytes(2, "big") + data


def unframed(frame: bytes) -> tuple[str, int, bytes] | None:
    """Address, port and datagram; None for what is no such message."""
    length = frame[0] if frame else 0
    if not 0 < length <= MAX_ADDRESS or len(frame) < length + 3 or not frame[1 : length + 1].isascii():
        return None
    port = int.from_bytes(frame[length + 1 : length + 3], "big")
    return frame[1 : length + 1].decode("ascii"), port, frame[length + 3 :]
