"""The protocol between a host and a worker, version 1, as pure functions and values: JSON-RPC 2.0, one message a line."""

PROTOCOL_VERSION = 1
MAX_MESSAGE_BYTES = 4 * 1024 * 1024
"""Longest message where the handshake says nothing else, its newline not counted."""
MAX_CALLS = 8
"""Threads that run calls in a worker."""
SOCKET_VARIABLE = "ISP_PLUGIN_SOCKET"
"""The environment variable with the number of the inherited socket."""
