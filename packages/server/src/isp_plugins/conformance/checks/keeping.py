"""What a running plugin is asked for: configuration, health, information, a try of its connection."""

from isp_plugins.conformance.checking import check
from isp_plugins.conformance.session import Session, expect_equal
from isp_plugins.conformance.vocabulary import Code, Stage


@check(Stage.ACTIVE, capability="configure", methods=("configuration",))
async def configure(session: Session) -> None:
    """A new configuration counts from the answer on."""
    await session.get("configure", {"config": {"now": "this"}})
    expect_equal("the configuration", {"now": "this"}, await session.value("configuration", None))


@check(Stage.ACTIVE, capability="configure", methods=("configuration",))
async def configure_can_be_refused(session: Session) -> None:
    """A configuration that the plugin refuses is error 1 (it raised) or 6 (it said no), and the one before still counts."""
    await session.refused(
        "configure", {"config": {"refuse": "not this one"}}, Code.RAISED, Code.INITIALIZE_FAILED
    )
    expect_equal(
        "the configuration", dict(session.options.config), await session.value("configuration", None)
    )


@check(Stage.ACTIVE)
async def health(session: Session) -> None:
    """`health` is answered with a status and a list of checks."""
    await session.get("health", {})


@check(Stage.ACTIVE)
async def info(session: Session) -> None:
    """`info` is answered with an object."""
    await session.get("info", {})


@check(Stage.ACTIVE, capability="test_connection")
async def test_connection(session: Session) -> None:
    """`test_connection` is answered with an object."""
    await session.get("test_connection", {})


CHECKS = (configure, configure_can_be_refused, health, info, test_connection)
