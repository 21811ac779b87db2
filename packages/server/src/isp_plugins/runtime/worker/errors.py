"""What can go wrong with a worker beside what can go wrong with any plugin."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from isp_plugin_sdk.calling.causes import MAX_TRACEBACK
from isp_plugins.runtime.errors import PluginFailedError

MAX_REMOTE = MAX_TRACEBACK // 2
"""Longest text of an exception that a worker cut, in characters; what is between this and where it was cut may hold half a secret."""


class WorkerNotStartedError(PluginFailedError):
    """The worker of {plugin} does not start: {reason}."""


class WorkerDiedError(PluginFailedError):
    """The worker of {plugin} died: {how}. What it was doing is lost and is not tried again by itself; isp-plugins deaths {plugin} --log tells more."""

    cut_off = True
    """Whoever delivers events cannot know which of those under way is at fault."""


class WorkerDiedStartingError(WorkerDiedError):
    """The worker of {plugin} died while it was {step}: {how}."""


class WorkerGoneError(WorkerDiedError):
    """The worker of {plugin} died: {how}. This call was not begun; it can be made again once the plugin runs."""

    never_begun = True
    """Whoever delivers events makes nothing of it."""


def not_begun(failure: BaseException) -> BaseException:
    """What a call gets that comes after a channel's end."""
    return WorkerGoneError(**failure.fields) if isinstance(failure, WorkerDiedError) else failure


class WorkerOverloadedError(PluginFailedError):
    """{plugin} does not keep up: {waiting} bytes wait to be sent to its worker, at most {limit} may. Send less, or make its methods faster."""


class MessageTooLargeError(PluginFailedError):
    """What {plugin} is called with is {size} bytes of JSON; a message to its worker may have {limit} (ISP_PLUGINS_WORKER_MAX_MESSAGE_BYTES)."""


class AnswerTooLargeError(PluginFailedError):
    """The answer to this host call is {size} bytes of JSON; a message to the worker of {plugin} may have {limit} (ISP_PLUGINS_WORKER_MAX_MESSAGE_BYTES). Ask for less at a time."""


class AnswerError(Exception):
    """A worker answered a request with an error; whoever asked tells what it means."""

    def __init__(self, code: int, message: str, data: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data

    @property
    def reason(self) -> str:
        """One line, with the place in the plugin's code where it is known."""
        return str(self.data.get("summary") or self.data.get("reason") or self.message)

    @property
    def traceback(self) -> str:
        """The frames of the plugin's code, or an empty text."""
        return str(self.data.get("traceback") or "")


class OverdueError(Exception):
    """A worker did not answer within the limit, in seconds."""

    def __init__(self, limit_s: float) -> None:
        super().__init__(f"it did not return within {limit_s:g} s and was abandoned")


class RemoteError(Exception):
    """What a plugin raised in its worker; its class has the name of the plugin's exception, its text is that one's."""

    remote_traceback: str | None = None
    """The frames of the plugin's code."""


def remote_error(error: AnswerError, mask: Callable[[str], str]) -> RemoteError:
    """The exception that stands for the plugin's own; a text that is too long is masked, then cut."""
    name = str(error.data.get("type") or "PluginError")
    text = str(error.data.get("message", error.message))
    if len(text) >= MAX_TRACEBACK:
        text = mask(text)[:MAX_REMOTE]
    raised = _class_named(name[:100])(text)
    raised.remote_traceback = error.traceback or None
    return raised


@lru_cache(maxsize=256)
def _class_named(name: str) -> type[RemoteError]:
    return type(name, (RemoteError,), {"__doc__": "Raised by a plugin in its worker."})
