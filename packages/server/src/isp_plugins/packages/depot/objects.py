"""Files in an object store: a shared folder, a web server that takes PUT and DELETE, or S3; one object a file.

Credentials of S3 come from the environment (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT_URL`), as its own tools have it.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from isp_plugins.packages.depot.trouble import in_words
from isp_plugins.packages.errors import DepotUnreachableError

if TYPE_CHECKING:
    from obstore.store import ObjectStore

ONE_REQUEST = 64 * 1024 * 1024
"""A larger object is sent in parts, where the store takes parts."""
READ_BYTES = 1024 * 1024
RETRY_S = 15


class Objects:
    """The objects below one URL."""

    def __init__(self, url: str) -> None:
        self.shown = re.sub(r"//[^/@]*@", "//***@", url)
        self._url = url
        self._opened: ObjectStore | None = None

    async def write(self, path: str, file: Path) -> None:
        """Put a file; `DepotUnreachableError`."""
        size = (await asyncio.to_thread(file.stat)).st_size
        several = size > ONE_REQUEST and self._url.startswith("s3:")
        with self._reaching():
            await self._store().put_async(path, file, use_multipart=several)

    async def read(self, path: str) -> AsyncIterator[bytes]:
        """The parts of an object; `DepotUnreachableError`."""
        with self._reaching():
            answer = await self._store().get_async(path)
            async for data in answer.stream(min_chunk_size=READ_BYTES):
                yield bytes(data)

    async def drop(self, path: str) -> None:
        """Delete an object, if it is there; `DepotUnreachableError`."""
        with self._reaching():
            try:
                await self._store().delete_async(path)
            except FileNotFoundError:
                return

    def _store(self) -> "ObjectStore":
        if self._opened is None:
            from obstore.store import from_url

            folder = {"mkdir": True} if self._url.startswith("file:") else {}
            web = {} if folder else _WEB
            self._opened = from_url(self._url, **folder, **web)  # type: ignore[call-overload]  # one overload for each scheme
        assert self._opened is not None  # noqa: S101  narrows the type
        return self._opened

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        from obstore.exceptions import BaseError

        try:
            yield
        except (BaseError, OSError, ValueError) as error:
            cause = (in_words(str(error)) or type(error).__name__).replace(self._url, self.shown)
            raise DepotUnreachableError(place=self.shown, cause=cause) from error


_WEB = {
    "client_options": {"allow_http": True, "connect_timeout": timedelta(seconds=5), "timeout": timedelta(seconds=120)},
    "retry_config": {"max_retries": 2, "retry_timeout": timedelta(seconds=RETRY_S)},
}  # fmt: skip
