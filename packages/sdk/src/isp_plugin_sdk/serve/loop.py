"""The event loop on which a worker's `async def` methods run: in a thread of its own, made when it is first needed."""

import threading
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # imported when a loop is needed: it costs a worker's start
    import asyncio


class LoopThread:
    """One loop, made once."""

    def __init__(self) -> None:
        self._making = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def get(self) -> "asyncio.AbstractEventLoop":
        """The running loop."""
        with self._making:
            if self._loop is None:
                import asyncio

                self._loop = asyncio.new_event_loop()
                thread = threading.Thread(target=self._loop.run_forever, daemon=True, name="isp-plugin-loop")
                thread.start()
            return self._loop

    def wait(self, work: Awaitable[Any]) -> Any:
        """Await something there, and block for its result; raises what it raised."""
        import asyncio
        from concurrent.futures import Future

        done: Future[Any] = Future()
        asyncio.run_coroutine_threadsafe(_kept(work, done), self.get())
        return done.result()


async def _kept(work: Awaitable[Any], done: Any) -> None:
    """Keep whatever it ends with: a `SystemExit` would end the loop."""
    try:
        done.set_result(await work)
    except BaseException as error:
        done.set_exception(error)
