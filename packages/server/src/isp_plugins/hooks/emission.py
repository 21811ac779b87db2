"""The events of a dispatch: what its event subscriptions are owed, made and written at the right moment.

1. Action hook: conditions are evaluated and the event is written before its actions run; it is released when the dispatch ends,
   however it ends.
2. Filter or veto hook: all of that after the dispatch, with the final value, and never when it was rejected or stopped.
3. An event that cannot be kept fails the dispatch: on an action hook nothing of it has run then, on the others the error tells how
   the rest went.
4. One event is written for all subscriptions of the hook. Its key is what the caller names as `partition_key` (a CloudEvent's
   `partitionkey`) in the context, else the payload's field that the hook's spec names.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from isp_plugins.contracts.hooks import NewEvent
from isp_plugins.contracts.vocabulary import DispatchStatus, SkipReason
from isp_plugins.errors import UnavailableError
from isp_plugins.hooks.calls import Call
from isp_plugins.hooks.counters import COUNTING
from isp_plugins.hooks.errors import EventsNotKeptError
from isp_plugins.hooks.filters import freeze
from isp_plugins.hooks.incidents import tell_condition
from isp_plugins.hooks.marks import SKIPS, Skip
from isp_plugins.hooks.outcomes import AFTER

MAX_KEY = 200
"""Characters of a key; a longer one is replaced by its digest."""
_NAMED = ("partition_key", "partitionkey")
_RAN = "Its actions and filters ran (it is {status}), but none of its event subscriptions will hear of it."
_NOT_RUN = "Nothing of it ran."


@dataclass(frozen=True, slots=True)
class Prepared:
    """What event subscriptions get of one dispatch."""

    event: NewEvent | None
    marks: Mapping[int, Skip | None]
    """For each event subscription: None where it gets the event, else why not."""


def comes_first(call: Call) -> bool:
    """Whether this hook's events are written before its subscriptions run."""
    chain = call.hook_chain
    return bool(chain.events) and not (chain.is_filter or chain.spec.veto)


def prepare(call: Call, payload: Any, *, hold_s: float = 0.0) -> Prepared:
    """The event of the subscriptions whose condition is true now, and why the others get none."""
    chain = call.hook_chain
    if not chain.events:
        return Prepared(None, {})
    frozen = freeze(chain.hook, payload)
    marks = {index: _unmet(call, index, payload) for index in chain.events}
    owed = tuple(chain.links[index].subscription.id for index, mark in marks.items() if mark is None)
    if not owed:
        return Prepared(None, marks)
    context = dict(call.context)
    key = key_of(chain.spec.key, payload, context)
    event = NewEvent(chain.hook, frozen, call.request_id, owed, context, call.chain, key, hold_s)
    return Prepared(event, marks)


def prepare_first(call: Call, payload: Any) -> Prepared:
    """What is written before the actions run; it waits for the end of the dispatch."""
    return prepare(call, payload, hold_s=call.limit)


def key_of(field: str | None, payload: Any, context: Mapping[str, Any]) -> str | None:
    """What orders an event among the others of its subscription."""
    named = next((context[name] for name in _NAMED if context.get(name) is not None), None)
    if named is None and field is not None and isinstance(payload, dict):
        named = payload.get(field)
    if named is None or isinstance(named, (bool, dict, list)):
        return None
    text = str(named)
    plain = 0 < len(text) <= MAX_KEY and text.isprintable()
    return text if plain else hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _unmet(call: Call, index: int, payload: Any) -> Skip | None:
    """Why an event subscription gets nothing of this payload."""
    condition = call.hook_chain.links[index].condition
    if condition is None:
        return None
    try:
        met = condition.evaluate(payload, call.context)
    except Exception as error:
        tell_condition(call, index, error)
        return SKIPS[SkipReason.CONDITION_FAILED]
    return None if met else SKIPS[SkipReason.CONDITION_FALSE]


def write(call: Call, prepared: Prepared) -> int | None:
    """Write the event, if there is one, and give its id; `EventsNotKeptError`."""
    if prepared.event is None:
        return None
    try:
        return call.hook_chain.services.events.keep_blocking(prepared.event)
    except UnavailableError as error:
        raise not_kept(call, error) from error


async def write_awaited(call: Call, prepared: Prepared) -> int | None:
    """The same, awaited."""
    if prepared.event is None:
        return None
    try:
        return await call.hook_chain.services.events.keep(prepared.event)
    except UnavailableError as error:
        raise not_kept(call, error) from error


def not_kept(call: Call, error: UnavailableError) -> EventsNotKeptError:
    """The error of a dispatch whose events could not be written, with what ran nevertheless."""
    if not call.finished:
        return EventsNotKeptError(hook=call.hook, cause=error.message, rest=_NOT_RUN)
    return EventsNotKeptError(
        hook=call.hook, cause=error.message, rest=_RAN.format(status=call.status), dispatch=call.to_dict()
    )


def release(call: Call, prepared: Prepared, event_id: int | None) -> None:
    """Let the event go, and keep for the result what became of each subscription."""
    if event_id is not None and prepared.event is not None and prepared.event.hold_s:
        call.hook_chain.services.events.release(event_id)
    for index, mark in prepared.marks.items():
        _count(call, index, mark)
    call.more.queued = dict(prepared.marks)


def withhold(call: Call) -> None:
    """No events: the dispatch was rejected or stopped."""
    mark = AFTER[call.ended or DispatchStatus.STOPPED]
    call.more.queued = dict.fromkeys(call.hook_chain.events, mark)
    for index in call.hook_chain.events:
        _count(call, index, mark)


def _count(call: Call, index: int, mark: Skip | None) -> None:
    counters = call.hook_chain.links[index].counters
    with COUNTING:
        if mark is None:
            counters.queued += 1
        elif mark.reason is not SkipReason.CONDITION_FAILED:  # counted when it failed
            counters.unqueued[mark.reason] += 1
