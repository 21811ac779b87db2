"""How a connection to PostgreSQL is kept honest: that the other end is gone is noticed within seconds, by both.

1. What this end has sent and the kernel of the other one does not acknowledge breaks the connection after `UNACKNOWLEDGED_S`; an idle one
   is asked for a sign of life after `IDLE_S`. The kernel's own answer comes after a quarter of an hour, or two hours, or never.
2. The server does the same for its end, so that the locks of a node that is gone are free soon.
3. Somebody who acknowledges and says nothing is beyond this: for that each room has its own deadline (`nodes.membership`, `events.lines`).
"""

import socket
from typing import Any

import asyncpg

CONNECT_TIMEOUT_S = 10
UNACKNOWLEDGED_S = 10
IDLE_S = 10
BETWEEN_S = 5
ASKED = 3
"""Signs of life that are missed before the connection is broken."""
ON_SERVER = {
    "tcp_keepalives_idle": f"{IDLE_S}",
    "tcp_keepalives_interval": f"{BETWEEN_S}",
    "tcp_keepalives_count": f"{ASKED}",
    "tcp_user_timeout": f"{UNACKNOWLEDGED_S * 1000}",
}
_TCP = {
    "TCP_USER_TIMEOUT": UNACKNOWLEDGED_S * 1000,
    "TCP_KEEPIDLE": IDLE_S,
    "TCP_KEEPINTVL": BETWEEN_S,
    "TCP_KEEPCNT": ASKED,
}


async def connect(
    dsn: str,
    *,
    name: str,
    within: float = CONNECT_TIMEOUT_S,
    command_timeout: float | None = None,
    **settings: str,
) -> "asyncpg.Connection[asyncpg.Record]":
    """A connection of the driver's own, by this name; raises what the driver raises."""
    connection = await asyncpg.connect(
        dsn,
        timeout=within,
        command_timeout=command_timeout,
        server_settings={"application_name": name, **ON_SERVER, **settings},
    )
    watch(connection)
    return connection


def watch(connection: Any) -> None:
    """Have this end's kernel watch a connection of the driver's; one on a Unix socket needs none of it."""
    link = connection._transport.get_extra_info("socket")  # noqa: SLF001  the driver has no other way to its socket
    if link is None or link.family == socket.AF_UNIX:
        return
    link.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in _TCP.items():
        if hasattr(socket, option):
            link.setsockopt(socket.IPPROTO_TCP, getattr(socket, option), value)
