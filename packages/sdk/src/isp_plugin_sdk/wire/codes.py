"""What an error answer's `code` means."""

from enum import IntEnum


class Code(IntEnum):
    """JSON-RPC's own codes, and those of this protocol."""

    PARSE_ERROR = -32700
    """The message is not JSON."""
    INVALID_REQUEST = -32600
    """The message is JSON, but no request that can be answered now."""
    METHOD_NOT_FOUND = -32601
    """There is no such request in this protocol."""
    INVALID_PARAMS = -32602
    """The request's params are not what it needs."""
    INTERNAL_ERROR = -32603
    """The side that answers failed by itself."""
    RAISED = 1
    """The plugin raised; `data {type, message, traceback, summary}`."""
    REJECTED = 2
    """The plugin raised `Reject`; `data {reason}`."""
    CANCELLED = 3
    """The call was cancelled before it ended."""
    NOT_JSON = 4
    """What the plugin returned is not a JSON value; `data {reason}`."""
    NOT_CALLABLE = 5
    """Not a method to call like this; `data {kind, method, ...}` with the fields of `isp_plugin_sdk.calling.errors`."""
    NOT_STARTED = 6
    """The plugin did not come up, or objected; `data {step, kind, reason, traceback}`."""
    BUSY = 7
    """Too many calls wait already."""
    REFUSED = 8
    """The host does not do this for the plugin; `data {problem, detail, fields}`."""
    OUT_OF_TIME = 9
    """The host call did not end within the time that was left."""
    RETRY_LATER = 10
    """The plugin raised `RetryLater`; `data {after_s, reason}`."""
