"""The head file: a copy of a chain's head outside the database, so that a tail cut off together with its head row shows.

1. It is written after the commit, off the caller's path, at most once a second, the newest head only: it may lag, it never leads.
2. Only the chain's own node writes it, and only after `AuditLog.open` has compared it with the database.
"""

import asyncio
import contextlib
import json
import logging
from pathlib import Path

from isp_plugins.audit.verification import SealedHead, as_json, from_json
from isp_plugins.durable_file import write_private

logger = logging.getLogger(__name__)
PAUSE_S = 1.0
"""Between two writes: each waits for the disk, as the commits do that it would hold up."""


class HeadFileUnreadableError(Exception):
    """The head file is there, but not as it was written."""


class HeadFile:
    """One node's head file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._newest: SealedHead | None = None
        self._writing: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()

    def read(self) -> SealedHead | None:
        """What the file says; None if there is none, `HeadFileUnreadableError` if it says nothing sensible."""
        try:
            return from_json(json.loads(self.path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise HeadFileUnreadableError(str(self.path)) from error

    def write_soon(self, head: SealedHead) -> None:
        """Have this head written by a task of the running loop; of several waiting ones only the newest is."""
        if self._newest is None or head.head.count > self._newest.head.count:
            self._newest = head
        if self._writing is None or self._writing.done():
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def flush(self) -> None:
        """Wait until the newest head is in the file."""
        self._hurry.set()
        while self._writing is not None and not self._writing.done():
            await asyncio.wait([self._writing])
        self._hurry.clear()

    async def _write(self) -> None:
        written = None
        while (newest := self._newest) is not None and newest is not written:
            try:
                await asyncio.to_thread(write_private, self.path, json.dumps(as_json(newest)) + "\n")
            except OSError as error:
                logger.warning(
                    "the audit head file %s cannot be written (%s); it lags until it can", self.path, error
                )
                return
            written = newest
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._hurry.wait(), PAUSE_S)
