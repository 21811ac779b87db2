"""How a worker ends: in good order, and whatever runs."""

from isp_plugins.conformance.channel import unmet
from isp_plugins.conformance.checking import check
from isp_plugins.conformance.session import Session
from isp_plugins.conformance.vocabulary import Stage

A_LONG_TIME_MS = 3_600_000


@check(Stage.ACTIVE)
async def cleanup_and_exit(session: Session) -> None:
    """`cleanup` tells whether there was a problem; after `exit` the process ends with code 0."""
    await session.get("cleanup", {})
    session.channel.notify("exit", {})
    code = await session.ended()
    if code != 0:
        unmet("the exit code 0", str(code))


@check(Stage.ACTIVE, methods=("slow",))
async def exit_during_a_call(session: Session) -> None:
    """`exit` ends the process at once, whatever runs."""
    session.invoke("slow", {"ms": A_LONG_TIME_MS})
    await session.get("ping", {})
    session.channel.notify("exit", {})
    await session.ended()


@check(Stage.ACTIVE)
async def end_of_channel(session: Session) -> None:
    """Where the host is gone (the channel ends) the process ends by itself."""
    session.subject.hang_up()
    await session.ended()


@check(Stage.ACTIVE, methods=("slow",))
async def end_of_channel_during_a_call(session: Session) -> None:
    """Where the host is gone the process ends although a call runs."""
    session.invoke("slow", {"ms": A_LONG_TIME_MS})
    await session.get("ping", {})
    session.subject.hang_up()
    await session.ended()


@check(Stage.STARTED)
async def end_of_channel_before_handshake(session: Session) -> None:
    """Where the host is gone before it said anything the process ends, too."""
    session.subject.hang_up()
    await session.ended()


CHECKS = (
    cleanup_and_exit,
    exit_during_a_call,
    end_of_channel,
    end_of_channel_during_a_call,
    end_of_channel_before_handshake,
)
