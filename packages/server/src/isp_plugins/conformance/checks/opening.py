"""How a worker begins: handshake, version, description."""

from isp_plugins.conformance.channel import shown, unmet
from isp_plugins.conformance.checking import check
from isp_plugins.conformance.session import Session, expect_equal, expect_error
from isp_plugins.conformance.vocabulary import VERSION, Code, Stage


@check(Stage.STARTED)
async def handshake(session: Session) -> None:
    """The handshake is answered in time, with version, name and language; nothing comes before the answer."""
    await session.greet()
    if session.channel.early:
        unmet("the answer to handshake as the first message", f"{session.channel.early[0]} before it")


@check(Stage.STARTED)
async def handshake_chooses_version(session: Session) -> None:
    """Of several versions the worker chooses the highest that it speaks."""
    params = session.handshake_params(VERSION, 98, 99)
    answer = await session.get("handshake", params)
    expect_equal("protocol", VERSION, answer["protocol"])


@check(Stage.STARTED)
async def handshake_refuses_version(session: Session) -> None:
    """Where there is no common version the error -32602 names those that the worker speaks."""
    error = await session.refused("handshake", session.handshake_params(98, 99), Code.BAD_PARAMS)
    if str(VERSION) not in str(error["message"]):
        unmet(f"a message that names the version {VERSION}", shown(error["message"]))


@check(Stage.STARTED)
async def handshake_comes_first(session: Session) -> None:
    """What is asked before the handshake is refused with -32600."""
    await session.refused("initialize", session.initialize_params({}), Code.NOT_A_REQUEST)


@check(Stage.GREETED)
async def initialize_comes_before_calls(session: Session) -> None:
    """A call before `initialize` is refused with -32600."""
    expect_error(await session.answer_to(session.invoke("echo", {})), Code.NOT_A_REQUEST)


@check(Stage.GREETED)
async def initialize(session: Session) -> None:
    """`initialize` is answered with hooks, methods and capabilities, and each hook's method is among the methods."""
    params = session.initialize_params(session.options.config)
    session.description = await session.get("initialize", params)
    for hook in session.description["hooks"]:
        if hook["method"] not in session.methods:
            unmet(
                f"the method {hook['method']} of hook {hook['hook']} among `methods`",
                shown(sorted(session.methods)),
            )


@check(Stage.INITIALIZED)
async def initialize_happens_once(session: Session) -> None:
    """A second `initialize` is refused with -32600."""
    params = session.initialize_params(session.options.config)
    await session.refused("initialize", params, Code.NOT_A_REQUEST)


@check(Stage.GREETED, methods=("configuration",))
async def initialize_can_fail(session: Session) -> None:
    """A plugin that cannot be brought up is answered with error 6, with the step and the reason in the plugin's words."""
    words = "the conformance suite wants this to fail"
    params = session.initialize_params({"refuse": words})
    error = await session.refused("initialize", params, Code.INITIALIZE_FAILED)
    if words not in str(error["data"]["reason"]) or error["data"]["step"] != "initialize":
        unmet(f"step initialize and the reason {words!r}", shown(error["data"]))


@check(Stage.GREETED, methods=("configuration",))
async def configuration_arrives(session: Session) -> None:
    """The plugin gets the configuration as it was sent."""
    config = {"text": "grüße", "number": 1.5, "nested": {"list": [1, None, True]}}
    session.description = await session.get("initialize", session.initialize_params(config))
    expect_equal("the configuration", config, await session.value("configuration", None))


@check(Stage.INITIALIZED)
async def activate(session: Session) -> None:
    """`activate` is answered with a result, whether or not the plugin has such a method."""
    await session.get("activate", {})


@check(Stage.GREETED)
async def unknown_members_are_ignored(session: Session) -> None:
    """Members that this version does not know change nothing."""
    params = session.initialize_params(session.options.config) | {"from_version_2": {"x": 1}}
    await session.get("initialize", params)
    pending, line = session.channel.prepared("ping", {"at": 1})
    session.channel.write(line.replace(b'"method"', b'"trace":"abc","method"'))
    session.result_of(await session.answer_to(pending))


CHECKS = (
    handshake,
    handshake_chooses_version,
    handshake_refuses_version,
    handshake_comes_first,
    initialize,
    initialize_comes_before_calls,
    initialize_happens_once,
    initialize_can_fail,
    configuration_arrives,
    activate,
    unknown_members_are_ignored,
)
