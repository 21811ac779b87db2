"""Runs the checks on one command, one after the other, and tells how each ended."""

from collections.abc import Callable, Mapping, Sequence

from isp_plugins.conformance.checking import Check
from isp_plugins.conformance.checks import asking, calling, ending, keeping, messages, opening, together
from isp_plugins.conformance.results import DoesNotApplyError, Report, Result, UnmetError
from isp_plugins.conformance.session import Options, Session, opened
from isp_plugins.conformance.vocabulary import Stage, Verdict
from isp_plugins.errors import InvalidInputError

CHECKS: tuple[Check, ...] = (
    *opening.CHECKS,
    *messages.CHECKS,
    *calling.CHECKS,
    *together.CHECKS,
    *asking.CHECKS,
    *keeping.CHECKS,
    *ending.CHECKS,
)
"""Every check, in the order in which they run."""

SHOWN_LOG_LINES = 10
"""How many lines of the log stand beside a failed check."""
_GATES: Mapping[str, Stage] = {"handshake": Stage.GREETED, "initialize": Stage.INITIALIZED}
"""Checks without which nothing beyond that stage can be tried."""


class CheckUnknownError(InvalidInputError):
    """There is no check {name!r}. `isp-plugins protocol test --list` shows them all."""


def chosen(names: Sequence[str]) -> list[Check]:
    """The checks of these names, in the suite's order; all where none is named."""
    known = {check.name for check in CHECKS}
    for name in names:
        if name not in known:
            raise CheckUnknownError(name=name)
    return [check for check in CHECKS if not names or check.name in names]


async def run(
    options: Options, checks: Sequence[Check] = CHECKS, *, told: Callable[[Result], None] = lambda _: None
) -> Report:
    """Run the checks; `told` hears of each result at once."""
    results: list[Result] = []
    implementation: Mapping[str, object] = {}
    for check in checks:
        if gate := _shut_gate(check, results):
            result = Result(
                check.name, check.rule, Verdict.BLOCKED, f"the check {gate} to pass first", "it failed"
            )
        else:
            result, said = await _one(options, check)
            implementation = implementation or said
        results.append(result)
        told(result)
    return Report(options.command, options.transport, results, implementation)


def _shut_gate(check: Check, results: Sequence[Result]) -> str | None:
    """The failed check that stands before this one, or None."""
    for result in results:
        reached = _GATES.get(result.name)
        if reached is not None and result.verdict is not Verdict.PASSED and check.stage >= reached:
            return result.name
    return None


async def _one(options: Options, check: Check) -> tuple[Result, Mapping[str, object]]:
    """One check on a worker of its own, and what the worker says it is."""
    async with opened(options, limit=check.limit) as session:
        try:
            await _try(session, check)
            _expect_clean(session)
        except DoesNotApplyError as reason:
            return Result(check.name, check.rule, Verdict.SKIPPED, got=str(reason)), session.implementation
        except UnmetError as error:
            return _failed(session, check, error), session.implementation
        return Result(check.name, check.rule, Verdict.PASSED), session.implementation


async def _try(session: Session, check: Check) -> None:
    await session.reach(check.stage)
    if check.stage >= Stage.INITIALIZED:
        _expect_abilities(session, check)
    elif check.methods and session.options.any_plugin:
        raise DoesNotApplyError(_for_the_conformance_plugin(check.methods))
    await check.run(session)


def _expect_abilities(session: Session, check: Check) -> None:
    """The plugin has what the check needs; else it does not apply, or fails."""
    if check.capability and not session.can(check.capability):
        message = f"the plugin does not declare the capability {check.capability}"
        raise DoesNotApplyError(message)
    missing = [method for method in check.methods if method not in session.methods]
    if missing and session.options.any_plugin:
        raise DoesNotApplyError(_for_the_conformance_plugin(missing))
    if missing:
        raise UnmetError(
            f"the conformance plugin, with the methods {', '.join(check.methods)} (docs/protocol.md); or --any-plugin",
            f"a plugin without {', '.join(missing)}",
        )


def _for_the_conformance_plugin(methods: Sequence[str]) -> str:
    return f"only the conformance plugin has {', '.join(methods)}"


def _expect_clean(session: Session) -> None:
    """Nothing but the protocol came, whatever was checked."""
    if session.channel.violations:
        raise UnmetError("nothing but messages of the protocol", session.channel.violations[0])


def _failed(session: Session, check: Check, error: UnmetError) -> Result:
    """The result of a check that was not met, with what else came and is not the protocol, which mostly explains it."""
    others = [f"and {text}" for text in session.channel.violations[:2] if text not in error.got]
    log = tuple(session.subject.lines)[-SHOWN_LOG_LINES:]
    got = "; ".join([error.got, *others])
    return Result(check.name, check.rule, Verdict.FAILED, error.expected, got, log)
