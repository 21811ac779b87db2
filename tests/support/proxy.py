"""A way to PostgreSQL that can stop forwarding, as a cut network does (connections stay open and nothing comes through), or be slow."""

import asyncio
from contextlib import asynccontextmanager, suppress


class Proxy:
    """Forwards from a Unix socket of its own to another one."""

    def __init__(self, target, folder):
        self._target = target
        self.folder = folder
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
    """A proxy before the server of this URL, and the URL that leads through it."""
    base, _, host = url.partition("?host=")
    proxy = Proxy(f"{host}/.s.PGSQL.5432", folder)
    server = await asyncio.start_unix_server(proxy.serve, f"{folder}/.s.PGSQL.5432")
    try:
        yield proxy, f"{base}?host={folder}"
    finally:
        server.close()
        proxy.close()
