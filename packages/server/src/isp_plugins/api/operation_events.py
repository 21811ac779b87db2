"""Turns the changes of an operation into server-sent events.

1. The key is looked at with every reading, which is at least once a second: a stream ends when its key does.
2. `operation` is the operation as it is now; the last event, `end`, says why it is the last.
"""

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from typing import Any

from isp_plugins.api.event_stream import HEARTBEAT, event, retry_after
from isp_plugins.clock import Clock
from isp_plugins.errors import ForbiddenError, NotFoundError, UnauthenticatedError, UnavailableError
from isp_plugins.operations import Operation

HEARTBEAT_S = 15.0
RETRY_MS = 2_000


async def operation_events(
    readings: AsyncGenerator[Operation | None, None],
    show: Callable[[Operation], Mapping[str, Any]],
    still_admitted: Callable[[], None],
    clock: Clock,
) -> AsyncGenerator[bytes, None]:
    """The events of one operation, from now to its end."""
    yield retry_after(RETRY_MS)
    quiet_since = clock.monotonic()
    try:
        async with aclosing(readings):
            async for operation in readings:
                still_admitted()
                chunk = event("operation", show(operation)) if operation is not None else b""
                if not chunk and clock.monotonic() - quiet_since >= HEARTBEAT_S:
                    chunk = HEARTBEAT + b"\n"
                if chunk:
                    quiet_since = clock.monotonic()
                yield chunk
    except (UnauthenticatedError, ForbiddenError, NotFoundError) as error:
        yield event("end", {"reason": "refused", "problem": error.problem, "detail": str(error)})
    except UnavailableError as error:
        yield event("end", {"reason": "unavailable", "problem": error.problem, "detail": str(error)})
    else:
        detail = "The operation has ended, or the server stops."
        yield event("end", {"reason": "finished", "problem": None, "detail": detail})
