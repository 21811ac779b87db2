"""A way to PostgreSQL that can stop forwarding, as a cut network does (connections stay open and nothing comes through), be slow, or reset."""

import asyncio
import socket
import struct
from contextlib import asynccontextmanager, suppress


class Proxy:
    """Forwards from a socket of its own to a Unix socket."""

    def __init__(self, target):
        self._target = target
        self._open = asyncio.Event()
        self._open.set()
        self._writers = []
        self.delay_s = 0.0
        """How long everything is held up, each way."""

    def cut(self):
        """Forward nothing any more."""
        self._open.clear()

    def mend(self):
        """Forward again; what was connected while nothing came through is closed."""
        self._open.set()

    def reset(self):
        """Break every connection as a firewall does: with a reset, and without a farewell."""
        for writer in self._writers:
            if writer.transport.is_closing():
                continue
            link = writer.get_extra_info("socket")
            if link.family != socket.AF_UNIX:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        self._writers.clear()

    async def serve(self, reader, writer):
        try:
            upstream_reader, upstream_writer = await asyncio.open_unix_connection(self._target)
        except OSError:
            writer.close()
            return
        self._writers += [writer, upstream_writer]
        await asyncio.gather(self._forward(reader, upstream_writer), self._forward(upstream_reader, writer))

    async def _forward(self, reader, writer):
        with suppress(OSError):
            while data := await reader.read(65536):
                await self._open.wait()
                await asyncio.sleep(self.delay_s)
                writer.write(data)
                await writer.drain()
        writer.close()

    def close(self):
        self._open.set()
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def proxy_to(url, folder):
    """A proxy before the server of this URL, and the URL that leads through it: a Unix socket in a folder."""
    base, _, host = url.partition("?host=")
    proxy = Proxy(f"{host}/.s.PGSQL.5432")
    server = await asyncio.start_unix_server(proxy.serve, f"{folder}/.s.PGSQL.5432")
    try:
        yield proxy, f"{base}?host={folder}"
    finally:
        server.close()
        proxy.close()


@asynccontextmanager
async def tcp_proxy_to(url):
    """The same over TCP."""
    base, _, host = url.partition("?host=")
    proxy = Proxy(f"{host}/.s.PGSQL.5432")
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield proxy, base.replace("@/", f"@127.0.0.1:{port}/")
    finally:
        server.close()
        proxy.close()
