"""The words and numbers of the protocol, version 1, and of the suite's results."""

from enum import IntEnum, StrEnum

VERSION = 1
"""The version of the protocol that this suite checks."""
DEFAULT_LIMIT = 4 * 1024 * 1024
"""`max_message_bytes` where a check needs no other: how long a line may be, its newline not counted, in bytes."""
SMALLEST_LIMIT = 64 * 1024
"""The smallest `max_message_bytes` that a host may tell, in bytes."""
MAX_CALLS = 8
"""How many calls a host has under way in one worker at most."""
HANDSHAKE_S = 3.0
"""How long a worker may take from its start to the answer of the handshake, in seconds."""
SOCKET_VARIABLE = "ISP_PLUGIN_SOCKET"
"""The environment variable that holds the number of the inherited socket."""


class Code(IntEnum):
    """The error codes."""

    NOT_JSON = -32700
    """What came is not JSON."""
    NOT_A_REQUEST = -32600
    """What came is JSON, but no message, or comes at the wrong time."""
    UNKNOWN_METHOD = -32601
    """The protocol has no such request."""
    BAD_PARAMS = -32602
    """The request's `params` are not what it needs."""
    INTERNAL = -32603
    """The implementation itself failed."""
    RAISED = 1
    """The plugin raised."""
    REJECTED = 2
    """The plugin vetoed the dispatch."""
    CANCELLED = 3
    """The host had given the call up."""
    NOT_SENDABLE = 4
    """The result is no JSON value, or too long for one message."""
    NOT_CALLABLE = 5
    """The plugin has no such method, or the parameters do not fit it."""
    INITIALIZE_FAILED = 6
    """The plugin could not be brought up, or says no to a configuration."""
    BUSY = 7
    """More calls than were agreed."""
    REFUSED = 8
    """The host refuses what the plugin asks for."""
    OUT_OF_TIME = 9
    """What the plugin asked for took longer than the call may last."""
    RETRY_LATER = 10
    """The plugin wants this event again, later."""


class Transport(StrEnum):
    """What carries the messages."""

    STDIO = "stdio"
    """Standard input and output, two ends of one stream socket; standard error is the log."""
    SOCKET = "socket"
    """An inherited stream socket; standard output and error are the log."""


class Verdict(StrEnum):
    """How a check ended."""

    PASSED = "passed"
    """What came is what was expected."""
    FAILED = "failed"
    """Something else came."""
    SKIPPED = "skipped"
    """It does not apply: the plugin lacks something that it need not have."""
    BLOCKED = "blocked"
    """It was not tried, because an earlier check that it stands on failed."""


class Stage(IntEnum):
    """How far a worker is brought before a check begins."""

    STARTED = 0
    """The process runs; nothing was sent."""
    GREETED = 1
    """The handshake was answered."""
    INITIALIZED = 2
    """`initialize` was answered."""
    ACTIVE = 3
    """`activate` was answered."""
