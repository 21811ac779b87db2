"""Turns what a follower of the logs reads into server-sent events.

1. The key is looked at with every reading, which is at least once a second: a stream ends when its key does.
2. Every event bears the position that a reader goes on from; so does the heartbeat, when a quiet time has passed.
3. The last event says why it is the last.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from isp_plugins.api.event_stream import event, heartbeat, retry_after
from isp_plugins.clock import Clock
from isp_plugins.errors import ForbiddenError, NotFoundError, UnauthenticatedError, UnavailableError
from isp_plugins.telemetry.following import Reading

HEARTBEAT_S = 15.0
RETRY_MS = 2_000


async def log_events(
    first: Reading, readings: AsyncGenerator[Reading, None], still_admitted: Callable[[], None], clock: Clock
) -> AsyncGenerator[bytes, None]:
    """The events of a stream: the first reading's, then the others', as they come."""
    yield retry_after(RETRY_MS)
    quiet_since = clock.monotonic()
    try:
        async with aclosing(_joined(first, readings)) as all_readings:
            async for reading in all_readings:
                still_admitted()
                chunk = text_of(reading)
                if not chunk and clock.monotonic() - quiet_since >= HEARTBEAT_S:
                    chunk = heartbeat(reading.position)
                if chunk:
                    quiet_since = clock.monotonic()
                yield chunk
    except (UnauthenticatedError, ForbiddenError, NotFoundError) as error:
        yield event("end", {"reason": "refused", "problem": error.problem, "detail": str(error)})
    except UnavailableError as error:
        yield event("end", {"reason": "unavailable", "problem": error.problem, "detail": str(error)})
    else:
        yield event(
            "end",
            {"reason": "finished", "problem": None, "detail": "The server stops, or `until` has passed."},
        )


def text_of(reading: Reading) -> bytes:
    """The events of one reading; nothing where there is none."""
    # What was missed lies before what follows: a reader that leaves in between must not be told twice.
    told = [event("missed", missed, position=_before(reading)) for missed in reading.missed]
    return b"".join([*told, *(event("log", view, position=view.id) for view in reading.items)])


def _before(reading: Reading) -> int:
    return reading.items[0].id - 1 if reading.items else reading.position


async def _joined(first: Reading, others: AsyncGenerator[Reading, None]) -> AsyncGenerator[Reading, None]:
    async with aclosing(others) as rest:
        yield first
        async for reading in rest:
            yield reading
