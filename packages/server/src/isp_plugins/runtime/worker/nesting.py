"""Which of a worker's own requests led to a call into it: so that it can run that call in the thread that waits."""

from contextvars import ContextVar

_serving: ContextVar[tuple[tuple[object, int], ...]] = ContextVar("isp_plugins_serving", default=())


def serving(channel: object, number: int) -> None:
    """From here on, in this task, what is done is done for that request of that worker."""
    _serving.set(((channel, number), *_serving.get()))


def parent_for(channel: object) -> int | None:
    """The innermost request of that worker that this is done for."""
    for served, number in _serving.get():
        if served is channel:
            return number
    return None
