"""Calls into the plugin: results, errors, parameters, and what may not be called."""

from isp_plugins.conformance.channel import shown, unmet
from isp_plugins.conformance.checking import check
from isp_plugins.conformance.session import Session, call_of, expect_equal, expect_error
from isp_plugins.conformance.vocabulary import Code, Stage

NOT_FOR_CALLERS = ("no_such_method", "initialize", "cleanup", "health_check", "__init__", "constructor", "")


@check(Stage.ACTIVE, methods=("echo",))
async def invoke(session: Session) -> None:
    """`invoke` hands the payload to the method and answers with what it returns."""
    await session.expect_echo({"id": 7, "name": "Ada"})


@check(Stage.ACTIVE)
async def invoke_unknown_method(session: Session) -> None:
    """A method that the plugin does not have, and one that is the host's alone, is refused with error 5."""
    for method in NOT_FOR_CALLERS:
        answer = await session.answer_to(session.invoke(method, {}))
        expect_error(answer, Code.NOT_CALLABLE)


@check(Stage.ACTIVE, methods=("echo",))
async def execute(session: Session) -> None:
    """`execute` binds a list by position, an object by the parameters' names, and any other object whole."""
    for parameters, value in (([5], 5), ({"payload": 6}, 6), ({"a": 7}, {"a": 7})):
        expect_equal(
            f"what echo returns for {shown(parameters)}", value, await session.execute("echo", parameters)
        )


@check(Stage.ACTIVE, methods=("echo",))
async def execute_bad_parameters(session: Session) -> None:
    """Parameters that do not fit the method are refused with error 5."""
    for parameters in ([1, 2], None, []):
        params = {"method": "echo", "parameters": parameters, "call": call_of()}
        await session.refused("execute", params, Code.NOT_CALLABLE)


@check(Stage.ACTIVE, methods=("fail", "echo"))
async def error_of_a_method(session: Session) -> None:
    """What a method raises is error 1 with its type and message, and the plugin lives on."""
    words = "the conformance suite wants this error"
    error = expect_error(await session.answer_to(session.invoke("fail", {"message": words})), Code.RAISED)
    if words not in str(error["data"]["message"]):
        unmet(f"the message {words!r}", shown(error["data"]))
    await session.expect_echo("still there")


@check(Stage.ACTIVE, methods=("reject",))
async def rejection(session: Session) -> None:
    """A veto is error 2 with its reason."""
    error = expect_error(
        await session.answer_to(session.invoke("reject", {"reason": "no, thanks"})), Code.REJECTED
    )
    expect_equal("the reason", "no, thanks", error["data"]["reason"])


@check(Stage.ACTIVE, methods=("say",))
async def output(session: Session) -> None:
    """What a plugin logs and prints reaches the log with its call, and never the channel as it is."""
    words = 'the suite says "{}"'
    pending = session.invoke("say", {"text": words})
    session.result_of(await session.answer_to(pending))
    await session.get("ping", {})
    told = [params for name, params in session.channel.notifications if name == "log"]
    if not any(words in params["message"] and params.get("call") == pending.id for params in told):
        unmet(f"a log notification with {words!r} and the call {pending.id}", shown(told))


CHECKS = (
    invoke,
    invoke_unknown_method,
    execute,
    execute_bad_parameters,
    error_of_a_method,
    rejection,
    output,
)
