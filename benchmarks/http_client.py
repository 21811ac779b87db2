"""A load client that costs less than any server it measures: raw sockets on uvloop, one request in flight a connection.

It runs in a process of its own: `python -m benchmarks.http_client PORT CONNECTIONS SECONDS`, the request's bytes on standard input; it prints
the requests per second as a JSON number.
"""

import asyncio
import json
import subprocess
import sys
import time

import uvloop

WARM_UP_S = 0.2


class Connection(asyncio.Protocol):
    """Sends the same request again as soon as its answer is complete."""

    def __init__(self, request: bytes, counts: list[int]) -> None:
        self.request = request
        self.counts = counts
        self.missing = 0
        self.head = b""

    def connection_made(self, transport) -> None:
        self.transport = transport
        transport.write(self.request)

    def data_received(self, data: bytes) -> None:
        if self.missing:
            self.missing -= len(data)
        else:
            data = self.head + data
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self.head = data
                return
            if not self.head and not data.startswith(b"HTTP/1.1 20"):
                raise SystemExit(data.decode(errors="replace"))
            self.head = b""
            at = data.index(b"content-length: ") + 16
            self.missing = int(data[at : data.index(b"\r\n", at)]) - (len(data) - end - 4)
        if not self.missing:
            self.counts[0] += 1
            self.transport.write(self.request)


async def load(port: int, connections: int, seconds: float, request: bytes) -> float:
    """Requests per second over the given time, after a short warm-up."""
    counts = [0]
    loop = asyncio.get_running_loop()
    for _ in range(connections):
        await loop.create_connection(lambda: Connection(request, counts), "127.0.0.1", port)
    await asyncio.sleep(WARM_UP_S)
    before, began = counts[0], time.perf_counter()
    await asyncio.sleep(seconds)
    return (counts[0] - before) / (time.perf_counter() - began)


def requests_per_second(port: int, request: bytes, *, connections: int = 16, seconds: float = 1.0) -> float:
    """Load a server from another process."""
    command = [sys.executable, "-m", "benchmarks.http_client", str(port), str(connections), str(seconds)]
    done = subprocess.run(command, input=request, capture_output=True, timeout=seconds + 30, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode(errors="replace"))
    return float(json.loads(done.stdout))


def request_bytes(method: str, path: str, *, headers: dict[str, str], body: bytes = b"") -> bytes:
    """One HTTP/1.1 request."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "host: 127.0.0.1",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


if __name__ == "__main__":
    port, connections, seconds = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
    print(json.dumps(uvloop.run(load(port, connections, seconds, sys.stdin.buffer.read()))))
