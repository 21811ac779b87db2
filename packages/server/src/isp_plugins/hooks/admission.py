"""Whether and how a dispatch may begin: who may dispatch what, how deep, until when, and on which chain.

1. Hooks dispatch hooks at most `MAX_DEPTH` deep, counted through tasks, threads and events.
2. Internal hooks are dispatched by the host alone.
3. A plugin's own subscriptions do not hear what it dispatched itself, unless they ask to.
4. A nested dispatch ends with the one around it at the latest.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isp_plugin_sdk.context import CallInfo, current_call
from isp_plugins.contracts.hooks import MAX_DEPTH
from isp_plugins.contracts.vocabulary import DispatchStatus
from isp_plugins.hooks.bridge import on_a_loop
from isp_plugins.hooks.calls import Call, DispatchResult
from isp_plugins.hooks.chain import HookChain
from isp_plugins.hooks.engine_errors import ReloadingError
from isp_plugins.hooks.errors import InternalHookError, RecursionTooDeepError
from isp_plugins.hooks.gates import Gate
from isp_plugins.hooks.incidents import count_rest


@dataclass(frozen=True, slots=True)
class Request:
    """What the caller of a dispatch asks for."""

    payload: Any
    context: Mapping[str, Any] | None = None
    origin: str | None = None
    chain: tuple[str, ...] = ()
    timeout_ms: float | None = None
    trace: bool = False
    request_id: str | None = None
    internal: bool = False


def admit(hooks: HookChain, request: Request) -> DispatchResult:
    """The call of a dispatch that may begin; raises `InternalHookError` or `RecursionTooDeepError`."""
    if hooks.spec.internal and not request.internal:
        raise InternalHookError(hook=hooks.hook)
    parent = current_call.get()
    names = lineage(parent, request)
    if len(names) >= MAX_DEPTH:
        raise RecursionTooDeepError(hook=hooks.hook, limit=MAX_DEPTH, chain=" > ".join(names))
    if request.origin is not None and request.origin in hooks.echoes:
        hooks = hooks.without_echo(request.origin)
    call = begin(hooks, request.context, request.request_id, request.timeout_ms)
    more = call.more
    more.names, more.parent, more.traced, more.payload = names, parent, request.trace, request.payload
    due = time.monotonic() + call.limit
    call.arm(min(due, parent.deadline) if parent is not None and _runs(parent) else due)
    return call


def begin(
    hooks: HookChain, context: Mapping[str, Any] | None, request_id: str | None, timeout_ms: float | None
) -> DispatchResult:
    """A call with the slots that every dispatch sets."""
    call = DispatchResult()
    call.hook_chain = hooks
    call.flag = False
    call.given_context = context
    call.given_id = request_id
    call.timeout_ms = timeout_ms
    return call


def lineage(parent: CallInfo | None, request: Request) -> tuple[str, ...]:
    """The plugins whose dispatches led here, the one that asks last."""
    before = request.chain or (parent.chain if parent is not None else ())
    by = request.origin or (parent.plugin if isinstance(parent, Call) else None)
    return (*before, by) if by else before


def _runs(parent: CallInfo) -> bool:
    """Whether the surrounding call has not ended: a task that outlived it has its context, but not its deadline."""
    return not (isinstance(parent, Call) and parent.finished)


def gate_before(hooks: HookChain, call: Call) -> Gate | None:
    """The gate that this dispatch must wait at."""
    parent = call.more.parent
    nested = parent is not None and _runs(parent)
    return next((gate for gate in hooks.gates if gate.closed or not nested), None)


def wait_blocking(gate: Gate, call: DispatchResult) -> bool:
    """Wait at the gate; True where the dispatch goes on as it is: too late, or on a thread that cannot wait."""
    if on_a_loop():
        call.hook_chain = despite(gate, call.hook_chain)
        return True
    if gate.wait_blocking(call.deadline):
        return False
    call.ended = DispatchStatus.TIMED_OUT
    return True


def despite(gate: Gate, hooks: HookChain) -> HookChain:
    """The chain for a dispatch that cannot wait: the plugin's subscriptions fail and say why."""

    def refuse_for(plugin: str) -> Any:
        def refuse(_: Any) -> None:
            raise ReloadingError(plugin=plugin)

        return refuse

    return hooks.variant(
        f"gate {gate.plugin_id}",
        lambda link: (
            link.but(call=refuse_for(link.subscription.plugin_name))
            if link.subscription.plugin_id == gate.plugin_id and not link.static
            else link
        ),
    )


def expire(call: DispatchResult) -> None:
    """End a dispatch whose deadline passed before its first subscription had its turn."""
    call.hook_chain.count_timed()
    call.ended = DispatchStatus.TIMED_OUT
    call.values = ()
    count_rest(call, 0)
