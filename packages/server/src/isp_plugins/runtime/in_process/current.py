"""What a plugin can learn of an execute call that runs in it: its deadline, and an id where the caller gave none."""

import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from isp_plugin_sdk.context import current_call


@dataclass(frozen=True, slots=True)
class _Execution:
    """`CallInfo` of an execute that comes without one."""

    request_id: str
    deadline: float
    hook: str = ""
    chain: tuple[str, ...] = ()
    context: Mapping[str, Any] = field(default_factory=dict)


@contextmanager
def current_execution(deadline_s: float) -> Iterator[None]:
    """Let the plugin know its deadline, unless the caller has said more of the current call."""
    if current_call.get() is not None:
        yield
        return
    token = current_call.set(_Execution(uuid.uuid4().hex, time.monotonic() + deadline_s))
    try:
        yield
    finally:
        current_call.reset(token)
