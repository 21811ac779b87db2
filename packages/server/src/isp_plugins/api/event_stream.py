"""Server-sent events: their text, and an answer that sends them for as long as reader and source want.

1. The reader's going away ends the answer at the source's next event, which is never far: nothing is cut off in the middle.
2. A reader that takes nothing for `STUCK_S` seconds is given up; it can come back and go on where it was.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from isp_plugins.api.json_text import dump

STUCK_S = 60.0
HEARTBEAT = b": still here\n"
log = logging.getLogger(__name__)

Chunks = AbstractAsyncContextManager[AsyncIterator[bytes]]


def event(kind: str, data: object, *, position: int | None = None) -> bytes:
    """One event as text; its JSON holds no line break."""
    return b"event: %b\ndata: %b\n%b\n" % (kind.encode(), dump(data), _id(position))


def heartbeat(position: int) -> bytes:
    """A comment, and the position without an event: readers keep it for when they come back."""
    return HEARTBEAT + _id(position) + b"\n"


def retry_after(milliseconds: int) -> bytes:
    """How long a reader should wait before it comes back."""
    return b"retry: %d\n\n" % milliseconds


class EventStream(Response):
    """An answer of server-sent events."""

    media_type = "text/event-stream"

    def __init__(self, chunks: Chunks, status_code: int = 200) -> None:
        self.status_code = status_code
        self.background = None
        # A proxy that buffers would hold events back.
        self.init_headers({"x-accel-buffering": "no"})
        self._chunks = chunks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send what comes until it ends or the reader is gone."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        leaving = asyncio.ensure_future(_left(receive))
        try:
            async with self._chunks as chunks:
                await _send_all(chunks, send, leaving)
        except TimeoutError:
            log.info("A reader of %s took nothing for %d s and was given up", scope["path"], STUCK_S)
        finally:
            leaving.cancel()


async def _send_all(chunks: AsyncIterator[bytes], send: Send, leaving: "asyncio.Future[None]") -> None:
    async for chunk in chunks:
        if leaving.done():
            return
        if chunk:
            async with asyncio.timeout(STUCK_S):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _left(receive: Receive) -> None:
    """Wait until the reader is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _id(position: int | None) -> bytes:
    return b"" if position is None else b"id: %d\n" % position
